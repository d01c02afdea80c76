"""What the tests test_cli*.py share: programs run in a folder of their own, with and without ctracemalloc."""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import ctracemalloc

PACKAGE_PARENT = str(Path(ctracemalloc.__file__).resolve().parent.parent)

# Of the command line: what does not depend on the version of Python is tried on three of them.
IN_CI = ((3, 11), (3, 13), (3, 15))


def skip_some_pythons():
    """For setUpModule()."""
    if sys.version_info[:2] not in IN_CI and os.environ.get("CTM_LONG") != "1":
        raise unittest.SkipTest("the same on each Python: runs on 3.11, 3.13 and 3.15, with CTM_LONG=1 on all")


def skip_most_pythons():
    """For setUpModule() of tests that take long and of what hardly depends on the Python."""
    if sys.version_info[:2] != (3, 13) and os.environ.get("CTM_LONG") != "1":
        raise unittest.SkipTest("the same on each Python: runs on 3.13, with CTM_LONG=1 on all")


# What a program can find out about how it was started.
SELF_PORTRAIT = """
    import json, os, signal, sys
    main = sys.modules["__main__"]
    print(json.dumps({
        "argv": sys.argv,
        "orig_argv": sys.orig_argv[1:],
        "path": sys.path,
        "xoptions": sys._xoptions,
        "flags": repr(sys.flags),
        "pythonpath": os.environ.get("PYTHONPATH"),
        "name": __name__,
        "file": globals().get("__file__"),
        "package": __package__,
        "spec": __spec__ and __spec__.name,
        "is_main": main.__dict__ is globals(),
        "depth": len(list(__import__("traceback").walk_stack(sys._getframe()))),
        "stdin": sys.stdin.read(),
        "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "sigpipe": signal.getsignal(signal.SIGPIPE),
        "recursion": sys.getrecursionlimit(),
    }))
"""


class ProgramTest(unittest.TestCase):
    """Each test has a folder of its own and functions that run programs in it."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.environment = {
            key: value for key, value in os.environ.items() if key not in ("CTRACEMALLOC", "PYTHONTRACEMALLOC", "NO_COLOR")
        }

    def write(self, name, source):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def python(self, *arguments, python=sys.executable, **options):
        options.setdefault("env", self.environment)
        return subprocess.run(
            [python, *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    def traced(self, *arguments, flags=(), **options):
        return self.python(*flags, "-m", "ctracemalloc", "run", *arguments, **options)

    def snapshots(self):
        return sorted(self.folder.glob("*.ctm"))

    def load_only_snapshot(self):
        (path,) = self.snapshots()
        return ctracemalloc.Snapshot.load(str(path))

    def assert_reported(self, result, times=1):
        reports = result.stderr.count("used by ctracemalloc itself")
        self.assertEqual(reports, times, result.stderr[-2000:])
