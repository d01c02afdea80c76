"""Sampling: estimates against the true sums in the program, through every kind of allocation."""

import unittest

from support import LONG, ScriptTest

RUNS = 40 if LONG else 8
# The program has the true sums; a deviation of five standard errors is expected once in two million runs.
COMMON = """
    import math, random
    rng = random.Random()
    def check(function, truth, snapshot=None):
        lines = {line for _, _, line in function.__code__.co_lines() if line}
        snapshot = snapshot or tm.take_snapshot()
        found = [s for s in snapshot.statistics("lineno")
                 if s.traceback[0].filename == __file__ and s.traceback[0].lineno in lines]
        assert all(s.estimated for s in found)
        size = sum(s.size for s in found)
        error = math.sqrt(sum(((s.confidence_interval[1] - s.size) / 1.96) ** 2 for s in found))
        assert abs(size - truth) <= 5 * error + 100, (size, truth, error)
        return (size - truth) / (error or 1)
"""


class SamplingTest(ScriptTest):
    def check_script(self, text):
        self.check(text.rstrip() + '\n    print("good")\n')

    def test_estimates(self):
        self.check_script(
            COMMON
            + f"""
    def fill(held, sizes):
        for size in sizes:
            held.append(bytearray(size))
    scores = []
    for turn in range({RUNS}):
        tm.start(3, sample_interval=32768)
        sizes = [16 << rng.randrange(13) for _ in range(4000)]
        held = []
        fill(held, sizes)
        del held[::3]
        truth = sum(len(block) + 1 for block in held) + sum(sys.getsizeof(b) - len(b) - 1 for b in held)
        scores.append(check(fill, truth + held.__sizeof__()))
        snapshot = tm.take_snapshot()
        assert snapshot.sample_interval == 32768 == tm.get_sample_interval()
        current, peak = tm.get_traced_memory()
        assert 0 < current <= peak
        del held
        tm.stop()
    assert abs(sum(scores)) / math.sqrt(len(scores)) < 5, scores
    """
        )

    def test_reallocation_threads_and_free(self):
        self.check_script(
            COMMON
            + """
    tm.start(1, sample_interval=4096)
    kept = {}
    def grow(key):
        kept[key] = blocks = []
        for _ in range(300):
            block = bytearray()
            for _ in range(rng.randrange(1, 30)):
                block += b"x" * rng.randrange(200)
            del block[len(block) // 2:]
            blocks.append(block)
    threads = [threading.Thread(target=grow, args=(key,)) for key in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    truth = sum(sys.getsizeof(block) + (16 if gc.is_tracked(block) else 0) for blocks in kept.values() for block in blocks)
    truth += sum(sys.getsizeof(blocks) - 56 for blocks in kept.values())
    check(grow, truth)
    kept.clear()
    tm.clear_traces()
    assert tm.get_traced_memory()[0] >= 0
    """
        )

    def test_everything_is_forgotten_in_the_end(self):
        self.check_script(
            """
    tm.start(1, sample_interval=64)
    def work():
        held = [(n, str(n), [n] * (n % 50), {n: n}) for n in range(20_000)]
        text = "".join(map(str, range(50_000)))
        return len(held) + len(text)
    for _ in range(3): work()
    gc.collect()
    statistics = [s for s in tm.take_snapshot().statistics("lineno") if s.traceback[0].filename == __file__]
    # Free lists hold a few hundred objects, and one in sixty-four bytes is nearly every block.
    assert sum(s.size for s in statistics) < 200_000, statistics
    """
        )

    def test_exact_when_every_byte_is_a_sample(self):
        self.check_script(
            """
    tm.start(5, sample_interval=1)
    def make(): return [bytes(n) for n in range(100, 600)]
    held = make()
    snapshot = tm.take_snapshot()
    count, size = blocks_at(snapshot, make)
    assert size == sum(map(sys.getsizeof, held)) + sys.getsizeof(held) - 56 + 56 or size > sum(map(sys.getsizeof, held)), size
    place = tm.get_object_traceback(held[7])
    assert place[-1].lineno == make.__code__.co_firstlineno, place
    for statistic in snapshot.statistics("traceback"):
        low, high = statistic.confidence_interval
        assert statistic.estimated and low <= statistic.size <= high and high - low <= 4, statistic
    """
        )

    def test_extensions_blocks(self):
        self.check_script(
            """
    import ctmfixture
    tm.start(1, sample_interval=1000)
    domain = 4242
    for n in range(20_000):
        assert ctmfixture.track(domain, 8 * n + 3, 50) == 0
    def estimate():
        found = tm.take_snapshot().filter_traces([tm.DomainFilter(True, domain)])
        return sum(s.size for s in found.statistics("filename")), len(found.traces)
    size, blocks = estimate()
    assert 700 < blocks < 1300 and 0.7e6 < size < 1.3e6, (size, blocks)
    for n in range(20_000):
        assert ctmfixture.track(domain, 8 * n + 3, 50) == 0  # again: each is drawn anew, none counts twice
    again, blocks = estimate()
    assert 700 < blocks < 1300 and 0.7e6 < again < 1.3e6, (again, blocks)
    for n in range(20_000):
        assert ctmfixture.untrack(domain, 8 * n + 3) == 0
    assert estimate() == (0, 0)
    """
        )

    def test_arguments(self):
        self.check_script(
            """
    for bad, error in [(0, ValueError), (-1, ValueError), (2 ** 48 + 1, ValueError), (10 ** 30, ValueError),
                       (1.5, TypeError), ("1", TypeError)]:
        try: tm.start(1, sample_interval=bad)
        except error as e: assert "sample_interval" in str(e) or error is TypeError, e
        else: raise AssertionError(bad)
        assert not tm.is_tracing()
    try: tm.start(1, interval=3)
    except TypeError as e: assert "interval" in str(e)
    else: raise AssertionError
    tm.start(sample_interval=None)
    assert tm.get_sample_interval() is None and tm.take_snapshot().sample_interval is None
    held = [bytes(1000)]
    statistic = tm.take_snapshot().statistics("lineno")[0]
    assert not statistic.estimated and statistic.confidence_interval == (statistic.size, statistic.size)
    tm.stop()
    tm.start(2, sample_interval=2 ** 48)
    assert tm.get_sample_interval() == 2 ** 48 and tm.get_traceback_limit() == 2
    held = [bytes(1000) for _ in range(1000)]
    assert len(tm.take_snapshot().traces) == 0
    """
        )

    def test_files_and_filters_keep_the_interval(self):
        self.check_script(
            """
    import pickle
    tm.start(2, sample_interval=2000)
    held = [bytes(n) for n in range(3000)]
    snapshot = tm.take_snapshot()
    snapshot.dump("sample.ctm")
    loaded = tm.Snapshot.load("sample.ctm")
    assert loaded.sample_interval == 2000 and loaded.statistics("lineno") == snapshot.statistics("lineno")
    own = snapshot.filter_traces([tm.Filter(True, __file__)])
    assert own.sample_interval == 2000 and own.statistics("filename")[0].estimated
    class Odd(tm.Filter):
        def _match(self, trace): return trace[1] % 2 == 1
    odd = snapshot.filter_traces([Odd(True, "*")])
    assert odd.sample_interval == 2000
    for statistic in loaded.statistics("lineno")[:3]:
        copy = pickle.loads(pickle.dumps(statistic))
        assert copy == statistic and copy.estimated and copy.confidence_interval == statistic.confidence_interval
    difference = snapshot.compare_to(loaded, "lineno")[0]
    assert difference.estimated and difference.size_diff == 0
    assert difference.confidence_interval[0] < 0 < difference.confidence_interval[1]
    try: snapshot.dump("sample.pickle", format="stdlib")
    except ValueError as e: assert "sample" in str(e)
    else: raise AssertionError
    assert not os.path.exists("sample.pickle")
    """
        )

    def test_fork(self):
        self.check_script(
            """
    tm.start(1, sample_interval=1000)
    held = [bytes(500) for _ in range(1000)]
    pid = os.fork()
    if pid == 0:
        more = [bytes(500) for _ in range(1000)]
        size = sum(s.size for s in tm.take_snapshot().statistics("filename"))
        os._exit(0 if 700_000 < size < 1_500_000 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    """
        )


if __name__ == "__main__":
    unittest.main()
