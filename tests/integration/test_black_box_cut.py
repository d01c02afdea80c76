"""Another process cuts the black box of a Python program: the program continues, and none of its allocations fails."""

import unittest

from support import ScriptTest, ctracemalloc_only

PROGRAM = """
    import tempfile

    def new_lines(start, stop):
        "each in a file of its own, so with rows of its own in every table"
        out = []
        for i in range(start, stop):
            names = {}
            exec(compile(f"def f():\\n return bytearray({i % 50 + 100})", f"m{i}.py", "exec"), names)
            out.append(names["f"]())
        return out

    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "a.box")
    faulthandler.disable()
    tm.start(5, black_box=path)
    before = new_lines(0, 2000)
    CUT
    after = new_lines(2000, 6000)
    assert sum(map(len, before + after)) == sum(i % 50 + 100 for i in range(6000))
    try:
        tm.take_snapshot()
    except RuntimeError as error:
        assert "truncated" in str(error), error
    else:
        raise AssertionError("a snapshot of counters that are lost")
    tm.stop()
    tm.start()
    kept = new_lines(0, 10)
    assert total(tm.take_snapshot()) > 1000
    tm.stop()
    print("good")
"""


@ctracemalloc_only
class CutTest(ScriptTest):
    def check_cut(self, cut: str) -> None:
        self.check(PROGRAM.replace("CUT", cut))

    def test_truncated(self) -> None:
        self.check_cut("os.truncate(path, 0)")

    def test_truncated_in_the_middle(self) -> None:
        self.check_cut("os.truncate(path, 200_000)")

    def test_with_faulthandler_installed_later(self) -> None:
        self.check_cut("faulthandler.enable(); os.truncate(path, 0)")

    def test_grown_again(self) -> None:
        self.check_cut("size = os.stat(path).st_size; os.truncate(path, 0); os.truncate(path, size)")


if __name__ == "__main__":
    unittest.main()
