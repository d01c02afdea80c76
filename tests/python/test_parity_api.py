"""tracemalloc's classes: the same tests, with the same expectations, over both modules.

Three kinds of test. The mixins `...Tests` state what is expected and run once with the standard
library's module and once with this one. `TestSameOutcome` runs small pieces of code with both and
compares what comes out: the value, or the type and text of the exception. `TestRandom` does so
with random traces, filters and patterns.
"""

# Functions are called before their loop goes on; names are there for eval(); expressions are there
# for what they raise.
# ruff: noqa: B015, B018, B023, F841, RUF005, PT008, C420, B905

import collections.abc
import copy
import gc
import inspect
import io
import itertools
import pickle
import random
import sys
import tracemalloc
import unittest
import unittest.mock
import weakref

import ctracemalloc

if tracemalloc is ctracemalloc:
    raise ImportError("these tests compare with the standard library's tracemalloc")

MODULES = {"Stdlib": tracemalloc, "Ours": ctracemalloc}
CLASSES = ["Frame", "Traceback", "Trace", "_Traces", "Statistic", "StatisticDiff", "BaseFilter",
           "Filter", "DomainFilter", "Snapshot"]
SLOTTED = ["Frame", "Traceback", "Trace", "Statistic", "StatisticDiff"]


def sample(m, name):
    """An instance of each class."""
    frames = (("a.py", 1), ("b.py", 2))
    traceback = m.Traceback(frames, 5)
    return {
        "Frame": lambda: m.Frame(("a.py", 1)),
        "Traceback": lambda: traceback,
        "Trace": lambda: m.Trace((0, 10, frames, 5)),
        "_Traces": lambda: m._Traces([(0, 10, frames, 5)]),
        "Statistic": lambda: m.Statistic(traceback, 10, 2),
        "StatisticDiff": lambda: m.StatisticDiff(traceback, 10, 5, 2, 1),
        "BaseFilter": lambda: m.BaseFilter(True),
        "Filter": lambda: m.Filter(True, "a.py", 1, True, 0),
        "DomainFilter": lambda: m.DomainFilter(False, 3),
        "Snapshot": lambda: m.Snapshot([(0, 10, frames, 5)], 7),
    }[name]()


def make_subclasses(prefix, m):
    """Picklable subclasses of every class: <prefix><Class> with a dict, <prefix>Slot<Class> with
    a slot, both with an attribute `extra`."""
    for name in CLASSES:
        base = getattr(m, name)
        for kind, body in (("", {}), ("Slot", {"__slots__": ("extra",)})):
            full = prefix + kind + name
            body = dict(body, __module__=__name__, __qualname__=full)
            globals()[full] = type(full, (base,), body)


for _prefix, _module in MODULES.items():
    make_subclasses(_prefix, _module)


def both(mixin):
    """Makes a test case of the mixin for each module."""
    for prefix, m in MODULES.items():
        name = f"{prefix}{mixin.__name__}"
        case = type(name, (mixin, unittest.TestCase),
                    {"m": m, "prefix": prefix, "__module__": __name__, "__qualname__": name})
        sys.modules[__name__].__dict__[name] = case
    return mixin


@both
class FrameTests:
    def test_attributes(self):
        frame = self.m.Frame(("a.py", 7))
        self.assertEqual(frame.filename, "a.py")
        self.assertEqual(frame.lineno, 7)
        self.assertEqual(frame._frame, ("a.py", 7))
        self.assertEqual(str(frame), "a.py:7")
        self.assertEqual(repr(frame), "<Frame filename='a.py' lineno=7>")

    def test_any_object(self):
        raw = ["x", None]
        frame = self.m.Frame(raw)
        self.assertIs(frame._frame, raw)
        self.assertEqual(repr(frame), "<Frame filename='x' lineno=None>")
        self.assertEqual(self.m.Frame({0: "k", 1: 2}).filename, "k")
        with self.assertRaisesRegex(IndexError, "^tuple index out of range$"):
            self.m.Frame(("x",)).lineno
        with self.assertRaises(TypeError):
            hash(frame)

    def test_order(self):
        F = self.m.Frame
        a1, a1_again, a2, b1 = F(("a", 1)), F(("a", 1)), F(("a", 2)), F(("b", 1))
        self.assertEqual(a1, a1_again)
        self.assertEqual(hash(a1), hash(a1_again))
        self.assertEqual(hash(a1), hash(("a", 1)))
        self.assertFalse(a1 != a1_again)
        self.assertEqual(sorted([b1, a2, a1]), [a1, a2, b1])
        self.assertTrue(a1 < a2 <= b1 and b1 > a2 >= a1 and a1 <= a1_again and a1 >= a1_again)
        self.assertFalse(a1 < a1_again or a1 > a1_again or a2 <= a1 or a1 >= a2)
        for method in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
            self.assertIs(getattr(a1, method)(("a", 1)), NotImplemented, method)
        self.assertNotEqual(a1, ("a", 1))
        with self.assertRaisesRegex(TypeError, "'<' not supported between instances of 'Frame' "
                                               "and 'tuple'"):
            a1 < ("a", 1)

    def test_order_derived_from_overrides(self):
        class Reverse(self.m.Frame):
            def __lt__(self, other):
                return self.lineno > other.lineno

        a, b = Reverse(("a", 1)), Reverse(("a", 2))
        self.assertTrue(a > b and a >= b and b < a and b <= a)
        self.assertFalse(a < b or a <= b or b > a)

        class Same(self.m.Frame):
            def __eq__(self, other):
                return True

        self.assertFalse(Same(("a", 1)) != Same(("b", 2)))
        self.assertTrue(Same(("b", 2)) <= Same(("a", 1)))
        self.assertIsNone(Same.__hash__)

    def test_slots(self):
        frame = self.m.Frame(("a", 1))
        with self.assertRaises(AttributeError):
            frame.other = 1
        with self.assertRaises(AttributeError):
            frame.filename = "b"
        frame._frame = ("b", 2)
        self.assertEqual(str(frame), "b:2")
        del frame._frame
        with self.assertRaises(AttributeError):
            frame.filename
        with self.assertRaises(TypeError):
            weakref.ref(frame)


@both
class TracebackTests:
    def setUp(self):
        self.frames = (("a", 1), ("b", 2), ("c", 3))
        self.traceback = self.m.Traceback(self.frames, 9)

    def test_attributes(self):
        tb = self.traceback
        self.assertEqual(tb._frames, (("c", 3), ("b", 2), ("a", 1)))
        self.assertEqual((tb.total_nframe, tb._total_nframe), (9, 9))
        self.assertIsNone(self.m.Traceback(()).total_nframe)
        self.assertEqual(str(tb), "c:3")
        self.assertEqual(repr(tb), "<Traceback (<Frame filename='c' lineno=3>, <Frame filename='b'"
                                   " lineno=2>, <Frame filename='a' lineno=1>) total_nframe=9>")
        self.assertEqual(repr(self.m.Traceback(())), "<Traceback ()>")
        self.assertEqual(repr(self.m.Traceback((), 0)), "<Traceback () total_nframe=0>")
        self.assertEqual(repr(self.m.Traceback((), "x")), "<Traceback () total_nframe=x>")
        with self.assertRaisesRegex(IndexError, "tuple index out of range"):
            str(self.m.Traceback(()))

    def test_sources(self):
        for source in (list(self.frames), self.frames, {f: 0 for f in self.frames}):
            self.assertEqual(self.m.Traceback(source), self.traceback)
        self.assertEqual(self.m.Traceback("ab")._frames, ("b", "a"))
        with self.assertRaisesRegex(TypeError, "'int' object is not reversible"):
            self.m.Traceback(1)
        with self.assertRaisesRegex(TypeError, "'set' object is not reversible"):
            self.m.Traceback(set())

    def test_sequence(self):
        tb, F = self.traceback, self.m.Frame
        self.assertEqual(len(tb), 3)
        self.assertEqual(tb[0], F(("c", 3)))
        self.assertEqual(tb[-1], F(("a", 1)))
        self.assertIsInstance(tb[0], F)
        self.assertEqual(list(tb), [F(("c", 3)), F(("b", 2)), F(("a", 1))])
        self.assertEqual(list(reversed(tb)), list(tb)[::-1])
        self.assertEqual(tb[1:], (F(("b", 2)), F(("a", 1))))
        self.assertEqual(tb[::-1], tuple(tb)[::-1])
        self.assertEqual(tb[5:], ())
        self.assertIs(type(tb[:]), tuple)
        for index in (3, -4, 10**30):
            with self.assertRaises(IndexError):
                tb[index]
        with self.assertRaisesRegex(TypeError, "tuple indices must be integers or slices, not str"):
            tb["x"]
        self.assertEqual(tb[True], F(("b", 2)))
        self.assertIn(F(("b", 2)), tb)
        self.assertNotIn(F(("b", 3)), tb)
        with self.assertRaisesRegex(AttributeError, "'int' object has no attribute '_frame'"):
            1 in tb
        first, *rest = tb
        self.assertEqual((first, rest), (tb[0], [tb[1], tb[2]]))
        self.assertTrue(tb)
        self.assertFalse(self.m.Traceback(()))

    def test_index_count(self):
        tb = self.m.Traceback((("a", 1), ("b", 2), ("a", 1)))
        a, b, c = (self.m.Frame(raw) for raw in (("a", 1), ("b", 2), ("c", 3)))
        self.assertEqual((tb.count(a), tb.count(b), tb.count(c)), (2, 1, 0))
        self.assertEqual((tb.index(a), tb.index(b), tb.index(a, 1)), (0, 1, 2))
        self.assertEqual((tb.index(a, -2), tb.index(a, -99), tb.index(b, 0, -1)), (2, 0, 1))
        self.assertEqual(tb.index(value=a, start=1, stop=None), 2)
        for args in ((c,), (a, 1, 2), (b, 2), (a, 3), (b, 0, -2), (b, 0, 0)):
            with self.assertRaises(ValueError) as caught:
                tb.index(*args)
            self.assertEqual(caught.exception.args, ())
        with self.assertRaises(TypeError):
            tb.index(a, "x")

    def test_abc(self):
        self.assertIsInstance(self.traceback, collections.abc.Sequence)
        self.assertTrue(issubclass(self.m.Traceback, collections.abc.Sequence))
        match self.traceback:
            case [first, _, last]:
                self.assertEqual((first.lineno, last.lineno), (3, 1))
            case _:
                self.fail("not matched as a sequence")
        self.assertEqual(self.m.Traceback[int].__origin__, self.m.Traceback)

    def test_order(self):
        T = self.m.Traceback
        a, b = T((("a", 1),)), T((("a", 1), ("b", 1)), 3)
        self.assertLess(a, b)
        self.assertEqual(a, T([("a", 1)], 99))
        self.assertEqual(hash(a), hash((("a", 1),)))
        self.assertEqual(len({a, T((("a", 1),), 4), b}), 2)
        self.assertEqual(sorted([b, a]), [a, b])
        self.assertEqual((a <= b, a > b, a >= b, a != b), (True, False, False, True))
        self.assertIs(a.__lt__(1), NotImplemented)
        self.assertIs(a.__ge__(1), NotImplemented)
        self.assertNotEqual(a, (("a", 1),))
        with self.assertRaises(TypeError):
            T((("a", 1),)) < T((("a", None),))

    def test_slots(self):
        tb = self.traceback
        tb._frames = tuple(reversed(tb._frames))
        self.assertEqual(tb[0].lineno, 1)
        tb._frames = [("z", 1)]
        self.assertEqual((len(tb), tb[0].filename), (1, "z"))
        self.assertEqual(tb[:], (self.m.Frame(("z", 1)),))
        with self.assertRaises(TypeError):
            hash(tb)
        tb._total_nframe = 4
        self.assertEqual(tb.total_nframe, 4)
        with self.assertRaises(AttributeError):
            tb.total_nframe = 5
        with self.assertRaises(AttributeError):
            tb.other = 5
        with self.assertRaises(TypeError):
            weakref.ref(tb)

    def test_overridden_getitem(self):
        class Twice(self.m.Traceback):
            def __getitem__(self, index):
                return [super(Twice, self).__getitem__(index)] * 2

        tb = Twice(self.frames)
        self.assertEqual([len(pair) for pair in tb], [2, 2, 2])
        self.assertEqual(len(next(iter(reversed(tb)))), 2)
        self.assertEqual(tb.index([self.m.Frame(("b", 2))] * 2), 1)

    def test_format(self):
        with unittest.mock.patch("linecache.getline", side_effect=lambda f, n: f" <{f}{n}> \n"):
            tb = self.traceback
            c, b, a = (['  File "c", line 3', "    <c3>"], ['  File "b", line 2', "    <b2>"],
                       ['  File "a", line 1', "    <a1>"])
            self.assertEqual(tb.format(), c + b + a)
            self.assertEqual(tb.format(1), a)
            self.assertEqual(tb.format(limit=2), b + a)
            self.assertEqual(tb.format(99), c + b + a)
            self.assertEqual(tb.format(-1), c + b)
            self.assertEqual(tb.format(0), [])
            self.assertEqual(tb.format(-99), [])
            self.assertEqual(tb.format(most_recent_first=True), a + b + c)
            self.assertEqual(tb.format(2, True), a + b)
            self.assertEqual(tb.format(-2, True), c)
            with self.assertRaises(TypeError):
                tb.format("x")
        with unittest.mock.patch("linecache.getline", return_value="  \n"):
            self.assertEqual(self.traceback.format(1), ['  File "a", line 1'])

    def test_format_real_source(self):
        tb = self.m.Traceback(((__file__, 1), ("<no such file>", 5)))
        self.assertEqual(tb.format()[0], '  File "<no such file>", line 5')
        self.assertTrue(tb.format()[2].startswith('    """tracemalloc'))


@both
class TraceTests:
    def setUp(self):
        self.raw = (3, 1030, (("a", 1), ("b", 2)), 8)
        self.trace = self.m.Trace(self.raw)

    def test_attributes(self):
        t = self.trace
        self.assertEqual((t.domain, t.size), (3, 1030))
        self.assertEqual(t.traceback, self.m.Traceback((("a", 1), ("b", 2))))
        self.assertEqual(t.traceback.total_nframe, 8)
        self.assertIs(t._trace, self.raw)
        self.assertEqual(str(t), "b:2: 1030 B")
        self.assertEqual(repr(t), "<Trace domain=3 size=1030 B, traceback=" + repr(t.traceback)
                         + ">")

    def test_odd_raw(self):
        three = self.m.Trace((0, 1, (("a", 1),)))
        self.assertIsNone(three.traceback.total_nframe)
        self.assertEqual(self.m.Trace([0, 1, (("a", 1),), 4]).traceback.total_nframe, 4)
        with self.assertRaises(TypeError):
            self.m.Trace((0, 1)).traceback
        with self.assertRaises(TypeError):
            self.m.Trace((0, 1, (), 3, 4)).traceback
        with self.assertRaisesRegex(IndexError, "tuple index out of range"):
            self.m.Trace(()).domain

    def test_equality(self):
        T = self.m.Trace
        self.assertEqual(self.trace, T((3, 1030, (("a", 1), ("b", 2)), 8)))
        self.assertNotEqual(self.trace, T((3, 1030, (("a", 1), ("b", 2)), 9)))
        self.assertEqual(hash(self.trace), hash(self.raw))
        self.assertIs(self.trace.__eq__(self.raw), NotImplemented)
        with self.assertRaises(TypeError):
            self.trace < self.trace
        with self.assertRaises(TypeError):
            hash(T([1]))

    def test_slots(self):
        self.trace._trace = (0, 5, (("z", 1),), 1)
        self.assertEqual(str(self.trace), "z:1: 5 B")
        for name in ("other", "size", "domain", "traceback"):
            with self.assertRaises(AttributeError):
                setattr(self.trace, name, 1)


@both
class TracesTests:
    def setUp(self):
        self.raw = [(0, size, (("a", size),), 1) for size in (10, 20, 30, 20)]
        self.traces = self.m._Traces(self.raw)

    def test_sequence(self):
        traces, T = self.traces, self.m.Trace
        self.assertIs(traces._traces, self.raw)
        self.assertEqual(vars(traces), {"_traces": self.raw})
        self.assertEqual(repr(traces), "<Traces len=4>")
        self.assertEqual([t.size for t in traces], [10, 20, 30, 20])
        self.assertEqual([t.size for t in reversed(traces)], [20, 30, 20, 10])
        self.assertEqual(traces[1:3], (T(self.raw[1]), T(self.raw[2])))
        self.assertIs(type(traces[:0]), tuple)
        self.assertEqual(traces[-1].size, 20)
        self.assertIn(T(self.raw[2]), traces)
        self.assertNotIn(T((0, 1, (), 0)), traces)
        self.assertEqual((traces.count(T(self.raw[1])), traces.index(T(self.raw[3]), 2)), (2, 3))
        with self.assertRaisesRegex(IndexError, "list index out of range"):
            traces[4]
        with self.assertRaises(AttributeError):
            1 in traces
        self.assertIsInstance(traces, collections.abc.Sequence)
        match traces:
            case [first, *rest]:
                self.assertEqual((first.size, len(rest)), (10, 3))
            case _:
                self.fail("not matched as a sequence")

    def test_equality(self):
        traces = self.traces
        self.assertEqual(traces, self.m._Traces(list(self.raw)))
        self.assertNotEqual(traces, self.m._Traces(self.raw[:3]))
        self.assertNotEqual(traces, self.m._Traces(tuple(self.raw)))
        self.assertNotEqual(traces, self.raw)
        with self.assertRaisesRegex(TypeError, "unhashable type: '_Traces'"):
            hash(traces)
        self.assertIsNone(self.m._Traces.__hash__)

    def test_dict(self):
        self.traces.other = 1
        self.traces._traces = self.raw[:1]
        self.assertEqual((len(self.traces), self.traces.other), (1, 1))
        del self.traces._traces
        with self.assertRaisesRegex(AttributeError, "'_Traces' object has no attribute '_traces'"):
            len(self.traces)
        self.assertIs(weakref.ref(self.traces)(), self.traces)


@both
class StatisticTests:
    def setUp(self):
        self.tb = self.m.Traceback((("a.py", 5), ("b.py", 6)))

    def test_statistic(self):
        s = self.m.Statistic(self.tb, 66, 1)
        self.assertEqual(str(s), "b.py:6: size=66 B, count=1, average=66 B")
        self.assertEqual(repr(s), f"<Statistic traceback={self.tb!r} size=66 count=1>")
        self.assertEqual(str(self.m.Statistic("t", 0, 0)), "t: size=0 B, count=0")
        self.assertEqual(str(self.m.Statistic("t", 10**6, 3)),
                         "t: size=977 KiB, count=3, average=326 KiB")
        self.assertEqual(s._sort_key(), (66, 1, self.tb))
        self.assertEqual(s, self.m.Statistic(self.tb, 66, 1))
        self.assertEqual(hash(s), hash((self.tb, 66, 1)))
        for other in ((self.tb, 66, 2), (self.tb, 67, 1), (None, 66, 1)):
            self.assertNotEqual(s, self.m.Statistic(*other))
        self.assertIs(s.__eq__(1), NotImplemented)
        with self.assertRaises(TypeError):
            s < s
        with self.assertRaises(TypeError):
            str(self.m.Statistic("t", 1, None))

    def test_diff(self):
        d = self.m.StatisticDiff(self.tb, 5002, 5000, 2, -1)
        self.assertEqual(str(d), "b.py:6: size=5002 B (+5000 B), count=2 (-1), average=2501 B")
        self.assertEqual(repr(d), f"<StatisticDiff traceback={self.tb!r} size=5002 (+5000) "
                                  "count=2 (-1)>")
        self.assertEqual(str(self.m.StatisticDiff("t", 0, -10, 0, -3)),
                         "t: size=0 B (-10 B), count=0 (-3)")
        self.assertEqual(self.m.StatisticDiff("t", 1, -2, 3, -4)._sort_key(), (2, 1, 4, 3, "t"))
        self.assertEqual(d, self.m.StatisticDiff(self.tb, 5002, 5000, 2, -1))
        self.assertNotEqual(d, self.m.StatisticDiff(self.tb, 5002, 5000, 2, 1))
        self.assertNotEqual(d, self.m.Statistic(self.tb, 5002, 2))
        self.assertEqual(hash(d), hash((self.tb, 5002, 5000, 2, -1)))

    def test_settable(self):
        s = self.m.Statistic(1, 2, 3)
        s.traceback, s.size, s.count = "x", 2048, 2
        self.assertEqual(str(s), "x: size=2048 B, count=2, average=1024 B")
        with self.assertRaises(AttributeError):
            s.other = 1
        del s.size
        with self.assertRaises(AttributeError):
            repr(s)
        d = self.m.StatisticDiff(1, 2, 3, 4, 5)
        d.traceback, d.size, d.size_diff, d.count, d.count_diff = "x", 1, 1, 1, 1
        self.assertEqual(str(d), "x: size=1 B (+1 B), count=1 (+1), average=1 B")

    def test_compare_grouped_stats(self):
        S, D = self.m.Statistic, self.m.StatisticDiff
        old, new = {"a": S("a", 10, 1), "b": S("b", 5, 2)}, {"b": S("b", 7, 1), "c": S("c", 1, 1)}
        self.assertEqual(self.m._compare_grouped_stats(old, new),
                         [D("b", 7, 2, 1, -1), D("c", 1, 1, 1, 1), D("a", 0, -10, 0, -1)])
        self.assertEqual(list(old), ["a"])


@both
class FilterTests:
    def test_attributes(self):
        f = self.m.Filter(True, "abc", 5, True, 3)
        self.assertEqual(vars(f), {"inclusive": True, "_filename_pattern": "abc", "lineno": 5,
                                   "all_frames": True, "domain": 3})
        self.assertEqual(list(vars(f)), ["inclusive", "_filename_pattern", "lineno", "all_frames",
                                         "domain"])
        self.assertEqual(self.m.Filter(False, "x.pyc").filename_pattern, "x.py")
        self.assertEqual(vars(self.m.Filter(inclusive=0, filename_pattern="*")),
                         {"inclusive": 0, "_filename_pattern": "*", "lineno": None,
                          "all_frames": False, "domain": None})
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
                (True, "abc", None, "abc", 5, True), (True, "abc", None, "abcd", 5, False),
                (False, "abc", None, "abc", 5, False), (False, "abc", None, "12356", 9, True),
                (True, "abc", 5, "abc", 5, True), (True, "abc", 5, "abc", 10, False),
                (False, "abc", 5, "abc", 5, False), (False, "abc", 5, "abc", 10, True),
                (True, "a*.py", None, "a/b/c.pyc", 1, True), (True, "*.pyc", None, "x.py", 1, True),
                (True, "a*b*c", None, "axbyc", 1, True), (True, "[!a]x", None, "bx", 1, True),
                (True, "[a-c]x", None, "bx", 1, True), (True, "[]]", None, "]", 1, True),
                (True, "[", None, "[", 1, True), (True, "a.py", None, "a.pyo", 1, False),
                (True, "a?c", None, "a\nc", 1, True), (True, "é*", None, "été", 1, True)]:
            f = F(inclusive, pattern, lineno)
            self.assertIs(f._match_frame(filename, at), expected,
                          (inclusive, pattern, lineno, filename, at))

    def test_match_traceback(self):
        unknown, t1, t2 = (("<unknown>", 0),), (("a.py", 2), ("b.py", 3)), (("b.py", 1),)
        one = self.m.Filter(True, "b.py")
        every = self.m.Filter(True, "b.py", all_frames=True)
        self.assertEqual([one._match_traceback(t) for t in (unknown, t1, t2)], [False, False, True])
        self.assertEqual([every._match_traceback(t) for t in (unknown, t1, t2)],
                         [False, True, True])
        every.inclusive = one.inclusive = False
        self.assertEqual([one._match_traceback(t) for t in (unknown, t1, t2)], [True, True, False])
        self.assertEqual([every._match_traceback(t) for t in (unknown, t1, t2)],
                         [True, False, False])
        with self.assertRaises(IndexError):
            one._match_traceback(())
        self.assertTrue(every._match_traceback(()))

    def test_match_domain(self):
        for inclusive, domain, block, expected in [(True, 3, 3, True), (True, 3, 4, False),
                                                   (False, 3, 3, False), (False, 3, 4, True)]:
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
    raw = [(0, 10, (("a.py", 2), ("b.py", 4)), 3), (0, 10, (("a.py", 2), ("b.py", 4)), 3),
           (1, 2, (("a.py", 5), ("b.py", 4)), 3), (2, 66, (("b.py", 1),), 1),
           (3, 7, (("<unknown>", 0),), 1)]

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
        self.assertEqual([(str(x.traceback), x.size, x.count) for x in s.statistics("lineno")],
                         [("b.py:1", 66, 1), ("a.py:2", 20, 2), ("<unknown>:0", 7, 1),
                          ("a.py:5", 2, 1)])
        self.assertEqual([(str(x.traceback), x.size, x.count) for x in s.statistics("filename")],
                         [("b.py:0", 66, 1), ("a.py:0", 22, 3), ("<unknown>:0", 7, 1)])
        cumulative = s.statistics("filename", True)
        self.assertEqual([(str(x.traceback), x.size, x.count) for x in cumulative],
                         [("b.py:0", 88, 4), ("a.py:0", 22, 3), ("<unknown>:0", 7, 1)])
        self.assertIsNone(cumulative[0].traceback.total_nframe)

    def test_key_errors(self):
        s = self.snapshot
        for call in (lambda k: s.statistics(k), lambda k: s.compare_to(s, k)):
            for key in ("x", "", None, 5, "Lineno"):
                with self.assertRaises(ValueError) as caught:
                    call(key)
                self.assertEqual(str(caught.exception), f"unknown key_type: {key!r}")
        for call in (lambda: s.statistics("traceback", True),
                     lambda: s.compare_to(s, "traceback", True)):
            with self.assertRaisesRegex(ValueError, "^cumulative mode cannot by used with key type "
                                                    "'traceback'$"):
                call()

    def test_compare(self):
        old = self.m.Snapshot(self.raw[1:4], 25)
        diff = self.snapshot.compare_to(old, "lineno")
        self.assertEqual([str(d) for d in diff],
                         ["a.py:2: size=20 B (+10 B), count=2 (+1), average=10 B",
                          "<unknown>:0: size=7 B (+7 B), count=1 (+1), average=7 B",
                          "b.py:1: size=66 B (+0 B), count=1 (+0), average=66 B",
                          "a.py:5: size=2 B (+0 B), count=1 (+0), average=2 B"])
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
            self.assertEqual(str(caught.exception),
                             f"filters must be a list of filters, not {type(bad).__name__}")
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


@both
class ClassTests:
    def test_module_names(self):
        expected = "tracemalloc" if self.m is tracemalloc else "ctracemalloc"
        for name in CLASSES:
            cls = getattr(self.m, name)
            self.assertEqual((cls.__module__, cls.__name__, cls.__qualname__),
                             (expected, name, name))

    def test_no_new_attributes(self):
        for name in SLOTTED:
            self.assertRaises(AttributeError, setattr, sample(self.m, name), "extra", 1)
            self.assertFalse(hasattr(sample(self.m, name), "__dict__"), name)
        for name in set(CLASSES) - set(SLOTTED):
            value = sample(self.m, name)
            value.extra = 1
            self.assertEqual(vars(value)["extra"], 1)
            vars(value)["more"] = 2
            self.assertEqual(value.more, 2)
            value.__dict__ = {"only": 3}
            self.assertEqual(value.only, 3)

    def check_copy(self, original, duplicate):
        self.assertIsNot(duplicate, original)
        self.assertIs(type(duplicate), type(original))
        self.assertEqual(self.state(duplicate), self.state(original))

    def state(self, value):
        """All attributes of an instance, by value."""
        names = set(getattr(value, "__dict__", ()))
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            names.update([slots] if isinstance(slots, str) else slots)
        names.discard("_names")
        return {n: self.by_value(getattr(value, n)) for n in sorted(names) if hasattr(value, n)}

    def by_value(self, value):
        return repr(value) if isinstance(value, (self.m.Traceback, self.m._Traces)) else value

    def copies(self, value):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            yield pickle.loads(pickle.dumps(value, protocol))
        yield pickle._loads(pickle._dumps(value))
        yield copy.copy(value)
        yield copy.deepcopy(value)

    def test_pickle_and_copy(self):
        for name in CLASSES:
            with self.subTest(name):
                value = sample(self.m, name)
                for duplicate in self.copies(value):
                    self.check_copy(value, duplicate)
                    if name not in ("BaseFilter", "Filter", "DomainFilter", "Snapshot"):
                        self.assertEqual(duplicate, value)

    def test_pickle_and_copy_subclasses(self):
        for name, kind in itertools.product(CLASSES, ("", "Slot")):
            with self.subTest(name=name, kind=kind):
                cls = globals()[self.prefix + kind + name]
                value = cls.__new__(cls)
                for attribute, content in self.attributes(sample(self.m, name)).items():
                    setattr(value, attribute, content)
                value.extra = [1]
                for duplicate in self.copies(value):
                    self.check_copy(value, duplicate)
                    self.assertEqual(duplicate.extra, [1])

    def attributes(self, value):
        if hasattr(value, "__dict__"):
            return dict(vars(value))
        return {n: getattr(value, n) for n in type(value).__slots__ if hasattr(value, n)}

    def test_deepcopy_is_deep(self):
        statistic = self.m.Statistic([1], 2, 3)
        self.assertIsNot(copy.deepcopy(statistic).traceback, statistic.traceback)
        self.assertIs(copy.copy(statistic).traceback, statistic.traceback)

    def test_old_pickle_protocols(self):
        for name, protocol in itertools.product(CLASSES, (0, 1)):
            value = sample(self.m, name)
            if name in SLOTTED or name == "Snapshot":
                continue
            self.check_copy(value, pickle.loads(pickle.dumps(value, protocol)))
        for name in SLOTTED:
            with self.assertRaises(TypeError):
                pickle.dumps(sample(self.m, name), 1)

    def test_subclass_init(self):
        class Frame(self.m.Frame):
            def __init__(self, filename, lineno=0):
                super().__init__((filename, lineno))
                self.doubled = lineno * 2

        frame = Frame("f", lineno=4)
        self.assertEqual((str(frame), frame.doubled), ("f:4", 8))
        self.assertEqual(frame, self.m.Frame(("f", 4)))

        class Filter(self.m.Filter):
            def __init__(self):
                self.inits = []
                super().__init__(True, "x")

        self.assertEqual(Filter().filename_pattern, "x")

        class Counting(self.m.Filter, self.m.DomainFilter):
            pass

        with self.assertRaises(TypeError):
            Counting(True, "x")

    def test_uninitialised(self):
        for name in CLASSES:
            cls = getattr(self.m, name)
            value = cls.__new__(cls)
            for method in (repr, str, len, hash, iter):
                try:
                    method(value)
                except (AttributeError, TypeError):
                    pass
            self.assertIs(type(copy.copy(value)), cls)
        with self.assertRaises(AttributeError):
            repr(self.m.Frame.__new__(self.m.Frame))

    def test_reinit(self):
        frame = self.m.Frame(("a", 1))
        frame.__init__(("b", 2))
        self.assertEqual(str(frame), "b:2")
        traceback = self.m.Traceback((("a", 1),), 5)
        traceback.__init__((("b", 2),))
        self.assertEqual((str(traceback), traceback.total_nframe), ("b:2", None))

    def test_garbage_collection(self):
        class Marker:
            pass

        for name in CLASSES:
            with self.subTest(name):
                marker = Marker()
                died = weakref.ref(marker)
                value = sample(self.m, name)
                attribute = next(iter(self.attributes(value)))
                setattr(value, attribute, [value, marker])
                del marker, value
                gc.collect()
                self.assertIsNone(died())
        self.assertTrue(gc.is_tracked(self.m.Statistic(1, 2, 3)))

    def test_deep_nesting(self):
        value = None
        for _ in range(100_000):
            value = self.m.Statistic(value, 0, 0)
        del value
        value = None
        for _ in range(100_000):
            value = self.m.BaseFilter(value)
        del value

    def test_reprs_recursive(self):
        trace = self.m.Statistic(None, 1, 1)
        trace.traceback = trace
        with self.assertRaises(RecursionError):
            repr(trace)

    def test_signatures(self):
        for name in CLASSES:
            stdlib, ours = getattr(tracemalloc, name), getattr(self.m, name)
            self.assertEqual(str(inspect.signature(ours)), str(inspect.signature(stdlib)), name)
            for method, function in vars(stdlib).items():
                if not inspect.isfunction(function) or method.startswith("__"):
                    continue
                mine = inspect.signature(getattr(ours, method)).parameters
                theirs = inspect.signature(function).parameters
                common = [(p.name, p.default) for p in mine.values() if p.name in theirs]
                self.assertEqual(common, [(p.name, p.default) for p in theirs.values()],
                                 (name, method))
        self.assertEqual(str(inspect.signature(self.m.Snapshot.load)), "(filename)")
        for name in ("_format_size", "_normalize_filename", "_compare_grouped_stats"):
            self.assertEqual(str(inspect.signature(getattr(self.m, name))),
                             str(inspect.signature(getattr(tracemalloc, name))))


def outcome(function, m):
    """What calling function(m) gives, in a form that can be compared between modules."""
    try:
        return ("value", describe(function(m)))
    except Exception as error:  # the point is to see any
        text = str(error).split(". Did you mean")[0].replace("ctracemalloc.", "tracemalloc.")
        return ("error", type(error).__name__, text)


def describe(value):
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        return (kind, [describe(item) for item in value])
    if isinstance(value, dict):
        return (kind, [(describe(k), describe(v)) for k, v in value.items()])
    if isinstance(value, (tracemalloc.Snapshot, ctracemalloc.Snapshot)):
        return (kind, value.traces._traces, value.traceback_limit)
    return (kind, repr(value))


class TestSameOutcome(unittest.TestCase):
    maxDiff = None

    def same(self, *functions):
        for function in functions:
            with self.subTest(inspect.getsource(function).strip()[:300]
                              if len(functions) == 1 else functions.index(function)):
                self.assertEqual(outcome(function, ctracemalloc), outcome(function, tracemalloc))

    def test_arguments(self):
        calls = {
            "Frame": [((),), ((1, 2),), ((1,), {"frame": 2}), ((), {"x": 1}), ((), {"frame": 1})],
            "Traceback": [((),), ((1, 2, 3),), (((),), {"total_nframe": 3}), ((), {"self": 1}),
                          (((), 1), {"total_nframe": 3}), ((), {"frames": (), "nope": 1})],
            "Trace": [((),), ((1, 2),), ((), {"trace": (0, 0, (), 0), "bad": 2})],
            "_Traces": [((),), ((1, 2),), ((), {"traces": []})],
            "Statistic": [((),), ((1,),), ((1, 2),), ((1, 2, 3, 4),), ((1, 2), {"count": 4}),
                          ((1, 2, 3), {"count": 4}), ((1,), {"count": 4})],
            "StatisticDiff": [((),), ((1,),), ((1, 2),), ((1, 2, 3),), ((1, 2, 3, 4),),
                              ((1, 2, 3, 4, 5, 6),), ((1, 2, 3, 4), {"count_diff": 1})],
            "BaseFilter": [((),), ((1, 2),), ((), {"inclusive": 0})],
            "Filter": [((),), ((1,),), ((True, "x", 1, 2, 3, 4),), ((True, 5),),
                       ((True, "x"), {"lineno": 1, "foo": 2}), ((True,), {"domain": 5})],
            "DomainFilter": [((),), ((1,),), ((1, 2, 3),), ((1,), {"domain": 5})],
            "Snapshot": [((),), (([],),), (([], 1, 2),), (([],), {"traceback_limit": 5}),
                         (([], 5), {"traces": 5})],
        }
        for name, variants in calls.items():
            for variant in variants:
                args, kwargs = variant[0], variant[1] if len(variant) > 1 else {}

                def call(m):
                    value = getattr(m, name)(*args, **kwargs)
                    return vars(value).keys() if hasattr(value, "__dict__") else repr(value)

                with self.subTest(name=name, args=args, kwargs=kwargs):
                    mine, theirs = outcome(call, ctracemalloc), outcome(call, tracemalloc)
                    self.assertEqual(mine, theirs)

    def test_method_arguments(self):
        methods = [("Traceback", "format", 2), ("Traceback", "index", 3), ("Traceback", "count", 1),
                   ("Filter", "_match", 1), ("Filter", "_match_frame", 2),
                   ("Filter", "_match_frame_impl", 2), ("Filter", "_match_traceback", 1),
                   ("DomainFilter", "_match", 1), ("BaseFilter", "_match", 1),
                   ("Snapshot", "statistics", 2), ("Snapshot", "compare_to", 3),
                   ("Snapshot", "filter_traces", 1), ("Snapshot", "_group_by", 2),
                   ("Snapshot", "_filter_trace", 3)]
        for name, method, most in methods:
            for count in (0, most + 1, most + 2):
                self.same_call(name, method, (None,) * count, {})
            self.same_call(name, method, (), {"bogus": 1})
        self.same_call("Snapshot", "dump", (), {})
        for function, counts in (("_format_size", (0, 1, 3)), ("_normalize_filename", (0, 2)),
                                 ("_compare_grouped_stats", (0, 1, 3))):
            for count in counts:
                self.same(lambda m: getattr(m, function)(*[1] * count))

    def same_call(self, name, method, args, kwargs):
        def call(m):
            return getattr(sample(m, name), method)(*args, **kwargs)

        with self.subTest(name=name, method=method, args=args, kwargs=kwargs):
            self.assertEqual(outcome(call, ctracemalloc), outcome(call, tracemalloc))

    def test_format_size(self):
        sizes = [0, 1, -1, 99, 100, 1023, 10239, 10240, -10240, 102399, 102400, 10**6, 10**7,
                 1048576 * 100, 10**10, 10**13, 10**16, 10**20, 0.5, 1e300, float("inf"),
                 float("nan"), True, None, "x", 10**400]
        for size, sign in itertools.product(sizes, (False, True, 0, 2, "")):
            with self.subTest(size=size, sign=sign):
                self.assertEqual(outcome(lambda m: m._format_size(size, sign), ctracemalloc),
                                 outcome(lambda m: m._format_size(size, sign), tracemalloc))

    def test_normalize_filename(self):
        import pathlib
        for name in ("a.py", "a.pyc", ".pyc", "pyc", "A.PYC", "", "x.pyc.pyc", b"a.py", b"a.pyc",
                     None, 5, pathlib.PurePosixPath("q.pyc")):
            self.same(lambda m: m._normalize_filename(name))

    def test_attribute_errors(self):
        self.same(
            lambda m: setattr(sample(m, "Frame"), "x", 1),
            lambda m: setattr(sample(m, "Frame"), "filename", 1),
            lambda m: delattr(sample(m, "Frame"), "lineno"),
            lambda m: setattr(sample(m, "Traceback"), "total_nframe", 1),
            lambda m: setattr(sample(m, "Trace"), "size", 1),
            lambda m: setattr(sample(m, "Filter"), "filename_pattern", 1),
            lambda m: delattr(sample(m, "DomainFilter"), "domain"),
            lambda m: m.Frame.__new__(m.Frame).filename,
            lambda m: m.Traceback.__new__(m.Traceback)._frames,
            lambda m: len(m.Traceback.__new__(m.Traceback)),
            lambda m: m.Traceback.__new__(m.Traceback).total_nframe,
            lambda m: m.Trace.__new__(m.Trace).size,
            lambda m: m.Statistic.__new__(m.Statistic)._sort_key(),
            lambda m: str(m.StatisticDiff.__new__(m.StatisticDiff)),
            lambda m: len(m._Traces.__new__(m._Traces)),
            lambda m: m.Filter.__new__(m.Filter)._match((0, 1, (("a", 1),), 1)),
            lambda m: m.Snapshot.__new__(m.Snapshot).statistics("lineno"),
            lambda m: m.DomainFilter.__new__(m.DomainFilter).domain,
        )

    def test_unsupported_operations(self):
        operators = ["a < b", "a > b", "a <= b", "a >= b", "a == b", "a != b", "a + b", "a in b",
                     "a[0]", "len(a)", "iter(a) and 1", "hash(a) and 1", "a()", "bool(a)"]
        for name, other in itertools.product(CLASSES, ["1", "None"] + CLASSES):
            for text in operators:
                def run(m):
                    a = sample(m, name)
                    b = sample(m, other) if other in CLASSES else eval(other)
                    return eval(text)
                with self.subTest(name=name, other=other, text=text):
                    mine, theirs = outcome(run, ctracemalloc), outcome(run, tracemalloc)
                    if theirs[0] == "error" or "hash" not in text:
                        self.assertEqual(mine, theirs)

    def test_odd_traces(self):
        frames = (("a", 1), ("b", 2))
        odd = [[(0, 1, frames)], [(0, 1, frames, 2, 3)], [5], [None], ["abcd"], ["ab"], 5, None, {},
               [(0, 1, [("a", 1)], 1)], [(0, 1, (), 1)], [(0, "x", frames, 1)] * 2,
               [(0, None, frames, 1)], [(0, 1.5, frames, 1)] * 2, [(0, 1, (("a",),), 1)],
               [(0, 1, ("ab", "cd"), 1)], [(0, 1, ((1, 2), (3, 4)), 1)], [[0, 1, frames, 1]],
               ((0, 1, frames, 1),), [(0, 1, (5,), 1)], [(0, True, frames, 1)] * 3,
               iter([(0, 1, frames, 1)]), {0: (0, 1, frames, 1)}, [(0, 10**30, frames, 1)] * 2]
        for raw in odd:
            for key, cumulative in itertools.product(("traceback", "lineno", "filename"), (0, 1)):
                source = copy.copy(raw)

                def run(m):
                    return m.Snapshot(copy.copy(source), 1).statistics(key, cumulative)

                with self.subTest(raw=raw, key=key, cumulative=cumulative):
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))
            for make in (lambda m: m.Filter(True, "a"), lambda m: m.Filter(False, "a", 1, True, 0),
                         lambda m: m.DomainFilter(True, 0)):
                with self.subTest(raw=raw):
                    def run(m):
                        return m.Snapshot(copy.copy(raw), 1).filter_traces([make(m)])
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))
            for text in ("len(t)", "t[0]", "t[:1]", "list(t)", "t[-1]", "repr(t)", "t == t",
                         "list(reversed(t))", "t[0].traceback", "str(t[0])", "repr(t[0])",
                         "t[0] in t", "t.count(1)", "t['x']"):
                def run(m):
                    t = m._Traces(copy.copy(raw))
                    return eval(text)
                with self.subTest(raw=raw, text=text):
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))

    def test_odd_filters(self):
        raw = [(0, 1, (("a", 1),), 1), (1, 2, (("b", 2),), 1)]
        values = {"inclusive": [1, 0, None, "x", [], 2], "lineno": [1, 1.0, "x", True, 10**30],
                  "all_frames": [1, "", None], "domain": [0, 1.0, -1, 10**30, "x", False],
                  "_filename_pattern": ["[", "*[!b]", "", None, 5, b"a", "\ud800", "a\0"]}
        for name, contents in values.items():
            for content in contents:
                def run(m):
                    f = m.Filter(True, "a", domain=0)
                    setattr(f, name, content)
                    return m.Snapshot(list(raw), 1).filter_traces([f])
                with self.subTest(name=name, content=content):
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))
                def run_exclusive(m):
                    f = m.Filter(False, "a")
                    setattr(f, name, content)
                    return f._match(raw[0])
                with self.subTest(name=name, content=content):
                    self.assertEqual(outcome(run_exclusive, ctracemalloc),
                                     outcome(run_exclusive, tracemalloc))

    def test_load_errors(self):
        self.same(
            lambda m: m.Snapshot.load("/no/such/directory/file"),
            lambda m: m.Snapshot.load("/"),
            lambda m: m.Snapshot.load(None),
            lambda m: m.Snapshot.load("a\0b"),
            lambda m: m.Snapshot([], 1).dump("/no/such/directory/file"),
            lambda m: m.Snapshot([], 1).dump("/"),
            lambda m: m.Snapshot([], 1).dump(10**6),
        )


class TestRandom(unittest.TestCase):
    """Random traces: equal results as lists, from both modules."""

    FILES = ["a.py", "b.py", "b.pyc", "lib/c.py", "<unknown>", "é.py", "long/" * 5 + "x.py", "",
             "[x].py", "\ud800.py", "A.py", "日本.py"]
    PATTERNS = FILES + ["*", "*.py", "?.py", "lib/*", "[a-b].py", "[!a].py", "*x*", "[", "a.pyc",
                        "*[.]py", "<*>", "[]x].py", "[[]x].py", "**", "?", "[b-a].py", "*é*"]

    def random_traces(self, rng, count):
        tracebacks = [tuple((rng.choice(self.FILES), rng.randrange(4))
                            for _ in range(rng.randrange(1, 5))) for _ in range(12)]
        return [(rng.choice((0, 0, 0, 1, 389047)), rng.choice((0, 1, 10, 10, 64, 10**6, 2**40)),
                 frames, len(frames) + rng.randrange(2))
                for frames in rng.choices(tracebacks, k=count)]

    def check(self, function):
        mine, theirs = function(ctracemalloc), function(tracemalloc)
        self.assertEqual(describe(mine), describe(theirs))

    def test_statistics(self):
        rng = random.Random(1)
        for round_ in range(40):
            raw = self.random_traces(rng, rng.randrange(60))
            for key, cumulative in (("traceback", False), ("lineno", False), ("filename", False),
                                    ("lineno", True), ("filename", True)):
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    self.check(lambda m: m.Snapshot(list(raw), 5).statistics(key, cumulative))
                    self.check(lambda m: m.Snapshot(list(raw), 5)._group_by(key, cumulative))

    def test_compare_to(self):
        rng = random.Random(2)
        for round_ in range(40):
            new, old = (self.random_traces(rng, rng.randrange(60)) for _ in range(2))
            old += new[:rng.randrange(20)]
            for key, cumulative in (("traceback", False), ("lineno", False), ("filename", False),
                                    ("lineno", True), ("filename", True)):
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    self.check(lambda m: m.Snapshot(list(new), 5).compare_to(
                        m.Snapshot(list(old), 5), key, cumulative))

    def random_filter(self, rng):
        if rng.random() < 0.2:
            args = (rng.random() < 0.5, rng.choice((0, 1, 389047, 7)))
            return lambda m: m.DomainFilter(*args)
        args = (rng.random() < 0.5, rng.choice(self.PATTERNS), rng.choice((None, None, 1, 2)),
                rng.random() < 0.5, rng.choice((None, None, 0, 1)))
        return lambda m: m.Filter(*args)

    def test_filter_traces(self):
        rng = random.Random(3)
        for round_ in range(150):
            raw = self.random_traces(rng, rng.randrange(40))
            makers = [self.random_filter(rng) for _ in range(rng.randrange(4))]
            with self.subTest(round=round_):
                self.check(lambda m: m.Snapshot(list(raw), 5).filter_traces(
                    [make(m) for make in makers]))

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
        self.assertEqual([s.traceback._frames for s in ours],
                         [s.traceback._frames for s in stdlib])
        self.assertFalse(any(a == b for a, b in zip(ours, stdlib)))


class TestPickleBytes(unittest.TestCase):
    def test_same_pickle_state(self):
        """The pickled state is the one the standard library's classes have."""
        for name in CLASSES:
            mine = sample(ctracemalloc, name).__reduce_ex__(4)
            theirs = sample(tracemalloc, name).__reduce_ex__(4)
            self.assertEqual(mine[0], theirs[0])
            self.assertEqual(describe(mine[2]), describe(theirs[2]), name)

    def test_renamed_pickle(self):
        """A pickle of the standard library's objects loads into ours, renamed."""

        class Renaming(pickle.Unpickler):
            def find_class(self, module, name):
                return getattr(ctracemalloc if module == "tracemalloc" else sys.modules[module],
                               name)

        for name in CLASSES:
            data = pickle.dumps(sample(tracemalloc, name))
            value = Renaming(io.BytesIO(data)).load()
            self.assertIs(type(value), getattr(ctracemalloc, name))
            self.assertEqual(describe(value), describe(sample(ctracemalloc, name))
                             if name not in ("BaseFilter", "Filter", "DomainFilter")
                             else describe(value))


if __name__ == "__main__":
    unittest.main()
