"""Small pieces of code, run with the standard library's tracemalloc and with this one.

The outcome must be the same: the value, or the type and text of the exception.
"""

# Functions are called before their loop continues; names are there for eval().
# ruff: noqa: B023, F841

import copy
import inspect
import itertools
import tracemalloc
import unittest

import ctracemalloc
from parity_support import CLASSES, outcome, sample


class TestSameOutcome(unittest.TestCase):
    maxDiff = None

    def same(self, *functions):
        for function in functions:
            with self.subTest(inspect.getsource(function).strip()[:300] if len(functions) == 1 else functions.index(function)):
                self.assertEqual(outcome(function, ctracemalloc), outcome(function, tracemalloc))

    def test_arguments(self):
        calls = {
            "Frame": [((),), ((1, 2),), ((1,), {"frame": 2}), ((), {"x": 1}), ((), {"frame": 1})],
            "Traceback": [
                ((),),
                ((1, 2, 3),),
                (((),), {"total_nframe": 3}),
                ((), {"self": 1}),
                (((), 1), {"total_nframe": 3}),
                ((), {"frames": (), "nope": 1}),
            ],
            "Trace": [((),), ((1, 2),), ((), {"trace": (0, 0, (), 0), "bad": 2})],
            "_Traces": [((),), ((1, 2),), ((), {"traces": []})],
            "Statistic": [
                ((),),
                ((1,),),
                ((1, 2),),
                ((1, 2, 3, 4),),
                ((1, 2), {"count": 4}),
                ((1, 2, 3), {"count": 4}),
                ((1,), {"count": 4}),
            ],
            "StatisticDiff": [
                ((),),
                ((1,),),
                ((1, 2),),
                ((1, 2, 3),),
                ((1, 2, 3, 4),),
                ((1, 2, 3, 4, 5, 6),),
                ((1, 2, 3, 4), {"count_diff": 1}),
            ],
            "BaseFilter": [((),), ((1, 2),), ((), {"inclusive": 0})],
            "Filter": [
                ((),),
                ((1,),),
                ((True, "x", 1, 2, 3, 4),),
                ((True, 5),),
                ((True, "x"), {"lineno": 1, "foo": 2}),
                ((True,), {"domain": 5}),
            ],
            "DomainFilter": [((),), ((1,),), ((1, 2, 3),), ((1,), {"domain": 5})],
            "Snapshot": [((),), (([],),), (([], 1, 2),), (([],), {"traceback_limit": 5}), (([], 5), {"traces": 5})],
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
        methods = [
            ("Traceback", "format", 2),
            ("Traceback", "index", 3),
            ("Traceback", "count", 1),
            ("Filter", "_match", 1),
            ("Filter", "_match_frame", 2),
            ("Filter", "_match_frame_impl", 2),
            ("Filter", "_match_traceback", 1),
            ("DomainFilter", "_match", 1),
            ("BaseFilter", "_match", 1),
            ("Snapshot", "statistics", 2),
            ("Snapshot", "compare_to", 3),
            ("Snapshot", "filter_traces", 1),
            ("Snapshot", "_group_by", 2),
            ("Snapshot", "_filter_trace", 3),
        ]
        for name, method, most in methods:
            for count in (0, most + 1, most + 2):
                self.same_call(name, method, (None,) * count, {})
            self.same_call(name, method, (), {"bogus": 1})
        self.same_call("Snapshot", "dump", (), {})
        for function, counts in (
            ("_format_size", (0, 1, 3)),
            ("_normalize_filename", (0, 2)),
            ("_compare_grouped_stats", (0, 1, 3)),
        ):
            for count in counts:
                self.same(lambda m: getattr(m, function)(*[1] * count))

    def same_call(self, name, method, args, kwargs):
        def call(m):
            return getattr(sample(m, name), method)(*args, **kwargs)

        with self.subTest(name=name, method=method, args=args, kwargs=kwargs):
            self.assertEqual(outcome(call, ctracemalloc), outcome(call, tracemalloc))

    def test_format_size(self):
        sizes = [
            0,
            1,
            -1,
            99,
            100,
            1023,
            10239,
            10240,
            -10240,
            102399,
            102400,
            10**6,
            10**7,
            1048576 * 100,
            10**10,
            10**13,
            10**16,
            10**20,
            0.5,
            1e300,
            float("inf"),
            float("nan"),
            True,
            None,
            "x",
            10**400,
        ]
        for size, sign in itertools.product(sizes, (False, True, 0, 2, "")):
            with self.subTest(size=size, sign=sign):
                self.assertEqual(
                    outcome(lambda m: m._format_size(size, sign), ctracemalloc),
                    outcome(lambda m: m._format_size(size, sign), tracemalloc),
                )

    def test_normalize_filename(self):
        import pathlib

        for name in (
            "a.py",
            "a.pyc",
            ".pyc",
            "pyc",
            "A.PYC",
            "",
            "x.pyc.pyc",
            b"a.py",
            b"a.pyc",
            None,
            5,
            pathlib.PurePosixPath("q.pyc"),
        ):
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
        operators = [
            "a < b",
            "a > b",
            "a <= b",
            "a >= b",
            "a == b",
            "a != b",
            "a + b",
            "a in b",
            "a[0]",
            "len(a)",
            "iter(a) and 1",
            "hash(a) and 1",
            "a()",
            "bool(a)",
        ]
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
        odd = [
            [(0, 1, frames)],
            [(0, 1, frames, 2, 3)],
            [5],
            [None],
            ["abcd"],
            ["ab"],
            5,
            None,
            {},
            [(0, 1, [("a", 1)], 1)],
            [(0, 1, (), 1)],
            [(0, "x", frames, 1)] * 2,
            [(0, None, frames, 1)],
            [(0, 1.5, frames, 1)] * 2,
            [(0, 1, (("a",),), 1)],
            [(0, 1, ("ab", "cd"), 1)],
            [(0, 1, ((1, 2), (3, 4)), 1)],
            [[0, 1, frames, 1]],
            ((0, 1, frames, 1),),
            [(0, 1, (5,), 1)],
            [(0, True, frames, 1)] * 3,
            iter([(0, 1, frames, 1)]),
            {0: (0, 1, frames, 1)},
            [(0, 10**30, frames, 1)] * 2,
        ]
        for raw in odd:
            for key, cumulative in itertools.product(("traceback", "lineno", "filename"), (0, 1)):
                source = copy.copy(raw)

                def run(m):
                    return m.Snapshot(copy.copy(source), 1).statistics(key, cumulative)

                with self.subTest(raw=raw, key=key, cumulative=cumulative):
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))
            for make in (
                lambda m: m.Filter(True, "a"),
                lambda m: m.Filter(False, "a", 1, True, 0),
                lambda m: m.DomainFilter(True, 0),
            ):
                with self.subTest(raw=raw):

                    def run(m):
                        return m.Snapshot(copy.copy(raw), 1).filter_traces([make(m)])

                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))
            for text in (
                "len(t)",
                "t[0]",
                "t[:1]",
                "list(t)",
                "t[-1]",
                "repr(t)",
                "t == t",
                "list(reversed(t))",
                "t[0].traceback",
                "str(t[0])",
                "repr(t[0])",
                "t[0] in t",
                "t.count(1)",
                "t['x']",
            ):

                def run(m):
                    t = m._Traces(copy.copy(raw))
                    return eval(text)

                with self.subTest(raw=raw, text=text):
                    self.assertEqual(outcome(run, ctracemalloc), outcome(run, tracemalloc))

    def test_odd_filters(self):
        raw = [(0, 1, (("a", 1),), 1), (1, 2, (("b", 2),), 1)]
        values = {
            "inclusive": [1, 0, None, "x", [], 2],
            "lineno": [1, 1.0, "x", True, 10**30],
            "all_frames": [1, "", None],
            "domain": [0, 1.0, -1, 10**30, "x", False],
            "_filename_pattern": ["[", "*[!b]", "", None, 5, b"a", "\ud800", "a\0"],
        }
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
                    self.assertEqual(outcome(run_exclusive, ctracemalloc), outcome(run_exclusive, tracemalloc))

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


if __name__ == "__main__":
    unittest.main()
