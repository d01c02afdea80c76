"""write_whole(): a file is written completely or not at all, and nothing else is touched."""

import errno
import os
import tempfile
import threading
import unittest
from pathlib import Path

from cli_support import skip_some_pythons
from ctracemalloc.formats.whole import write_whole


def setUpModule():
    skip_some_pythons()


class WholeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.path = self.folder / "out"

    def names(self):
        return sorted(os.listdir(self.folder))

    def failing(self):
        yield b"a piece"
        (temporary,) = set(self.names()) - self.before
        self.mode = (self.folder / temporary).stat().st_mode & 0o777
        raise ValueError("no more")

    def test_a_failure_leaves_the_old_file_and_nothing_beside_it(self):
        self.path.write_text("old")
        other = self.folder / f"out.{os.getpid()}.tmp"
        other.write_text("somebody's")
        self.before = set(self.names())
        with self.assertRaises(ValueError):
            write_whole(self.path, self.failing())
        self.assertEqual((self.path.read_text(), other.read_text()), ("old", "somebody's"))
        self.assertEqual(set(self.names()), self.before)
        write_whole(self.path, [b"new"])
        self.assertEqual((self.path.read_text(), other.read_text()), ("new", "somebody's"))

    def test_modes(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        write_whole(self.path, [b"x"])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)
        for mode in (0o600, 0o444, 0o666):
            self.path.chmod(mode)
            self.before = set(self.names())
            with self.assertRaises(ValueError):
                write_whole(self.path, self.failing())
            self.assertEqual(self.mode, 0o600)  # while it is written
            write_whole(self.path, [b"y"])
            self.assertEqual(self.path.stat().st_mode & 0o777, mode)

    def test_the_longest_name(self):
        path = self.folder / ("x" * 255)
        write_whole(path, [b"x"])
        self.assertEqual(self.names(), [path.name])

    def test_two_threads_write_one_file(self):
        meet, errors = threading.Barrier(2), []

        def pieces(letter):
            for _ in range(3):
                meet.wait(60)
                yield letter * 1000

        def write(letter):
            try:
                write_whole(self.path, pieces(letter))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertIn(self.path.read_bytes(), (b"a" * 3000, b"b" * 3000))
        self.assertEqual(self.names(), ["out"])

    def test_a_link_to_a_file(self):
        link = self.folder / "link"
        link.symlink_to("out")
        write_whole(link, [b"x"])
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.path.read_bytes(), b"x")

    def test_errors_have_the_name_that_was_given(self):
        with self.assertRaises(OSError) as caught:
            write_whole("/dev/full", [b"x"])
        self.assertEqual((caught.exception.errno, caught.exception.filename), (errno.ENOSPC, "/dev/full"))


if __name__ == "__main__":
    unittest.main()
