"""A program that uses the standard tracemalloc while this module traces: the standard module's results are as without this
module, and this module's are complete. On 3.11 and 3.12 this module needs the standard one to be started (stdlib_flag.c)."""

import unittest

from support import ScriptTest, ctracemalloc_only

# state(): all that the standard module reports about itself. float_line(): the line that this module has for an object
# from a free list, which is right only while free lists are followed.
COMMON = """
import _tracemalloc
import tracemalloc as std

def state():
    return (std.is_tracing(), std.get_traced_memory(), std.get_traceback_limit(), _tracemalloc._get_traces(),
            std.get_object_traceback(bytearray(5)))

IDLE = (False, (0, 0), 1, [], None)

def hold():
    return [bytes(968) for _ in range(100)]

def check_std(frames=1):
    "It traces, and only what there is"
    std.clear_traces()
    held = hold()
    size = std.get_traced_memory()[0]
    assert 100_000 < size < 120_000, size
    snapshot = std.take_snapshot()
    mine = [t for t in snapshot.traces if t.traceback[-1].filename == __file__]
    assert sum(t.size for t in mine) > 100_000, len(mine)
    assert len(std.get_object_traceback(held[5])) <= frames
    assert std.get_object_traceback(held[5])[-1].lineno in set(l for *_, l in hold.__code__.co_lines())

def check_this_module():
    held = hold()
    lines = set(line for *_, line in hold.__code__.co_lines())
    snapshot = tm.take_snapshot()
    found = [t.size for t in snapshot.traces if t.traceback[-1].lineno in lines
             and t.traceback[-1].filename == __file__ and t.size > 999]
    assert found == [1001] * 100, found
    assert not snapshot.losses, snapshot.losses
    check_free_lists()

def check_free_lists():
    "Objects from the free list belong to who got them last"
    def first():
        return [n + 0.5 for n in range(500)]
    def second():
        return [n + 0.25 for n in range(40)]
    del first()[:]
    known = [t for t in map(tm.get_object_traceback, second()) if t is not None]
    assert len(known) > 20, len(known)
    for one in known:
        assert one[-1].lineno in set(l for *_, l in second.__code__.co_lines()), one
"""


@ctracemalloc_only
class StandardModuleInside(ScriptTest):
    def check_script(self, source, **options):
        import textwrap

        self.check(COMMON + textwrap.dedent(source), **options)

    def test_it_looks_as_if_alone(self):
        self.check_script("""
            names = ("start", "stop", "clear_traces", "is_tracing", "get_traced_memory", "_get_traces")
            before = state(), std.get_tracemalloc_memory()
            for _ in range(3):
                assert state() == IDLE
                tm.start(7)
                assert state() == IDLE, state()
                try:
                    std.take_snapshot()
                except RuntimeError:
                    pass
                else:
                    raise AssertionError("a snapshot of nothing")
                std.clear_traces(); std.stop(); std.reset_peak()
                assert state() == IDLE, state()
                check_this_module()
                tm.stop()
            assert (state(), std.get_tracemalloc_memory()) == before
            print("good")
        """)

    def test_a_program_that_traces(self):
        self.check_script("""
            tm.start(5)
            for n in (1, 3):
                std.start(n)
                assert std.is_tracing() and std.get_traceback_limit() == n
                check_std(n)
                check_this_module()
                std.start(9)
                assert std.get_traceback_limit() == n
                std.stop()
                assert not std.is_tracing() and std.get_traceback_limit() == n
                assert state()[1:] == ((0, 0), n, [], None)
                check_this_module()
                check_free_lists()
            print("good")
        """)

    def test_all_orders(self):
        self.check_script("""
            def ours_in():
                std.start(); tm.start(); tm.stop()
                check_std(); std.stop(); assert state() == IDLE
            def ours_around():
                tm.start(); std.start(); check_std(); check_this_module(); std.stop()
                check_this_module(); tm.stop(); assert state() == IDLE
            def ours_first():
                tm.start(); std.start(); check_this_module(); tm.stop()
                check_std(); std.stop(); assert state() == IDLE
            def std_first():
                std.start(); tm.start(); check_std(); check_this_module(); std.stop()
                assert state() == IDLE
                check_this_module()
                tm.stop(); assert state() == IDLE
            for _ in range(3):
                for order in (ours_in, ours_around, ours_first, std_first):
                    order()
            import itertools
            for orders in itertools.permutations((ours_in, ours_around, ours_first, std_first)):
                for order in orders:
                    order()
            print("good")
        """)

    def test_between_two_layers(self):
        """Its hooks are above this module's of the first start and below those of the second. While it holds its lock, it
        copies its traces and asks the lower hook for memory: that event must not call back into it, even for a new site."""
        self.check_script("""
            tm.start(3)
            std.start(1)
            tm.stop()
            tm.start(3)
            held = hold()
            for number in range(5):
                names = {}
                exec(compile("def take(std): return std.take_snapshot()", f"fresh-{number}", "exec"), names)
                mine = [t for t in names["take"](std).traces if t.traceback[-1].filename == __file__ and t.size == 1001]
                assert len(mine) == 100, len(mine)
            del held
            check_this_module()
            std.stop()
            check_this_module()
            print("good")
        """)

    def test_a_bad_argument_changes_nothing(self):
        self.check_script("""
            tm.start(5)
            for arguments in ((0,), (65536,), (-1,), ("x",), (1, 2)):
                try:
                    std.start(*arguments)
                except (ValueError, TypeError):
                    pass
                else:
                    raise AssertionError(arguments)
                assert state() == IDLE
                check_this_module()
            print("good")
        """)

    def test_references_from_before(self):
        self.check_script("""
            from _tracemalloc import is_tracing, start, stop, get_traced_memory
            tm.start()
            assert not is_tracing()
            start()
            assert is_tracing()
            held = hold()
            assert get_traced_memory()[0] > 100_000
            del held
            stop()
            assert not is_tracing() and get_traced_memory() == (0, 0)
            check_this_module()
            print("good")
        """)

    def test_announced_blocks(self):
        self.check_script("""
            import ctypes
            track, untrack = ctypes.pythonapi.PyTraceMalloc_Track, ctypes.pythonapi.PyTraceMalloc_Untrack
            for function in (track, untrack):
                function.argtypes = (ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t)[:3 if function is track else 2]
            tm.start()
            assert track(77, 0x1000, 4096) == 0
            assert state() == IDLE and total(tm.take_snapshot(), 77) == 4096
            std.start()
            assert track(77, 0x2000, 100) == 0
            assert sum(t[1] for t in _tracemalloc._get_traces() if t[0] == 77) == 100
            assert total(tm.take_snapshot(), 77) == 4196
            std.stop()
            assert untrack(77, 0x1000) == 0 and untrack(77, 0x2000) == 0
            assert total(tm.take_snapshot(), 77) == 0 and state() == IDLE
            print("good")
        """)

    def test_threads(self):
        self.check_script("""
            import contextlib
            end = time.monotonic() + 2
            def work(lock):
                while time.monotonic() < end:
                    with lock:
                        held = [bytearray(300) for _ in range(100)], [n * 0.5 for n in range(300)]
                        del held
            # A thread that frees floats of before start() between first() and second() would give them to second(), as
            # blocks that nobody traces: the threads wait while free lists are looked at.
            locks = [threading.Lock() for _ in range(4)]
            threads = [threading.Thread(target=work, args=[lock]) for lock in locks]
            for thread in threads:
                thread.start()
            while time.monotonic() < end:
                tm.start(2)
                assert not std.is_tracing()
                std.start(2)
                held = hold()
                assert std.get_traced_memory()[0] > 90_000
                assert blocks_at(tm.take_snapshot(), hold)[1] > 100_000
                std.stop()
                with contextlib.ExitStack() as waiting:
                    for lock in locks:
                        waiting.enter_context(lock)
                    check_free_lists()
                tm.stop()
            for thread in threads:
                thread.join()
            assert state()[0] is False
            print("good")
        """)

    def test_fork(self):
        self.check_script("""
            tm.start()
            pid = os.fork()
            if pid == 0:
                assert state() == IDLE
                std.start()
                check_std()
                check_this_module()
                std.stop()
                check_this_module()
                os._exit(23)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 23
            std.start()
            pid = os.fork()
            if pid == 0:
                check_std()
                check_this_module()
                std.stop()
                os._exit(24)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 24
            print("good")
        """)

    def test_the_end(self):
        for ending in (
            "tm.start()",
            "tm.start(); std.start()",
            "std.start(); tm.start()",
            "tm.start(); std.start(); std.stop()",
            "tm.start(); std.start(); tm.stop()",
        ):
            with self.subTest(ending):
                self.check_script(
                    f"""
                    import atexit
                    {ending}
                    atexit.register(lambda: print(std.is_tracing()))
                    class Late:
                        def __del__(self):
                            self.kept = [bytes(968) for _ in range(100)]
                            self.is_tracing()
                    sys.late = Late()
                    sys.late.is_tracing = std.is_tracing
                    sys.late.me = sys.late
                """,
                    expected=f"{'std.start()' in ending and 'std.stop()' not in ending}\n",
                )

    def test_started_by_the_interpreter(self):
        self.check_script(
            """
            assert std.is_tracing() and std.get_traceback_limit() == 4
            tm.start()
            check_std(4)
            check_this_module()
            tm.stop()
            check_std(4)
            tm.start()
            std.stop()
            assert not std.is_tracing()
            check_this_module()
            tm.stop()
            print("good")
        """,
            python=("-X", "tracemalloc=4"),
        )

    def test_stopped_under_a_tracer_that_samples(self):
        self.check_script(
            """
            tm.start(sample_interval=1)
            std.stop()
            for _ in range(3):
                held = hold()
                found = [t for t in tm.take_snapshot().traces if t.traceback[-1].filename == __file__ and t.size == 1001]
                assert len(found) == 100, len(found)
                std.start()
                std.stop()
            assert not std.is_tracing()
            print("good")
        """,
            python=("-X", "tracemalloc=4"),
        )


if __name__ == "__main__":
    unittest.main()
