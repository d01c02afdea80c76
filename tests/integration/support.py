"""Helpers of the integration tests. Each test runs a script in a Python of its own, so that a crash or a hang of the script
fails one test.

With CTM_TEST_MODULE=tracemalloc the tests use the standard module, where that makes sense.
"""

import os
import signal
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "pyext" / "fixtures"))
from build import build  # noqa: E402

MODULE = os.environ.get("CTM_TEST_MODULE", "ctracemalloc")
LONG = os.environ.get("CTM_LONG") == "1"
# Under a sanitizer everything takes longer, and memory includes the sanitizer's own.
SANITIZED = os.environ.get("CTM_SANITIZED") == "1"
SLOWER = 6 if SANITIZED else 1

PRELUDE = """\
import faulthandler, gc, os, sys, threading, time
sys.path.insert(0, {folder!r})
import {module} as tm

# A byte to multiply: bytes(N) may put the tuple of its arguments into a free list, as one more block of its line.
BYTE = b"."

def total(snapshot, domain=None):
    return sum(trace.size for trace in snapshot.traces if domain in (None, trace.domain))

def blocks_at(snapshot, function):
    "(blocks, bytes) of the traces whose most recent frame is a line of this function of the script"
    lines = set(line for _, _, line in function.__code__.co_lines() if line)
    found = [t for t in snapshot.traces
             if t.traceback[-1].filename == __file__ and t.traceback[-1].lineno in lines]
    return len(found), sum(t.size for t in found)
"""


class Failed(AssertionError):
    pass


def run(source, *, python=(), args=(), timeout=60, status=0, env=None, stdin=None):
    """Return what the script printed. Fails if the script ends with another status, or does not end."""
    import tempfile

    prelude = PRELUDE.format(folder=str(build()), module=MODULE)
    environment = {**os.environ, **(env or {})}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(prelude + textwrap.dedent(source), encoding="utf-8")
        command = [sys.executable, "-X", "faulthandler", *python, script, *args]
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(stdin, timeout * SLOWER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)  # faulthandler prints the stack
            output, errors = process.communicate()
            raise Failed(f"no end after {timeout * SLOWER} s\n{output[-3000:]}\n{errors[-6000:]}") from None
    if process.returncode != status:
        raise Failed(f"status {process.returncode}, not {status}\n{output[-3000:]}\n{errors[-6000:]}")
    return output


def needs(package):
    """Skip a test where a package is not installed."""
    import importlib.util

    found = importlib.util.find_spec(package) is not None
    return unittest.skipUnless(found, f"{package} is not installed for this Python")


IN_CI = ((3, 11), (3, 13), (3, 15))


def skip_some_pythons():
    """For setUpModule() of tests of what hardly depends on the Python, such as files."""
    if sys.version_info[:2] not in IN_CI and not LONG:
        raise unittest.SkipTest("the same on each Python: runs on 3.11, 3.13 and 3.15, with CTM_LONG=1 on all")


ctracemalloc_only = unittest.skipUnless(MODULE == "ctracemalloc", "not something the standard module does")


class ScriptTest(unittest.TestCase):
    def check(self, source, expected="good\n", **options):
        """The script must print exactly `expected`; most scripts print "good" after their own checks."""
        try:
            output = run(source, **options)
        except Failed as failure:
            self.fail(str(failure))
        self.assertEqual(output, expected)
