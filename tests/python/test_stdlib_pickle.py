"""Snapshots in the standard module's own form, both ways, against the standard module itself.

The standard module runs in plain processes (-S: no site-packages), so that nothing of ours is in
reach of it.
"""

import copyreg
import json
import os
import pickle
import pickletools
import stat
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import ctracemalloc
from ctracemalloc import FileError, _stdlib_pickle

FRAMES = (("a.py", 2), ("b.py", 4))
TRACES = [
    (0, 10, FRAMES, 3),
    (0, 10, FRAMES, 3),
    (0, 2, (("a.py", 5),), 1),
    (389047, 66, (("\udcff surrogate.py", 1),), 70000),
    (0, 7, (("<unknown>", 0),), 1),
]

# Prints what the standard module finds in a file.
READ = """
import json, sys, tracemalloc
snapshot = tracemalloc.Snapshot.load(sys.argv[1])
assert type(snapshot) is tracemalloc.Snapshot
print(json.dumps({
    "traces": snapshot.traces._traces,
    "limit": snapshot.traceback_limit,
    "shared": len({id(trace[2]) for trace in snapshot.traces._traces}),
    "note": getattr(snapshot, "note", None),
    "statistics": [repr(s) for key in ("lineno", "filename", "traceback")
                   for s in snapshot.statistics(key)],
}))
"""

WRITE = """
import json, sys, tracemalloc
tracemalloc.start(5)
def make(n): return [str(i) * 3 for i in range(n)]
held = make(500), [make(3) for _ in range(50)]
snapshot = tracemalloc.take_snapshot()
snapshot.note = {"plain": [1, 2.5, None, "text"]}
snapshot.dump(sys.argv[1])
print(json.dumps({
    "blocks": len(snapshot.traces),
    "statistics": [repr(s) for key in ("lineno", "filename", "traceback")
                   for s in snapshot.statistics(key)],
}))
"""


def plain_python(code, *arguments):
    result = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


def statistics_of(snapshot):
    return [
        repr(item)
        for key in ("lineno", "filename", "traceback")
        for item in snapshot.statistics(key)
    ]


def as_lists(traces):
    return json.loads(json.dumps(traces))


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "snapshot.pickle"


class WriteTest(FolderTest):
    def test_standard_module_reads_it(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        snapshot.note = {"numbers": [1, -(2**80), 2.5], "nothing": None}
        _stdlib_pickle.dump(snapshot, self.path)
        seen = plain_python(READ, self.path)
        self.assertEqual(seen["traces"], as_lists(TRACES))
        self.assertEqual(seen["limit"], 3)
        self.assertEqual(seen["note"], snapshot.note)
        self.assertEqual(seen["statistics"], statistics_of(snapshot))

    def test_real_snapshot(self):
        ctracemalloc.start(5)
        try:
            held = [str(number) * 3 for number in range(2000)]
            snapshot = ctracemalloc.take_snapshot()
        finally:
            ctracemalloc.stop()
        self.assertEqual(len(held), 2000)
        snapshot.dump(str(self.path), format="stdlib")
        seen = plain_python(READ, self.path)
        self.assertEqual(len(seen["traces"]), len(snapshot.traces))
        self.assertEqual(seen["statistics"], statistics_of(snapshot))
        # Equal tracebacks are one object in the reader's memory, as they are in its own dumps.
        self.assertLess(seen["shared"], len(seen["traces"]) / 2)
        self.assertLess(self.path.stat().st_size, 60 * len(snapshot.traces))

    def test_empty_snapshot(self):
        _stdlib_pickle.dump(ctracemalloc.Snapshot([], 1), self.path)
        self.assertEqual(plain_python(READ, self.path)["traces"], [])

    def test_only_two_names_are_in_it(self):
        _stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), self.path)
        names = [
            argument
            for opcode, argument, _ in pickletools.genops(self.path.read_bytes())
            if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST", "REDUCE")
        ]
        self.assertEqual(names, ["tracemalloc Snapshot", "tracemalloc _Traces"])

    def test_what_is_not_plain_data_is_refused_and_nothing_written(self):
        self.path.write_bytes(b"the old file")
        text = type("Text", (str,), {})()
        for value in (object(), [1, {2, 3}], {"key": print}, {object(): 1}, {1j}, text):
            with self.subTest(value=value):
                snapshot = ctracemalloc.Snapshot(TRACES, 3)
                snapshot.wrong = value
                with self.assertRaisesRegex(TypeError, "'wrong'"):
                    _stdlib_pickle.dump(snapshot, self.path)
                self.assertEqual(os.listdir(self.folder), ["snapshot.pickle"])
                self.assertEqual(self.path.read_bytes(), b"the old file")

    def test_traces_made_by_hand_must_be_plain_too(self):
        snapshot = ctracemalloc.Snapshot([*TRACES, (0, 1, ((print, 1),), 1)], 3)
        with self.assertRaisesRegex(TypeError, "trace 5"):
            _stdlib_pickle.dump(snapshot, self.path)
        self.assertEqual(os.listdir(self.folder), [])

    def test_link_stays_a_link(self):
        self.path.write_bytes(b"old")
        link = self.folder / "link"
        link.symlink_to(self.path)
        _stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(len(_stdlib_pickle.load(self.path).traces), len(TRACES))

    def test_mode_follows_the_umask(self):
        old = os.umask(0o027)
        try:
            _stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), self.path)
        finally:
            os.umask(old)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)

    def test_bytes_path_and_descriptor(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        _stdlib_pickle.dump(snapshot, os.fsencode(self.path))
        first = self.path.read_bytes()
        _stdlib_pickle.dump(snapshot, os.open(self.path, os.O_WRONLY | os.O_TRUNC))
        self.assertEqual(self.path.read_bytes(), first)

    def test_bad_targets(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        with self.assertRaises(IsADirectoryError):
            _stdlib_pickle.dump(snapshot, self.folder)
        with self.assertRaises(FileNotFoundError):
            _stdlib_pickle.dump(snapshot, self.folder / "missing" / "file")
        _stdlib_pickle.dump(snapshot, os.devnull)
        self.assertFalse(os.path.isfile(os.devnull))


class ReadTest(FolderTest):
    def test_file_of_the_standard_module(self):
        told = plain_python(WRITE, self.path)
        for snapshot in (
            _stdlib_pickle.load(self.path),
            _stdlib_pickle.load(self.path.read_bytes()),
            ctracemalloc.Snapshot.load(str(self.path)),
        ):
            self.assertIs(type(snapshot), ctracemalloc.Snapshot)
            self.assertEqual(len(snapshot.traces), told["blocks"])
            self.assertEqual(snapshot.traceback_limit, 5)
            self.assertEqual(statistics_of(snapshot), told["statistics"])
            self.assertEqual(snapshot.note, {"plain": [1, 2.5, None, "text"]})

    def test_round_trip(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        _stdlib_pickle.dump(snapshot, self.path)
        again = _stdlib_pickle.load(self.path)
        self.assertEqual(list(again.traces._traces), TRACES)
        self.assertEqual(again.traceback_limit, 3)

    def test_missing_and_directory(self):
        with self.assertRaises(FileNotFoundError):
            _stdlib_pickle.load(self.path)
        with self.assertRaises(IsADirectoryError):
            _stdlib_pickle.load(self.folder)


def snapshot_pickle(state):
    """The pickle of a tracemalloc.Snapshot with this state, itself opcodes."""
    return b"\x80\x04ctracemalloc\nSnapshot\n)\x81" + state + b"b."


def state_with(traces, limit=1, **attributes):
    """The pickle of a snapshot with these raw traces, whatever they are."""
    body = pickle.dumps(traces, 3)[2:-1]
    rest = b"".join(
        pickle.dumps(name, 3)[2:-1] + pickle.dumps(value, 3)[2:-1]
        for name, value in attributes.items()
    )
    return snapshot_pickle(
        b"}(X\x06\x00\x00\x00tracesctracemalloc\n_Traces\n)\x81}X\x07\x00\x00\x00_traces"
        + body
        + b"sbX\x0f\x00\x00\x00traceback_limit"
        + pickle.dumps(limit, 3)[2:-1]
        + rest
        + b"u"
    )


class HostileTest(unittest.TestCase):
    def assert_refused(self, content, words):
        with self.assertRaisesRegex(FileError, words):
            _stdlib_pickle.load(content)

    def test_the_helper_makes_good_files(self):
        self.assertEqual(len(_stdlib_pickle.load(state_with(TRACES)).traces), len(TRACES))

    def test_foreign(self):
        self.assert_refused(b"", "empty")
        self.assert_refused(b"hello", "neither")
        self.assert_refused(b"\x7fELF" + bytes(100), "neither")
        self.assert_refused(pickle.dumps([1, 2]), "holds a list")
        self.assert_refused(pickle.dumps(None), "holds a NoneType")
        self.assert_refused(pickle.dumps({"traces": []}), "holds a dict")

    def test_every_truncation(self):
        content = state_with(TRACES)
        for length in range(len(content)):
            with self.subTest(length=length), self.assertRaises(FileError):
                _stdlib_pickle.load(content[:length])

    def test_every_byte_damaged(self):
        """Either it is refused, or what comes out is a sound snapshot."""
        content = state_with(TRACES)
        for position in range(len(content)):
            for flip in (0x01, 0x20, 0x80, 0xFF):
                damaged = bytearray(content)
                damaged[position] ^= flip
                if b"\x72" in damaged[position : position + 1]:
                    continue  # LONG_BINPUT: asks pickle itself for gigabytes
                try:
                    snapshot = _stdlib_pickle.load(bytes(damaged))
                except FileError:
                    continue
                self.assertLessEqual(len(snapshot.traces), len(TRACES))
                self.assertGreaterEqual(len(repr(snapshot.statistics("lineno"))), 2)

    def test_no_code_is_found_or_run(self):
        self.assert_refused(pickle.dumps(os.system), "posix.system")
        self.assert_refused(b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.", "os.system")
        self.assert_refused(b"\x80\x04(S'exit 1'\nios\nsystem\n.", "os.system")
        self.assert_refused(b"\x80\x04cbuiltins\neval\n.", "builtins.eval")
        self.assert_refused(b"\x80\x04ctracemalloc\nstart\n.", "tracemalloc.start")
        self.assert_refused(b"\x80\x04ctracemalloc\nos\n.", "tracemalloc.os")
        self.assert_refused(
            b"\x80\x04\x8c\x0btracemalloc\x8c\x0dSnapshot.load\x93.", "tracemalloc.Snapshot.load"
        )
        self.assert_refused(b"\x80\x04ccopyreg\n_reconstructor\n.", "copyreg._reconstructor")

    def test_persistent_ids(self):
        self.assert_refused(b"\x80\x04Pname\n.", "persistent id")
        self.assert_refused(b"\x80\x04K\x01Q.", "persistent id")

    def test_extension_codes(self):
        self.assert_refused(b"\x80\x02\x82\xf0.", "extension code")
        copyreg.add_extension("os", "system", 240)
        try:
            self.assert_refused(b"\x80\x02\x82\xf0.", "os.system")
            # Once used, pickle answers from a cache and asks nobody.
            self.assertIs(pickle.loads(b"\x80\x02\x82\xf0."), os.system)
            self.assert_refused(b"\x80\x02\x82\xf0.", "extension code")
        finally:
            copyreg.remove_extension("os", "system", 240)
            copyreg.clear_extension_cache()

    def test_class_itself_instead_of_an_object(self):
        self.assert_refused(b"\x80\x04ctracemalloc\nSnapshot\n.", "holds a type")
        self.assert_refused(b"\x80\x04ctracemalloc\nSnapshot\n(I1\ntR.", "damaged")

    def test_missing_parts(self):
        self.assert_refused(snapshot_pickle(b"}"), "missing")
        self.assert_refused(
            snapshot_pickle(b"}(X\x06\x00\x00\x00traces]X\x0f\x00\x00\x00traceback_limitK\x01u"),
            "traces is a list",
        )

    def test_names_of_attributes_are_only_names(self):
        content = state_with(TRACES, __class__=1, __dict__={}, statistics=2)
        snapshot = _stdlib_pickle.load(content)
        self.assertIs(type(snapshot), ctracemalloc.Snapshot)
        self.assertEqual(vars(snapshot)["__class__"], 1)
        self.assertEqual(len(snapshot.traces), len(TRACES))

    def test_wrong_values(self):
        frame = ("a.py", 1)
        cases = [
            ("not a list", (1, 2)),
            ("trace 0 is not a tuple of 4", [1]),
            ("trace 0 is not a tuple of 4", [(0, 1, (frame,))]),
            ("trace 1 is not a tuple of 4", [(0, 1, (frame,), 1), [0, 1, (frame,), 1]]),
            ("the domain", [("0", 1, (frame,), 1)]),
            ("the domain", [(-1, 1, (frame,), 1)]),
            ("the domain", [(2**32, 1, (frame,), 1)]),
            ("the size", [(0, -1, (frame,), 1)]),
            ("the size", [(0, 2**63, (frame,), 1)]),
            ("the size", [(0, 1.5, (frame,), 1)]),
            ("total_nframe", [(0, 1, (frame,), None)]),
            ("total_nframe", [(0, 1, (frame,), 2**31)]),
            ("the traceback", [(0, 1, (), 1)]),
            ("the traceback", [(0, 1, [frame], 1)]),
            ("not a tuple of 2", [(0, 1, ("a.py", 1), 1)]),
            ("not a tuple of 2", [(0, 1, (("a.py",),), 1)]),
            ("file name and a line", [(0, 1, ((b"a.py", 1),), 1)]),
            ("file name and a line", [(0, 1, (("a.py", -1),), 1)]),
            ("file name and a line", [(0, 1, (("a.py", 2**31),), 1)]),
            ("file name and a line", [(0, 1, (("a.py", "1"),), 1)]),
        ]
        for words, traces in cases:
            with self.subTest(traces=traces):
                self.assert_refused(state_with(traces), words)
        self.assert_refused(state_with(TRACES, "1"), "traceback_limit")

    def test_deep_nesting(self):
        nested = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
        self.assert_refused(nested, "holds a list")
        deep = b"(" * 100_000
        self.assert_refused(b"\x80\x04" + deep + b".", "damaged|cut")

    def test_lengths_beyond_the_file(self):
        self.assert_refused(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.", "damaged|cut")
        self.assert_refused(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.", "damaged|cut")


if __name__ == "__main__":
    unittest.main()
