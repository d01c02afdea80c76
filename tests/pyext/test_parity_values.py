"""tracemalloc's frames, tracebacks, traces and statistics: the same expectations for both modules.

Each class of tests is run with the standard library's module and with this one.
"""

# Expressions are evaluated for the exceptions that they raise.
# ruff: noqa: B015, B018, C420

import collections.abc
import unittest
import unittest.mock
import weakref

from parity_support import both


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
        with self.assertRaisesRegex(TypeError, "'<' not supported between instances of 'Frame' and 'tuple'"):
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
        self.assertEqual(
            repr(tb),
            "<Traceback (<Frame filename='c' lineno=3>, <Frame filename='b'"
            " lineno=2>, <Frame filename='a' lineno=1>) total_nframe=9>",
        )
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
            c, b, a = (
                ['  File "c", line 3', "    <c3>"],
                ['  File "b", line 2', "    <b2>"],
                ['  File "a", line 1', "    <a1>"],
            )
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
        self.assertEqual(repr(t), "<Trace domain=3 size=1030 B, traceback=" + repr(t.traceback) + ">")

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
        self.assertEqual(str(self.m.Statistic("t", 10**6, 3)), "t: size=977 KiB, count=3, average=326 KiB")
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
        self.assertEqual(repr(d), f"<StatisticDiff traceback={self.tb!r} size=5002 (+5000) count=2 (-1)>")
        self.assertEqual(str(self.m.StatisticDiff("t", 0, -10, 0, -3)), "t: size=0 B (-10 B), count=0 (-3)")
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
        self.assertEqual(
            self.m._compare_grouped_stats(old, new), [D("b", 7, 2, 1, -1), D("c", 1, 1, 1, 1), D("a", 0, -10, 0, -1)]
        )
        self.assertEqual(list(old), ["a"])


if __name__ == "__main__":
    unittest.main()
