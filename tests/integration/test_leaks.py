"""Memory: cycles of start, stop and snapshots leak nothing."""

import unittest

from support import LONG, SANITIZED, ScriptTest, skip_some_pythons


def setUpModule():
    skip_some_pythons()


CYCLES = 1000 if LONG else 200
MEASURE = """
    import ctypes
    libc = ctypes.CDLL(None)
    class Mallinfo(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in
                    "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
    libc.mallinfo2.restype = Mallinfo
    def kept():
        gc.collect()
        info = libc.mallinfo2()
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return {"blocks of Python's": sys.getallocatedblocks(), "bytes of malloc's": info.uordblks + info.hblkhd,
                "bytes resident": pages * os.sysconf("SC_PAGE_SIZE")}
    # What one cycle may leak: less than one block, or one small object.
    ALLOWED = {"blocks of Python's": 0.25, "bytes of malloc's": 8, "bytes resident": 200}
    def check(action, cycles):
        # A leak grows in every round; a heap that stabilizes, or adds one arena, has a round without growth.
        growing = {name: [] for name in ALLOWED}
        for turn in range(40):
            before = kept()
            for _ in range(cycles):
                action()
            after = kept()
            for name, rounds in list(growing.items()):
                rounds.append(after[name] - before[name])
                if turn > 0 and rounds[-1] <= ALLOWED[name] * cycles:
                    del growing[name]
            if not growing:
                return
        raise AssertionError(f"more and more after every {cycles} cycles: {growing}")
"""


@unittest.skipIf(SANITIZED, "a sanitizer keeps freed memory; it looks for leaks by itself")
class LeakTest(ScriptTest):
    def check_action(self, source, cycles):
        text = MEASURE + source + f"\n    check(action, {cycles})\n    print('good')\n"
        self.check(text, timeout=300)

    def test_start_and_stop(self):
        self.check_action(
            """
    def action():
        tm.start(5)
        held = [[str(n), float(n)] for n in range(500)]
        tm.stop()
""",
            CYCLES,
        )

    def test_clearing(self):
        self.check_action(
            """
    tm.start(5)
    def action():
        held = [[str(n), float(n)] for n in range(500)]
        tm.clear_traces()
""",
            CYCLES,
        )

    def test_snapshots_and_all_they_give(self):
        self.check_action(
            """
    tm.start(5)
    old = tm.take_snapshot()
    def action():
        new = tm.take_snapshot()
        for key in ("lineno", "filename", "traceback"):
            held = new.statistics(key), new.compare_to(old, key)
        held = [str(t) for t in new.traces][:10], new.traces[0].traceback.format(), hash(new.traces[0])
        found = tm.get_object_traceback(new), new.traces[3] in new.traces, new.traces == old.traces
        filtered = new.filter_traces([tm.Filter(False, "x"), tm.DomainFilter(True, 0)])
        new.kept = new
""",
            CYCLES // 4,
        )

    def test_dump_and_load(self):
        self.check_action(
            """
    tm.start(5)
    def action():
        tm.take_snapshot().dump("file")
        tm.Snapshot.load("file").statistics("lineno")
""",
            CYCLES // 4,
        )

    def test_errors(self):
        self.check_action(
            """
    def action():
        for _ in range(50):
            for call in (lambda: tm.start(0), lambda: tm.start("x"), tm.take_snapshot, lambda: tm.Snapshot.load("none"),
                         lambda: tm.Snapshot([(1,)], 1).statistics("lineno"), lambda: tm.Filter(), lambda: tm.Traceback(3)):
                try:
                    call()
                except Exception:
                    pass
""",
            CYCLES,
        )

    def test_code_that_is_made_and_thrown_away(self):
        self.check_action(
            """
    counter = iter(range(10**9))
    def action():
        tm.start(5)
        for n in range(20):
            space = {}
            exec(f"def f{n}():\\n return [bytearray(10) for _ in range(20)]\\nheld = f{n}()", space)
        tm.stop()
""",
            CYCLES,
        )

    def test_threads(self):
        self.check_action(
            """
    import ctmfixture
    def action():
        tm.start(2)
        ctmfixture.storm(3, 200, 5, 50, True, None)
        tm.stop()
""",
            CYCLES,
        )


if __name__ == "__main__":
    unittest.main()
