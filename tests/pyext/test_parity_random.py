"""Random traces, filters and patterns: the standard library's results and this module's are the same.

tests/conftest.py decides how many there are, and which.
"""

import random
import tracemalloc
import unittest

import ctracemalloc
from hypothesis import given
from hypothesis import strategies as st
from parity_support import describe

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

KEYS = st.sampled_from(
    [("traceback", False), ("lineno", False), ("filename", False), ("lineno", True), ("filename", True)],
)
# Some are names of their own, from the characters that patterns consist of.
NAMES = st.sampled_from(FILES) | st.text("abxpy*?[]!-./é", max_size=8)
PATTERN_TEXTS = st.sampled_from(PATTERNS) | st.text("abxpy*?[]!-./é", max_size=8)
TRACEBACKS = st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 3)), min_size=1, max_size=4).map(tuple)


def trace(domain, size, frames, more):
    return domain, size, frames, len(frames) + more


def traces_of(tracebacks):
    domains, sizes = st.sampled_from((0, 0, 0, 1, 389047)), st.sampled_from((0, 1, 10, 10, 64, 10**6, 2**40))
    return st.lists(st.builds(trace, domains, sizes, st.sampled_from(tracebacks), st.integers(0, 1)), max_size=60)


# Few tracebacks, so that many traces have the same.
TRACES = st.lists(TRACEBACKS, min_size=1, max_size=12).flatmap(traces_of)


def frame_filter(*arguments):
    return lambda module: module.Filter(*arguments)


def domain_filter(*arguments):
    return lambda module: module.DomainFilter(*arguments)


FILTERS = st.builds(
    frame_filter,
    st.booleans(),
    PATTERN_TEXTS,
    st.sampled_from((None, 1, 2)),
    st.booleans(),
    st.sampled_from((None, 0, 1)),
) | st.builds(domain_filter, st.booleans(), st.sampled_from((0, 1, 389047, 7)))
BOUNDS = st.none() | st.integers(-35, 35)
SLICES = st.builds(slice, BOUNDS, BOUNDS, st.sampled_from((None, 1, 2, -1, -3)))


class TestRandom(unittest.TestCase):
    """Random traces: equal results as lists, from both modules."""

    def check(self, function):
        mine, theirs = function(ctracemalloc), function(tracemalloc)
        self.assertEqual(describe(mine), describe(theirs))

    @given(TRACES, KEYS)
    def test_statistics(self, raw, key):
        self.check(lambda m: m.Snapshot(list(raw), 5).statistics(*key))
        self.check(lambda m: m.Snapshot(list(raw), 5)._group_by(*key))

    @given(TRACES, TRACES, st.integers(0, 20), KEYS)
    def test_compare_to(self, new, old, common, key):
        old = old + new[:common]
        self.check(lambda m: m.Snapshot(list(new), 5).compare_to(m.Snapshot(list(old), 5), *key))

    @given(TRACES, st.lists(FILTERS, max_size=3))
    def test_filter_traces(self, raw, makers):
        self.check(lambda m: m.Snapshot(list(raw), 5).filter_traces([make(m) for make in makers]))

    @given(PATTERN_TEXTS, NAMES, st.booleans())
    def test_match(self, pattern, filename, inclusive):
        self.check(lambda m: m.Filter(inclusive, pattern)._match_frame(filename, 1))

    def test_match_of_all_that_are_known(self):
        for pattern in PATTERNS:
            for filename in FILES:
                for inclusive in (True, False):
                    # Called before the loop continues.
                    self.check(lambda m: m.Filter(inclusive, pattern)._match_frame(filename, 1))  # noqa: B023

    @given(TRACES, SLICES, st.data())
    def test_sequences(self, raw, part, data):
        self.check(lambda m: m._Traces(list(raw))[part])
        if raw:
            self.check(lambda m: m.Traceback(raw[0][2] * 5)[part])
            index = data.draw(st.integers(-len(raw), len(raw) - 1))
            self.check(lambda m: m._Traces(list(raw))[index])

    def test_both_modules_at_once(self):
        rng = random.Random(6)
        frames = [tuple((rng.choice(FILES), rng.randrange(4)) for _ in range(rng.randrange(1, 5))) for _ in range(12)]
        raw = [trace(0, rng.choice((0, 1, 10, 64)), rng.choice(frames), 0) for _ in range(30)]
        ours = ctracemalloc.Snapshot(raw, 1).statistics("lineno")
        stdlib = tracemalloc.Snapshot(raw, 1).statistics("lineno")
        self.assertEqual([str(s) for s in ours], [str(s) for s in stdlib])
        self.assertEqual([s.traceback._frames for s in ours], [s.traceback._frames for s in stdlib])
        self.assertFalse(any(a == b for a, b in zip(ours, stdlib)))


if __name__ == "__main__":
    unittest.main()
