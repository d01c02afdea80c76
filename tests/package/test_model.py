"""The model: rows, changes, sums and series as numbers."""

import os
import tempfile
import unittest

from ctracemalloc import Snapshot
from ctracemalloc.model.changes import kind_of_change, sum_changes
from ctracemalloc.model.doctor import lost_facts
from ctracemalloc.model.figures import ALLOCATED, LIVE, PEAK, Figures
from ctracemalloc.model.series import highest_sizes, steps_between
from ctracemalloc.model.sums import PEAK_BYTES, Sums, peak_stands_out, sums_of
from ctracemalloc.model.table import View, table_of
from ctracemalloc.recording.reading import Moment
from history_support import snapshot_of_sites


def made_by_hand(*amounts):
    """One block for each size; all blocks of item i are at location i."""
    traces = [(0, size, ((f"f{line}.py", line),), 1) for line, sizes in enumerate(amounts, 1) for size in sizes]
    return Snapshot(traces, 1)


def with_churn(*lines):
    """Blocks of 10 bytes; for each line: how many are live, were freed, and were live at the peak."""
    sites = [((0, 10, ((f"f{number}.py", number),), 1), *line) for number, line in enumerate(lines, 1)]
    with tempfile.TemporaryDirectory() as folder:
        return snapshot_of_sites(sites, os.path.join(folder, "it.ctm"))


def moments_of(*points):
    return [Moment(time, size, size // 10, size, 0) for time, size in points]


class DoctorTest(unittest.TestCase):
    def test_lost_facts(self):
        facts = {"python": "3.13", "frames": {"ok": True}, "memory": {"ok": False, "detail": "a"}, "free_lists": {}}
        self.assertEqual(lost_facts(facts), ["memory", "free_lists"])


class RowsTest(unittest.TestCase):
    def test_numbers(self):
        table = table_of([made_by_hand([100, 200], [700], [0])], View(limit=2))
        self.assertEqual(table.number, 3)
        self.assertEqual([(row.place.lineno, *row.figures.amount(LIVE)) for row in table.rows], [(2, 700, 1), (1, 300, 2)])

    def test_what_is_sorted_by_is_what_is_shown(self):
        snapshot = with_churn((10, 90, 20), (50, 0, 5))
        for measure, rows in ((ALLOCATED, [(1000, 100), (500, 50)]), (PEAK, [(200, 20), (50, 5)])):
            table = table_of([snapshot], View(measure=measure))
            self.assertEqual([row.figures.amount(measure) for row in table.rows], rows)
            self.assertEqual([row.figures.size for row in table.rows], [100, 500])


class ChangesTest(unittest.TestCase):
    def test_only_what_changed(self):
        old, new = made_by_hand([100], [50], [7]), made_by_hand([100, 30], [50], [])
        table = table_of([old, new], View(limit=1))
        self.assertEqual([(one.size, one.blocks) for one in table.totals], [(157, 3), (180, 3)])
        self.assertEqual(table.number, 2)
        (row,) = table.rows
        self.assertEqual((row.place.filename, row.place.lineno), ("f1.py", 1))
        self.assertEqual(row.change.amount(LIVE), (30, 1))
        self.assertEqual(row.figures.amount(LIVE), (130, 2))

    def test_kinds(self):
        old, new = made_by_hand([100], [50], [7], [1]), made_by_hand([100, 30], [20], [], [1], [9, 9])
        rows = table_of([old, new], View()).rows
        kinds = {row.place.lineno: kind_of_change(row, LIVE) for row in rows}
        self.assertEqual(kinds, {1: "grown", 2: "shrunk", 3: "gone", 5: "new"})
        sums = {one.kind: (one.rows, one.size) for one in sum_changes(rows, LIVE)}
        self.assertEqual(sums, {"new": (1, 18), "grown": (1, 30), "shrunk": (1, -30), "gone": (1, -7)})

    def test_churn(self):
        both = [with_churn((10, 90, 20)), with_churn((10, 120, 30))]
        self.assertEqual(table_of(both, View()).number, 0)
        (row,) = table_of(both, View(measure=ALLOCATED)).rows
        self.assertEqual((row.change, row.figures), (Figures(0, 0, 100, 10, 300, 30), Figures(100, 10, 300, 30, 1300, 130)))
        (row,) = table_of(both, View(measure=PEAK)).rows
        self.assertEqual(row.change.amount(PEAK), (100, 10))

    def test_what_grew_each_time(self):
        steps = [made_by_hand([10], [10], [10]), made_by_hand([20], [30], [10]), made_by_hand([30], [20], [90])]
        (row,) = table_of(steps, View()).rows
        self.assertEqual(row.place.lineno, 1)
        self.assertEqual([figures.size for figures in row.history], [10, 20, 30])


class SumsTest(unittest.TestCase):
    def test_churn_is_known_or_not(self):
        self.assertEqual(sums_of(made_by_hand([100, 200], [7])), Sums(307, 3, None, None, None, None))
        snapshot = with_churn((10, 90, 20), (50, 0, 5))
        self.assertEqual(sums_of(snapshot), Sums(600, 60, 900, 90, 1500, 250))

    def test_a_peak_that_stands_out(self):
        self.assertTrue(peak_stands_out(PEAK_BYTES, 2 * PEAK_BYTES))
        self.assertFalse(peak_stands_out(PEAK_BYTES, PEAK_BYTES))
        self.assertFalse(peak_stands_out(10, 1000))
        self.assertFalse(peak_stands_out(10 * PEAK_BYTES, 12 * PEAK_BYTES))


class SeriesTest(unittest.TestCase):
    def test_stretches(self):
        moments = moments_of((0, 10), (1, 40), (2, 20), (3, 30))
        self.assertEqual(highest_sizes(moments, 72), [10, 40, 20, 30])
        self.assertEqual(highest_sizes(moments, 2), [40, 30])
        self.assertEqual(highest_sizes(moments[:1], 72), [10])

    def test_a_stretch_without_a_tick(self):
        moments = moments_of((0, 10), (1, 50), (10, 20))
        self.assertEqual(highest_sizes(moments, 3), [50, 50, 20])

    def test_steps(self):
        moments = moments_of(*((i, 100 + 5 * i) for i in range(101)))
        steps = steps_between(moments, 10, 100, 12)
        self.assertEqual([step.position for step in steps], [*range(10, 100, 9), 100])
        self.assertEqual([step.change for step in steps], [None] + 10 * [45])
        self.assertEqual([step.moment for step in steps], [moments[step.position] for step in steps])
        self.assertEqual([step.position for step in steps_between(moments, 3, 3, 12)], [3])


if __name__ == "__main__":
    unittest.main()
