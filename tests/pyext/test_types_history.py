"""Churn and the peak in statistics, the sorts by them, and snapshots of the moment of the peak.

Random sites with a history are written into files; the expected results are computed from the sites. What the tracer itself
counts is tested in tests/integration/test_peak.py.
"""

# Expressions are evaluated for the exceptions that they raise.
# ruff: noqa: B018

import collections
import copy
import gc
import pickle
import random
import unittest

import ctracemalloc as m
from history_support import snapshot_of_sites
from types_support import KEYS, STDLIB_KEYS, Case, is_core, plain, random_traces

SORTS = ["size", "count", "peak", "allocated"]
NAMES = ["allocated_count", "allocated_size", "freed_count", "freed_size", "peak_count", "peak_size"]
FILTERS = [
    [m.Filter(True, "*.py")],
    [m.Filter(False, "a.py", all_frames=True), m.DomainFilter(True, 0)],
    [m.Filter(True, "lib/*"), m.Filter(True, "b.py")],
]


def random_sites(rng, count):
    """Each site has a size of its own, so that no two are one row."""
    raw = [(domain, index * 8 + 1, frames, total) for index, (domain, _, frames, total) in enumerate(random_traces(rng, count))]
    return [(trace, rng.choice((0, 0, 1, 5)), freed := rng.randrange(4), rng.randrange(freed + 1)) for trace in raw]


def amounts(sites, key, cumulative):
    """{(frames of the group): Counter of live_size, live_count, peak_size, ...}, as _group_by of tracemalloc.py."""
    groups = collections.defaultdict(collections.Counter)
    for (_, size, frames, _), live, freed, at_peak in sites:
        numbers = {"live": live, "allocated": live + freed, "freed": freed, "peak": at_peak}
        for frame in frames if cumulative else frames[:1]:
            group = {"traceback": frames, "lineno": (frame,), "filename": ((frame[0], 0),)}[key]
            for name, count in numbers.items():
                groups[group][name + "_count"] += count
                groups[group][name + "_size"] += count * size
    return groups


class HistoryCase(Case):
    def snapshot(self, sites, **options):
        return snapshot_of_sites(sites, self.path, **options)

    def sample(self, peak_known=True):
        """Two lines: one with live blocks, one whose blocks are all freed."""
        return self.snapshot(
            [((0, 10, (("a.py", 1), ("m.py", 9)), 2), 3, 4, 2), ((0, 100, (("b.py", 2), ("m.py", 9)), 2), 0, 5, 4)],
            peak_known=peak_known,
        )


class TestStatistics(HistoryCase):
    def check_order(self, groups, found, sort):
        first = {
            "size": (),
            "count": ("live_count",),
            "peak": ("peak_size", "peak_count"),
            "allocated": ("allocated_size", "allocated_count"),
        }[sort]
        keys = []
        for statistic in found:
            group = groups[tuple(reversed(statistic.traceback._frames))]
            keys.append((*(group[name] for name in first), group["live_size"], group["live_count"], statistic.traceback))
        self.assertEqual(keys, sorted(keys, reverse=True))

    def check_statistics(self, snapshot, sites, key, cumulative, sort):
        groups = amounts(sites, key, cumulative)
        more = {"peak": "peak_count", "allocated": "allocated_count"}.get(sort, "live_count")
        expected = {k for k, g in groups.items() if g["live_count"] or g[more]}
        found = snapshot.statistics(key, cumulative, sort=sort)
        self.assertEqual([type(s) for s in found], [m.Statistic] * len(expected))
        self.assertEqual({tuple(reversed(s.traceback._frames)) for s in found}, expected)
        for statistic in found:
            group = groups[tuple(reversed(statistic.traceback._frames))]
            self.assertEqual((statistic.size, statistic.count), (group["live_size"], group["live_count"]))
            self.assertEqual({name: getattr(statistic, name) for name in NAMES}, {name: group[name] for name in NAMES})
        self.check_order(groups, found, sort)

    def test_random(self):
        rng = random.Random(1)
        for round_ in range(25):
            sites = random_sites(rng, rng.randrange(40))
            snapshot = self.snapshot(sites)
            for key, cumulative in STDLIB_KEYS:
                for sort in SORTS:
                    with self.subTest(round=round_, key=key, cumulative=cumulative, sort=sort):
                        self.check_statistics(snapshot, sites, key, cumulative, sort)

    def test_by_default_as_before(self):
        rng = random.Random(2)
        for _ in range(20):
            sites = random_sites(rng, 20)
            snapshot = self.snapshot(sites)
            listed = m.Snapshot([raw for raw, live, *_ in sites for _ in range(live)], 5)
            other = m.Snapshot([], 5)
            for key in STDLIB_KEYS:
                self.assertEqual(snapshot.statistics(*key), listed.statistics(*key))
                self.assertEqual(snapshot.statistics(*key, sort="size"), listed.statistics(*key))
                self.assertEqual(snapshot._group_by(*key), listed._group_by(*key))
                self.assertEqual(snapshot.compare_to(other, *key), listed.compare_to(other, *key))

    def check_differences(self, snapshots, sites, key, cumulative, sort):
        groups = [amounts(each, key, cumulative) for each in sites]
        name = {"peak": "peak_count", "allocated": "allocated_count"}.get(sort, "live_count")
        expected = {k for group in groups for k, g in group.items() if g["live_count"] or g[name]}
        found = snapshots[0].compare_to(snapshots[1], key, cumulative, sort=sort)
        self.assertEqual({tuple(reversed(d.traceback._frames)) for d in found}, expected)
        order = []
        for diff in found:
            new, old = (group[tuple(reversed(diff.traceback._frames))] for group in groups)
            self.assertEqual(
                (diff.size, diff.size_diff, diff.count, diff.count_diff),
                (
                    new["live_size"],
                    new["live_size"] - old["live_size"],
                    new["live_count"],
                    new["live_count"] - old["live_count"],
                ),
            )
            for name in NAMES:
                self.assertEqual(getattr(diff, name), new[name])
                self.assertEqual(getattr(diff, name + "_diff"), new[name] - old[name])
            first = {"size": [], "count": ["count"]}.get(sort, [f"{sort}_size", f"{sort}_count"])
            values = [f(getattr(diff, n)) for n in first for n, f in ((n + "_diff", abs), (n, int))]
            order.append((*values, *diff._sort_key()))
        self.assertEqual(order, sorted(order, reverse=True))

    def test_differences(self):
        rng = random.Random(3)
        for round_ in range(15):
            sites = [random_sites(rng, rng.randrange(30)) for _ in range(2)]
            sites[1] += sites[0][: rng.randrange(30)]
            sites[1] = [site for i, site in enumerate(sites[1]) if not i or site[0] != sites[1][i - 1][0]]
            snapshots = [self.snapshot(each) for each in sites]
            for key, cumulative in STDLIB_KEYS:
                for sort in SORTS:
                    with self.subTest(round=round_, key=key, cumulative=cumulative, sort=sort):
                        self.check_differences(snapshots, sites, key, cumulative, sort)

    def test_by_function(self):
        snapshot = self.sample()
        found = snapshot.statistics("function", sort="peak")
        self.assertEqual([(s.traceback[0].filename, s.peak_size) for s in found], [("b.py", 400), ("a.py", 20)])
        self.assertEqual(snapshot.statistics("function", True, sort="allocated")[0].freed_count, 9)

    def test_traces_of_python(self):
        """Sorted the same way if the traces are Python objects, without the core."""
        rng = random.Random(4)
        for _ in range(30):
            raws = [random_traces(rng, rng.randrange(30)) for _ in range(2)]
            cores, lists = [self.to_core(raw) for raw in raws], [m.Snapshot(raw, 5) for raw in raws]
            for key in STDLIB_KEYS:
                for sort in ("size", "count"):
                    self.assertEqual(lists[0].statistics(*key, sort=sort), cores[0].statistics(*key, sort=sort))
                    self.assertEqual(
                        plain(lists[0].compare_to(lists[1], *key, sort=sort)),
                        plain(cores[0].compare_to(cores[1], *key, sort=sort)),
                    )

    def test_own_grouping(self):
        class Mine(m.Snapshot):
            def _group_by(self, key_type, cumulative):
                return super()._group_by(key_type, cumulative)

        rng = random.Random(5)
        sites = [site for site in random_sites(rng, 30) if site[1]]
        core = self.snapshot(sites)
        mine = Mine([], 5)
        mine.traces = core.traces
        for sort in SORTS:
            found = mine.statistics("lineno", sort=sort)
            self.assertEqual(found, core.statistics("lineno", sort=sort))
            self.assertEqual([s.peak_size for s in found], [s.peak_size for s in core.statistics("lineno", sort=sort)])
        self.assertEqual(mine.compare_to(core, "lineno", sort="count"), core.compare_to(core, "lineno", sort="count"))
        with self.assertRaisesRegex(ValueError, "does not know what was live at the peak"):
            mine.compare_to(core, "lineno", sort="peak")

    def test_bad_sorts(self):
        core, listed = self.sample(), m.Snapshot([(0, 1, (("a", 1),), 1)], 5)
        for snapshot in (core, listed):
            for bad in ("", "Size", "sizes", None, 0, b"size", ["size"], "\ud800"):
                with self.assertRaisesRegex(ValueError, "^unknown sort: "):
                    snapshot.statistics("lineno", sort=bad)
                with self.assertRaisesRegex(ValueError, "^unknown sort: "):
                    snapshot.compare_to(core, "lineno", sort=bad)
            with self.assertRaisesRegex(TypeError, "takes from 2 to 3 positional arguments but 4"):
                snapshot.statistics("lineno", False, "size")
            with self.assertRaisesRegex(TypeError, "takes from 3 to 4 positional arguments but 5"):
                snapshot.compare_to(core, "lineno", False, "size")
            with self.assertRaisesRegex(TypeError, "unexpected keyword argument '\\*sort'"):
                snapshot.statistics("lineno", **{"*sort": "size"})


class TestUnknown(HistoryCase):
    def assert_unknown(self, snapshot, names, sorts):
        for key in KEYS:
            for each in (*snapshot.statistics(*key), *snapshot.compare_to(snapshot, *key)):
                for name in NAMES:
                    self.assertEqual(getattr(each, name) is None, name in names, name)
        for sort in SORTS:
            if sort in sorts:
                with self.assertRaisesRegex(ValueError, f"^cannot sort by {sort}: "):
                    snapshot.statistics("lineno", sort=sort)
                with self.assertRaisesRegex(ValueError, f"^cannot sort by {sort}: "):
                    snapshot.compare_to(snapshot, "lineno", sort=sort)
            else:
                self.assertTrue(snapshot.statistics("lineno", sort=sort))

    def test_traces_only(self):
        raw = [(0, 10, (("a.py", 1),), 1)] * 3
        for snapshot in (m.Snapshot(raw, 1), self.to_core(raw)):
            self.assert_unknown(snapshot, NAMES, ["peak", "allocated"])
            self.assertIsNone(snapshot.at_peak)
        m.Snapshot(raw, 1).dump(self.path, format="stdlib")
        snapshot = m.Snapshot.load(self.path)
        self.assert_unknown(snapshot, NAMES, ["peak", "allocated"])
        self.assertIsNone(snapshot.at_peak)

    def test_peak_only_is_unknown(self):
        snapshot = self.sample(peak_known=False)
        self.assert_unknown(snapshot, ["peak_count", "peak_size"], ["peak"])
        self.assertIsNone(snapshot.at_peak)
        self.assertEqual(snapshot.statistics("lineno", sort="allocated")[0].freed_size, 500)

    def test_one_of_two_is_unknown(self):
        known, other = self.sample(), self.sample(peak_known=False)
        for diff in (*known.compare_to(other, "lineno"), *other.compare_to(known, "lineno")):
            self.assertIsNone(diff.peak_size)
            self.assertIsNone(diff.peak_size_diff)
            self.assertEqual(diff.allocated_count_diff, 0)
        with self.assertRaises(ValueError):
            known.compare_to(other, "lineno", sort="peak")

    def test_made_by_hand(self):
        traceback = m.Traceback((("a.py", 1),))
        for made in (m.Statistic(traceback, 10, 2), m.StatisticDiff(traceback, 10, 5, 2, 1)):
            self.assertFalse(hasattr(made, "_history"))
            names = [name for name in dir(made) if name.startswith(("allocated", "freed", "peak"))]
            self.assertEqual(len(names), 6 if type(made) is m.Statistic else 12)
            for name in names:
                self.assertIsNone(getattr(made, name))
                self.assertTrue(getattr(type(made), name).__doc__)
                with self.assertRaises(AttributeError):
                    setattr(made, name, 1)

    def test_slots_before_the_first_read(self):
        """A row's numbers become a tuple when they are first read; the order of the reads does not matter."""

        def rows():
            snapshot = self.sample()
            older = self.snapshot([((0, 7, (("c.py", 1),), 1), 1, 1, 1)])
            return [*snapshot.statistics("lineno"), *snapshot.compare_to(older, "lineno")]

        looked_at = [row._history for row in rows()]
        self.assertEqual({len(history) for history in looked_at}, {4, 8})
        for history in looked_at:
            self.assertIs(type(history), tuple)
            self.assertLessEqual({type(number) for number in history}, {int, type(None)})
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for row, history in zip(rows(), looked_at):
                self.assertEqual(pickle.loads(pickle.dumps(row, max(protocol, 2)))._history, history)
        for row, history in zip(rows(), looked_at):
            self.assertEqual(copy.copy(row)._history, history)
            self.assertEqual((row.allocated_count, row.peak_size), (history[0], history[3]))
            self.assertIs(row._history, row._history)
        for row in rows():
            row._history = (9, 8, 7, 6)
            self.assertEqual((row._history, row.peak_size), ((9, 8, 7, 6), 6))
        for row in rows():
            del row._history
            self.assertIsNone(row.peak_size)
            self.assertFalse(hasattr(row, "_history"))
            with self.assertRaises(AttributeError) as caught:
                del row._history
            self.assertIn("_history", str(caught.exception))
        kinds = {type(thing).__name__ for row in rows() for thing in gc.get_referents(row)}
        self.assertIn("PendingHistory", kinds)  # the only way to see one; it has no function
        for row in rows():
            for thing in gc.get_referents(row):
                if type(thing).__name__ == "PendingHistory":
                    with self.assertRaises(TypeError):
                        type(thing)()

    def test_odd_slots(self):
        statistic = m.Statistic(m.Traceback((("a.py", 1),)), 10, 2)
        for odd in ((), (1,), [1, 2, 3, 4], None, "abcd"):
            statistic._history = odd
            self.assertIsNone(statistic.peak_size)
        statistic._history = ("x", 2, 3, 4)
        self.assertEqual((statistic.allocated_count, statistic.peak_size), ("x", 4))
        with self.assertRaises(TypeError):
            statistic.freed_count
        del statistic.count
        statistic._history = (1, 2, 3, 4)
        with self.assertRaises(AttributeError):
            statistic.freed_count


class TestSameAsBefore(HistoryCase):
    """The attributes of a Statistic that code for the standard module uses are unchanged."""

    def objects(self):
        snapshot = self.sample()
        yield from snapshot.statistics("lineno", sort="allocated")
        yield from snapshot.compare_to(self.snapshot([((0, 7, (("c.py", 1),), 1), 1, 1, 1)]), "lineno")

    def by_hand(self, value):
        names = [n for n in type(value).__slots__ if not n.startswith("_")]
        return type(value)(*(getattr(value, name) for name in names))

    def test_equality_and_texts(self):
        for value in self.objects():
            hand = self.by_hand(value)
            self.assertEqual(value, hand)
            self.assertEqual(hash(value), hash(hand))
            self.assertEqual((str(value), repr(value)), (str(hand), repr(hand)))
            self.assertEqual(value._sort_key(), hand._sort_key())

    def test_copies_keep_it(self):
        for value in self.objects():
            self.assertIsNotNone(value.allocated_size)
            for duplicate in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
                self.assertEqual(duplicate, value)
                for name in NAMES:
                    self.assertEqual(getattr(duplicate, name), getattr(value, name))


class TestAtPeak(HistoryCase):
    def expected(self, sites):
        return sorted(raw for raw, _, _, at_peak in sites for _ in range(at_peak))

    def test_random(self):
        rng = random.Random(7)
        for _ in range(25):
            sites = random_sites(rng, rng.randrange(30))
            snapshot = self.snapshot(sites, limit=7)
            peak = snapshot.at_peak
            self.assertEqual(sorted(peak.traces._traces), self.expected(sites))
            self.assertTrue(is_core(peak))
            self.assertEqual(peak.traceback_limit, 7)
            self.assertEqual(peak.at_peak.traces, peak.traces)
            for key in STDLIB_KEYS:
                found = {s.traceback: (s.size, s.count) for s in peak.statistics(*key)}
                known = {
                    s.traceback: (s.peak_size, s.peak_count) for s in snapshot.statistics(*key, sort="peak") if s.peak_count
                }
                self.assertEqual(found, known)

    def test_filters(self):
        rng = random.Random(8)
        for _ in range(10):
            snapshot = self.snapshot(random_sites(rng, 30))
            for filters in FILTERS:
                self.assertEqual(snapshot.filter_traces(filters).at_peak.traces, snapshot.at_peak.filter_traces(filters).traces)

    def test_files_and_copies(self):
        snapshot = self.snapshot(random_sites(random.Random(9), 30))
        peak = snapshot.at_peak
        for duplicate in (pickle.loads(pickle.dumps(snapshot)), copy.deepcopy(snapshot)):
            self.assertEqual(duplicate.at_peak.traces, peak.traces)
        peak.dump(self.path)
        self.assertEqual(m.Snapshot.load(self.path).traces, peak.traces)
        self.assertEqual(m.Snapshot.load(self.path).at_peak.traces, peak.traces)
        peak = self.sample().at_peak
        peak.dump(self.path, format="stdlib")
        self.assertEqual(m.Snapshot.load(self.path).traces._traces, peak.traces._traces)

    def test_allocated_is_that_of_the_snapshot(self):
        snapshot = self.snapshot(random_sites(random.Random(10), 30))
        for key in STDLIB_KEYS:
            numbers = [
                {s.traceback: (s.allocated_count, s.allocated_size) for s in each.statistics(*key, sort="allocated")}
                for each in (snapshot, snapshot.at_peak)
            ]
            self.assertEqual(*numbers)

    def test_own_filters(self):
        """They are called for live blocks only, so nothing is known of others."""
        seen = []

        class Mine(m.Filter):
            def _match(self, trace):
                seen.append(trace)
                return True

        snapshot = self.sample()
        kept = snapshot.filter_traces([Mine(True, "*")])
        self.assertEqual(seen, snapshot.traces._traces)
        self.assertEqual(kept.traces, snapshot.traces)
        self.assertIsNone(kept.at_peak)
        (statistic,) = kept.statistics("lineno")
        self.assertIsNone(statistic.allocated_count)

    def test_attribute(self):
        snapshot = self.sample()
        with self.assertRaises(AttributeError):
            snapshot.at_peak = 5
        snapshot.note = "x"
        self.assertFalse(hasattr(snapshot.at_peak, "note"))
        del snapshot.traceback_limit
        with self.assertRaises(AttributeError):
            snapshot.at_peak
        del snapshot.traces
        with self.assertRaises(AttributeError):
            snapshot.at_peak


if __name__ == "__main__":
    unittest.main()
