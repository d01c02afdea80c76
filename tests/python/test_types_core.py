"""Snapshots whose traces are read from the core: taken ones and loaded ones.

Random snapshots are made twice: of a list of raw traces (which test_parity_api.py compares with the
standard library) and, through dump and load, of the core. Both must answer everything alike.
"""

# Functions are called before their loop goes on; expressions are there for what they raise.
# ruff: noqa: B015, B023, RUF005, B905

import collections.abc
import copy
import errno
import functools
import gc
import itertools
import operator
import os
import pickle
import random
import sys
import tempfile
import tracemalloc as stdlib
import unittest
import weakref

import ctracemalloc as m

KEYS = [("traceback", False), ("lineno", False), ("filename", False), ("function", False),
        ("lineno", True), ("filename", True), ("function", True)]
STDLIB_KEYS = [key for key in KEYS if key[0] != "function"]
FILES = ["a.py", "b.py", "b.pyc", "lib/c.py", "<unknown>", "é.py", "", "[x].py", "\ud800.py",
         "日本.py", "a\0b.py"]
PATTERNS = FILES + ["*", "*.py", "?.py", "lib/*", "[a-b].py", "[!a].py", "*x*", "[", "a.pyc", "**"]


def random_traces(rng, count):
    tracebacks = [tuple((rng.choice(FILES), rng.randrange(-1, 4))
                        for _ in range(rng.randrange(1, 6))) for _ in range(12)]
    return [(rng.choice((0, 0, 0, 1, 389047, 2**32 - 1)), rng.choice((0, 1, 10, 64, 2**40)),
             frames, len(frames) + rng.randrange(2))
            for frames in rng.choices(tracebacks, k=count) for _ in range(rng.randrange(1, 4))]


def is_core(snapshot):
    return list(vars(snapshot.traces)) == ["_core"]


def plain(statistics):
    return [(s.traceback._frames, s.traceback.total_nframe,
             *(getattr(s, n) for n in ("size", "size_diff", "count", "count_diff")
               if hasattr(s, n))) for s in statistics]


class Case(unittest.TestCase):
    maxDiff = 3000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "snapshot.ctm")

    def to_core(self, raw, limit=5):
        m.Snapshot(raw, limit).dump(self.path)
        loaded = m.Snapshot.load(self.path)
        self.assertTrue(is_core(loaded))
        return loaded


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
        self.assertEqual([core[i] for i in range(-len(core), len(core))],
                         [plain_list[i] for i in range(-len(core), len(core))])
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
            part = slice(*(rng.choice((None, *range(-70, 70))) for _ in range(2)),
                         rng.choice((None, 1, 2, -1, -5, 10**30)))
            self.assertEqual(self.core[part], self.list[part])
            self.assertIs(type(self.core[part]), tuple)
        with self.assertRaises(ValueError):
            self.core[::0]

    def test_search(self):
        for trace in self.list[::5]:
            self.assertIn(trace, self.core)
            self.assertEqual(self.core.index(trace), self.list.index(trace))
            self.assertEqual(self.core.count(trace), self.list.count(trace))
        for raw in ((0, 3, (), 0), (0, -1, (), 0), (0, 2**70, (), 0), (0, "x", (), 0), (0, 1), 5,
                    None, (0, 10, (("a.py", 1),), 99)):
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
        for other in (self.raw[:-1], self.raw + self.raw[:1], self.raw[::-1], [],
                      [None] * len(self.raw), self.raw[:-1] + [(0, 0, (), 0)]):
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
        for duplicate in (pickle.loads(pickle.dumps(self.core)), copy.copy(self.core),
                          copy.deepcopy(self.core), pickle.loads(pickle.dumps(self.core, 2)),
                          pickle.loads(pickle.dumps(self.core, 0))):
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
                    self.assertEqual(core._group_by(key, cumulative),
                                     listed._group_by(key, cumulative))

    def test_function_without_names(self):
        raw = random_traces(random.Random(5), 40)
        core, listed = self.to_core(raw), m.Snapshot(raw, 5)
        for cumulative in (False, True):
            expected = listed.statistics("filename", cumulative)
            self.assertEqual(listed.statistics("function", cumulative), expected)
            self.assertEqual(core.statistics("function", cumulative), expected)
            self.assertEqual(listed.compare_to(core, "function", cumulative),
                             listed.compare_to(core, "filename", cumulative))

    def test_compare_to(self):
        rng = random.Random(6)
        for round_ in range(40):
            new, old = (random_traces(rng, rng.randrange(30)) for _ in range(2))
            old += new[:rng.randrange(40)]
            cores = self.to_core(new), self.to_core(old)
            lists = m.Snapshot(new, 5), m.Snapshot(old, 5)
            reference = stdlib.Snapshot(new, 5), stdlib.Snapshot(old, 5)
            for key, cumulative in STDLIB_KEYS:
                with self.subTest(round=round_, key=key, cumulative=cumulative):
                    expected = plain(reference[0].compare_to(reference[1], key, cumulative))
                    for a, b in itertools.product((cores[0], lists[0]), (cores[1], lists[1])):
                        self.assertEqual(plain(a.compare_to(b, key, cumulative)), expected)
            self.assertTrue(all(type(d) is m.StatisticDiff
                                for d in cores[0].compare_to(cores[1], "lineno")))

    def test_errors(self):
        core = self.to_core([(0, 1, (("a", 1),), 1)])
        for call in (core.statistics, functools.partial(core.compare_to, core), core._group_by):
            extra = (False,) if call == core._group_by else ()
            with self.assertRaisesRegex(ValueError, "^unknown key_type: 'x'$"):
                call("x", *extra)
            with self.assertRaisesRegex(ValueError, "cumulative mode cannot by used with key type "
                                                    "'traceback'"):
                call("traceback", True)

    def random_filter(self, rng):
        if rng.random() < 0.2:
            return ("DomainFilter", rng.random() < 0.5,
                    rng.choice((0, 1, 389047, -1, 2**32, 2**80)))
        return ("Filter", rng.random() < 0.5, rng.choice(PATTERNS),
                rng.choice((None, None, 1, 2, -1, 2**40, 2**80)), rng.random() < 0.5,
                rng.choice((None, None, 0, 1, 2**33)))

    def test_filter_traces(self):
        rng = random.Random(7)
        for round_ in range(200):
            raw = random_traces(rng, rng.randrange(20))
            core = self.to_core(raw)
            specs = [self.random_filter(rng) for _ in range(rng.randrange(4))]
            mine = core.filter_traces([getattr(m, s[0])(*s[1:]) for s in specs])
            theirs = stdlib.Snapshot(raw, 5).filter_traces(
                [getattr(stdlib, s[0])(*s[1:]) for s in specs])
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
        self.assertEqual(sorted(kept.traces._traces),
                         sorted(r for i, r in enumerate(raw, 1) if i % 3))
        self.assertTrue(is_core(kept))

        class Frames(m.Filter):
            def _match_frame(self, filename, lineno):
                return lineno == 2

        kept = core.filter_traces([Frames(True, "x"), m.Filter(False, "a.py")])
        self.assertEqual(kept.traces._traces,
                         [r for r in raw if r[2][0][1] == 2 and r[2][0][0] != "a.py"])
        patched = m.Filter(True, "no")
        patched._match = lambda trace: trace[1] == 10
        self.assertEqual(core.filter_traces([patched]).traces._traces,
                         [r for r in raw if r[1] == 10])

        class Failing(m.BaseFilter):
            def _match(self, trace):
                raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            core.filter_traces([Failing(True)])

    def test_odd_filter_values(self):
        raw = random_traces(random.Random(9), 30)
        core, listed = self.to_core(raw), m.Snapshot(raw, 5)
        for name, value in (("inclusive", "x"), ("inclusive", []), ("lineno", 1.0), ("lineno", "x"),
                            ("all_frames", None), ("domain", 0.0), ("domain", True),
                            ("_filename_pattern", "\ud800*"), ("lineno", True)):
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
                return {k: v for k, v in super()._group_by("lineno", cumulative).items()
                        if v.size > 10}

            def _filter_trace(self, include, exclude, trace):
                return trace[1] == 1

        mine = Mine([], 3)
        mine.traces = traces
        self.assertEqual({s.size > 10 for s in mine.statistics("whatever")}, {True})
        self.assertEqual(sum(d.size_diff for d in mine.compare_to(mine, "x")), 0)
        self.assertEqual(mine.filter_traces([m.Filter(True, "x")]).traces._traces,
                         [r for r in raw if r[1] == 1])

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
        """A run of equal blocks costs one row, however many there are."""
        raw = [(0, 8, (("a.py", 1),), 1)] * 200_000 + [(0, 9, (("b.py", 2),), 1)] * 3
        core = self.to_core(raw)
        self.assertLess(os.path.getsize(self.path), 5000)
        self.assertEqual((len(core.traces), core.traces[199_999].size, core.traces[-1].size),
                         (200_003, 8, 9))
        self.assertEqual(core.statistics("lineno")[0].count, 200_000)


class TestFile(Case):
    VALUES = [None, True, False, 0, 1, -1, 127, 128, -128, -129, 2**31, -2**63, 2**64, 10**500,
              -10**500, 0.0, -0.0, 1.5, float("inf"), 1j, complex(-0.0, 2), "", "text",
              "é日\U0001f600", "\ud800\udc00", "a\0b", b"", b"\0\xff", bytearray(b"xyz"), (), (1,),
              [], [[], [1, "x"]],
              {}, {"a": {"b": [1, (2, None)]}, 1: 2, (1, 2): 3, None: 4}, set(), {1, "a"},
              frozenset({(1, 2), frozenset()}), [1] * 1000, "x" * 70_000]

    def load_with(self, **attributes):
        snapshot = m.Snapshot([(0, 1, (("a", 1),), 1)], 5)
        vars(snapshot).update(attributes)
        snapshot.dump(self.path)
        return m.Snapshot.load(self.path)

    def check_types(self, a, b):
        self.assertIs(type(a), type(b))
        if isinstance(a, (list, tuple)):
            for x, y in zip(a, b):
                self.check_types(x, y)
        if isinstance(a, dict):
            self.check_types(list(a), list(b))
            self.check_types(list(a.values()), list(b.values()))

    def test_plain_attributes(self):
        for value in self.VALUES:
            loaded = self.load_with(value=value)
            self.assertEqual(loaded.value, value)
            self.assertEqual(repr(loaded.value), repr(value)
                             if not isinstance(value, (set, frozenset)) else repr(loaded.value))
            self.check_types(loaded.value, value)
        everything = {f"v{i}": value for i, value in enumerate(self.VALUES)}
        loaded = self.load_with(**everything)
        self.assertEqual(list(vars(loaded)), ["traces", "traceback_limit", *everything])
        self.assertEqual({k: v for k, v in vars(loaded).items() if k in everything}, everything)
        self.assertTrue(self.load_with(nan=float("nan")).nan != 0)
        self.assertEqual(vars(self.load_with(**{"not an identifier": 1, "__class__": 2})
                              )["__class__"], 2)

    def test_random_plain_data(self):
        rng = random.Random(11)

        def make(depth):
            kind = rng.randrange(12 if depth < 5 else 6)
            items = [make(depth + 1) for _ in range(rng.randrange(4))] if kind >= 6 else ()
            return (None, rng.random(), rng.getrandbits(rng.randrange(1, 200)), rng.random() < 0.5,
                    rng.choice(FILES), rng.randbytes(5), items, tuple(items),
                    {f"k{i}": v for i, v in enumerate(items)}, [items], (items,),
                    dict(enumerate(items)))[kind]

        for _ in range(200):
            value = make(0)
            loaded = self.load_with(value=value)
            self.assertEqual(loaded.value, value)
            self.check_types(loaded.value, value)

    def test_limits(self):
        for limit in (1, 25, 65535, 65536, 0, -1, 10**30, None, "many", True, (1, 2)):
            m.Snapshot([(0, 1, (("a", 1),), 1)], limit).dump(self.path)
            loaded = m.Snapshot.load(self.path)
            self.assertEqual(loaded.traceback_limit, limit)
            self.assertIs(type(loaded.traceback_limit), type(limit))
            loaded.traceback_limit = 7
            loaded.dump(self.path)
            self.assertEqual(m.Snapshot.load(self.path).traceback_limit, 7)

    def test_not_plain(self):
        class Text(str):
            pass

        cycle = []
        cycle.append({"again": (cycle,)})
        deep = functools.reduce(lambda inner, _: [inner], range(200), None)
        bad = {"socket": (object(), "objects of type 'object' are not plain data"),
               "function": (len, "objects of type 'builtin_function_or_method' are not plain data"),
               "text": (Text("x"), "objects of type 'Text' are not plain data"),
               "nested": ([{"x": (1, object())}], "objects of type 'object' are not plain data"),
               "key": ({object(): 1}, "objects of type 'object' are not plain data"),
               "cycle": (cycle, "a list contains itself"),
               "deep": (deep, "it is nested more than 100 deep"),
               "ordered": (collections.OrderedDict(), "objects of type 'collections.OrderedDict' "
                                                      "are not plain data")}
        for name, (value, reason) in bad.items():
            with self.assertRaises(TypeError) as caught:
                self.load_with(good=1, **{name: value})
            self.assertEqual(str(caught.exception), f"cannot dump attribute '{name}': {reason}")
            self.assertEqual(os.listdir(self.folder), [])
        snapshot = m.Snapshot([], 1)
        vars(snapshot)[5] = 1
        with self.assertRaisesRegex(TypeError, "cannot dump attribute 5: its name is not a str"):
            snapshot.dump(self.path)
        snapshot = m.Snapshot([], object())
        with self.assertRaisesRegex(TypeError, "cannot dump attribute 'traceback_limit'"):
            snapshot.dump(self.path)
        snapshot = m.Snapshot([], 1)
        snapshot.traces.note = 1
        with self.assertRaisesRegex(TypeError, "cannot dump attribute 'note' of the traces"):
            snapshot.dump(self.path)
        snapshot.traces = []
        with self.assertRaisesRegex(TypeError, "cannot dump attribute 'traces'"):
            snapshot.dump(self.path)
        self.assertEqual(os.listdir(self.folder), [])

    def test_failed_dump_keeps_old_file(self):
        self.load_with(value=1)
        with self.assertRaises(TypeError):
            self.load_with(value=object())
        self.assertEqual(m.Snapshot.load(self.path).value, 1)
        self.assertEqual(os.listdir(self.folder), [os.path.basename(self.path)])

    def test_traces_that_cannot_be_converted(self):
        good, frames = (0, 1, (("a", 1),), 1), (("a", 1),)
        for bad in (None, (0, 1, frames), [0, 1, frames, 1], (0, 1, list(frames), 1),
                    (0, "1", frames, 1), (0, True, frames, 1), (0, -1, frames, 1),
                    (0, 2**63, frames, 1), (-1, 1, frames, 1), (2**32, 1, frames, 1),
                    (0, 1, frames, None), (0, 1, frames, 2**31), (0, 1, (("a", None),), 1),
                    (0, 1, (("a", 2**31),), 1), (0, 1, ((b"a", 1),), 1), (0, 1, (("a",),), 1),
                    (0, 1, (["a", 1],), 1), (0, 1, (), 3), (0, 1, frames * 70_000, 70_000),
                    (0, 1, frames * 3, -2**31)):
            with self.assertRaises(TypeError) as caught:
                m.Snapshot([good, good, bad], 1).dump(self.path)
            self.assertRegex(str(caught.exception), "^cannot convert trace 2: ")
            self.assertFalse(os.path.exists(self.path))
        for bad in (None, {}, "abc", iter([good])):
            with self.assertRaisesRegex(TypeError, "^cannot convert traces: not a list or tuple"):
                m.Snapshot(bad, 1).dump(self.path)

    def test_extreme_traces(self):
        raw = [(2**32 - 1, 2**62, (("a", 2**31 - 1), ("b", -2**31)), 2**31 - 1),
               (0, 0, (("", 0),), -2**31), (0, 1, (("x", 1),) * 65535, 65535)]
        self.assertEqual(self.to_core(raw).traces._traces, raw)
        self.assertEqual(self.to_core(tuple(raw)).traces, m._Traces(tuple(raw)))
        self.assertEqual(self.to_core([]).traces._traces, [])

    def test_order_is_kept(self):
        a, b = (0, 1, (("a", 1),), 1), (0, 2, (("b", 1),), 1)
        for raw in ([a, b, a, b], [a, a, b, a], [b, b, b, a]):
            core = self.to_core(raw)
            self.assertEqual(core.traces._traces, raw)
            core.dump(self.path)
            self.assertEqual(m.Snapshot.load(self.path).traces._traces, raw)

    def test_targets(self):
        snapshot = m.Snapshot([(0, 1, (("a", 1),), 1)], 5)
        import pathlib
        for target in (self.path, os.fsencode(self.path), pathlib.Path(self.path)):
            snapshot.dump(target)
            self.assertEqual(m.Snapshot.load(target).traces, snapshot.traces)
            os.unlink(self.path)
        snapshot.dump(filename=self.path, format="ctm")
        snapshot.dump(self.path, None)
        self.assertEqual(m.Snapshot.load(filename=self.path).traces, snapshot.traces)
        fd = os.open(self.path, os.O_RDWR | os.O_TRUNC)
        snapshot.dump(fd)
        with self.assertRaises(OSError):
            os.fstat(fd)
        self.assertEqual(m.Snapshot.load(os.open(self.path, os.O_RDONLY)).traces, snapshot.traces)
        snapshot.dump(os.devnull)
        self.assertTrue(os.path.exists(os.devnull) and not os.path.isfile(os.devnull))
        link = os.path.join(self.folder, "link")
        os.symlink(self.path, link)
        snapshot.dump(link)
        self.assertTrue(os.path.islink(link))
        os.unlink(self.path)
        snapshot.dump(link)
        self.assertTrue(os.path.islink(link) and os.path.isfile(self.path))
        reader, writer = os.pipe()
        snapshot.dump(writer)
        self.assertEqual(m.Snapshot.load(reader).traces, snapshot.traces)

    def test_stdlib_format(self):
        raw = [(0, 10, (("a.py", 1), ("b.py", 2)), 5), (3, 2**40, (("é.py", 0),), 1)] * 2
        for snapshot in (m.Snapshot(raw, 5), self.to_core(raw)):
            snapshot.dump(self.path, format="stdlib")
            loaded = stdlib.Snapshot.load(self.path)
            self.assertEqual((loaded.traces._traces, loaded.traceback_limit), (raw, 5))
            mine = m.Snapshot.load(self.path)
            self.assertEqual(mine.traces._traces, raw)
        stdlib.Snapshot(raw, 9).dump(self.path)
        self.assertEqual(m.Snapshot.load(self.path).traces, m._Traces(raw))
        for bad in ("pickle", "CTM", "", 5, b"ctm"):
            with self.assertRaisesRegex(ValueError, "^unknown format: "):
                m.Snapshot(raw, 5).dump(self.path, bad)

    def test_subclass_dumps_as_base(self):
        class Mine(m.Snapshot):
            pass

        mine = Mine([(0, 1, (("a", 1),), 1)], 3)
        mine.extra = "x"
        mine.dump(self.path)
        loaded = Mine.load(self.path)
        self.assertIs(type(loaded), m.Snapshot)
        self.assertEqual((loaded.extra, loaded.traceback_limit), ("x", 3))

    def test_errors(self):
        snapshot = m.Snapshot([], 1)
        for action in (snapshot.dump, m.Snapshot.load):
            for path, number in ((os.path.join(self.folder, "no", "x"), errno.ENOENT),
                                 (self.folder, errno.EISDIR)):
                with self.assertRaises(OSError) as caught:
                    action(path)
                self.assertEqual((caught.exception.errno, caught.exception.filename),
                                 (number, path))
            for bad in (None, 1.5, [], object()):
                with self.assertRaises(TypeError):
                    action(bad)
            with self.assertRaises(ValueError):
                action("a\0b")

    def test_damaged_files(self):
        self.load_with(value={"a": [1, 2.5, "x", (None, {3})]}, other=b"bytes")
        with open(self.path, "rb") as file:
            good = file.read()
        rng = random.Random(13)
        variants = [good[:n] for n in range(0, len(good), 5)] + [b"", b"x", b"\0" * 100]
        for _ in range(400):
            bad = bytearray(good)
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            variants.append(bytes(bad))
        refused = 0
        for data in variants:
            with open(self.path, "wb") as file:
                file.write(data)
            try:
                list(m.Snapshot.load(self.path).traces)
            except m.FileError as error:
                refused += 1
                self.assertTrue(error.reason)
        self.assertGreater(refused, len(variants) * 9 // 10)

    def test_file_error(self):
        self.assertTrue(issubclass(m.FileError, ValueError))
        self.assertEqual((m.FileError.__module__, m.FileError.offset, m.FileError.reason),
                         ("ctracemalloc", None, None))
        self.load_with()
        with open(self.path, "r+b") as file:
            file.truncate(os.path.getsize(self.path) - 3)
        with self.assertRaises(m.FileError) as caught:
            m.Snapshot.load(self.path)
        self.assertIn(repr(self.path), str(caught.exception))
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((again.offset, again.reason, str(again)),
                         (caught.exception.offset, caught.exception.reason, str(caught.exception)))


class TestPickleSnapshot(Case):
    def test_copies(self):
        raw = random_traces(random.Random(14), 20)
        core = self.to_core(raw)
        core.note = {"not": object}
        for duplicate in (pickle.loads(pickle.dumps(core)), pickle.loads(pickle.dumps(core, 0)),
                          copy.copy(core), copy.deepcopy(core)):
            self.assertIs(type(duplicate), m.Snapshot)
            self.assertEqual(duplicate.traces, core.traces)
            self.assertEqual((duplicate.traceback_limit, duplicate.note), (5, core.note))
            self.assertTrue(is_core(duplicate))
            self.assertEqual(duplicate.statistics("lineno"), core.statistics("lineno"))


class TestNames(Case):
    """Function names, which only snapshots of the tracer have."""

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
            self.assertEqual(self.trace_of(snapshot, 54321).traceback[-1].name,
                             "TestNames.setUpClass.<locals>.<lambda>")
            self.assertEqual(self.trace_of(snapshot, 32100).traceback[-1].name, "Holder.method")

    def test_names_change_nothing(self):
        traceback = self.trace_of(self.taken, 43210).traceback
        frame = traceback[-1]
        plain_frame = m.Frame(frame._frame)
        self.assertIsNone(plain_frame.name)
        self.assertEqual((frame == plain_frame, hash(frame), repr(frame), str(frame)),
                         (True, hash(plain_frame), repr(plain_frame), str(plain_frame)))
        self.assertFalse(frame < plain_frame or frame > plain_frame)
        plain_traceback = m.Traceback(traceback._frames[::-1], traceback.total_nframe)
        self.assertEqual((traceback, hash(traceback), repr(traceback)),
                         (plain_traceback, hash(plain_traceback), repr(plain_traceback)))
        with self.assertRaises(AttributeError):
            frame.name = "x"

    def test_names_survive_copies(self):
        trace = self.trace_of(self.taken, 43210)
        statistic = next(s for s in self.taken.statistics("traceback")
                         if abs(s.size - 43210) < 100)
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
            found = [s for s in self.taken.statistics("function", cumulative)
                     if s.traceback[0].name == "TestNames.allocate_here"]
            self.assertEqual(len(found), 1)
            self.assertEqual((found[0].traceback[0].filename, found[0].traceback[0].lineno),
                             (__file__, line))
            self.assertEqual(found[0].count, len([t for t in self.taken.traces
                             if t.traceback[-1].name == "TestNames.allocate_here"]))
        self.assertEqual(sum(s.size for s in self.taken.statistics("function")),
                         sum(s.size for s in self.taken.statistics("filename")))
        by_line = {f.name for s in self.taken.statistics("lineno") for f in s.traceback}
        self.assertIn("TestNames.allocate_here", by_line)
        by_file = {f.name for s in self.taken.statistics("filename") for f in s.traceback}
        self.assertEqual(by_file, {None})

    def test_function_compare(self):
        older = self.taken.filter_traces([m.Filter(False, __file__, line) for line in
                                          {t.traceback[-1].lineno for t in self.taken.traces
                                           if t.traceback[-1].name == "TestNames.allocate_here"}])
        diff = self.taken.compare_to(older, "function")
        self.assertEqual((diff[0].traceback[0].name, diff[0].count_diff > 0),
                         ("TestNames.allocate_here", True))
        self.assertEqual([d for d in self.taken.compare_to(self.taken, "function")
                          if d.size_diff or d.count_diff], [])

    def test_function_group_by(self):
        group = self.taken._group_by("function", False)
        self.assertEqual(sum(s.size for s in group.values()),
                         sum(t.size for t in self.taken.traces))


class Holder:
    def method(self):
        return bytearray(32100)


class TestLeaks(Case):
    ROUNDS = 400

    def operations(self):
        """Everything that the types can do, as (name, function of no arguments)."""
        raw = [(0, 10, (("a.py", 2), ("b.py", 4)), 3)] * 3 + [(1, 5, (("c.py", 1),), 1)]
        listed, core = m.Snapshot(raw, 5), self.to_core(raw)
        core.extra = {"a": [1, (2, None)], "b": {1, 2}, "c": 2**70, "d": "e", "f": 1.5}
        mine = type("Mine", (m.BaseFilter,), {"_match": lambda self, trace: trace[1] > 6})
        filters = [[], [m.Filter(True, "a*")], [m.DomainFilter(False, 1)], [mine(True)],
                   [m.Filter(False, "a*", 1, True, 0), mine(False)]]
        for name, s in (("core", core), ("list", listed)):
            for key, other in itertools.product(KEYS, (core, listed)):
                yield (name, key), lambda: [(str(x), repr(x), hash(x), x == x, x._sort_key())
                                            for x in s.statistics(*key)]
                yield (name, key), lambda: [(str(x), repr(x), hash(x), x == x, x._sort_key())
                                            for x in s.compare_to(other, *key)]
                yield (name, key), lambda: s._group_by(*key)
            for chosen in filters:
                yield (name, "filter"), lambda: s.filter_traces(chosen)
            traces = s.traces
            for text in ("[t.traceback.format() for t in traces]", "[str(t) for t in traces]",
                         "[repr(t) for t in traces]", "[t in traces for t in traces]",
                         "[list(reversed(t.traceback)) for t in traces]", "traces[::2]",
                         "[(t.traceback[:1], t.traceback[0].name) for t in traces]",
                         "list(reversed(traces))", "traces.index(traces[-1])", "traces[-1]",
                         "traces.count(traces[0])", "traces == core.traces", "traces._traces",
                         "traces != listed.traces", "copy.deepcopy(s)", "copy.copy(s)",
                         "pickle.loads(pickle.dumps(s))", "s.dump(self.path)",
                         "m.Snapshot.load(self.path)", "sorted(t.traceback for t in traces)",
                         "[t.traceback[0] <= t.traceback[-1] for t in traces]"):
                code = compile(text, text, "eval")
                names = dict(globals(), traces=traces, core=core, listed=listed, s=s, self=self)
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
        for text in ("bad.statistics('lineno')", "bad.statistics('filename', True)",
                     "bad.compare_to(core, 'traceback')", "core.compare_to(bad, 'traceback')",
                     "bad.dump(self.path)", "odd.dump(self.path)", "core.statistics('x')",
                     "core.dump('/no/such/place')", "core.dump(self.folder)", "core.dump(5.5)",
                     "core.dump(self.path, 'x')", "m.Snapshot.load('/no/such/place')",
                     "m.Snapshot.load(damaged)", "m.Snapshot.load(self.folder)",
                     "bad.filter_traces([m.Filter(True, 'a')])", "bad.filter_traces(5)",
                     "core.filter_traces([m.BaseFilter(True)])", "core.filter_traces([5])",
                     "m.Filter(True, 5)", "m.Frame()", "m.Frame(1, 2)", "m.Frame(frame=1, x=2)",
                     "m.Frame(('a',)).lineno", "m.Traceback(5)", "m.Traceback(())[1]",
                     "str(m.Statistic(1, 'x', 2))", "repr(m.StatisticDiff(1, 2, 3, 4, 'x'))",
                     "m.Trace((1,)).traceback", "core.traces[99]", "core.traces['x']",
                     "core.traces.index(1)", "m._Traces(5)[0]", "m._format_size('x', 1)",
                     "m.Filter(True, 'a')._match((1, 2))", "1 in core.traces",
                     "m.Filter(True, 'a', all_frames=True)._match((0, 1, (5,), 1))",
                     "m._compare_grouped_stats({1: 2}, {1: 2})", "hash(m.Frame([]))"):
            code = compile(text, text, "eval")
            names = dict(globals(), core=core, bad=bad, odd=odd, damaged=damaged, self=self)

            def fail(code=code, names=names):
                try:
                    eval(code, names)
                except (TypeError, ValueError, AttributeError, LookupError, OSError,
                        NotImplementedError):
                    return
                self.fail("nothing raised")

            yield text, fail

    def growth(self, function):
        """Blocks of memory and references on shared objects that some rounds leave behind."""
        shared = [True, "a.py", m.Frame, m.Snapshot, m._Traces, m.Trace, m.Traceback, m.Statistic,
                  m.StatisticDiff, m.Filter, m.DomainFilter, m.BaseFilter, os.path]
        before = [sys.getrefcount(thing) for thing in shared] + [sys.getallocatedblocks()]
        for _ in range(self.ROUNDS):
            function()
        gc.collect()
        after = [sys.getrefcount(thing) for thing in shared] + [sys.getallocatedblocks()]
        return max(abs(b - a) for a, b in zip(before, after))

    def check_leak(self, name, function):
        # The interpreter's own caches fill at first: a leak is what never stops.
        for _ in range(6):
            if (growth := self.growth(function)) < self.ROUNDS // 4:
                return
        self.fail(f"{name}: {growth} in {self.ROUNDS} rounds")

    def test_no_leaks(self):
        for name, function in itertools.chain(self.operations(), self.failures()):
            self.check_leak(name, function)

    def test_snapshots_die(self):
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
