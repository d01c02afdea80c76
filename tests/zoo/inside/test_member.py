"""Tests for each Python of the zoo; that Python runs them, with the package installed.

CTM_ZOO_NUMPY is a list of folders, separated by colons, with a numpy in each; an installed numpy is used as well.
Where there is no numpy for this Python, tests/pyext/fixtures/ctmfixture announces blocks in numpy's domain.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "pyext" / "fixtures"))
from build import build

DOMAIN = 389047
EXTRA = [folder for folder in os.environ.get("CTM_ZOO_NUMPY", "").split(":") if folder]
HAS_NUMPY = importlib.util.find_spec("numpy") is not None

# The blocks must be found at the lines of work().
NUMPY_PROGRAM = """\
import sys
import numpy as np
def work():
    return [
        np.zeros(1_000_001, dtype="u1"),
        np.empty(500_000, dtype="f8"),
        np.arange(250_000, dtype="i4"),
    ]
held = work()
expected = {line: array.nbytes for line, array in zip((5, 6, 7), held)}
release = held.clear
"""
FIXTURE_PROGRAM = f"""\
import sys
sys.path.insert(0, {str(build())!r})
import ctmfixture
def work():
    ctmfixture.track({DOMAIN}, 0x100000, 1_000_001)
    ctmfixture.track({DOMAIN}, 0x400000, 4_000_000, True)
work()
expected = {{5: 1_000_001, 6: 4_000_000}}
def release():
    ctmfixture.untrack({DOMAIN}, 0x100000)
    ctmfixture.untrack({DOMAIN}, 0x400000, True)
"""
COMPARE = f"""
def in_domain(snapshot):
    return [trace for trace in snapshot.traces if trace.domain == {DOMAIN}]

def compare(snapshot, path, expected, first=0):
    found = {{}}
    for block in in_domain(snapshot):
        if block.traceback[-1].filename == path:
            line = block.traceback[-1].lineno - first
            found[line] = found.get(line, 0) + block.size
    assert found == expected, (found, expected)
"""


def run(arguments, path=None, folder=None):
    env = dict(os.environ)
    env.pop("PYTHONPATH", None)
    if path:
        env["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout


class DoctorTest(unittest.TestCase):
    def test_nothing_is_lost(self):
        status, output = run(["-m", "ctracemalloc", "doctor"])
        print(output)
        self.assertEqual(status, 0, output)
        self.assertNotIn("LOST", output)
        self.assertIn("ok    tracked_blocks", output)


class AnnouncedTest(unittest.TestCase):
    """The bytes in numpy's domain are those of the arrays, at their lines."""

    def programs(self):
        if HAS_NUMPY:
            yield NUMPY_PROGRAM, None
        for folder in EXTRA:
            yield NUMPY_PROGRAM, folder
        if not HAS_NUMPY and not EXTRA:
            yield FIXTURE_PROGRAM, None

    def check_all(self, check):
        for program, path in self.programs():
            with self.subTest(numpy=path), tempfile.TemporaryDirectory() as folder:
                script = Path(folder, "program.py")
                check(program, path, folder, script)

    def test_in_a_snapshot(self):
        """Traced from before the import of numpy, whose own arrays are at other lines."""
        self.check_all(self.check_snapshot)

    def check_snapshot(self, program, path, folder, script):
        head = "import ctracemalloc as tm; tm.start(1)\n"
        tail = """
        compare(tm.take_snapshot(), __file__, expected, 1)
        before = sum(trace.size for trace in in_domain(tm.take_snapshot()))
        release()
        after = sum(trace.size for trace in in_domain(tm.take_snapshot()))
        assert before - after == sum(expected.values()), (before, after, expected)
        print("good")
        """
        script.write_text(head + program + COMPARE + textwrap.dedent(tail))
        status, output = run([script], path, folder)
        self.assertEqual((status, output), (0, "good\n"))

    def test_in_the_file_that_run_writes(self):
        self.check_all(self.check_run)

    def check_run(self, program, path, folder, script):
        script.write_text(program + "print(expected)\n")
        status, output = run(["-m", "ctracemalloc", "run", "-o", "out.ctm", script], path, folder)
        self.assertEqual(status, 0, output)
        expected = next(line for line in output.splitlines() if line.startswith("{"))
        ask = f"""
        import ctracemalloc as tm
        compare(tm.Snapshot.load("out.ctm"), {str(script)!r}, {expected})
        print("good")
        """
        status, output = run(["-c", COMPARE + textwrap.dedent(ask)], None, folder)
        self.assertEqual((status, output), (0, "good\n"))


class FreeListTest(unittest.TestCase):
    def test_an_object_from_a_free_list_has_its_new_owner(self):
        script = """
        import ctracemalloc as tm
        def first():
            return [n + 0.5 for n in range(60)]
        def second():
            return [n + 0.25 for n in range(60)]
        kept = [n + 0.125 for n in range(300)]  # the free list may hold blocks from before the start, which have no trace
        tm.start(1)
        old = first()
        addresses = {id(value) for value in old}
        del old
        new = second()
        again = [value for value in new if id(value) in addresses]
        assert len(again) > 20, len(again)
        lines = {tm.get_object_traceback(value)[0].lineno for value in new}
        assert lines == {second.__code__.co_firstlineno + 1}, lines
        print("good")
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "program.py")
            path.write_text(textwrap.dedent(script))
            self.assertEqual(run([path], None, folder), (0, "good\n"))


if __name__ == "__main__":
    unittest.main()
