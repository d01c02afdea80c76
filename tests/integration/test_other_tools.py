"""Another tool's allocator hooks together with this module's, in every order of their starts and stops.

The other tool passes every call on, or serves small blocks from a pool, or fails calls. At its stop it restores the allocators
that it found, as most tools do, or its hooks stay and pass calls on. Each order runs in a fork of its own, so that a crash or
a hang fails that order.
"""

import sys
import unittest

from support import SANITIZED, ScriptTest, ctracemalloc_only, needs

STEPS = 6 if SANITIZED else 8

ORDERS = """
    import contextlib, itertools, signal, ctmfixture, ctmtool

    SMALL, LARGE = 48, 5_000

    class Other:
        "The other tool: what it does to a call, and how it stops."
        def __init__(self, kind):
            self.kind, self.on, self.installed, self.number = kind, False, False, 0

        def start(self):
            self.on = True
            if self.kind == "new each time":
                self.number += 1
            if not self.installed:
                ctmtool.install(self.number, 512 if self.kind == "pool" else 0)
                self.installed = True
            elif self.kind == "pool":
                ctmtool.pool(0, 512)

        def stop(self):
            self.on = False
            if self.kind == "pool":
                ctmtool.pool(0, 0)
            elif self.kind != "stays" or ctmtool.is_on_top(0):
                ctmtool.put_back(self.number)
                self.installed = False

    def make(which, count, size):
        return ctmfixture.hold(which, count, size)

    def count_at(size, snapshot):
        return sum(1 for t in snapshot.traces if t.size == size)

    def look():
        "(small, large) blocks found of 100 each in each domain; None: refused"
        held = [make(which, 100, size) for which in (0, 1, 2) for size in (SMALL + 1, LARGE + 1)]
        try:
            snapshot = tm.take_snapshot()
        except RuntimeError as error:
            assert "replaced" in str(error), error
            return None
        found = count_at(SMALL + 1, snapshot), count_at(LARGE + 1, snapshot)
        del held
        snapshot = tm.take_snapshot()
        assert (count_at(SMALL + 1, snapshot), count_at(LARGE + 1, snapshot)) == (0, 0)
        return found

    class Chain:
        "Who calls on whom, from the top: (name, what it found), as it has to be whatever the numbers say."
        def __init__(self):
            self.top = None

        def names(self):
            names, place = [], self.top
            while place is not None:
                names.append(place[0])
                place = place[1]
            return names

        def push(self, name):
            self.top = (name, self.top)

        def is_on_top(self, name):
            return self.top is not None and self.top[0] == name

    def expect(tracing, other, names):
        if not tracing:
            assert bytearray(LARGE) == bytes(LARGE) and len([[] for _ in range(100)]) == 100
            return
        found = look()
        fact = tm._doctor()["allocators"]
        if "ours" not in names:
            assert found is None and not fact["ok"], (found, fact)
        elif other.kind == "pool" and other.on and names[0] == "other":
            assert found == (100, 300), found  # the pool serves no raw blocks
            assert not fact["ok"] and "keep some blocks" in fact["detail"], fact
        else:
            assert found == (300, 300), (found, fact)

    def toggle_this_module(chain, tracing):
        if tracing:
            tm.stop()
            if chain.is_on_top("ours"):
                chain.top = chain.top[1]
        else:
            tm.start(2)
            assert tm._doctor()["allocators"]["ok"]
            if not chain.is_on_top("ours"):
                chain.push("ours")

    def toggle_other(chain, other):
        was_installed = other.installed
        if other.on:
            other.stop()
        else:
            other.start()
        if other.installed and not was_installed:
            other.found = chain.top
            chain.push("other")
        elif was_installed and not other.installed:
            chain.top = other.found

    def run(kind, order):
        other, chain, tracing, steps = Other(kind), Chain(), False, []
        for step in order:
            steps.append(step)
            try:
                if step == "ours":
                    toggle_this_module(chain, tracing)
                    tracing = not tracing
                else:
                    toggle_other(chain, other)
                expect(tracing, other, chain.names())
            except BaseException as error:
                raise AssertionError((kind, steps, chain.names())) from error

    def in_fork(kind, order):
        pid = os.fork()
        if pid == 0:
            status = 1
            signal.alarm(60)
            try:
                run(kind, order)
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitpid(pid, 0)[1]

    def all_orders(kind, steps):
        for order in itertools.product(("ours", "other"), repeat=steps):
            status = in_fork(kind, order)
            assert status == 0, (kind, order, status)
        print("good")
"""


@ctracemalloc_only
class OrderTest(ScriptTest):
    def check_orders(self, kind, steps=STEPS, **options):
        self.check(ORDERS + f"\n    all_orders({kind!r}, {steps})\n", timeout=300, **options)

    def test_puts_back(self):
        self.check_orders("puts back")

    def test_stays(self):
        self.check_orders("stays")

    def test_pool(self):
        self.check_orders("pool")

    def test_another_context_each_time(self):
        self.check_orders("new each time")

    def test_above_other_allocators(self):
        for name in ("malloc", "debug"):
            for kind in ("puts back", "stays", "pool"):
                with self.subTest(name, kind=kind):
                    self.check_orders(kind, 5, env={"PYTHONMALLOC": name})


FAILING = """
    import ctmfixture, ctmtool

    def work():
        return [bytearray(10_000) for _ in range(100)]

    def look():
        held = work()
        found = sum(1 for t in tm.take_snapshot().traces if 10_000 <= t.size < 10_100)
        del held
        return found

    def anyhow(function, *arguments):
        "Whether there is memory for it or not: what is not MemoryError is a fault."
        try:
            function(*arguments)
        except MemoryError:
            pass

    def check_exact():
        anyhow(tm.stop)
        tm.start(2)
        assert tm._doctor()["allocators"]["ok"], tm._doctor()
        assert look() == 100
        tm.stop()
        assert not tm.is_tracing()
"""


@ctracemalloc_only
class FailureTest(ScriptTest):
    def test_every_nth_call_fails(self):
        """A call that failed did not reach this module's hook; it must not count as a block that another tool withheld."""
        self.check(
            FAILING
            + """
    for every in (1, 2, 3, 5, 17, 100):
        for ours_first in (False, True):
            if ours_first:
                tm.start()
            ctmtool.install(0)
            if not ours_first:
                tm.start()
            for _ in range(20):
                ctmtool.fail(0, every)
                anyhow(tm._doctor)
                anyhow(tm.take_snapshot)
                anyhow(tm.stop)
                anyhow(tm.start, 3)
                anyhow(tm.take_snapshot)
                anyhow(tm._doctor)
                anyhow(tm.stop)
                anyhow(tm.start)
                ctmtool.fail(0, 0)
                tm.start()
                assert tm._doctor()["allocators"]["ok"], (every, tm._doctor())
                assert look() == 100, every
            tm.stop()
            ctmtool.put_back(0)
            check_exact()
    print("good")
    """,
            timeout=120,
        )

    @needs("_testcapi")
    def test_no_memory_from_each_call_on(self):
        """The interpreter's own failure injection is above this module's hooks and does not pass on the calls that it fails."""
        self.check(
            FAILING
            + """
    import _testcapi
    for wait in list(range(60)) + list(range(60, 600, 30)):
        tm.start(2)
        _testcapi.set_nomemory(wait, 0)
        anyhow(tm.stop)
        anyhow(tm.start)
        anyhow(tm.take_snapshot)
        _testcapi.remove_mem_hooks()
        check_exact()
        _testcapi.set_nomemory(wait, 0)
        anyhow(tm.start)
        anyhow(tm.take_snapshot)
        anyhow(tm.stop)
        _testcapi.remove_mem_hooks()
        check_exact()
    print("good")
    """,
            timeout=120,
        )


@ctracemalloc_only
class AboveTest(ScriptTest):
    def test_more_tools_than_layers(self):
        """Each start above another tool uses a layer. With none left, the lower layers see the calls, or a loss is reported."""
        self.check(
            FAILING
            + """
    tm.start(2)
    for number in range(12):
        ctmtool.install(number)
        assert look() == 100
        tm.stop()
        tm.start(2)
        assert look() == 100
        assert tm._doctor()["allocators"]["ok"], number
    ctmtool.install(12, 512)
    tm.stop()
    tm.start(2)
    fact = tm._doctor()["allocators"]
    assert not fact["ok"] and "keep some blocks" in fact["detail"], fact
    assert look() == 100
    print("good")
    """
        )

    def test_questions_are_not_recorded(self):
        """The self-test asks the allocators above for blocks. They are not counted: not live, at the peak or allocated."""
        self.check("""
            import ctmtool
            tm.start(1)
            ctmtool.install(0)
            tm._doctor()
            seen = ctmtool.seen(0)
            tm.reset_peak()
            before = tm.get_traced_memory()[0]
            fact = tm._doctor()["allocators"]
            peak = tm.get_traced_memory()[1]
            assert fact["ok"] and ctmtool.seen(0) - seen > 3 * 8, (fact, ctmtool.seen(0) - seen)
            assert peak - before < 20_000, (before, peak)
            sizes = {t.size for t in tm.take_snapshot().traces}
            everything = tm.take_snapshot().statistics("traceback", sort="allocated")
            assert not sizes & {513, 4097, 32769, 100_000}
            assert max(s.allocated_size for s in everything) < 100_000, everything[:3]
            print("good")
            """)

    def test_the_chunk_of_a_pool_is_no_answer(self):
        """A pool that gets a chunk through this module's hooks when it is asked for a small block still withholds the block."""
        self.check("""
            import ctmtool
            tm.start(1)
            ctmtool.install(0, 512, True)
            fact = tm._doctor()["allocators"]
            assert not fact["ok"] and "keep some blocks" in fact["detail"], fact
            tm.take_snapshot()
            print("good")
            """)

    def test_replaced_altogether(self):
        self.check("""
            import ctmtool
            ctmtool.install(0)
            tm.start(1)
            ctmtool.put_back(0)
            try:
                tm.take_snapshot()
            except RuntimeError as error:
                assert "replaced" in str(error)
            else:
                raise AssertionError("not refused")
            fact = tm._doctor()["allocators"]
            assert not fact["ok"] and "replaced" in fact["detail"], fact
            print("good")
            """)

    def test_slots_of_code_objects(self):
        """Another tool's slots in a code object may be in a pool above this module's hooks: they must be freed there."""
        self.check(
            """
            import subprocess
            if len(sys.argv) == 1:  # the other tool starts first: its slot has the lower number
                command = [sys.executable, "-X", "faulthandler", "-c", open(__file__).read().partition("# other " + "first")[2]]
                done = subprocess.run(command, env={**os.environ, "CTM_FOLDER": sys.path[0]}, capture_output=True, text=True)
                assert (done.returncode, done.stdout) == (0, "good\\n"), done
                print("good")
                sys.exit()
            # other first
            import ctypes, os, sys
            sys.path.insert(0, os.environ["CTM_FOLDER"])
            import ctmtool
            api = ctypes.pythonapi
            is_new = sys.version_info >= (3, 12)
            ask = getattr(api, "PyUnstable_Eval_RequestCodeExtraIndex" if is_new else "_PyEval_RequestCodeExtraIndex")
            put = getattr(api, "PyUnstable_Code_SetExtra" if is_new else "_PyCode_SetExtra")
            ask.argtypes, ask.restype = [ctypes.c_void_p], ctypes.c_ssize_t
            put.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.c_void_p]
            index = ask(None)
            def make(n):
                names = {}
                exec(f"def allocate(): return [{n}, object()]", names)
                return names["allocate"]
            functions = [make(n) for n in range(200)]
            ctmtool.install(0, 512)
            for function in functions:
                assert put(function.__code__, index, 1) == 0
            ctmtool.pool(0, 0)
            import ctracemalloc as tm
            tm.start(1)
            ctmtool.install(1)
            held = [function() for function in functions]
            large = [bytearray(5000) for _ in range(100)]
            assert sum(1 for t in tm.take_snapshot().traces if 5000 < t.size < 5100) == 100
            print("good")
            """
        )


@ctracemalloc_only
class MemrayTest(ScriptTest):
    @needs("memray")
    def test_both_orders(self):
        self.check(
            FAILING
            + """
    import memray, tempfile
    folder = tempfile.TemporaryDirectory()
    numbers = iter(range(100))

    def tracker():
        return memray.Tracker(os.path.join(folder.name, str(next(numbers))), trace_python_allocators=True)

    for _ in range(3):
        tm.start(2)
        with tracker():
            assert look() == 100
            tm.stop()
            tm.start(3)
            assert look() == 100 and tm._doctor()["allocators"]["ok"]
        assert look() == 100 and tm._doctor()["allocators"]["ok"]
        tm.stop()
        with tracker():
            tm.start(2)
            assert look() == 100 and tm._doctor()["allocators"]["ok"]
            tm.stop()
        with tracker():
            tm.start()
            assert look() == 100
        try:
            assert look() == 100  # if memray has not restored what it found
        except RuntimeError as error:
            assert "replaced" in str(error) and not tm._doctor()["allocators"]["ok"]
        tm.stop()
        check_exact()
    print("good")
    """,
            timeout=120,
        )


@ctracemalloc_only
class ListenerTest(ScriptTest):
    @unittest.skipIf(sys.version_info < (3, 13), "no reference tracer before 3.13")
    def test_reference_tracers_in_every_order(self):
        """Another tool sets a reference tracer, passes events on, and restores the tracer that it found."""
        self.check(
            ORDERS
            + """
    def revive():
        for n in range(1000):
            n * 1.5
    lines = set(line for _, _, line in revive.__code__.co_lines() if line)

    def count():
        "Floats from the free list, counted where they are made: each once, in however many listeners."
        held = [n * 2.5 for n in range(100)]
        del held
        tm.clear_traces()
        revive()
        found = 0
        for s in tm.take_snapshot().statistics("lineno", sort="allocated"):
            if s.traceback[0].filename == __file__ and s.traceback[0].lineno in lines:
                found += s.allocated_count
        return found

    def run(kind, order):
        tracing = listening = False
        expected = None
        for step in order:
            if step == "ours":
                tm.stop() if tracing else tm.start()
                tracing = not tracing
                if tracing:
                    assert tm._doctor()["free_lists"]["ok"], (order, tm._doctor())
                    now = count()
                    expected = expected or now
                    assert expected - 3 <= now <= expected + 3, (order, expected, now)
            else:
                ctmtool.unlisten(0) if listening else ctmtool.listen(0)
                listening = not listening
            held = [n * 1.5 for n in range(1000)]
            del held

    all_orders("passes on", {STEPS})
    """.replace("{STEPS}", str(STEPS))
        )

    @unittest.skipIf(sys.version_info < (3, 13), "no reference tracer before 3.13")
    def test_more_listeners_than_slots(self):
        self.check("""
            import ctmtool
            tm.start()
            for number in range(12):
                ctmtool.listen(number)
                tm.stop()
                tm.start()
                fact = tm._doctor()["free_lists"]
                assert fact["ok"] == (number < 8) and (fact["ok"] or "too many" in fact["detail"]), (number, fact)
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
