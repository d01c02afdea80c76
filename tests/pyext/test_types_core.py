"""Snapshots whose traces are read from the core: their traces, answers, filters and copies.

Random snapshots are made twice: from a list of raw traces (which test_parity_random.py compares with the standard library)
and, by dump and load, from the core. Both must give the same results.
"""

# Expressions are evaluated for the exceptions that they raise.
# ruff: noqa: B015

import collections.abc
import copy
import functools
import itertools
import os
import pickle
import random
import tracemalloc as stdlib
import unittest

import ctracemalloc as m
from types_support import PATTERNS, STDLIB_KEYS, Case, is_core, plain, random_traces


class TestTraces(Case):
    def setUp(self):
        super().setUp()
        self.raw = random_traces(random.Random(1), 30)
        self.core = self.to_core(self.raw).traces
        self.list = m._Traces(self.raw)

    def test_sequence(self):
        core, plain_list = self.core, self.list
        self.assertEqual(len(core), len(self.raw))
        self.assertEqual(list(core), list(plain_list))
        self.assertEqual([t._trace for t in core], self.raw)
        self.assertEqual(list(reversed(core)), list(reversed(plain_list)))
        self.assertEqual([core[i] for i in range(-len(core), len(core))], [plain_list[i] for i in range(-len(core), len(core))])
        self.assertEqual(repr(core), repr(plain_list))
        self.assertIsInstance(core, collections.abc.Sequence)
        self.assertEqual(core[True], core[1])
        for bad in (len(core), -len(core) - 1, 10**30, "x", None, 1.0):
            with self.assertRaises((IndexError, TypeError)) as mine:
                core[bad]
            with self.assertRaises(type(mine.exception)) as theirs:
                plain_list[bad]
            self.assertEqual(str(mine.exception), str(theirs.exception))

    def test_slices(self):
        rng = random.Random(2)
        for _ in range(300):
            part = slice(*(rng.choice((None, *range(-70, 70))) for _ in range(2)), rng.choice((None, 1, 2, -1, -5, 10**30)))
            self.assertEqual(self.core[part], self.list[part])
            self.assertIs(type(self.core[part]), tuple)
        with self.assertRaises(ValueError):
            self.core[::0]

    def test_search(self):
        for trace in self.list[::5]:
            self.assertIn(trace, self.core)
            self.assertEqual(self.core.index(trace), self.list.index(trace))
            self.assertEqual(self.core.count(trace), self.list.count(trace))
        for raw in (
            (0, 3, (), 0),
            (0, -1, (), 0),
            (0, 2**70, (), 0),
            (0, "x", (), 0),
            (0, 1),
            5,
            None,
            (0, 10, (("a.py", 1),), 99),
        ):
            self.assertNotIn(m.Trace(raw), self.core)
        with self.assertRaises(AttributeError):
            1 in self.core

    def test_lazy_list(self):
        self.assertNotIn("_traces", vars(self.core))
        listed = self.core._traces
        self.assertEqual(listed, self.raw)
        self.assertIs(type(listed), list)
        self.assertIs(self.core._traces, listed)
        self.assertNotIn("_traces", vars(self.core))
        self.core._traces = self.raw[:2]
        self.assertEqual(len(self.core), 2)
        del self.core._traces
        self.assertEqual(len(self.core), len(self.raw))
        del self.core._core
        with self.assertRaisesRegex(AttributeError, "'_Traces' object has no attribute '_traces'"):
            len(self.core)

    def test_shared_tuples(self):
        seen = {}
        for trace in self.core:
            frames = trace._trace[2]
            self.assertIs(seen.setdefault(frames, frames), frames)
        for raw, after in itertools.pairwise(self.core._traces):
            self.assertEqual(raw is after, raw == after)

    def test_equality(self):
        core = self.core
        self.assertEqual(core, self.list)
        self.assertEqual(self.list, core)
        self.assertEqual(core, m._Traces(tuple(self.raw)))
        self.assertEqual(core, self.to_core(self.raw).traces)
        self.assertFalse(core != self.list)
        for other in (
            self.raw[:-1],
            self.raw + self.raw[:1],
            self.raw[::-1],
            [],
            [None] * len(self.raw),
            self.raw[:-1] + [(0, 0, (), 0)],
        ):
            self.assertNotEqual(core, m._Traces(other))
            self.assertNotEqual(m._Traces(other), core)
        self.assertNotEqual(core, self.to_core(self.raw[::-1]).traces)
        self.assertNotEqual(core, m._Traces({}))
        self.assertNotEqual(core, self.raw)
        with self.assertRaises(TypeError):
            hash(core)

    def test_equality_runs_other_code(self):
        class Awkward:
            def __eq__(self, other):
                raws.clear()
                return True

        raws = [Awkward() for _ in self.raw]
        self.assertNotEqual(self.core, m._Traces(raws))

    def test_subclass_and_odd_state(self):
        class Mine(m._Traces):
            pass

        mine = Mine.__new__(Mine)
        mine._core = self.core._core
        self.assertEqual(len(mine), len(self.raw))
        self.assertEqual(mine, self.list)
        mine._core = 5
        with self.assertRaises(AttributeError):
            len(mine)

    def test_copies(self):
        self.core.extra = [1]
        for duplicate in (
            pickle.loads(pickle.dumps(self.core)),
            copy.copy(self.core),
            copy.deepcopy(self.core),
            pickle.loads(pickle.dumps(self.core, 2)),
            pickle.loads(pickle.dumps(self.core, 0)),
        ):
            self.assertIs(type(duplicate), m._Traces)
            self.assertEqual(duplicate, self.core)
            self.assertEqual(duplicate.extra, [1])
        self.assertIs(copy.deepcopy(self.core)._core, self.core._core)

    def test_core_is_closed(self):
        handle = self.core._core
        with self.assertRaises(TypeError):
            type(handle)()
        with self.assertRaises(AttributeError):
            handle.x = 1
        with self.assertRaises(TypeError):
            type(handle).x = 1
        self.assertIn(f"blocks={len(self.raw)}", repr(handle))

    def test_bad_pickles(self):
        function, (data,) = self.core._core.__reduce__()
        self.assertIsInstance(function(data), type(self.core._core))
        with self.assertRaises(TypeError):
            function("text")
        rng = random.Random(3)
        for _ in range(300):
            hostile = bytearray(data)
            hostile[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            try:
                traces = m._Traces.__new__(m._Traces)
                traces._core = function(bytes(hostile))
                list(traces), repr(list(traces))
            except m.FileError:
                pass
        for cut in range(0, len(data), 7):
            with self.assertRaises(m.FileError) as caught:
                function(data[:cut])
            self.assertIsInstance(caught.exception.offset, int)
            self.assertIsInstance(caught.exception.reason, str)


class TestAnswers(Case):
    def test_statistics(self):
        rng = random.Random(4)
        for round_ in range(60):
            raw = random_traces(rng, rng.randrange(40))
            core, listed = self.to_core(raw), m.Snapshot(raw, 5)
            reference = stdlib.Snapshot(raw, 5)
            for key, cumulative in STDLIB_KEYS:
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    mine = core.statistics(key, cumulative)
                    self.assertEqual(mine, listed.statistics(key, cumulative))
                    self.assertEqual(plain(mine), plain(reference.statistics(key, cumulative)))
                    self.assertTrue(all(type(s) is m.Statistic for s in mine))
                    self.assertEqual(core._group_by(key, cumulative), listed._group_by(key, cumulative))

    def test_function_without_names(self):
        raw = random_traces(random.Random(5), 40)
        core, listed = self.to_core(raw), m.Snapshot(raw, 5)
        for cumulative in (False, True):
            expected = listed.statistics("filename", cumulative)
            self.assertEqual(listed.statistics("function", cumulative), expected)
            self.assertEqual(core.statistics("function", cumulative), expected)
            self.assertEqual(listed.compare_to(core, "function", cumulative), listed.compare_to(core, "filename", cumulative))

    def test_compare_to(self):
        rng = random.Random(6)
        for round_ in range(40):
            new, old = (random_traces(rng, rng.randrange(30)) for _ in range(2))
            old += new[: rng.randrange(40)]
            cores = self.to_core(new), self.to_core(old)
            lists = m.Snapshot(new, 5), m.Snapshot(old, 5)
            reference = stdlib.Snapshot(new, 5), stdlib.Snapshot(old, 5)
            for key, cumulative in STDLIB_KEYS:
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    expected = plain(reference[0].compare_to(reference[1], key, cumulative))
                    for a, b in itertools.product((cores[0], lists[0]), (cores[1], lists[1])):
                        self.assertEqual(plain(a.compare_to(b, key, cumulative)), expected)
            self.assertTrue(all(type(d) is m.StatisticDiff for d in cores[0].compare_to(cores[1], "lineno")))

    def test_errors(self):
        core = self.to_core([(0, 1, (("a", 1),), 1)])
        for call in (core.statistics, functools.partial(core.compare_to, core), core._group_by):
            extra = (False,) if call == core._group_by else ()
            with self.assertRaisesRegex(ValueError, "^unknown key_type: 'x'$"):
                call("x", *extra)
            with self.assertRaisesRegex(ValueError, "cumulative mode cannot by used with key type 'traceback'"):
                call("traceback", True)

    def random_filter(self, rng):
        if rng.random() < 0.2:
            return ("DomainFilter", rng.random() < 0.5, rng.choice((0, 1, 389047, -1, 2**32, 2**80)))
        return (
            "Filter",
            rng.random() < 0.5,
            rng.choice(PATTERNS),
            rng.choice((None, None, 1, 2, -1, 2**40, 2**80)),
            rng.random() < 0.5,
            rng.choice((None, None, 0, 1, 2**33)),
        )

    def test_filter_traces(self):
        rng = random.Random(7)
        for round_ in range(200):
            raw = random_traces(rng, rng.randrange(20))
            core = self.to_core(raw)
            specs = [self.random_filter(rng) for _ in range(rng.randrange(4))]
            mine = core.filter_traces([getattr(m, s[0])(*s[1:]) for s in specs])
            theirs = stdlib.Snapshot(raw, 5).filter_traces([getattr(stdlib, s[0])(*s[1:]) for s in specs])
            with self.subTest(round=round_, specs=specs):
                self.assertEqual(mine.traces._traces, theirs.traces._traces)
                self.assertTrue(is_core(mine))
                self.assertEqual(mine.traceback_limit, 5)
                self.assertEqual(core.traces._traces, raw)

    def test_own_filters(self):
        raw = random_traces(random.Random(8), 30)
        core = self.to_core(raw)
        seen = []

        class Mine(m.BaseFilter):
            def _match(self, trace):
                seen.append(trace)
                return len(seen) % 3

        kept = core.filter_traces([Mine(True)])
        self.assertEqual(seen, raw)
        self.assertEqual(sorted(kept.traces._traces), sorted(r for i, r in enumerate(raw, 1) if i % 3))
        self.assertTrue(is_core(kept))

        class Frames(m.Filter):
            def _match_frame(self, filename, lineno):
                return lineno == 2

        kept = core.filter_traces([Frames(True, "x"), m.Filter(False, "a.py")])
        self.assertEqual(kept.traces._traces, [r for r in raw if r[2][0][1] == 2 and r[2][0][0] != "a.py"])
        patched = m.Filter(True, "no")
        patched._match = lambda trace: trace[1] == 10
        self.assertEqual(core.filter_traces([patched]).traces._traces, [r for r in raw if r[1] == 10])

        class Failing(m.BaseFilter):
            def _match(self, trace):
                raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            core.filter_traces([Failing(True)])

    def test_odd_filter_values(self):
        raw = random_traces(random.Random(9), 30)
        core, listed = self.to_core(raw), m.Snapshot(raw, 5)
        for name, value in (
            ("inclusive", "x"),
            ("inclusive", []),
            ("lineno", 1.0),
            ("lineno", "x"),
            ("all_frames", None),
            ("domain", 0.0),
            ("domain", True),
            ("_filename_pattern", "\ud800*"),
            ("lineno", True),
        ):
            odd = m.Filter(True, "*.py")
            setattr(odd, name, value)
            self.assertEqual(core.filter_traces([odd]).traces, listed.filter_traces([odd]).traces)
        none = m.DomainFilter(True, None)
        self.assertEqual(len(core.filter_traces([none]).traces), 0)

    def test_overridden_snapshot_methods(self):
        raw = random_traces(random.Random(10), 10)
        traces = self.to_core(raw).traces

        class Mine(m.Snapshot):
            def _group_by(self, key_type, cumulative):
                return {k: v for k, v in super()._group_by("lineno", cumulative).items() if v.size > 10}

            def _filter_trace(self, include, exclude, trace):
                return trace[1] == 1

        mine = Mine([], 3)
        mine.traces = traces
        self.assertEqual({s.size > 10 for s in mine.statistics("whatever")}, {True})
        self.assertEqual(sum(d.size_diff for d in mine.compare_to(mine, "x")), 0)
        self.assertEqual(mine.filter_traces([m.Filter(True, "x")]).traces._traces, [r for r in raw if r[1] == 1])

    def test_traces_without_frames(self):
        raw = [(0, 5, (), 0), (0, 6, (("a", 1),), 1)]
        core, listed = self.to_core(raw), m.Snapshot(raw, 5)
        self.assertEqual(core.traces, listed.traces)
        for key, cumulative in STDLIB_KEYS:
            results = []
            for snapshot in (core, listed, stdlib.Snapshot(raw, 5)):
                try:
                    results.append(plain(snapshot.statistics(key, cumulative)))
                except IndexError as error:
                    results.append(str(error))
            self.assertEqual(results[0], results[2], (key, cumulative))
            self.assertEqual(results[1], results[2], (key, cumulative))
        with self.assertRaises(IndexError):
            core.filter_traces([m.Filter(True, "a")])
        self.assertEqual(len(core.filter_traces([m.DomainFilter(True, 0)]).traces), 2)

    def test_many_blocks(self):
        """A run of equal blocks needs one row, however many there are."""
        raw = [(0, 8, (("a.py", 1),), 1)] * 200_000 + [(0, 9, (("b.py", 2),), 1)] * 3
        core = self.to_core(raw)
        self.assertLess(os.path.getsize(self.path), 5000)
        self.assertEqual((len(core.traces), core.traces[199_999].size, core.traces[-1].size), (200_003, 8, 9))
        self.assertEqual(core.statistics("lineno")[0].count, 200_000)


class TestPickleSnapshot(Case):
    def test_copies(self):
        raw = random_traces(random.Random(14), 20)
        core = self.to_core(raw)
        core.note = {"not": object}
        for duplicate in (
            pickle.loads(pickle.dumps(core)),
            pickle.loads(pickle.dumps(core, 0)),
            copy.copy(core),
            copy.deepcopy(core),
        ):
            self.assertIs(type(duplicate), m.Snapshot)
            self.assertEqual(duplicate.traces, core.traces)
            self.assertEqual((duplicate.traceback_limit, duplicate.note), (5, core.note))
            self.assertTrue(is_core(duplicate))
            self.assertEqual(duplicate.statistics("lineno"), core.statistics("lineno"))


if __name__ == "__main__":
    unittest.main()
