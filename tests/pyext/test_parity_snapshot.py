"""tracemalloc's filters and snapshots: the same expectations for both modules.

Each class of tests is run with the standard library's module and with this one.
"""

# ruff: noqa: PT008

import unittest
import unittest.mock
import weakref

from parity_support import both


@both
class FilterTests:
    def test_attributes(self):
        f = self.m.Filter(True, "abc", 5, True, 3)
        self.assertEqual(vars(f), {"inclusive": True, "_filename_pattern": "abc", "lineno": 5, "all_frames": True, "domain": 3})
        self.assertEqual(list(vars(f)), ["inclusive", "_filename_pattern", "lineno", "all_frames", "domain"])
        self.assertEqual(self.m.Filter(False, "x.pyc").filename_pattern, "x.py")
        self.assertEqual(
            vars(self.m.Filter(inclusive=0, filename_pattern="*")),
            {"inclusive": 0, "_filename_pattern": "*", "lineno": None, "all_frames": False, "domain": None},
        )
        f.inclusive, f.lineno, f.other = False, None, 1
        with self.assertRaises(AttributeError):
            f.filename_pattern = "x"
        self.assertEqual(vars(self.m.DomainFilter(True, 3)), {"inclusive": True, "_domain": 3})
        with self.assertRaises(AttributeError):
            self.m.DomainFilter(True, 3).domain = 4
        self.assertEqual(vars(self.m.BaseFilter(2)), {"inclusive": 2})
        with self.assertRaises(NotImplementedError):
            self.m.BaseFilter(True)._match((0, 1, (), 0))
        for bad in (None, 5, b"x.pyc"):
            with self.assertRaises(TypeError):
                self.m.Filter(True, bad)

    def test_inheritance(self):
        self.assertTrue(issubclass(self.m.Filter, self.m.BaseFilter))
        self.assertTrue(issubclass(self.m.DomainFilter, self.m.BaseFilter))
        self.assertIs(weakref.ref(f := self.m.Filter(True, "x"))(), f)

    def test_match_frame(self):
        F = self.m.Filter
        for inclusive, pattern, lineno, filename, at, expected in [
            (True, "abc", None, "abc", 5, True),
            (True, "abc", None, "abcd", 5, False),
            (False, "abc", None, "abc", 5, False),
            (False, "abc", None, "12356", 9, True),
            (True, "abc", 5, "abc", 5, True),
            (True, "abc", 5, "abc", 10, False),
            (False, "abc", 5, "abc", 5, False),
            (False, "abc", 5, "abc", 10, True),
            (True, "a*.py", None, "a/b/c.pyc", 1, True),
            (True, "*.pyc", None, "x.py", 1, True),
            (True, "a*b*c", None, "axbyc", 1, True),
            (True, "[!a]x", None, "bx", 1, True),
            (True, "[a-c]x", None, "bx", 1, True),
            (True, "[]]", None, "]", 1, True),
            (True, "[", None, "[", 1, True),
            (True, "a.py", None, "a.pyo", 1, False),
            (True, "a?c", None, "a\nc", 1, True),
            (True, "é*", None, "été", 1, True),
        ]:
            f = F(inclusive, pattern, lineno)
            self.assertIs(f._match_frame(filename, at), expected, (inclusive, pattern, lineno, filename, at))

    def test_match_traceback(self):
        unknown, t1, t2 = (("<unknown>", 0),), (("a.py", 2), ("b.py", 3)), (("b.py", 1),)
        one = self.m.Filter(True, "b.py")
        every = self.m.Filter(True, "b.py", all_frames=True)
        self.assertEqual([one._match_traceback(t) for t in (unknown, t1, t2)], [False, False, True])
        self.assertEqual([every._match_traceback(t) for t in (unknown, t1, t2)], [False, True, True])
        every.inclusive = one.inclusive = False
        self.assertEqual([one._match_traceback(t) for t in (unknown, t1, t2)], [True, True, False])
        self.assertEqual([every._match_traceback(t) for t in (unknown, t1, t2)], [True, False, False])
        with self.assertRaises(IndexError):
            one._match_traceback(())
        self.assertTrue(every._match_traceback(()))

    def test_match_domain(self):
        for inclusive, domain, block, expected in [
            (True, 3, 3, True),
            (True, 3, 4, False),
            (False, 3, 3, False),
            (False, 3, 4, True),
        ]:
            trace = (block, 1, (("a.py", 1),), 1)
            self.assertIs(self.m.DomainFilter(inclusive, domain)._match(trace), expected)
            f = self.m.Filter(inclusive, "a.py", domain=domain)
            self.assertIs(f._match(trace), expected if inclusive else block != domain)

    def test_bad_traces(self):
        f = self.m.Filter(True, "a")
        for bad in ((1, 2, 3), (1, 2, 3, 4, 5), 5, None, "abc"):
            with self.assertRaises((TypeError, ValueError)):
                f._match(bad)
        with self.assertRaises(ValueError):
            f._match((0, 1, (("a", 1, 2),), 1))


@both
class SnapshotTests:
    raw = [
        (0, 10, (("a.py", 2), ("b.py", 4)), 3),
        (0, 10, (("a.py", 2), ("b.py", 4)), 3),
        (1, 2, (("a.py", 5), ("b.py", 4)), 3),
        (2, 66, (("b.py", 1),), 1),
        (3, 7, (("<unknown>", 0),), 1),
    ]

    def setUp(self):
        self.snapshot = self.m.Snapshot(list(self.raw), 25)

    def test_attributes(self):
        s = self.snapshot
        self.assertEqual(list(vars(s)), ["traces", "traceback_limit"])
        self.assertIs(type(s.traces), self.m._Traces)
        self.assertEqual(s.traces._traces, self.raw)
        self.assertEqual(s.traceback_limit, 25)
        s.other = 1
        self.assertIs(weakref.ref(s)(), s)
        self.assertNotEqual(s, self.m.Snapshot(list(self.raw), 25))
        marker = object()
        self.assertIs(self.m.Snapshot(marker, marker).traces._traces, marker)

    def test_reads_attribute_traces(self):
        self.snapshot.traces = self.m._Traces(self.raw[:1])
        self.assertEqual([s.count for s in self.snapshot.statistics("lineno")], [1])

        class Holder:
            _traces = self.raw[:2]

        self.snapshot.traces = Holder()
        self.assertEqual([s.count for s in self.snapshot.statistics("lineno")], [2])
        self.snapshot.traces = None
        with self.assertRaises(AttributeError):
            self.snapshot.statistics("lineno")

    def test_statistics_order(self):
        s = self.snapshot
        self.assertEqual(
            [(str(x.traceback), x.size, x.count) for x in s.statistics("lineno")],
            [("b.py:1", 66, 1), ("a.py:2", 20, 2), ("<unknown>:0", 7, 1), ("a.py:5", 2, 1)],
        )
        self.assertEqual(
            [(str(x.traceback), x.size, x.count) for x in s.statistics("filename")],
            [("b.py:0", 66, 1), ("a.py:0", 22, 3), ("<unknown>:0", 7, 1)],
        )
        cumulative = s.statistics("filename", True)
        self.assertEqual(
            [(str(x.traceback), x.size, x.count) for x in cumulative],
            [("b.py:0", 88, 4), ("a.py:0", 22, 3), ("<unknown>:0", 7, 1)],
        )
        self.assertIsNone(cumulative[0].traceback.total_nframe)

    def test_key_errors(self):
        s = self.snapshot
        for call in (lambda k: s.statistics(k), lambda k: s.compare_to(s, k)):
            for key in ("x", "", None, 5, "Lineno"):
                with self.assertRaises(ValueError) as caught:
                    call(key)
                self.assertEqual(str(caught.exception), f"unknown key_type: {key!r}")
        for call in (lambda: s.statistics("traceback", True), lambda: s.compare_to(s, "traceback", True)):
            with self.assertRaisesRegex(ValueError, "^cumulative mode cannot by used with key type 'traceback'$"):
                call()

    def test_compare(self):
        old = self.m.Snapshot(self.raw[1:4], 25)
        diff = self.snapshot.compare_to(old, "lineno")
        self.assertEqual(
            [str(d) for d in diff],
            [
                "a.py:2: size=20 B (+10 B), count=2 (+1), average=10 B",
                "<unknown>:0: size=7 B (+7 B), count=1 (+1), average=7 B",
                "b.py:1: size=66 B (+0 B), count=1 (+0), average=66 B",
                "a.py:5: size=2 B (+0 B), count=1 (+0), average=2 B",
            ],
        )
        self.assertTrue(all(type(d) is self.m.StatisticDiff for d in diff))
        with self.assertRaises(AttributeError):
            self.snapshot.compare_to(None, "lineno")

    def test_filter_traces(self):
        s, F = self.snapshot, self.m.Filter
        kept = s.filter_traces((F(False, "b.py"),))
        self.assertEqual(kept.traces._traces, self.raw[:3] + self.raw[4:])
        self.assertEqual(kept.traceback_limit, 25)
        self.assertEqual(s.filter_traces(iter([F(True, "a.py", 5)])).traces._traces, [self.raw[2]])
        empty = s.filter_traces([])
        self.assertIsNot(empty.traces._traces, s.traces._traces)
        self.assertEqual(empty.traces, s.traces)
        for bad in (F(True, "x"), 5, None):
            with self.assertRaises(TypeError) as caught:
                s.filter_traces(bad)
            self.assertEqual(str(caught.exception), f"filters must be a list of filters, not {type(bad).__name__}")
        with self.assertRaises(AttributeError):
            s.filter_traces([1])

    def test_own_filter(self):
        seen = []

        class Mine(self.m.BaseFilter):
            def _match(self, trace):
                seen.append(trace)
                return trace[1] > 5

        kept = self.snapshot.filter_traces([Mine(True)])
        self.assertEqual([t.size for t in kept.traces], [10, 10, 66, 7])
        self.assertEqual(seen, self.raw)
        kept = self.snapshot.filter_traces([Mine(False), self.m.DomainFilter(False, 2)])
        self.assertEqual([t.size for t in kept.traces], [10, 10, 7])

        class Frames(self.m.Filter):
            def _match_frame_impl(self, filename, lineno):
                return lineno == 4

        kept = self.snapshot.filter_traces([Frames(True, "zzz", all_frames=True)])
        self.assertEqual([t.size for t in kept.traces], [10, 10, 2])

    def test_monkeypatched_filter(self):
        f = self.m.Filter(True, "*")
        f._match = lambda trace: trace[0] == 2
        self.assertEqual([t.size for t in self.snapshot.filter_traces([f]).traces], [66])
        with unittest.mock.patch.object(self.m.Filter, "_match", lambda self, trace: False):
            self.assertEqual(len(self.snapshot.filter_traces([self.m.Filter(True, "*")]).traces), 0)

    def test_overrides(self):
        outer = self

        class Mine(self.m.Snapshot):
            def _group_by(self, key_type, cumulative):
                group = super()._group_by("filename", cumulative)
                group.popitem()
                return group

            def _filter_trace(self, include, exclude, trace):
                outer.assertEqual((len(include), len(exclude)), (1, 0))
                return trace[1] == 2

        s = Mine(list(self.raw), 1)
        self.assertEqual(len(s.statistics("anything")), 2)
        self.assertEqual(len(s.compare_to(s, "anything")), 2)
        kept = s.filter_traces([self.m.Filter(True, "*")])
        self.assertIs(type(kept), self.m.Snapshot)
        self.assertEqual([t.size for t in kept.traces], [2])

    def test_group_by(self):
        group = self.snapshot._group_by("lineno", False)
        self.assertEqual([str(k) for k in group], ["a.py:2", "a.py:5", "b.py:1", "<unknown>:0"])
        self.assertEqual([str(v.traceback) for v in group.values()], [str(k) for k in group])


if __name__ == "__main__":
    unittest.main()
