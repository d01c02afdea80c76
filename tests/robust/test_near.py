"""Calls that look alike from the innermost frames: the same leaf, called from the same place of the same function, at the
same addresses. Only what is further out differs, in who is there or in how many. What was remembered of one call must not
be taken for another."""

import unittest

from support import LONG, ScriptTest

TURNS = 6_000 if LONG else 1_200
PROGRAM = """
    import random, sys

    # Frames of all sizes: some of these chains take as many bytes as others that have more frames.
    def leaf_source():
        return [
            "def leaf(size):",
            "    block = bytes(size - 33)",
            "    again = bytes(size + 7 - 33)",
            "    return block, again, chain(sys._getframe())",
            "def called(size):",
            "    return leaf(size)",
        ]

    def chain(frame):
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno or 0))
            frame = frame.f_back
        return frames

    def variants():
        lines, names = leaf_source(), []
        for width in range(1, 46):
            names_of = " = ".join(f"n{i}" for i in range(width))
            def add(name, *body, before=f"    {names_of} = None"):
                lines.extend([f"def {name}(size):", before, *body])
            add(f"one{width}", "    return called(size)")
            add(f"inner{width}", "    return called(size)")
            add(f"two{width}", f"    return inner{width}(size)")
            add(f"three{width}", f"    return two{width}(size)")
            add(f"gen{width}", "    yield called(size)")
            add(f"looped{width}", f"    for found in gen{width}(size):", "        return found")
            add(f"given{width}", f"    yield from gen{width}(size)")
            add(f"delegated{width}", f"    return next(given{width}(size))")
            add(f"mapped{width}", "    return list(map(called, [size]))[0]")
            lines.extend([f"class Made{width}:", "    def __init__(self, size):", f"        {names_of} = None",
                          "        self.found = called(size)"])
            add(f"made{width}", f"    return Made{width}(size).found")
            names += [f"{kind}{width}" for kind in
                      ("one", "two", "three", "looped", "delegated", "mapped", "made")]
        space = {"chain": chain, "sys": sys}
        exec(compile("\\n".join(lines), "variants.py", "exec"), space)
        return [space[name] for name in names]

    def totals(size):
        return [t.traceback.total_nframe for t in tm.take_snapshot().traces if t.size == size]

    def look(block, frames, line, size):
        frames = [(frames[0][0], line), *frames[1:]]
        found = [(f.filename, f.lineno) for f in tm.get_object_traceback(block)]
        assert found == frames[:NFRAME][::-1], (found, frames[:NFRAME][::-1])
        assert totals(size) == [len(frames)], (totals(size), len(frames))

    def drive(first, second, size):
        # What is remembered of the first one is there when the second one comes.
        for entry, taken in ((first, size + 50), (first, size + 60), (second, size)):
            found = entry(taken)
        return found

    entries = variants()
    rng = random.Random(7)
    tm.start(NFRAME)
    for turn in range(TURNS):
        size = 100_000 + 100 * (turn % 97)
        block, again, frames = drive(rng.choice(entries), rng.choice(entries), size)
        look(block, frames, 2, size)
        look(again, frames, 3, size + 7)
        del block, again
    print("good")
"""


class NearTest(ScriptTest):
    def check_calls(self, nframe):
        self.check(PROGRAM.replace("NFRAME", str(nframe)).replace("TURNS", str(TURNS)), timeout=600)

    def test_one_frame(self):
        self.check_calls(1)

    def test_few_frames(self):
        self.check_calls(3)

    def test_25_frames(self):
        self.check_calls(25)

    def test_whole_stack(self):
        self.check_calls(65535)


if __name__ == "__main__":
    unittest.main()
