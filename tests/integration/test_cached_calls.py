"""Calls whose innermost frames look alike: the same leaf function, called from the same line of the same function, at the same
addresses. Only outer frames differ, in identity or in number. What was cached for one call must not be used for another."""

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
            # Half of them allocate themselves: the cached call of a caller is used for the calls below it.
            before = f"    {names_of} = None" + ("; mine = bytes(70)" if width % 2 else "")
            def add(name, *body, before=before):
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
            lines.extend([f"def outer{width}(n, first, second, size, times):",
                          f"    {names_of} = None",
                          "    if n > 0:",
                          f"        return outer{width}(n - 1, first, second, size, times)",
                          "    return drive(first, second, size, times)"])
            names += [f"{kind}{width}" for kind in
                      ("one", "two", "three", "looped", "delegated", "mapped", "made")]
        space = {"chain": chain, "sys": sys, "drive": drive}
        exec(compile("\\n".join(lines), "variants.py", "exec"), space)
        return [space[name] for name in names], [space[f"outer{width}"] for width in range(1, 46)]

    def totals(size):
        return [t.traceback.total_nframe for t in tm.take_snapshot().traces if t.size == size]

    def look(block, frames, line, size):
        frames = [(frames[0][0], line), *frames[1:]]
        found = [(f.filename, f.lineno) for f in tm.get_object_traceback(block)]
        assert found == frames[:NFRAME][::-1], (found, frames[:NFRAME][::-1])
        assert totals(size) == [len(frames)], (totals(size), len(frames))

    def drive(first, second, size, times):
        # The cached calls of the first one exist when the second one runs, with a sentinel in a frame that continues.
        for taken in [size + 50, size + 60] * times:
            first(taken)
        return second(size)

    entries, outers = variants()
    rng = random.Random(7)
    tm.start(NFRAME)
    for turn in range(TURNS):
        size = 100_000 + 100 * (turn % 97)
        times = 1 if rng.random() < 0.9 else rng.choice([3, 30, 150])
        first, second, outer = rng.choice(entries), rng.choice(entries), rng.choice(outers)
        block, again, frames = (drive(first, second, size, times) if turn % 3 else
                                outer(rng.randrange(5), first, second, size, times))
        look(block, frames, 2, size)
        look(again, frames, 3, size + 7)
        del block, again
    print("good")
"""


SITES = """
    from collections import Counter

    # More sites (one for each size) than the initial size of their cache, in turn: the cache grows meanwhile.
    SIZES = range(200, 40_200)
    tm.start(NFRAME)
    held = []
    for _ in range(3):
        held += [bytes(size - 33) for size in SIZES]
    place = tm.get_object_traceback(held[0])
    counts = Counter(trace.size for trace in tm.take_snapshot().traces if trace.traceback == place)
    missing = {size: counts[size] for size in SIZES if counts[size] != 3}
    assert not missing, list(missing.items())[:5]
    print("good")
"""


class CachedCallsTest(ScriptTest):
    def check_calls(self, nframe):
        self.check(PROGRAM.replace("NFRAME", str(nframe)).replace("TURNS", str(TURNS)), timeout=600)

    def test_more_sites_than_the_cache_has(self):
        for nframe in (1, 25):
            with self.subTest(nframe=nframe):
                self.check(SITES.replace("NFRAME", str(nframe)), timeout=300)

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
