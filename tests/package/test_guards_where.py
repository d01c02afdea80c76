"""where(): the birth of an object as text, or why it is not known."""

import _thread
import collections
import gc
import importlib.util
import queue
import unittest

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import where

BEFORE = [object()]


class Own:
    pass


class NameOfAnyKind:
    pass


NameOfAnyKind.__qualname__ = "\x1b[2J\nname"
NameOfAnyKind.__module__ = "builtins"


class HostileType(type):
    def __eq__(self, other):
        raise AssertionError("classes are compared")

    __hash__ = type.__hash__


class Hostile(metaclass=HostileType):
    """None of its attributes may be asked for."""

    def __getattribute__(self, name):
        raise AssertionError(name)

    def __repr__(self):
        raise AssertionError

    __class__ = int


class WhereTest(unittest.TestCase):
    def setUp(self):
        ctracemalloc.start(5)
        self.addCleanup(ctracemalloc.stop)
        gc.collect()  # free lists have blocks from before the start

    def test_the_place_and_the_source(self):
        def born():
            return bytearray(10)  # born here

        def caller():
            return born()  # and called here

        lines = where(caller()).splitlines()
        size = bytearray.__basicsize__  # 3.15 has more in it
        self.assertEqual(lines[0], f"bytearray object, {size} B, allocated at (most recent call last):")
        self.assertRegex(lines[-4], r'^  File ".*test_guards_where\.py", line \d+$')
        self.assertEqual(lines[-3::2], ["    return born()  # and called here", "    return bytearray(10)  # born here"])
        self.assertEqual(len(where(caller(), 1).splitlines()), 3)

    def test_sizes_are_those_of_the_block(self):
        for one in (object(), [1, 2, 3], {1: 2}, Own(), bytes(1000), lambda: 0):
            size, traceback = ctracemalloc._ctracemalloc._get_object_block(one)
            self.assertEqual(traceback, ctracemalloc.get_object_traceback(one))
            traces = ctracemalloc.take_snapshot().traces
            self.assertTrue([trace for trace in traces if (trace.size, trace.traceback) == (size, traceback)])
        self.assertIn("bytes object, 1033 B, allocated at", where(bytes(1000)))
        self.assertIn("Own object, ", where(Own()))

    def test_sizes_of_other_blocks(self):
        class OwnList(list):
            def __sizeof__(self):
                raise AssertionError("this is the program's")

        for one, others in (
            (bytearray(1 << 20), "1024 KiB"),
            ([0] * 100_000, "781 KiB"),
            (set(range(1000)), "32.0 KiB"),
            ([], None),
            (bytearray(), None),
            (OwnList([1, 2]), None),
        ):
            text = where(one).splitlines()[0]
            self.assertRegex(text, rf" B and {others} in other blocks, allocated" if others else r" object, \d+ B, allocated")
        self.assertRegex(
            where({n: n for n in range(1000)}), r"^dict object, \d+ B and \d\d\.\d KiB in other blocks, allocated at"
        )

    def test_objects_without_a_block(self):
        for one in (None, True, 1, int, type, len.__class__, (), "a"):
            with self.subTest(one):
                self.assertRegex(where(one), r"^\S+ object: it has no block of its own: it is a part of /.+$")

    def test_what_was_there_before(self):
        text = "object object: not known: its block was allocated before tracing began or the traces were cleared"
        self.assertTrue(where(BEFORE[0]).startswith(text), where(BEFORE[0]))

    def test_without_tracing(self):
        ctracemalloc.stop()
        self.assertEqual(
            where([]),
            "list object: not known, because ctracemalloc is not tracing: start() makes known what is allocated later",
        )

    def test_in_a_sample(self):
        ctracemalloc.stop()
        ctracemalloc.start(sample_interval=1 << 40)
        self.assertIn("bytes object: not known: it is not in the sample", where(bytes(100)))

    def test_one_frame(self):
        ctracemalloc.stop()
        ctracemalloc.start()
        self.assertIn("  (1 frame is kept of each traceback: start(25) keeps callers)", where(Own()))

    def test_without_a_python_frame(self):
        found = queue.SimpleQueue()
        _thread.start_new_thread(collections.deque, (map(found.put, map(bytes, [1000])), 0))
        self.assertEqual(where(found.get(timeout=60)), "bytes object, 1033 B, allocated where there was no Python frame")

    def test_no_code_of_the_object_runs(self):
        self.assertIn("Hostile object, ", where(Hostile()))

    def test_names_are_data(self):
        self.assertTrue(where(NameOfAnyKind()).startswith(r"\x1b[2J\nname object, "))
        namespace = {}
        exec(compile("one = bytes(100)", "/a\n\x1b\udc80.py", "exec"), namespace)
        self.assertIn(r'File "/a\n\x1b\udc80.py", line 1', where(namespace["one"]))

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed")
    def test_numpy_arrays(self):
        import numpy

        array = numpy.empty(1000, "u1")
        self.assertRegex(where(array), r"numpy\.ndarray object, \d+ B, allocated at (.|\n)*\nits data, 1000 B, allocated at")
        view = array[3:][::-1]
        self.assertIn("\nits data, which belong to another array, 1000 B, allocated at", where(view))
        borrowed = numpy.frombuffer(bytes(500), dtype="u1")
        self.assertIn("\nits data, which belong to a bytes object, 533 B, allocated at", where(borrowed))
        ctracemalloc.stop()
        self.assertEqual(len(where(array).splitlines()), 1)
        ctracemalloc.start()
        self.assertIn("\nits data: not known", where(array))

    def test_blocks_by_their_address(self):
        block = ctracemalloc._ctracemalloc._get_block
        one = object()
        size, traceback = block(0, id(one))
        self.assertEqual((size, traceback), ctracemalloc._ctracemalloc._get_object_block(one))
        self.assertIsNone(block(7, id(one)))
        self.assertIsNone(block(0, 0))
        self.assertIsNone(block(0, id(None)))
        for arguments in ((), (0,), ("0", 1), (0, None)):
            with self.assertRaises(TypeError):
                block(*arguments)


class ProgramWhereTest(ProgramTest):
    def test_numpy_is_not_imported(self):
        result = self.python("-c", "import sys, ctracemalloc; ctracemalloc.where([]); print('numpy' in sys.modules)")
        self.assertEqual(result.stdout, "False\n", result.stderr)


if __name__ == "__main__":
    unittest.main()
