"""The model: rows, changes, sums and series as numbers."""

import os
import tempfile
import unittest

from ctracemalloc import Snapshot
from ctracemalloc.model.changes import changes_between
from ctracemalloc.model.doctor import lost_facts
from ctracemalloc.model.rows import rows_of
from ctracemalloc.model.series import highest_sizes, steps_between
from ctracemalloc.model.sums import PEAK_BYTES, Sums, peak_stands_out, sums_of
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
        rows = rows_of(made_by_hand([100, 200], [700], [0]), "lineno", 2)
        self.assertEqual(rows.number, 3)
        self.assertEqual([row.traceback[0].lineno for row in rows.shown], [2, 1])
        self.assertEqual([row[1:] for row in rows.shown], [(700, 1, 700.0, 70.0, 700), (300, 2, 150.0, 30.0, 300)])

    def test_no_bytes_have_no_percent(self):
        (row,) = rows_of(made_by_hand([0, 0]), "lineno", 10).shown
        self.assertEqual(row[1:], (0, 2, 0.0, None, 0))

    def test_what_is_sorted_by_is_what_is_shown(self):
        snapshot = with_churn((10, 90, 20), (50, 0, 5))
        (first, second) = rows_of(snapshot, "lineno", 10, sort="allocated").shown
        self.assertEqual(first[1:], (1000, 100, 10.0, 100 * 1000 / 1500, 100))
        self.assertEqual(second[1:], (500, 50, 10.0, 100 * 500 / 1500, 500))
        (first, second) = rows_of(snapshot, "lineno", 10, sort="peak").shown
        self.assertEqual(first[1:], (200, 20, 10.0, 80.0, 100))
        self.assertEqual(second[1:], (50, 5, 10.0, 20.0, 500))


class ChangesTest(unittest.TestCase):
    def test_only_what_changed(self):
        old, new = made_by_hand([100], [50], [7]), made_by_hand([100, 30], [50], [])
        changes = changes_between(old, new, "lineno", 1)
        self.assertEqual((changes.old.size, changes.new.size, changes.new.blocks), (157, 180, 3))
        self.assertEqual(changes.number, 2)
        (change,) = changes.shown
        self.assertEqual(change.traceback[0].lineno, 1)
        self.assertEqual(change[1:], (30, 1, 130, 2, 0, 30))

    def test_churn(self):
        old = with_churn((10, 90, 20))
        new = with_churn((10, 120, 30))
        self.assertEqual(changes_between(old, new, "lineno", 10).number, 0)
        (change,) = changes_between(old, new, "lineno", 10, sort="allocated").shown
        self.assertEqual(change[1:], (300, 30, 100, 10, 30, 0))
        (change,) = changes_between(old, new, "lineno", 10, sort="peak").shown
        self.assertEqual(change[1:], (100, 10, 300, 10, 30, 0))


class SumsTest(unittest.TestCase):
    def test_churn_is_known_or_not(self):
        self.assertEqual(sums_of(made_by_hand([100, 200], [7])), Sums(307, 3, None, None, None))
        snapshot = with_churn((10, 90, 20), (50, 0, 5))
        self.assertEqual(sums_of(snapshot), Sums(600, 60, 900, 90, 1500))

    def test_a_peak_that_stands_out(self):
        live, high = made_by_hand([PEAK_BYTES]), made_by_hand([2 * PEAK_BYTES])
        self.assertTrue(peak_stands_out(live, high))
        self.assertFalse(peak_stands_out(live, live))
        self.assertFalse(peak_stands_out(made_by_hand([10]), made_by_hand([1000])))


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
