"""Snapshots compressed by zstd: dump, load, the command line; damaged and hostile files."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from ctracemalloc import FileError, Snapshot
from ctracemalloc.formats import compression

TRACES = [(0, 10 + number % 7, (("a.py", number % 90), ("b.py", 4)), 3) for number in range(5000)]


def installed(name):
    """Is the library installed? `name` may be in a package that is not."""
    if name == "compression.zstd" and sys.version_info < (3, 14):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


LIBRARIES = [name for name in ("compression.zstd", "zstandard", "backports.zstd") if installed(name)]
NO_LIBRARY = "neither Python 3.14 nor zstandard nor backports.zstd is there"


class CompressionTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "snapshot.ctm.zst"

    def snapshot(self):
        snapshot = Snapshot(TRACES, 3)
        snapshot.note = {"plain": [1, None]}
        return snapshot


@unittest.skipUnless(LIBRARIES, NO_LIBRARY)
class RoundTripTest(CompressionTest):
    def test_round_trip_with_each_library(self):
        """Each library reads what each other one has written."""
        for writer in LIBRARIES:
            with mock.patch.object(compression, "LIBRARIES", [writer]):
                self.snapshot().dump(self.path, compression="zstd")
            self.assertEqual(self.path.read_bytes()[:4], b"\x28\xb5\x2f\xfd")
            for reader in LIBRARIES:
                with self.subTest(writer=writer, reader=reader), mock.patch.object(compression, "LIBRARIES", [reader]):
                    again = Snapshot.load(self.path)
                    self.assertEqual(list(again.traces._traces), TRACES)
                    self.assertEqual(again.note, {"plain": [1, None]})
                    self.assertEqual(again.traceback_limit, 3)
        self.assertEqual(os.listdir(self.folder), [self.path.name])

    def test_targets(self):
        """Paths of every kind, descriptors and pipes. Links are followed. The file's name does not matter."""
        link = self.folder / "link"
        link.symlink_to(self.path)
        self.snapshot().dump(link, compression="zstd")
        self.assertTrue(link.is_symlink())
        content = self.path.read_bytes()
        self.snapshot().dump(os.open(self.folder / "other", os.O_WRONLY | os.O_CREAT), None, compression="zstd")
        self.assertEqual((self.folder / "other").read_bytes(), content)
        for source in (str(self.path), os.fsencode(self.path), link, os.open(self.path, os.O_RDONLY)):
            self.assertEqual(len(Snapshot.load(source).traces), len(TRACES))
        self.assertLess(len(content), 20_000)

    def test_standard_modules_file_is_read_compressed(self):
        plain = self.folder / "plain"
        self.snapshot().dump(plain, format="stdlib")
        self.path.write_bytes(compression.compress(plain.read_bytes()))
        self.assertEqual(list(Snapshot.load(self.path).traces._traces), TRACES)

    def test_several_frames(self):
        """As `zstd -c a >> b` and parallel compressors write them."""
        plain = self.folder / "plain"
        self.snapshot().dump(plain)
        content = plain.read_bytes()
        self.path.write_bytes(compression.compress(content[:1000]) + compression.compress(content[1000:]))
        for name in LIBRARIES:
            with self.subTest(name), mock.patch.object(compression, "LIBRARIES", [name]):
                self.assertEqual(len(Snapshot.load(self.path).traces), len(TRACES))

    def test_old_file_stays_if_there_is_no_library(self):
        self.path.write_bytes(b"old")
        with mock.patch.object(compression, "LIBRARIES", []), self.assertRaisesRegex(ImportError, "zstandard"):
            self.snapshot().dump(self.path, compression="zstd")
        self.assertEqual(self.path.read_bytes(), b"old")
        self.assertEqual(os.listdir(self.folder), [self.path.name])


@unittest.skipUnless(LIBRARIES, NO_LIBRARY)
class DamageTest(CompressionTest):
    def assert_refused(self, words):
        for name in LIBRARIES:
            with self.subTest(name), mock.patch.object(compression, "LIBRARIES", [name]):
                with self.assertRaisesRegex(FileError, words) as caught:
                    Snapshot.load(str(self.path))
                error = caught.exception
                self.assertIn(repr(str(self.path)), str(error))
                self.assertIn(f"{error.reason} (at byte {error.offset})", str(error))

    def test_truncated(self):
        self.snapshot().dump(self.path, compression="zstd")
        content = self.path.read_bytes()
        for length in (4, 5, 6, 20, len(content) // 2, len(content) - 1):
            self.path.write_bytes(content[:length])
            self.assert_refused("")

    def test_every_byte_damaged(self):
        """Either the file is refused, or the checksums match and everything is there."""
        self.snapshot().dump(self.path, compression="zstd")
        content = self.path.read_bytes()
        for position in range(4, len(content), 7):
            damaged = bytearray(content)
            damaged[position] ^= 0x10
            self.path.write_bytes(damaged)
            try:
                snapshot = Snapshot.load(self.path)
            except FileError:
                continue
            self.assertEqual(list(snapshot.traces._traces), TRACES)

    def test_nothing_in_it(self):
        self.path.write_bytes(compression.compress(b""))
        self.assert_refused("it is empty")
        self.path.write_bytes(compression.compress(b"hello"))
        self.assert_refused("neither a snapshot file nor a pickle")

    def test_compressed_twice(self):
        self.path.write_bytes(compression.compress(compression.compress(b"hello")))
        self.assert_refused("neither a snapshot file nor a pickle")

    def test_bomb(self):
        """A small file is refused as soon as it decompresses to more than its size allows."""
        self.path.write_bytes(compression.compress(bytes(80 << 20)))
        self.assertLess(self.path.stat().st_size, 10_000)
        self.assert_refused("more than .* bytes are in .* compressed ones")

    def test_limit_is_not_far_beyond(self):
        content = compression.compress(bytes(80 << 20))
        asked = []
        pieces = compression.decompressed_pieces

        def counted(zstd, content):
            for piece in pieces(zstd, content):
                asked.append(len(piece))
                yield piece

        with mock.patch.object(compression, "decompressed_pieces", counted), self.assertRaises(FileError):
            compression.decompress(content, "name")
        self.assertLessEqual(sum(asked), compression.SPARE_SIZE + 200 * len(content) + compression.PIECE)


class ArgumentsTest(CompressionTest):
    def test_arguments(self):
        snapshot = self.snapshot()
        for value in ("gzip", "", 1, True, b"zstd"):
            with self.subTest(value), self.assertRaisesRegex(ValueError, "unknown compression"):
                snapshot.dump(self.path, compression=value)
        with self.assertRaises(TypeError):
            snapshot.dump(self.path, None, "zstd")
        with self.assertRaisesRegex(ValueError, "reads no compressed"):
            snapshot.dump(self.path, format="stdlib", compression="zstd")
        self.assertEqual(os.listdir(self.folder), [])
        snapshot.dump(self.path, compression=None)
        self.assertEqual(self.path.read_bytes()[:4], b"\x89CTM")

    def test_without_a_library(self):
        self.path.write_bytes(b"\x28\xb5\x2f\xfd rest")
        with mock.patch.object(compression, "LIBRARIES", []):
            with self.assertRaisesRegex(ImportError, r"pip install 'ctracemalloc\[zstd\]'"):
                Snapshot.load(self.path)
            with self.assertRaisesRegex(ImportError, "zstandard"):
                self.snapshot().dump(self.path, compression="zstd")


def run_cli(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "ctracemalloc", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


class CommandLineTest(CompressionTest):
    @unittest.skipUnless(LIBRARIES, NO_LIBRARY)
    def test_run_report_diff(self):
        program = ["-c", "held = [bytes(1000) for _ in range(100)]"]
        named = run_cli(self.folder, "run", "-o", "named.ctm.zst", *program)
        self.assertEqual((named.returncode, named.stdout), (0, ""), named.stderr)
        self.assertIn("named.ctm.zst", named.stderr)
        asked = run_cli(self.folder, "run", "--zstd", *program)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        other = run_cli(self.folder, "run", "--zstd", "-o", "other", *program)
        self.assertEqual(other.returncode, 0, other.stderr)
        files = sorted(os.listdir(self.folder))
        self.assertEqual(len(files), 3, files)
        self.assertRegex(files[0], r"^ctracemalloc\.\d+\.ctm\.zst$")
        for name in files:
            self.assertEqual((self.folder / name).read_bytes()[:4], b"\x28\xb5\x2f\xfd")
            report = run_cli(self.folder, "report", name)
            self.assertEqual(report.returncode, 0, report.stderr)
            self.assertIn("<string>:1", report.stdout)
        diff = run_cli(self.folder, "diff", files[0], files[1])
        self.assertEqual(diff.returncode, 0, diff.stderr)

    def test_without_a_library(self):
        """The error comes before the program runs."""
        code = (
            "import sys; from ctracemalloc.cli import main; from ctracemalloc.formats import compression\n"
            "compression.LIBRARIES = ()\n"
            "sys.exit(main.main(sys.argv[1:]))"
        )
        for arguments in (["run", "--zstd", "-c", "print('ran')"], ["run", "-o", "a.zst", "-c", "print('ran')"]):
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120
            )
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("pip install 'ctracemalloc[zstd]'", done.stderr)
        self.path.write_bytes(b"\x28\xb5\x2f\xfd rest")
        done = subprocess.run(
            [sys.executable, "-c", code, "report", str(self.path)], capture_output=True, text=True, timeout=120
        )
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("zstandard", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
