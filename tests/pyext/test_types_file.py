"""Snapshot.dump and Snapshot.load: attributes, traces of every kind, targets, formats, damage."""

import collections
import errno
import functools
import os
import pathlib
import pickle
import random
import tracemalloc as stdlib
import unittest

import ctracemalloc as m
from types_support import FILES, Case


class TestFile(Case):
    VALUES = [
        None,
        True,
        False,
        0,
        1,
        -1,
        127,
        128,
        -128,
        -129,
        2**31,
        -(2**63),
        2**64,
        10**500,
        -(10**500),
        0.0,
        -0.0,
        1.5,
        float("inf"),
        1j,
        complex(-0.0, 2),
        "",
        "text",
        "é日\U0001f600",
        "\ud800\udc00",
        "a\0b",
        b"",
        b"\0\xff",
        bytearray(b"xyz"),
        (),
        (1,),
        [],
        [[], [1, "x"]],
        {},
        {"a": {"b": [1, (2, None)]}, 1: 2, (1, 2): 3, None: 4},
        set(),
        {1, "a"},
        frozenset({(1, 2), frozenset()}),
        [1] * 1000,
        "x" * 70_000,
    ]

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
            self.assertEqual(repr(loaded.value), repr(value) if not isinstance(value, (set, frozenset)) else repr(loaded.value))
            self.check_types(loaded.value, value)
        everything = {f"v{i}": value for i, value in enumerate(self.VALUES)}
        loaded = self.load_with(**everything)
        self.assertEqual(list(vars(loaded)), ["traces", "traceback_limit", *everything])
        self.assertEqual({k: v for k, v in vars(loaded).items() if k in everything}, everything)
        self.assertTrue(self.load_with(nan=float("nan")).nan != 0)
        self.assertEqual(vars(self.load_with(**{"not an identifier": 1, "__class__": 2}))["__class__"], 2)

    def test_random_plain_data(self):
        rng = random.Random(11)

        def make(depth):
            kind = rng.randrange(12 if depth < 5 else 6)
            items = [make(depth + 1) for _ in range(rng.randrange(4))] if kind >= 6 else ()
            return (
                None,
                rng.random(),
                rng.getrandbits(rng.randrange(1, 200)),
                rng.random() < 0.5,
                rng.choice(FILES),
                rng.randbytes(5),
                items,
                tuple(items),
                {f"k{i}": v for i, v in enumerate(items)},
                [items],
                (items,),
                dict(enumerate(items)),
            )[kind]

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
        bad = {
            "socket": (object(), "objects of type 'object' are not plain data"),
            "function": (len, "objects of type 'builtin_function_or_method' are not plain data"),
            "text": (Text("x"), "objects of type 'Text' are not plain data"),
            "nested": ([{"x": (1, object())}], "objects of type 'object' are not plain data"),
            "key": ({object(): 1}, "objects of type 'object' are not plain data"),
            "cycle": (cycle, "a list contains itself"),
            "deep": (deep, "it is nested more than 100 deep"),
            "ordered": (collections.OrderedDict(), "objects of type 'collections.OrderedDict' are not plain data"),
        }
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
        for bad in (
            None,
            (0, 1, frames),
            [0, 1, frames, 1],
            (0, 1, list(frames), 1),
            (0, "1", frames, 1),
            (0, True, frames, 1),
            (0, -1, frames, 1),
            (0, 2**63, frames, 1),
            (-1, 1, frames, 1),
            (2**32, 1, frames, 1),
            (0, 1, frames, None),
            (0, 1, frames, 2**31),
            (0, 1, (("a", None),), 1),
            (0, 1, (("a", 2**31),), 1),
            (0, 1, ((b"a", 1),), 1),
            (0, 1, (("a",),), 1),
            (0, 1, (["a", 1],), 1),
            (0, 1, (), 3),
            (0, 1, frames * 70_000, 70_000),
            (0, 1, frames * 3, -(2**31)),
        ):
            with self.assertRaises(TypeError) as caught:
                m.Snapshot([good, good, bad], 1).dump(self.path)
            self.assertRegex(str(caught.exception), "^cannot convert trace 2: ")
            self.assertFalse(os.path.exists(self.path))
        for bad in (None, {}, "abc", iter([good])):
            with self.assertRaisesRegex(TypeError, "^cannot convert traces: not a list or tuple"):
                m.Snapshot(bad, 1).dump(self.path)

    def test_extreme_traces(self):
        raw = [
            (2**32 - 1, 2**62, (("a", 2**31 - 1), ("b", -(2**31))), 2**31 - 1),
            (0, 0, (("", 0),), -(2**31)),
            (0, 1, (("x", 1),) * 65535, 65535),
        ]
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
            for path, number in ((os.path.join(self.folder, "no", "x"), errno.ENOENT), (self.folder, errno.EISDIR)):
                with self.assertRaises(OSError) as caught:
                    action(path)
                self.assertEqual((caught.exception.errno, caught.exception.filename), (number, path))
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
        self.assertEqual((m.FileError.__module__, m.FileError.offset, m.FileError.reason), ("ctracemalloc", None, None))
        self.load_with()
        with open(self.path, "r+b") as file:
            file.truncate(os.path.getsize(self.path) - 3)
        with self.assertRaises(m.FileError) as caught:
            m.Snapshot.load(self.path)
        self.assertIn(repr(self.path), str(caught.exception))
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual(
            (again.offset, again.reason, str(again)), (caught.exception.offset, caught.exception.reason, str(caught.exception))
        )


if __name__ == "__main__":
    unittest.main()
