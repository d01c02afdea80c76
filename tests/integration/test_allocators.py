"""The allocators' special cases, other allocators below this module's hooks, and the standard module at the same time."""

import unittest

from support import ScriptTest, ctracemalloc_only

HUGE = "2**62"


class CallsTest(ScriptTest):
    def test_sizes_are_those_asked_for(self):
        self.check("""
            import ctmfixture
            tm.start(1)
            def sizes(which):
                return ctmfixture.hold(which, 10, size)
            for which in (0, 1, 2):
                for size in (1, 7, 16, 511, 512, 513, 100_001, 5_000_003):
                    held = sizes(which)
                    count = blocks_at(tm.take_snapshot(), sizes)
                    assert (count[0], count[1]) >= (10, 10 * size) and count[1] <= 10 * size + 600, (which, size, count)
                    del held
            left = blocks_at(tm.take_snapshot(), sizes)  # the arguments of the last call at most
            assert left[0] <= 2 and left[1] < 300, left
            print("good")
            """)

    def test_size_zero(self):
        self.check("""
            import ctmfixture
            for which in (0, 1, 2):
                tm.start(1)
                def work():
                    return [ctmfixture.malloc(which, 0), ctmfixture.calloc(which, 0, 8), ctmfixture.calloc(which, 8, 0)]
                def zeros():
                    return sum(1 for t in tm.take_snapshot().traces if t.size == 0)
                first = zeros()
                held = work()
                assert 0 not in held and zeros() - first == 3, zeros()
                for address in held:
                    ctmfixture.free(which, address)
                assert zeros() == first
                ctmfixture.free(which, 0)
                tm.stop()
            print("good")
            """)

    def test_realloc(self):
        self.check("""
            import ctmfixture
            def make(which): return ctmfixture.malloc(which, 60_001)
            def change(which, address, size): return ctmfixture.realloc(which, address, size)
            def with_size(size): return sum(1 for t in tm.take_snapshot().traces if t.size == size)
            for which in (0, 1, 2):
                tm.start(2)
                address = make(which)
                assert with_size(60_001) == 1
                for size in (60_002, 70_003, 30_001, 9_001, 300_007):
                    address = change(which, address, size)
                    [trace] = [t for t in tm.take_snapshot().traces if t.size == size]
                    assert trace.traceback[0].lineno != trace.traceback[-1].lineno
                    assert trace.traceback[-1].lineno == change.__code__.co_firstlineno
                    assert with_size(60_001) == 0
                # as malloc
                other = change(which, 0, 44_001)
                assert with_size(44_001) == 1
                ctmfixture.free(which, other)
                # to nothing: CPython's allocators give a small block
                address = change(which, address, 0)
                assert address != 0 and with_size(300_007) == 0
                small = tm.get_traced_memory()[0]
                address = change(which, address, 20_001)
                assert with_size(20_001) == 1
                ctmfixture.free(which, address)
                assert with_size(20_001) == 0
                tm.stop()
            print("good")
            """)

    def test_what_fails_loses_nothing(self):
        self.check(f"""
            import ctmfixture
            huge = {HUGE}
            def make(which): return ctmfixture.malloc(which, 60_001)
            def with_size(size): return sum(1 for t in tm.take_snapshot().traces if t.size == size)
            for nframe in (1, 10):
                for which in (0, 1, 2):
                    tm.start(nframe)
                    address = make(which)
                    before = tm.get_traced_memory()[0]
                    for size in (huge, 2**63 - 1, 2**47):
                        assert ctmfixture.malloc(which, size) == 0
                        assert ctmfixture.calloc(which, 1, size) == 0
                        assert ctmfixture.realloc(which, address, size) == 0
                        assert ctmfixture.realloc(which, 0, size) == 0
                        assert ctmfixture.calloc(which, size // 8, 16) == 0
                    assert ctmfixture.calloc(which, 2**32, 2**32) == 0
                    assert ctmfixture.calloc(which, 2**62, 8) == 0
                    assert with_size(60_001) == 1
                    [trace] = [t for t in tm.take_snapshot().traces if t.size == 60_001]
                    assert trace.traceback[-1].lineno == make.__code__.co_firstlineno
                    current, peak = tm.get_traced_memory()
                    assert abs(current - before) < 5000 and peak < before + 200_000_000, (before, current, peak)
                    try:
                        bytearray(2**46)
                    except MemoryError:
                        pass
                    ctmfixture.free(which, address)
                    assert with_size(60_001) == 0
                    tm.stop()
            print("good")
            """)

    def test_blocks_from_before_start_and_after_stop(self):
        self.check("""
            import ctmfixture
            for which in (0, 1, 2):
                old = [ctmfixture.malloc(which, 5001) for _ in range(100)]
                tm.start(3)
                def grown(): return [ctmfixture.realloc(which, a, 7001) for a in old[:50]]
                held = grown()
                for address in old[50:]:
                    ctmfixture.free(which, address)
                assert sum(1 for t in tm.take_snapshot().traces if t.size == 7001) == 50
                assert not [t for t in tm.take_snapshot().traces if t.size == 5001]
                tm.clear_traces()
                for address in held[:25]:
                    ctmfixture.free(which, address)
                tm.stop()
                for address in held[25:]:
                    ctmfixture.free(which, address)
            print("good")
            """)

    def test_over_four_gigabytes(self):
        self.check("""
            import ctmfixture
            tm.start(1)
            address = ctmfixture.calloc(0, 5, 2**30)
            if address:
                assert max(t.size for t in tm.take_snapshot().traces) == 5 * 2**30
                assert tm.get_traced_memory()[0] > 5 * 2**30
                address = ctmfixture.realloc(0, address, 6 * 2**30 + 1)
                assert max(t.size for t in tm.take_snapshot().traces) == 6 * 2**30 + 1
                ctmfixture.free(0, address)
            assert tm.get_traced_memory()[0] < 2**30
            print("good")
            """)

    def test_weak_reference_callbacks(self):
        self.check("""
            import weakref
            tm.start(5)
            class Thing: pass
            held = []
            def gone(reference):
                held.append(bytearray(30_001))
                tm.get_traced_memory()
                tm.get_object_traceback(held)
                if len(held) % 40 == 0:
                    tm.take_snapshot()
            things = [Thing() for _ in range(200)]
            references = [weakref.ref(thing, gone) for thing in things]
            for thing in things:
                thing.me = thing
            del things, thing
            gc.collect()
            count = sum(1 for t in tm.take_snapshot().traces if 30_000 < t.size < 30_100)
            assert len(held) == 200 == count, (len(held), count)
            print("good")
            """)

    def test_the_collector_at_every_allocation(self):
        self.check(
            """
            gc.set_threshold(1)
            tm.start(10)
            class Node:
                def __del__(self): held = [1, 2.5]
            for n in range(2000):
                node = Node()
                node.me = node
                if n % 100 == 0:
                    tm.take_snapshot().statistics("traceback")
            print("good")
            """,
            timeout=120,
        )


WORK = """
    def work():
        return [bytearray(10_000) for _ in range(100)]
    def look():
        return sum(1 for t in tm.take_snapshot().traces if 10_000 <= t.size < 10_100)
"""


class BelowTest(ScriptTest):
    def test_each_allocator_python_offers(self):
        for name in ("malloc", "pymalloc", "debug", "malloc_debug", "pymalloc_debug"):
            with self.subTest(name):
                self.check(
                    WORK
                    + """
    for n in range(3):
        tm.start(n * 5 + 1)
        held = work()
        assert look() == 100
        del held
        assert look() == 0
        gc.collect()
        tm.stop()
    print("good")
    """,
                    env={"PYTHONMALLOC": name},
                )

    def test_the_end_comes_while_tracing(self):
        """At the end the interpreter changes allocators itself: it must be able to set them."""
        for options in (
            *({"env": {"PYTHONMALLOC": name}} for name in ("malloc", "pymalloc", "debug", "malloc_debug", "pymalloc_debug")),
            {"python": ("-X", "dev")},
        ):
            for start in ("tm.start(3)", "tm.start(sample_interval=100)", "tm.start(); tm.stop(); tm.start()"):
                with self.subTest(options=options, start=start):
                    self.check(WORK + f"    {start}; held = work(); print('good')\n", **options)

    def test_development_mode(self):
        self.check(
            WORK
            + """
    tm.start(3)
    held = work()
    assert look() == 100
    tm.stop()
    print("good")
    """,
            python=("-X", "dev"),
        )


@ctracemalloc_only
class WrappedTest(ScriptTest):
    def test_hooks_that_stay_below_others(self):
        """Another tool wraps the hooks for every event. They then also serve a sample, and hooks for a sample also serve every
        event. With a sampling point on each byte the sample has every block."""
        for first, second in ((None, 1), (1, None)):
            with self.subTest(first=first, second=second):
                self.check(
                    WORK
                    + f"""
    import ctmfixture
    tm.start(2, sample_interval={first})
    ctmfixture.wrap()
    for interval in ({second}, {first}):
        tm.stop()
        tm.start(2, sample_interval=interval)
        held = work()
        assert look() == 100, (interval, look())
        for block in held:
            block += bytes(10_100)
        grown = sum(1 for t in tm.take_snapshot().traces if 20_100 <= t.size < 30_000)
        assert grown == 100, (interval, grown)
        cleared = ctmfixture.calloc(1, 10, 4_000)
        assert [t.size for t in tm.take_snapshot().traces].count(40_000) == 1
        ctmfixture.free(1, cleared)
        del held, block
        assert sum(1 for t in tm.take_snapshot().traces if t.size >= 20_000) == 0
    print("good")
    """
                )


@ctracemalloc_only
class BesideTest(ScriptTest):
    def check_beside(self, source, **options):
        import textwrap

        self.check("import tracemalloc\n" + textwrap.dedent(WORK) + textwrap.dedent(source), **options)

    def test_the_standard_module_first(self):
        self.check_beside("""
            tracemalloc.start(3)
            early = work()
            tm.start(3)
            held = work()
            assert look() == 100
            theirs = sum(1 for t in tracemalloc.take_snapshot().traces if 10_000 <= t.size < 10_100)
            assert theirs == 200, theirs
            tm.stop()
            assert tracemalloc.is_tracing()
            del held
            theirs = sum(1 for t in tracemalloc.take_snapshot().traces if 10_000 <= t.size < 10_100)
            assert theirs == 100, theirs
            tracemalloc.stop()
            del early
            tm.start()
            held = work()
            assert look() == 100
            print("good")
            """)

    def test_the_standard_module_above(self):
        """The standard module allocates a row of its table for each block, as large as some blocks. That is not a loss."""
        self.check_beside("""
            import warnings
            warnings.simplefilter("ignore")
            tm.start(3)
            tracemalloc.start(3)
            held = work()
            assert look() == 100
            for _ in range(3):
                kinds = [loss.kind for loss in tm.take_snapshot().losses]
                assert "allocators" not in kinds, kinds
            tracemalloc.stop()
            tm.stop()
            print("good")
            """)

    def test_the_standard_module_started_first_and_stopped(self):
        """Whatever the other module does, the program continues, and this module works again after stop and start."""
        self.check_beside("""
            for order in range(4):
                tracemalloc.start(2)
                tm.start(2)
                held = work()
                if order % 2:
                    tracemalloc.stop()
                    more = work()
                    tm.stop()
                else:
                    tm.stop()
                    tracemalloc.stop()
                del held
                assert not tm.is_tracing() and not tracemalloc.is_tracing()
                tm.start(3)
                held = work()
                assert look() == 100, (order, look())
                tm.stop()
            print("good")
            """)

    def test_the_standard_module_started_second(self):
        """A loss is either avoided or reported; it never crashes and never persists after a new start."""
        self.check_beside("""
            import warnings
            warnings.simplefilter("ignore")
            for order in range(4):
                tm.start(2)
                tracemalloc.start(2)
                held = work()
                tracemalloc.clear_traces()
                try:
                    assert look() == 100, look()
                except RuntimeError as error:
                    assert "tracemalloc" in str(error), error
                if order % 2:
                    tm.stop()
                    more = work()
                    tracemalloc.stop()
                else:
                    tracemalloc.stop()
                    more = work()
                    tm.stop()
                del held, more
                tracemalloc.stop()
                tm.start(3)
                held = work()
                assert look() == 100, (order, look())
                tm.stop()
            assert not tm.is_tracing() and not tracemalloc.is_tracing()
            tracemalloc.start()
            held = work()
            theirs = sum(1 for t in tracemalloc.take_snapshot().traces if 10_000 <= t.size < 10_100)
            assert theirs == 100, theirs
            print("good")
            """)

    def test_our_own_stop_leaves_the_standard_module_stopped(self):
        self.check_beside("""
            tm.start(2)
            held = work()
            tm.stop()
            assert not tracemalloc.is_tracing()
            assert tracemalloc.get_traced_memory() == (0, 0)
            tracemalloc.start(4)
            assert tracemalloc.get_traceback_limit() == 4
            held = work()
            assert len(tracemalloc.take_snapshot().traces) >= 100
            print("good")
            """)

    def test_option_x(self):
        self.check_beside(
            """
            assert tracemalloc.is_tracing()
            tm.start(3)
            held = work()
            assert look() == 100
            tm.stop()
            tm.start(1)
            held += work()
            assert look() == 100
            print("good")
            """,
            python=("-X", "tracemalloc=5"),
        )


if __name__ == "__main__":
    unittest.main()
