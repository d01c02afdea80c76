"""Blocks that other extensions announce with PyTraceMalloc_Track: in snapshots, in the totals and in the peak."""

import unittest

from support import ScriptTest, ctracemalloc_only, needs


class TrackTest(ScriptTest):
    def check_exact(self, nogil):
        self.check(f"""
            import ctmfixture
            def work():
                for n in range(1000):
                    assert ctmfixture.track(77, 0x1000 + n * 8, 1_000_000, {nogil}) == 0
            assert ctmfixture.track(77, 0x1000, 5) == -2
            assert ctmfixture.untrack(77, 0x1000) == -2
            tm.start(2)
            before = tm.get_traced_memory()[0]
            work()
            current, peak = tm.get_traced_memory()
            slack = 200_000
            assert abs(current - before - 10**9) < slack, (before, current)
            assert abs(peak - before - 10**9) < slack, (before, peak)
            count, size = blocks_at(tm.take_snapshot().filter_traces([tm.DomainFilter(True, 77)]), work)
            assert (count, size) == (1000, 10**9), (count, size)
            for n in range(0, 1000, 2):
                assert ctmfixture.untrack(77, 0x1000 + n * 8, {nogil}) == 0
            assert ctmfixture.untrack(77, 0x99) == 0
            current, peak = tm.get_traced_memory()
            assert abs(current - before - 5 * 10**8) < slack and abs(peak - before - 10**9) < slack
            tm.reset_peak()
            assert abs(tm.get_traced_memory()[1] - before - 5 * 10**8) < slack
            tm.clear_traces()
            assert total(tm.take_snapshot(), 77) == 0
            assert ctmfixture.untrack(77, 0x1008, {nogil}) == 0
            tm.stop()
            assert ctmfixture.track(77, 0x1000, 5, {nogil}) == -2
            print("good")
            """)

    def test_with_the_gil(self):
        self.check_exact(False)

    def test_without_the_gil(self):
        self.check_exact(True)

    def test_tracked_again_the_newest_size_holds(self):
        self.check("""
            import ctmfixture
            tm.start(1)
            for size in (100, 2000, 30):
                ctmfixture.track(5, 0x123457, size)
                assert total(tm.take_snapshot(), 5) == size
            ctmfixture.track(6, 0x123457, 1)
            ctmfixture.untrack(5, 0x123457)
            snapshot = tm.take_snapshot()
            assert (total(snapshot, 5), total(snapshot, 6)) == (0, 1)
            ctmfixture.track(0, 0x123458, 12345)
            assert [t.size for t in tm.take_snapshot().traces if t.size == 12345] == [12345]
            ctmfixture.untrack(0, 0x123458)
            assert not [t.size for t in tm.take_snapshot().traces if t.size == 12345]
            print("good")
            """)

    def test_odd_addresses_domains_and_sizes(self):
        self.check("""
            import ctmfixture
            tm.start(3)
            addresses = [0, 1, 2**47 - 1, 2**47, 2**48 + 5, 2**63, 2**64 - 1]
            domains = [1, 2, 255, 65_535, 2**31, 2**32 - 1]
            expected = 0
            for domain in domains:
                for n, address in enumerate(addresses):
                    assert ctmfixture.track(domain, address, n * 10**9) == 0
                    expected += n * 10**9
            snapshot = tm.take_snapshot()
            assert sum(t.size for t in snapshot.traces if t.domain) == expected
            assert {t.domain for t in snapshot.traces} >= set(domains)
            for domain in domains:
                for address in addresses:
                    ctmfixture.untrack(domain, address)
            assert not [t for t in tm.take_snapshot().traces if t.domain]
            print("good")
            """)

    def test_from_many_threads(self):
        self.check(
            """
            import ctmfixture
            tm.start(2)
            for n in range(5):
                ctmfixture.storm(4, 3000, 0, 0, True, None)
            assert total(tm.take_snapshot(), 77) == 0
            def track(first):
                for n in range(2000):
                    ctmfixture.track(9, first + n * 16, 7, True)
            threads = [threading.Thread(target=track, args=(k << 30,)) for k in range(1, 5)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert total(tm.take_snapshot(), 9) == 8000 * 7
            print("good")
            """
        )

    def test_while_tracing_starts_and_stops(self):
        self.check("""
            import ctmfixture
            ctmfixture.background(3, True)
            for n in range(200):
                tm.start(n % 5 + 1)
                ctmfixture.track(8, n, n)
                tm.take_snapshot()
                tm.stop()
            ctmfixture.quiet()
            print("good")
            """)

    @needs("numpy")
    def test_numpy(self):
        self.check("""
            import numpy as np
            tm.start(5)
            def work():
                return np.zeros(1_000_000, dtype="u1"), np.ones(500_000, dtype="f8"), np.arange(250_000, dtype="i4")
            before = tm.get_traced_memory()[0]
            held = work()
            domain = 389047
            arrays = tm.take_snapshot().filter_traces([tm.DomainFilter(True, domain)])
            assert sorted(t.size for t in arrays.traces) == [1_000_000, 1_000_000, 4_000_000]
            assert blocks_at(arrays, work)[0] >= 2
            assert 6_000_000 <= tm.get_traced_memory()[0] - before < 6_200_000
            grown = held[0].copy()
            grown.resize(3_000_000, refcheck=False)
            del held
            assert total(tm.take_snapshot(), domain) == 3_000_000
            assert tm.get_traced_memory()[1] - before >= 6_900_000
            del grown
            assert total(tm.take_snapshot(), domain) == 0
            print("good")
            """)

    @needs("pandas")
    def test_pandas(self):
        self.check(
            """
            import pandas as pd
            tm.start(1)
            frame = pd.DataFrame({"a": range(100_000), "b": [str(n % 999) for n in range(100_000)]})
            counts = frame["b"].value_counts()
            index = frame.set_index("b").index
            found = index.get_indexer_for(["1", "2"])
            snapshot = tm.take_snapshot()
            domains = {t.domain for t in snapshot.traces}
            assert domains >= {0, 389047}, domains
            tables = total(snapshot, 424242)
            assert tables > 0, domains
            del frame, counts, index, found
            gc.collect()
            assert total(tm.take_snapshot(), 424242) < tables
            print("good")
            """,
            timeout=120,
        )

    @ctracemalloc_only
    def test_the_standard_module_tracks_it_too(self):
        self.check("""
            import ctmfixture, tracemalloc
            tracemalloc.start()
            tm.start()
            ctmfixture.track(77, 0x1000, 4321)
            assert total(tm.take_snapshot(), 77) == 4321
            assert [t.size for t in tracemalloc.take_snapshot().traces if t.domain == 77] == [4321]
            tm.stop()
            assert tracemalloc.is_tracing()
            ctmfixture.track(77, 0x2000, 1)
            assert sum(t.size for t in tracemalloc.take_snapshot().traces if t.domain == 77) == 4322
            tracemalloc.stop()
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
