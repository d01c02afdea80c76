"""Random traces, filters and patterns: the standard library's and our answers are the same."""

# Functions are called before their loop goes on.
# ruff: noqa: B023, F841

import random
import tracemalloc
import unittest

import ctracemalloc
from parity_support import describe


class TestRandom(unittest.TestCase):
    """Random traces: equal results as lists, from both modules."""

    FILES = [
        "a.py",
        "b.py",
        "b.pyc",
        "lib/c.py",
        "<unknown>",
        "é.py",
        "long/" * 5 + "x.py",
        "",
        "[x].py",
        "\ud800.py",
        "A.py",
        "日本.py",
    ]
    PATTERNS = FILES + [
        "*",
        "*.py",
        "?.py",
        "lib/*",
        "[a-b].py",
        "[!a].py",
        "*x*",
        "[",
        "a.pyc",
        "*[.]py",
        "<*>",
        "[]x].py",
        "[[]x].py",
        "**",
        "?",
        "[b-a].py",
        "*é*",
    ]

    def random_traces(self, rng, count):
        tracebacks = [tuple((rng.choice(self.FILES), rng.randrange(4)) for _ in range(rng.randrange(1, 5))) for _ in range(12)]
        return [
            (
                rng.choice((0, 0, 0, 1, 389047)),
                rng.choice((0, 1, 10, 10, 64, 10**6, 2**40)),
                frames,
                len(frames) + rng.randrange(2),
            )
            for frames in rng.choices(tracebacks, k=count)
        ]

    def check(self, function):
        mine, theirs = function(ctracemalloc), function(tracemalloc)
        self.assertEqual(describe(mine), describe(theirs))

    def test_statistics(self):
        rng = random.Random(1)
        for round_ in range(40):
            raw = self.random_traces(rng, rng.randrange(60))
            for key, cumulative in (
                ("traceback", False),
                ("lineno", False),
                ("filename", False),
                ("lineno", True),
                ("filename", True),
            ):
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    self.check(lambda m: m.Snapshot(list(raw), 5).statistics(key, cumulative))
                    self.check(lambda m: m.Snapshot(list(raw), 5)._group_by(key, cumulative))

    def test_compare_to(self):
        rng = random.Random(2)
        for round_ in range(40):
            new, old = (self.random_traces(rng, rng.randrange(60)) for _ in range(2))
            old += new[: rng.randrange(20)]
            for key, cumulative in (
                ("traceback", False),
                ("lineno", False),
                ("filename", False),
                ("lineno", True),
                ("filename", True),
            ):
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    self.check(lambda m: m.Snapshot(list(new), 5).compare_to(m.Snapshot(list(old), 5), key, cumulative))

    def random_filter(self, rng):
        if rng.random() < 0.2:
            args = (rng.random() < 0.5, rng.choice((0, 1, 389047, 7)))
            return lambda m: m.DomainFilter(*args)
        args = (
            rng.random() < 0.5,
            rng.choice(self.PATTERNS),
            rng.choice((None, None, 1, 2)),
            rng.random() < 0.5,
            rng.choice((None, None, 0, 1)),
        )
        return lambda m: m.Filter(*args)

    def test_filter_traces(self):
        rng = random.Random(3)
        for round_ in range(150):
            raw = self.random_traces(rng, rng.randrange(40))
            makers = [self.random_filter(rng) for _ in range(rng.randrange(4))]
            with self.subTest(round=round_):
                self.check(lambda m: m.Snapshot(list(raw), 5).filter_traces([make(m) for make in makers]))

    def test_match(self):
        rng = random.Random(4)
        for pattern in self.PATTERNS:
            for filename in self.FILES:
                for inclusive in (True, False):
                    self.check(lambda m: m.Filter(inclusive, pattern)._match_frame(filename, 1))

    def test_sequences(self):
        rng = random.Random(5)
        raw = self.random_traces(rng, 30)
        for _ in range(200):
            bounds = [rng.choice((None, *range(-35, 36))) for _ in range(2)]
            step = rng.choice((None, 1, 2, -1, -3))
            part = slice(*bounds, step)
            self.check(lambda m: m._Traces(raw)[part])
            self.check(lambda m: m.Traceback(raw[0][2] * 5)[part])
            index = rng.randrange(-29, 29)
            self.check(lambda m: m._Traces(raw)[index])

    def test_stdlib_and_ours_side_by_side(self):
        rng = random.Random(6)
        raw = self.random_traces(rng, 30)
        ours = ctracemalloc.Snapshot(raw, 1).statistics("lineno")
        stdlib = tracemalloc.Snapshot(raw, 1).statistics("lineno")
        self.assertEqual([str(s) for s in ours], [str(s) for s in stdlib])
        self.assertEqual([s.traceback._frames for s in ours], [s.traceback._frames for s in stdlib])
        self.assertFalse(any(a == b for a, b in zip(ours, stdlib)))


if __name__ == "__main__":
    unittest.main()
