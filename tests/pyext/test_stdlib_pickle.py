"""Snapshots in the standard module's own form, both ways, against the standard module itself.

The standard module runs in plain processes (-S: no site-packages), which can import nothing of this package.
"""

import copyreg
import glob
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
from ctracemalloc import FileError
from ctracemalloc.formats import stdlib_pickle

FRAMES = (("a.py", 2), ("b.py", 4))
TRACES = [
    (0, 10, FRAMES, 3),
    (0, 10, FRAMES, 3),
    (0, 2, (("a.py", 5),), 1),
    (389047, 66, (("\udcff surrogate.py", 1),), 70000),
    (0, 7, (("<unknown>", 0),), 1),
]

# Prints what the standard module reads from a file.
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

NUMBERS = [0, 255, 256, 65535, 65536, 2**31, -1, -(2**31), 2**63 - 1, -(2**63), 2**63, 2**64, -(2**80), 2**2040, 1.5, -0.0]
ATTRIBUTE = {
    "plain": [1, 2.5, None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "é\\u\n": "\udcff😀\\",
    "empty": [{}, []],
}

PROTOCOLS = f"""
import json, pickle, sys, tracemalloc
def make(n): return [str(i) * 3 for i in range(n)]
tracemalloc.start(7)
held = make(50), [make(3) for _ in range(5)]
snapshot = tracemalloc.take_snapshot()
snapshot.note = {ATTRIBUTE!a}
with open(sys.argv[1], "wb") as file:
    pickle.dump(snapshot, file, int(sys.argv[2]))
print(json.dumps({{"traces": snapshot.traces._traces}}))
"""


def plain_python(code, *arguments, python=sys.executable):
    result = subprocess.run(
        [python, "-S", "-E", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


def statistics_of(snapshot):
    return [repr(item) for key in ("lineno", "filename", "traceback") for item in snapshot.statistics(key)]


def as_lists(traces):
    return json.loads(json.dumps(traces))


def load(source):
    """Snapshot.load of a path, or of the content of a file."""
    if not isinstance(source, bytes):
        return ctracemalloc.Snapshot.load(source)
    file = os.memfd_create("snapshot")
    os.write(file, source)
    os.lseek(file, 0, os.SEEK_SET)
    return ctracemalloc.Snapshot.load(file)


def other_pythons():
    """Paths of all Pythons from 3.8 on that are installed on this machine, in the PATH or by pyenv."""
    names = [f"python3.{minor}" for minor in range(8, 16)]
    places = [*os.get_exec_path(), *glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin"))]
    found = {os.path.realpath(os.path.join(place, name)) for place in places for name in names}
    test = "import tracemalloc"
    return [
        path
        for path in sorted(found)
        if os.access(path, os.X_OK)
        and os.path.basename(path) in names
        and subprocess.run([path, "-S", "-E", "-c", test], capture_output=True).returncode == 0
    ]


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
        stdlib_pickle.dump(snapshot, self.path)
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
        # Equal tracebacks are one object in the memory of the module that reads, as in its own dumps.
        self.assertLess(seen["shared"], len(seen["traces"]) / 2)
        self.assertLess(self.path.stat().st_size, 60 * len(snapshot.traces))

    def test_empty_snapshot(self):
        stdlib_pickle.dump(ctracemalloc.Snapshot([], 1), self.path)
        self.assertEqual(plain_python(READ, self.path)["traces"], [])

    def test_only_two_names_are_in_it(self):
        stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), self.path)
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
                    stdlib_pickle.dump(snapshot, self.path)
                self.assertEqual(os.listdir(self.folder), ["snapshot.pickle"])
                self.assertEqual(self.path.read_bytes(), b"the old file")

    def test_traces_made_by_hand_must_be_plain_too(self):
        snapshot = ctracemalloc.Snapshot([*TRACES, (0, 1, ((print, 1),), 1)], 3)
        with self.assertRaisesRegex(TypeError, "trace 5"):
            stdlib_pickle.dump(snapshot, self.path)
        self.assertEqual(os.listdir(self.folder), [])

    def test_link_stays_a_link(self):
        self.path.write_bytes(b"old")
        link = self.folder / "link"
        link.symlink_to(self.path)
        stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(len(load(self.path).traces), len(TRACES))

    def test_mode_follows_the_umask(self):
        old = os.umask(0o027)
        try:
            stdlib_pickle.dump(ctracemalloc.Snapshot(TRACES, 3), self.path)
        finally:
            os.umask(old)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)

    def test_bytes_path_and_descriptor(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        stdlib_pickle.dump(snapshot, os.fsencode(self.path))
        first = self.path.read_bytes()
        stdlib_pickle.dump(snapshot, os.open(self.path, os.O_WRONLY | os.O_TRUNC))
        self.assertEqual(self.path.read_bytes(), first)

    def test_bad_targets(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        with self.assertRaises(IsADirectoryError):
            stdlib_pickle.dump(snapshot, self.folder)
        with self.assertRaises(FileNotFoundError):
            stdlib_pickle.dump(snapshot, self.folder / "missing" / "file")
        stdlib_pickle.dump(snapshot, os.devnull)
        self.assertFalse(os.path.isfile(os.devnull))


class ReadTest(FolderTest):
    def test_file_of_the_standard_module(self):
        told = plain_python(WRITE, self.path)
        for snapshot in (
            load(self.path),
            load(self.path.read_bytes()),
            ctracemalloc.Snapshot.load(str(self.path)),
        ):
            self.assertIs(type(snapshot), ctracemalloc.Snapshot)
            self.assertEqual(len(snapshot.traces), told["blocks"])
            self.assertEqual(snapshot.traceback_limit, 5)
            self.assertEqual(statistics_of(snapshot), told["statistics"])
            self.assertEqual(snapshot.note, {"plain": [1, 2.5, None, "text"]})

    def test_round_trip(self):
        snapshot = ctracemalloc.Snapshot(TRACES, 3)
        stdlib_pickle.dump(snapshot, self.path)
        again = load(self.path)
        self.assertEqual(list(again.traces._traces), TRACES)
        self.assertEqual(again.traceback_limit, 3)

    def test_every_protocol(self):
        for protocol in range(6):
            told = plain_python(PROTOCOLS, self.path, protocol)
            with self.subTest(protocol=protocol):
                snapshot = load(self.path)
                self.assertEqual(as_lists(list(snapshot.traces._traces)), told["traces"])
                self.assertEqual(snapshot.traceback_limit, 7)
                self.assertEqual(snapshot.note, ATTRIBUTE)
                self.assertEqual(repr(snapshot.note), repr(ATTRIBUTE))

    def test_other_pythons(self):
        """What the standard module of each installed Python has dumped."""
        for python in other_pythons():
            with self.subTest(python=python):
                told = plain_python(WRITE, self.path, python=python)
                snapshot = load(self.path)
                self.assertEqual(len(snapshot.traces), told["blocks"])
                self.assertEqual(statistics_of(snapshot), told["statistics"])

    def test_traces_of_python_3_8(self):
        """Its traces have no total_nframe."""
        snapshot = load(state_with([(0, 10, FRAMES), (1, 2, FRAMES[:1])]))
        self.assertEqual(list(snapshot.traces._traces), [(0, 10, FRAMES, 2), (1, 2, FRAMES[:1], 1)])

    def test_limits(self):
        for limit in (None, -5, 0, 1, 65535, 65536, 2**31 - 1):
            self.assertEqual(load(state_with(TRACES, limit)).traceback_limit, limit)

    def test_attributes(self):
        shared = ["shared", {"key": (1, 2)}]
        value = {"a": shared, "b": [shared, shared], (1, (2, "t")): -1, None: 2**64, 1.5: -(2**63)}
        snapshot = load(state_with(TRACES, numbers=NUMBERS, value=value, text="\udcff\0é€😀"))
        self.assertEqual(snapshot.numbers, NUMBERS)
        self.assertEqual(snapshot.value, value)
        self.assertEqual(snapshot.text, "\udcff\0é€😀")
        self.assertEqual([*vars(snapshot)], ["traces", "traceback_limit", "numbers", "value", "text"])

    def test_missing_and_directory(self):
        with self.assertRaises(FileNotFoundError):
            load(self.path)
        with self.assertRaises(IsADirectoryError):
            load(self.folder)


def snapshot_pickle(state):
    """The pickle of a tracemalloc.Snapshot with this state, which is opcodes itself."""
    return b"\x80\x04ctracemalloc\nSnapshot\n)\x81" + state + b"b."


def state_with(traces, limit=1, **attributes):
    """The pickle of a snapshot with these raw traces, whatever they are."""
    body = pickle.dumps(traces, 3)[2:-1]
    rest = b"".join(pickle.dumps(name, 3)[2:-1] + pickle.dumps(value, 3)[2:-1] for name, value in attributes.items())
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
        with self.assertRaisesRegex(FileError, words) as caught:
            load(content)
        error = caught.exception
        self.assertIn(f"{error.reason} (at byte {error.offset})", str(error))
        self.assertLessEqual(error.offset, len(content))

    def test_the_helper_makes_good_files(self):
        self.assertEqual(len(load(state_with(TRACES)).traces), len(TRACES))

    def test_foreign(self):
        self.assert_refused(b"", "empty")
        self.assert_refused(b"hello", "neither")
        self.assert_refused(b"\x7fELF" + bytes(100), "neither")
        for value in ([1, 2], None, {"traces": []}):
            self.assert_refused(pickle.dumps(value), "does not hold a tracemalloc.Snapshot")

    def test_every_truncation(self):
        content = state_with(TRACES)
        for length in range(len(content)):
            with self.subTest(length=length), self.assertRaises(FileError):
                load(content[:length])

    def test_every_byte_damaged(self):
        """Either the file is refused, or the result is a valid snapshot."""
        content = state_with(TRACES)
        for position in range(len(content)):
            for flip in (0x01, 0x20, 0x80, 0xFF):
                damaged = bytearray(content)
                damaged[position] ^= flip
                try:
                    snapshot = load(bytes(damaged))
                except FileError:
                    continue
                self.assertLessEqual(len(snapshot.traces), len(TRACES))
                self.assertGreaterEqual(len(repr(snapshot.statistics("lineno"))), 2)

    def test_no_code_is_found_or_run(self):
        for content in (
            pickle.dumps(os.system),
            b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.",
            b"\x80\x04cbuiltins\neval\n.",
            b"\x80\x04ctracemalloc\nstart\n.",
            b"\x80\x04ctracemalloc\nos\n.",
            b"\x80\x04\x8c\x0btracemalloc\x8c\x0dSnapshot.load\x93.",
            b"\x80\x04ccopyreg\n_reconstructor\n.",
        ):
            self.assert_refused(content, "a class or function")
        self.assert_refused(b"\x80\x04(S'exit 1'\nios\nsystem\n.", "opcode that no snapshot has")

    def test_persistent_ids(self):
        self.assert_refused(b"\x80\x04Pname\n.", "persistent id")
        self.assert_refused(b"\x80\x04K\x01Q.", "persistent id")

    def test_extension_codes(self):
        copyreg.add_extension("os", "system", 240)
        try:
            # After the first use, pickle answers from a cache and does not call find_class().
            self.assertIs(pickle.loads(b"\x80\x02\x82\xf0."), os.system)
            self.assert_refused(b"\x80\x02\x82\xf0.", "extension code")
        finally:
            copyreg.remove_extension("os", "system", 240)
            copyreg.clear_extension_cache()

    def test_class_itself_instead_of_an_object(self):
        self.assert_refused(b"\x80\x04ctracemalloc\nSnapshot\n.", "does not hold")
        self.assert_refused(b"\x80\x04ctracemalloc\nSnapshot\n(I1\ntR.", "damaged")

    def test_missing_parts(self):
        self.assert_refused(snapshot_pickle(b"}"), "missing")
        self.assert_refused(
            snapshot_pickle(b"}(X\x06\x00\x00\x00traces]X\x0f\x00\x00\x00traceback_limitK\x01u"),
            "traces are not a tracemalloc._Traces",
        )

    def test_names_of_attributes_are_only_names(self):
        content = state_with(TRACES, __class__=1, __dict__={}, statistics=2)
        snapshot = load(content)
        self.assertIs(type(snapshot), ctracemalloc.Snapshot)
        self.assertEqual(vars(snapshot)["__class__"], 1)
        self.assertEqual(len(snapshot.traces), len(TRACES))

    def test_wrong_values(self):
        frame = ("a.py", 1)
        cases = [
            ("not a list", (1, 2)),
            ("a trace is not a tuple of 4", [1]),
            ("a trace is not a tuple of 4", [(0, 1)]),
            ("a trace is not a tuple of 4", [(0, 1, (frame,), 1), [0, 1, (frame,), 1]]),
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
        self.assert_refused(nested, "does not hold")
        self.assert_refused(b"\x80\x04" + b"(" * 100_000 + b".", "damaged")

    def test_attributes_that_are_not_plain_data(self):
        endless = []
        endless.append(endless)
        doubled = ["x"]
        for _ in range(60):
            doubled = [doubled, doubled]
        for words, value in (
            ("class or function", {1, 2}),
            ("class or function", bytearray(b"x")),
            ("class or function", 1j),
            ("more than 100 deep", endless),
            ("too often", doubled),
        ):
            with self.subTest(words):
                self.assert_refused(state_with(TRACES, value=value), words)
        traces = b"ctracemalloc\n_Traces\n)\x81"
        good = state_with(TRACES)
        self.assert_refused(good[:-3] + b"X\x01\0\0\0a" + traces + b"ub.", "not plain data")
        self.assert_refused(good[:-3] + b"K\x01K\x02ub.", "name of an attribute")
        self.assert_refused(good[:-3] + b"X\x01\0\0\0a}]K\x02sub.", "as a key")

    def test_the_same_frames_with_many_a_total(self):
        """Each total makes as many tracebacks as there are frames."""
        frames = (("a.py", 1),) * 60_000
        self.assert_refused(state_with([(0, 1, frames, 60_000 + n) for n in range(1000)]), "too many a total_nframe")
        self.assertEqual(len(load(state_with([(0, 1, FRAMES, 2 + n) for n in range(1000)])).traces), 1000)

    def test_memory_is_in_proportion(self):
        """The memo has slots for what is stored there, not up to the largest index; the same for all lengths."""
        self.assert_refused(b"\x80\x04Nr\xff\xff\xff\xff.", "out of order")
        self.assert_refused(b"\x80\x04Np4000000000\n.", "out of order")
        self.assert_refused(b"\x80\x04Nj\xff\xff\xff\xff.", "not in use")
        self.assert_refused(b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "cut short")
        self.assert_refused(b"\x80\x04\x8b\xff\xff\xff\x7f.", "cut short")

    def test_lengths_beyond_the_file(self):
        self.assert_refused(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.", "damaged|cut")
        self.assert_refused(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.", "damaged|cut")


if __name__ == "__main__":
    unittest.main()
