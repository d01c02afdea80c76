"""Threads: raw allocations without the GIL, threads that are not Python's, starts and stops under load, signals."""

import unittest

from support import LONG, ScriptTest, ctracemalloc_only

CYCLES = 1000 if LONG else 200


class RawTest(ScriptTest):
    def test_without_the_gil_each_block_counts(self):
        self.check("""
            import ctmfixture
            tm.start(1)
            before = tm.get_traced_memory()[0]
            addresses = []
            def allocate():
                for n in range(1000):
                    addresses.append(ctmfixture.malloc_nogil(5000))
            allocate()
            lines = [s for s in tm.take_snapshot().statistics("lineno") if s.size >= 5_000_000]
            assert len(lines) == 1 and 1000 <= lines[0].count <= 2100, lines
            assert lines[0].traceback[0].filename == __file__
            large = [t for t in tm.take_snapshot().traces if t.size == 5000]
            assert len(large) == 1000
            for address in addresses:
                ctmfixture.free(0, address)
            assert not [t for t in tm.take_snapshot().traces if t.size == 5000]
            print("good")
            """)

    def test_threads_unknown_to_python(self):
        self.check("""
            import ctmfixture
            tm.start(5)
            def look():
                return tm.take_snapshot()
            snapshot = ctmfixture.storm(4, 3000, 250, 777, False, look)
            kept = [t for t in snapshot.traces if t.size == 777]
            assert len(kept) == 1000, len(kept)
            frames = {(t.traceback[0].filename, t.traceback[0].lineno, t.traceback.total_nframe) for t in kept}
            assert frames == {("<unknown>", 0, 1)}, frames
            assert not [t for t in tm.take_snapshot().traces if t.size == 777]
            print("good")
            """)

    def test_python_threads_without_the_gil(self):
        self.check("""
            import ctmfixture
            tm.start(25)
            counts = []
            def look():
                counts.append(sum(1 for t in tm.take_snapshot().traces if t.size == 555))
            def work():
                for _ in range(5):
                    ctmfixture.storm(0, 2000, 100, 555, False, look)
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            # 100 of the thread that reads; the other three may not have finished theirs.
            assert len(counts) == 20 and all(100 <= n <= 400 for n in counts), counts
            look()
            assert counts[-1] == 0
            print("good")
            """)

    def test_nothing_is_lost_or_left_over(self):
        self.check("""
            import ctmfixture
            tm.start(1)
            def raw_blocks():
                return sum(1 for t in tm.take_snapshot().traces if t.traceback[0].filename == "<unknown>")
            first = raw_blocks()
            for n in range(10):
                ctmfixture.storm(6, 2000, 50, 32, n % 2 == 1, None)
            assert raw_blocks() == first, (first, raw_blocks())
            current, peak = tm.get_traced_memory()
            assert current <= peak
            print("good")
            """)

    def test_blocks_that_change_hands_between_threads(self):
        self.check("""
            import ctmfixture, queue
            tm.start(3)
            waiting = queue.Queue()
            def produce():
                for n in range(2000):
                    waiting.put(ctmfixture.malloc_nogil(1234))
                waiting.put(None)
            def consume():
                for address in iter(waiting.get, None):
                    ctmfixture.free(0, ctmfixture.realloc(0, address, 4321))
            threads = [threading.Thread(target=f) for f in (produce, consume, produce, consume)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            left = [t for t in tm.take_snapshot().traces if t.size in (1234, 4321)]
            assert not left, left[:3]
            print("good")
            """)

    def test_calls_into_python_from_a_foreign_thread(self):
        self.check("""
            import ctmfixture
            tm.start(10)
            held = []
            def inner():
                held.append(bytearray(30_000))
            def callback():
                inner()
            for _ in range(20):
                ctmfixture.foreign_call(callback)
            found = [t for t in tm.take_snapshot().traces if t.size >= 30_000]
            assert len(found) == 20
            assert {len(t.traceback) for t in found} == {2}, found[0].traceback
            print("good")
            """)


class CycleTest(ScriptTest):
    @ctracemalloc_only  # the standard module of 3.13.0 crashes
    def test_start_and_stop_while_threads_allocate(self):
        self.check(
            """
            import ctmfixture
            cycles = int(sys.argv[1])
            ctmfixture.background(3, True)
            go_on = True
            def work():
                while go_on:
                    held = [[n, float(n), str(n), {n: n}] for n in range(50)]
                    held.extend(bytearray(n) for n in range(50))
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            sys.setswitchinterval(1e-4)
            for n in range(cycles):
                tm.start(n % 7 * 9 + 1)
                kept = [bytearray(99_991) for _ in range(3)]
                if n % 3 == 0:
                    snapshot = tm.take_snapshot()
                    assert sum(1 for t in snapshot.traces if t.size >= 99_991) >= 3
                if n % 5 == 0:
                    tm.clear_traces()
                tm.reset_peak()
                tm.get_traced_memory()
                tm.stop()
                assert tm.get_traced_memory() == (0, 0) and not tm.is_tracing()
            go_on = False
            for thread in threads: thread.join()
            ctmfixture.quiet()
            print("good")
            """,
            args=(str(CYCLES),),
            timeout=600,
        )

    def test_many_threads_that_come_and_go(self):
        self.check("""
            tm.start(4)
            held = []
            def work(n):
                held.append(bytearray(10_000 + n))
            for first in range(0, 1000, 50):
                threads = [threading.Thread(target=work, args=(n,)) for n in range(first, first + 50)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            large = [t for t in tm.take_snapshot().traces if 10_000 <= t.size < 12_000]
            assert len(large) == 1000, len(large)
            print("good")
            """)

    def test_snapshots_from_several_threads(self):
        self.check("""
            tm.start(5)
            errors = []
            def look():
                try:
                    for _ in range(40):
                        snapshot = tm.take_snapshot()
                        statistics = snapshot.statistics("traceback")
                        assert sum(s.count for s in statistics) == len(snapshot.traces)
                        held = [object() for _ in range(500)]
                except BaseException as error:
                    errors.append(error)
            threads = [threading.Thread(target=look) for _ in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert not errors, errors
            print("good")
            """)


class SignalTest(ScriptTest):
    def test_handlers_that_allocate(self):
        self.check("""
            import signal
            tm.start(3)
            held = []
            def handler(number, frame):
                held.append([bytearray(2000), frame.f_lineno])
                tm.get_traced_memory()
                if len(held) % 50 == 0:
                    tm.take_snapshot()
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                work = [str(n) for n in range(200)]
            signal.setitimer(signal.ITIMER_REAL, 0)
            count = sum(1 for t in tm.take_snapshot().traces if 2000 < t.size < 2100)
            assert len(held) > 10 and len(held) <= count <= len(held) + 3, (len(held), count)
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
