"""The types leak no memory and no references, whether calls succeed or fail."""

# Functions are called before their loop continues.
# ruff: noqa: B023

import copy
import gc
import itertools
import operator
import os
import pickle
import sys
import unittest
import weakref

import ctracemalloc as m
from history_support import snapshot_of_sites
from types_support import KEYS, Case


class TestLeaks(Case):
    ROUNDS = 400

    def operations(self):
        """Every operation of the types, as (name, function of no arguments)."""
        raw = [(0, 10, (("a.py", 2), ("b.py", 4)), 3)] * 3 + [(1, 5, (("c.py", 1),), 1)]
        listed, core = m.Snapshot(raw, 5), self.to_core(raw)
        told = snapshot_of_sites([(raw[0], 1, 2, 3), (raw[3], 2, 2, 0)], self.path)
        mine_told = type("Mine", (m.Snapshot,), {"_group_by": lambda self, *key: m.Snapshot._group_by(self, *key)})([], 5)
        mine_told.traces = told.traces
        core.extra = {"a": [1, (2, None)], "b": {1, 2}, "c": 2**70, "d": "e", "f": 1.5}
        mine = type("Mine", (m.BaseFilter,), {"_match": lambda self, trace: trace[1] > 6})
        filters = [
            [],
            [m.Filter(True, "a*")],
            [m.DomainFilter(False, 1)],
            [mine(True)],
            [m.Filter(False, "a*", 1, True, 0), mine(False)],
        ]
        for name, s in (("core", core), ("list", listed)):
            for key, other in itertools.product(KEYS, (core, listed)):
                yield (name, key), lambda: [(str(x), repr(x), hash(x), x == x, x._sort_key()) for x in s.statistics(*key)]
                yield (
                    (name, key),
                    lambda: [(str(x), repr(x), hash(x), x == x, x._sort_key()) for x in s.compare_to(other, *key)],
                )
                yield (name, key), lambda: s._group_by(*key)
            for key, sort in itertools.product(KEYS, ("count", "peak", "allocated")):
                yield (name, key, sort), lambda: told.statistics(*key, sort=sort)
                yield (name, key, sort), lambda: told.compare_to(told, *key, sort=sort)
                yield (name, key, sort), lambda: mine_told.statistics(*key, sort=sort)
            yield (name, "at_peak"), lambda: (s.at_peak, told.at_peak.traces._traces)
            yield (
                (name, "history"),
                lambda: [
                    (x.allocated_size, x.freed_count, x.peak_size, copy.deepcopy(x), pickle.dumps(x))
                    for x in told.statistics("lineno")
                ],
            )
            yield (name, "count"), lambda: s.compare_to(listed, "lineno", sort="count")
            for chosen in filters:
                yield (name, "filter"), lambda: s.filter_traces(chosen)
            traces = s.traces
            for text in (
                "[t.traceback.format() for t in traces]",
                "[str(t) for t in traces]",
                "[repr(t) for t in traces]",
                "[t in traces for t in traces]",
                "[list(reversed(t.traceback)) for t in traces]",
                "traces[::2]",
                "[(t.traceback[:1], t.traceback[0].name) for t in traces]",
                "list(reversed(traces))",
                "traces.index(traces[-1])",
                "traces[-1]",
                "traces.count(traces[0])",
                "traces == core.traces",
                "traces._traces",
                "traces != listed.traces",
                "copy.deepcopy(s)",
                "copy.copy(s)",
                "pickle.loads(pickle.dumps(s))",
                "s.dump(self.path)",
                "m.Snapshot.load(self.path)",
                "sorted(t.traceback for t in traces)",
                "[t.traceback[0] <= t.traceback[-1] for t in traces]",
            ):
                code = compile(text, text, "eval")
                names = {
                    "m": m,
                    "copy": copy,
                    "pickle": pickle,
                    "traces": traces,
                    "core": core,
                    "listed": listed,
                    "s": s,
                    "self": self,
                }
                yield (name, text), lambda: eval(code, names)

    def failures(self):
        """Calls that raise, as (name, function of no arguments)."""
        core = self.to_core([(0, 1, (("a", 1),), 1)])
        bad = m.Snapshot([(0, 1, (("a", 1),), 1), (0, 1, (), 1), 5], 5)
        odd = m.Snapshot([], 1)
        odd.bad = [1, {2: object()}]
        damaged = os.path.join(self.folder, "damaged")
        with open(self.path, "rb") as source, open(damaged, "wb") as target:
            target.write(source.read()[:-5])
        for text in (
            "bad.statistics('lineno')",
            "bad.statistics('filename', True)",
            "bad.compare_to(core, 'traceback')",
            "core.compare_to(bad, 'traceback')",
            "bad.dump(self.path)",
            "odd.dump(self.path)",
            "core.statistics('x')",
            "core.dump('/no/such/place')",
            "core.dump(self.folder)",
            "core.dump(5.5)",
            "core.dump(self.path, 'x')",
            "core.statistics('lineno', sort='x')",
            "core.statistics('lineno', sort='peak')",
            "core.compare_to(core, 'lineno', sort='peak')",
            "bad.compare_to(core, 'lineno', sort='allocated')",
            "m.Snapshot.load('/no/such/place')",
            "m.Snapshot.load(damaged)",
            "m.Snapshot.load(self.folder)",
            "bad.filter_traces([m.Filter(True, 'a')])",
            "bad.filter_traces(5)",
            "core.filter_traces([m.BaseFilter(True)])",
            "core.filter_traces([5])",
            "m.Filter(True, 5)",
            "m.Frame()",
            "m.Frame(1, 2)",
            "m.Frame(frame=1, x=2)",
            "m.Frame(('a',)).lineno",
            "m.Traceback(5)",
            "m.Traceback(())[1]",
            "str(m.Statistic(1, 'x', 2))",
            "repr(m.StatisticDiff(1, 2, 3, 4, 'x'))",
            "m.Trace((1,)).traceback",
            "core.traces[99]",
            "core.traces['x']",
            "core.traces.index(1)",
            "m._Traces(5)[0]",
            "m._format_size('x', 1)",
            "m.Filter(True, 'a')._match((1, 2))",
            "1 in core.traces",
            "m.Filter(True, 'a', all_frames=True)._match((0, 1, (5,), 1))",
            "m._compare_grouped_stats({1: 2}, {1: 2})",
            "hash(m.Frame([]))",
        ):
            code = compile(text, text, "eval")
            names = {"m": m, "core": core, "bad": bad, "odd": odd, "damaged": damaged, "self": self}

            def fail(code=code, names=names):
                try:
                    eval(code, names)
                except (TypeError, ValueError, AttributeError, LookupError, OSError, NotImplementedError):
                    return
                self.fail("nothing raised")

            yield text, fail

    def growth(self, function):
        """Blocks of memory and references to shared objects that some rounds leak."""
        shared = [
            True,
            "a.py",
            m.Frame,
            m.Snapshot,
            m._Traces,
            m.Trace,
            m.Traceback,
            m.Statistic,
            m.StatisticDiff,
            m.Filter,
            m.DomainFilter,
            m.BaseFilter,
            os.path,
        ]
        before = [sys.getrefcount(thing) for thing in shared] + [sys.getallocatedblocks()]
        for _ in range(self.ROUNDS):
            function()
        gc.collect()
        after = [sys.getrefcount(thing) for thing in shared] + [sys.getallocatedblocks()]
        return max(abs(b - a) for a, b in zip(before, after))

    def check_leak(self, name, function):
        # The interpreter's own caches grow at first: a leak is growth that never stops.
        for _ in range(6):
            if (growth := self.growth(function)) < self.ROUNDS // 4:
                return
        self.fail(f"{name}: {growth} in {self.ROUNDS} rounds")

    def test_no_leaks(self):
        for name, function in itertools.chain(self.operations(), self.failures()):
            self.check_leak(name, function)

    def test_snapshots_are_freed(self):
        core = self.to_core([(0, 1, (("a", 1),), 1)])
        core.me = core
        core.traces._traces.append(core)
        died = weakref.ref(core)
        del core
        gc.collect()
        self.assertIsNone(died())

    def test_statistics_outlive_snapshot(self):
        core = self.to_core([(0, 1, (("a", 1), ("b", 2)), 2)] * 4)
        statistics, trace = core.statistics("traceback"), core.traces[2]
        iterator = iter(core.traces)
        next(iterator)
        del core
        gc.collect()
        self.assertEqual(str(statistics[0]), "b:2: size=4 B, count=4, average=1 B")
        self.assertEqual(str(trace), "b:2: 1 B")
        self.assertEqual(operator.length_hint(iterator), 3)
        self.assertEqual(len(list(iterator)), 3)


if __name__ == "__main__":
    unittest.main()
