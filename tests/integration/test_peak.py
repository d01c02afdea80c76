"""The peak's composition and churn, as the tracer counts them, against models in the test programs.

What is live at which line after each step of a program is computed before tracing starts, and so which step is the peak.
Its blocks are large and all other objects small, so that nothing else determines the peak.
"""

import unittest

from support import LONG, ScriptTest, ctracemalloc_only

ROUNDS = 60 if LONG else 12
COMMON = """
    import random
    from collections import Counter
    rng = random.Random()
    seed = rng.randrange(2 ** 32)
    rng.seed(seed)

    def a(n): return b"x" * n
    def b(n): return b"x" * n
    def c(n): return b"x" * n
    def d(n): return b"x" * n
    FUNCTIONS = [a, b, c, d]
    LINES = {f.__code__.co_firstlineno: f for f in FUNCTIONS}
    SIZES = [4096 * n - 33 for n in range(2, 8)]  # of which each is one block of 4096 * n bytes

    def steps(count, slots):
        "[(slot, function or None, size)]: what comes into the slot; the old thing in it goes"
        return [(rng.randrange(slots), rng.choice([None, *FUNCTIONS]), rng.choice(SIZES)) for _ in range(count)]

    def histories(todo, slots):
        "Of each moment: Counter of (function, bytes) that are live. The new block comes before the old one goes."
        held, live = [None] * slots, Counter()
        yield live.copy()
        for slot, function, size in todo:
            if function:
                live[function, size + 33] += 1
                yield live.copy()
            if held[slot]:
                live[held[slot]] -= 1
                yield live.copy()
            held[slot] = (function, size + 33) if function else None

    def size_of(live): return sum(size * count for (_, size), count in live.items())

    def top_of(moments):
        "The live blocks of the peak; None if two moments are as large as each other"
        moments = sorted(moments, key=size_of)
        if len(moments) > 1 and size_of(moments[-1]) == size_of(moments[-2]): return None
        return +moments[-1]

    def run(todo, held):
        for slot, function, size in todo:
            held[slot] = function(size) if function else None

    def blocks(snapshot):
        "Counter of (function, bytes) of the traces at the lines of FUNCTIONS"
        return Counter((LINES[t.traceback[-1].lineno], t.size) for t in snapshot.traces
                       if t.traceback[-1].filename == __file__ and t.traceback[-1].lineno in LINES)

    def statistics(snapshot, sort):
        "{function: Statistic}"
        return {LINES[s.traceback[0].lineno]: s for s in snapshot.statistics("lineno", sort=sort)
                if s.traceback[0].filename == __file__ and s.traceback[0].lineno in LINES}
"""


@ctracemalloc_only
class PeakTest(ScriptTest):
    def check_script(self, text, **options):
        self.check(text.rstrip() + '\n    print("good")\n', **options)

    def test_composition(self):
        self.check_script(
            COMMON
            + f"""
    for turn in range({ROUNDS}):
        expected = None
        while expected is None:
            todo = steps(300, 25)
            expected = top_of(list(histories(todo, 25)))
        held = [None] * 25
        tm.start(rng.choice([1, 5]))
        run(todo, held)
        held.clear()  # looking must not make a higher peak
        peak_bytes = tm.get_traced_memory()[1]
        snapshot = tm.take_snapshot()
        peak = tm.take_snapshot(at_peak=True)
        assert blocks(peak) == expected, (seed, turn, blocks(peak), expected)
        assert total(peak) == peak_bytes, (total(peak), peak_bytes)
        assert snapshot.at_peak.traces == peak.traces
        found = statistics(snapshot, "peak")
        for function in FUNCTIONS:
            mine = {{size: count for (f, size), count in expected.items() if f is function}}
            if mine:
                assert found[function].peak_count == sum(mine.values())
                assert found[function].peak_size == sum(size * count for size, count in mine.items())
        tm.stop()
    """
        )

    def test_churn(self):
        self.check_script(
            COMMON
            + f"""
    for turn in range({ROUNDS}):
        todo = steps(400, 20)
        held = [None] * 20
        tm.start(1)
        run(todo, held)
        snapshot = tm.take_snapshot()
        found = statistics(snapshot, "allocated")
        live = list(histories(todo, 20))[-1]
        for function in FUNCTIONS:
            sizes = [size + 33 for _, f, size in todo if f is function]
            mine = {{size: count for (f, size), count in live.items() if f is function}}
            s = found[function]
            assert (s.allocated_count, s.allocated_size) == (len(sizes), sum(sizes)), (seed, s)
            assert s.count == sum(mine.values()) and s.freed_count == len(sizes) - s.count
            assert s.freed_size == sum(sizes) - sum(size * count for size, count in mine.items())
        run(todo, held)
        later = tm.take_snapshot()
        for diff in later.compare_to(snapshot, "lineno", sort="allocated"):
            frame = diff.traceback[0]
            if frame.filename == __file__ and frame.lineno in LINES:
                sizes = [size + 33 for _, f, size in todo if f is LINES[frame.lineno]]
                assert (diff.allocated_count_diff, diff.allocated_size_diff) == (len(sizes), sum(sizes)), (seed, diff)
        held[:] = [None] * 20
        gone = tm.take_snapshot()
        lines = {{s.traceback[0].lineno for s in gone.statistics("lineno") if s.traceback[0].filename == __file__}}
        assert not lines & set(LINES), lines  # as in the standard module
        assert set(statistics(gone, "allocated")) == set(FUNCTIONS)
        at_peak = set(f for f, s in statistics(gone, "peak").items() if s.peak_count)
        assert at_peak == set(f for f, _ in blocks(gone.at_peak)), at_peak
        tm.stop()
    """
        )

    def test_reset_and_clear(self):
        self.check_script(
            COMMON
            + f"""
    for turn in range({ROUNDS}):
        clear = turn % 2
        expected = None
        while expected is None:
            before, after = steps(150, 15), steps(rng.randrange(1, 60), 15)
            if clear:  # older blocks are not traced, and neither are their frees
                moments = list(histories(after, 15))
            else:
                moments = list(histories(before + after, 15))[len(list(histories(before, 15))) - 1:]
            expected = top_of(moments)
        held = [None] * 15
        tm.start()
        run(before, held)
        if clear: tm.clear_traces()
        else: tm.reset_peak()
        run(after, held)
        held.clear()  # looking must not make a higher peak
        peak_bytes = tm.get_traced_memory()[1]
        peak = tm.take_snapshot(at_peak=True)
        assert blocks(peak) == expected, (seed, turn, clear, blocks(peak), expected)
        assert total(peak) == peak_bytes, (total(peak), peak_bytes)
        tm.stop()
    """
        )

    def test_nothing_freed_is_all_at_the_peak(self):
        self.check_script(
            """
    tm.start(3)
    held = []
    for n in range(2000):
        held.append([n, str(n), {n: n}, (n, n), n * 0.5])  # growing lists, free lists, all kinds
    big = bytes(10 ** 7)
    snapshot = tm.take_snapshot()
    peak_bytes = tm.get_traced_memory()[1]
    peak = snapshot.at_peak
    assert abs(total(peak) - peak_bytes) < 10000, (total(peak), peak_bytes)
    assert blocks_at(peak, (lambda: 0)) == (0, 0)
    lines = lambda s: {(x.traceback[0].lineno): x.count for x in s.statistics("lineno") if x.count > 1000}
    assert lines(peak) == lines(snapshot), (lines(peak), lines(snapshot))
    """
        )

    def test_totals_agree_whatever_happens(self):
        self.check_script(
            f"""
    import json, random, re
    rng = random.Random(3)
    def work():
        held = []
        for _ in range(rng.randrange(200)):
            what = rng.randrange(6)
            if what == 0: held.append(json.loads(json.dumps([{{"a": n, "b": [n] * 3}} for n in range(rng.randrange(300))])))
            if what == 1: held.append(bytearray(rng.randrange(100000)))
            if what == 2 and held: held[rng.randrange(len(held))] = None
            if what == 3: held.append(re.split(",", "a,b,c" * rng.randrange(1000)))
            if what == 4 and held and isinstance(held[-1], bytearray): held[-1] += b"x" * rng.randrange(100000)
            if what == 5: held.append([n * 0.5 for n in range(rng.randrange(3000))])
    for turn in range({ROUNDS}):
        tm.start(rng.choice([1, 10]))
        big = bytes(5 * 10 ** 7)
        work()
        del big
        for _ in range(rng.randrange(3)): work()
        peak_bytes = tm.get_traced_memory()[1]
        peak = tm.take_snapshot(at_peak=True)
        assert total(peak) == peak_bytes, (turn, total(peak), peak_bytes)
        tm.stop()
    """
        )

    def test_threads(self):
        self.check_script(
            COMMON
            + """
    THREADS, EACH = 6, 40
    together = threading.Barrier(THREADS)
    def work(function):
        held = [function(20000 - 33) for _ in range(EACH)]
        together.wait()
        del held
        for n in range(2000): bytes(n)
    tm.start(2)
    threads = [threading.Thread(target=work, args=(FUNCTIONS[i % 4],)) for i in range(THREADS)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    peak = tm.take_snapshot(at_peak=True)
    expected = Counter()
    for i in range(THREADS): expected[FUNCTIONS[i % 4], 20000] += EACH
    assert blocks(peak) == expected, blocks(peak)
    assert not blocks(tm.take_snapshot())
    """
        )

    def test_threads_without_the_gil(self):
        """Their blocks are counted in other shards; the peak differs by what they allocate at its very moment."""
        self.check_script(
            """
    import ctmfixture, shutil, tempfile
    from pathlib import Path
    folder = Path(tempfile.mkdtemp())
    for n in range(50): (folder / str(n)).touch()
    tm.start(1)
    stop = False
    def scan():
        while not stop: list(os.scandir(folder))
    threads = [threading.Thread(target=scan) for _ in range(3)]
    for thread in threads: thread.start()
    def make(n): return b"x" * n
    def grow(): return [make(10000) for _ in range(300)]
    for _ in range(20):
        held = grow()
        del held
    stop = True
    for thread in threads: thread.join()
    peak_bytes = tm.get_traced_memory()[1]
    peak = tm.take_snapshot(at_peak=True)
    count = sum(t.size == 10033 and t.traceback[-1].lineno == make.__code__.co_firstlineno for t in peak.traces)
    assert count == 300, count
    assert abs(total(peak) - peak_bytes) < 100000, (total(peak), peak_bytes)
    shutil.rmtree(folder)
    """
        )

    def test_blocks_of_extensions(self):
        self.check_script(
            """
    import ctmfixture
    tm.start(1)
    domain = 4242
    for n in range(100): assert ctmfixture.track(domain, 8 * n + 3, 10 ** 6) == 0
    for n in range(50): assert ctmfixture.untrack(domain, 8 * n + 3) == 0
    for n in range(1000, 1040): assert ctmfixture.track(domain, 8 * n + 3, 10 ** 6) == 0
    peak = tm.take_snapshot(at_peak=True)
    assert total(peak, domain) == 100 * 10 ** 6, total(peak, domain)
    assert total(tm.take_snapshot(), domain) == 90 * 10 ** 6
    (statistic,) = tm.take_snapshot().filter_traces([tm.DomainFilter(True, domain)]).statistics("filename")
    assert (statistic.allocated_count, statistic.freed_count, statistic.peak_count) == (140, 50, 100)
    """
        )

    def test_samples(self):
        self.check_script(
            f"""
    import math
    def make(n): return b"x" * n
    def held_at_once(count, size): return [make(size - 33) for _ in range(count)]
    def check(found, count, size, interval, what):
        weight = 1 / -math.expm1(-size / interval)
        error = math.sqrt(count * (weight - 1)) * size
        assert abs(found - count * size) <= 5 * error + size, (what, found, count * size, error)
    for turn in range({max(4, ROUNDS // 4)}):
        interval, size = 50_000, 2000
        tm.start(1, sample_interval=interval)
        held = held_at_once(5000, size)
        del held[::2]
        held.extend(held_at_once(500, size))
        snapshot = tm.take_snapshot()
        (s,) = [s for s in snapshot.statistics("lineno", sort="peak") if s.traceback[0].lineno == make.__code__.co_firstlineno
                and s.traceback[0].filename == __file__]
        check(s.size, 3000, size, interval, "live")
        check(s.peak_size, 5000, size, interval, "peak")
        check(s.allocated_size, 5500, size, interval, "allocated")
        check(s.freed_size, 2500, size, interval, "freed")
        assert s.estimated
        peak = tm.take_snapshot(at_peak=True)
        assert peak.sample_interval == interval
        (s,) = [s for s in peak.statistics("lineno") if s.traceback[0].lineno == make.__code__.co_firstlineno
                and s.traceback[0].filename == __file__]
        check(s.size, 5000, size, interval, "snapshot of the peak")
        low, high = s.confidence_interval
        assert s.estimated and low < s.size < high
        tm.stop()
    """
        )

    def test_fork(self):
        self.check_script(
            COMMON
            + """
    tm.start(1)
    held = [a(100000 - 33) for _ in range(10)]
    del held[5:]
    pid = os.fork()
    if pid == 0:
        before = blocks(tm.take_snapshot(at_peak=True))
        held += [b(100000 - 33) for _ in range(20)]
        after = blocks(tm.take_snapshot(at_peak=True))
        good = before == {(a, 100000): 10} and after == {(a, 100000): 5, (b, 100000): 20}
        os._exit(0 if good else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert blocks(tm.take_snapshot(at_peak=True)) == {(a, 100000): 10}
    """
        )

    def test_arguments(self):
        self.check_script(
            """
    try: tm.take_snapshot(at_peak=True)
    except RuntimeError as e: assert "must be tracing" in str(e)
    else: raise AssertionError
    tm.start()
    held = bytes(10 ** 6)
    del held
    assert total(tm.take_snapshot(at_peak=False)) < 10 ** 5 < total(tm.take_snapshot(at_peak=1))
    for call in (lambda: tm.take_snapshot(True), lambda: tm.take_snapshot(peak=True)):
        try: call()
        except TypeError as e: assert "take_snapshot()" in str(e), e
        else: raise AssertionError
    class Odd:
        def __bool__(self): raise ZeroDivisionError
    try: tm.take_snapshot(at_peak=Odd())
    except ZeroDivisionError: pass
    else: raise AssertionError
    own = tm._get_traces
    tm._get_traces = lambda: []
    assert len(tm.take_snapshot().traces) == 0
    try: tm.take_snapshot(at_peak=True)
    except RuntimeError as e: assert "_get_traces" in str(e)
    else: raise AssertionError
    tm._get_traces = own
    tm.take_snapshot(at_peak=True).dump("peak.ctm")
    assert total(tm.Snapshot.load("peak.ctm")) > 10 ** 6
    tm.take_snapshot().dump("all.ctm")
    assert total(tm.Snapshot.load("all.ctm").at_peak) > 10 ** 6
    tm.stop()
    tm.start()
    assert total(tm.take_snapshot(at_peak=True)) < 10 ** 5  # of this start
    """
        )


if __name__ == "__main__":
    unittest.main()
