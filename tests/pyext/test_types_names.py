"""Function names: which frames have one, what preserves it, statistics by function."""

import copy
import gc
import pickle
import unittest

import ctracemalloc as m
from types_support import Case, is_core


class TestNames(Case):
    """Function names, which only snapshots from the tracer have."""

    @classmethod
    def setUpClass(cls):
        m.start(10)
        try:
            cls.kept = [cls.allocate_here(), (lambda: bytes(54321))(), Holder().method()]
            cls.taken = m.take_snapshot()
        finally:
            m.stop()

    @staticmethod
    def allocate_here():
        return bytearray(43210)

    def trace_of(self, snapshot, size):
        return next(t for t in snapshot.traces if abs(t.size - size) < 100)

    def snapshots(self):
        yield self.taken
        yield pickle.loads(pickle.dumps(self.taken))
        yield copy.deepcopy(self.taken)
        self.taken.dump(self.path)
        yield m.Snapshot.load(self.path)
        yield self.taken.filter_traces([m.Filter(True, __file__, all_frames=True)])
        yield self.taken.filter_traces([])

    def test_names(self):
        self.assertTrue(is_core(self.taken))
        for snapshot in self.snapshots():
            traceback = self.trace_of(snapshot, 43210).traceback
            names = [frame.name for frame in traceback]
            self.assertEqual(names[-2:], ["TestNames.setUpClass", "TestNames.allocate_here"])
            self.assertEqual([f.name for f in traceback[-2:]], names[-2:])
            self.assertEqual([f.name for f in reversed(traceback)], names[::-1])
            self.assertEqual(self.trace_of(snapshot, 54321).traceback[-1].name, "TestNames.setUpClass.<locals>.<lambda>")
            self.assertEqual(self.trace_of(snapshot, 32100).traceback[-1].name, "Holder.method")

    def test_names_change_nothing(self):
        traceback = self.trace_of(self.taken, 43210).traceback
        frame = traceback[-1]
        plain_frame = m.Frame(frame._frame)
        self.assertIsNone(plain_frame.name)
        self.assertEqual(
            (frame == plain_frame, hash(frame), repr(frame), str(frame)),
            (True, hash(plain_frame), repr(plain_frame), str(plain_frame)),
        )
        self.assertFalse(frame < plain_frame or frame > plain_frame)
        plain_traceback = m.Traceback(traceback._frames[::-1], traceback.total_nframe)
        self.assertEqual(
            (traceback, hash(traceback), repr(traceback)), (plain_traceback, hash(plain_traceback), repr(plain_traceback))
        )
        with self.assertRaises(AttributeError):
            frame.name = "x"

    def test_names_survive_copies(self):
        trace = self.trace_of(self.taken, 43210)
        statistic = next(s for s in self.taken.statistics("traceback") if abs(s.size - 43210) < 100)
        for duplicate in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            self.assertEqual(duplicate(trace.traceback[-1]).name, "TestNames.allocate_here")
            self.assertEqual(duplicate(trace.traceback)[-1].name, "TestNames.allocate_here")
            self.assertEqual(duplicate(trace).traceback[-1].name, "TestNames.allocate_here")
            self.assertEqual(duplicate(statistic).traceback[-1].name, "TestNames.allocate_here")

    def test_replaced_frames_have_no_names(self):
        trace = self.trace_of(self.taken, 43210)
        traceback = trace.traceback
        traceback._frames = traceback._frames[::-1]
        self.assertEqual({frame.name for frame in traceback}, {None})
        trace._trace = tuple(trace._trace)
        self.assertEqual({frame.name for frame in trace.traceback}, {None})
        frame = self.trace_of(self.taken, 43210).traceback[-1]
        frame.__init__(("x", 1))
        self.assertIsNone(frame.name)

    def test_hostile_names(self):
        traceback = m.Traceback((("a", 1), ("b", 2)))
        for names in (5, (), ("x",), ["a", "b"], None):
            traceback._names = names
            self.assertEqual([f.name for f in traceback], [None, None])
        trace = m.Trace((0, 1, (("a", 1), ("b", 2)), 2))
        for names in (5, (), ("x",), ["a", "b"], None):
            trace._names = names
            self.assertEqual([f.name for f in trace.traceback], [None, None])

    def test_function_statistics(self):
        line = self.allocate_here.__code__.co_firstlineno
        for cumulative in (False, True):
            found = [
                s for s in self.taken.statistics("function", cumulative) if s.traceback[0].name == "TestNames.allocate_here"
            ]
            self.assertEqual(len(found), 1)
            self.assertEqual((found[0].traceback[0].filename, found[0].traceback[0].lineno), (__file__, line))
            self.assertEqual(
                found[0].count, len([t for t in self.taken.traces if t.traceback[-1].name == "TestNames.allocate_here"])
            )
        self.assertEqual(
            sum(s.size for s in self.taken.statistics("function")), sum(s.size for s in self.taken.statistics("filename"))
        )
        by_line = {f.name for s in self.taken.statistics("lineno") for f in s.traceback}
        self.assertIn("TestNames.allocate_here", by_line)
        by_file = {f.name for s in self.taken.statistics("filename") for f in s.traceback}
        self.assertEqual(by_file, {None})

    def test_function_compare(self):
        older = self.taken.filter_traces(
            [
                m.Filter(False, __file__, line)
                for line in {
                    t.traceback[-1].lineno for t in self.taken.traces if t.traceback[-1].name == "TestNames.allocate_here"
                }
            ]
        )
        diff = self.taken.compare_to(older, "function")
        self.assertEqual((diff[0].traceback[0].name, diff[0].count_diff > 0), ("TestNames.allocate_here", True))
        self.assertEqual([d for d in self.taken.compare_to(self.taken, "function") if d.size_diff or d.count_diff], [])

    def test_function_group_by(self):
        group = self.taken._group_by("function", False)
        self.assertEqual(sum(s.size for s in group.values()), sum(t.size for t in self.taken.traces))


class Holder:
    def method(self):
        return bytearray(32100)


class TestPendingTracebacks(unittest.TestCase):
    """Tracebacks of statistics are made when they are first read: in any order of reads, each is complete."""

    ACCESSES = (
        lambda t: getattr(t, "_names", None),
        lambda t: t._total_nframe,
        lambda t: t._frames,
        len,
        hash,
        repr,
        copy.copy,
        pickle.dumps,
        lambda t: t == t,
        lambda t: t[0],
        gc.get_referents,
        lambda t: setattr(t, "_total_nframe", None),
    )

    @staticmethod
    def statistic(key):
        m.start(3)
        try:
            held = bytearray(12345)
            statistics = m.take_snapshot().statistics(key)
        finally:
            m.stop()
        del held
        return next(s for s in statistics if s.size >= 12345)  # the snapshot has been freed

    def test_first_access(self):
        for key in ("traceback", "filename", "lineno", "function"):
            for access in self.ACCESSES:
                traceback = self.statistic(key).traceback
                access(traceback)
                self.assertEqual(traceback[-1].filename, __file__)
                self.assertEqual(len(traceback), 3 if key == "traceback" else 1)
                self.assertEqual(traceback[-1].name, None if key == "filename" else self.statistic.__qualname__)
                self.assertIsNone(traceback.total_nframe)
                self.assertEqual(pickle.loads(pickle.dumps(traceback)), traceback)

    def test_never_looked_at(self):
        statistics = [self.statistic("traceback") for _ in range(3)]
        gc.collect()
        del statistics

    def test_replaced(self):
        traceback = self.statistic("lineno").traceback
        traceback._frames = (("a.py", 1),)
        self.assertEqual(str(traceback), "a.py:1")
        del traceback._total_nframe
        self.assertRaises(AttributeError, lambda: traceback._total_nframe)


if __name__ == "__main__":
    unittest.main()
