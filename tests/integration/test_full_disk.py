"""A dump onto a full disk: the old file stays complete, and no temporary file is left.

The disk is a tmpfs of 1 MiB in a mount namespace of a child process (root may mount there); no other process sees it.
"""

import os
import subprocess
import sys
import tempfile
import unittest

from support import skip_some_pythons


def setUpModule():
    skip_some_pythons()


# Runs in the child: argv[1] is an empty folder, on which the disk is mounted.
SETTING = """
import errno, os, subprocess, sys
folder = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
import ctracemalloc
big = ctracemalloc.Snapshot([(0, n, (("file %d.py" % n, n),), 1) for n in range(40_000)], 1)
small = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
path = os.path.join(folder, "snapshot")

def check(dump, **options):
    small.dump(path, **options)
    old = open(path, "rb").read()
    try:
        dump()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("there was room")
    assert os.listdir(folder) == ["snapshot"], os.listdir(folder)
    assert open(path, "rb").read() == old
    assert len(ctracemalloc.Snapshot.load(path).traces) == 1
    os.unlink(path)
"""

CASES = {
    "ctm": "check(lambda: big.dump(path))",
    "stdlib": "check(lambda: big.dump(path, format='stdlib'), format='stdlib')",
    # Content that hardly compresses.
    "zstd": """
big.noise = os.urandom(2 << 20)
check(lambda: big.dump(path, compression="zstd"), compression="zstd")
""",
    # No old file: then there is none after the dump.
    "new file": """
try:
    big.dump(path)
except OSError as error:
    assert error.errno == errno.ENOSPC and error.filename == path, error
else:
    raise AssertionError("there was room")
assert os.listdir(folder) == []
""",
    # The disk gets full, the program continues, and a smaller dump fits.
    "again": """
check(lambda: big.dump(path))
small.dump(path)
assert len(ctracemalloc.Snapshot.load(path).traces) == 1
""",
}


def mounting_is_possible():
    if os.geteuid() != 0:
        return "not root: nobody else may mount a small disk"
    command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k tmpfs "$0"', tempfile.gettempdir()]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unshare is not installed"
    return "" if done.returncode == 0 else f"cannot mount here: {done.stderr.strip()}"


class FullDiskTest(unittest.TestCase):
    def setUp(self):
        obstacle = mounting_is_possible()
        if obstacle:
            self.skipTest(obstacle)

    def check(self, name):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["unshare", "-m", sys.executable, "-c", SETTING + CASES[name], folder],
                capture_output=True,
                text=True,
                timeout=120,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(os.listdir(folder), [])

    def test_own_format(self):
        self.check("ctm")

    def test_standard_modules_format(self):
        self.check("stdlib")

    def test_compressed(self):
        from ctracemalloc.formats import compression

        try:
            compression.library()
        except ImportError as error:
            self.skipTest(str(error))
        self.check("zstd")

    def test_new_file(self):
        self.check("new file")

    def test_again(self):
        self.check("again")


if __name__ == "__main__":
    unittest.main()
