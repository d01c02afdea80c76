"""--ctracemalloc-children: the Python processes that tests start, each with figures of its own."""

import json
import os
import sys
import tempfile

from cli_support import skip_some_pythons
from pytest_support import PytestCase


def setUpModule():
    skip_some_pythons()


SOURCE = """
import multiprocessing, os, subprocess, sys
import pytest

def python(code, **keywords):
    return subprocess.run([sys.executable, "-c", code], check=True, **keywords)

def test_a_child():
    python("x = bytearray(3_000_000); del x; y = bytearray(500_000)")

def test_none():
    subprocess.run(["/bin/sh", "-c", "true"], check=True)

@pytest.fixture
def child():
    python("x = bytearray(1_000_000)")
    yield
    python("x = bytearray(700_000)")

def test_fixtures_and_a_grandchild(child):
    python("import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(2_000_000)'])")

def work(size):
    return len(bytearray(size))

def test_pool():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(work, [4_000_000]) == [4_000_000]

STILL_RUNS = []

def test_that_leaves_one():
    code = "x = bytearray(900_000); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    STILL_RUNS.append(subprocess.Popen([sys.executable, "-c", code], **pipes))
    STILL_RUNS[0].stdout.readline()

def test_that_ends_it():
    assert STILL_RUNS[0].communicate(b"\\n") == (b"", b"") and STILL_RUNS[0].returncode == 0

def test_that_fails():
    os.environ["MINE"] = "kept"
    python("x = bytearray(800_000)")
    assert False

def test_environment():
    assert os.environ["MINE"] == "kept"
    assert os.environ.get("PYTHONPATH", "").count("_startup") <= 1
    python("x = 1", env={})

@pytest.mark.limit_memory("1 MB")
def test_limits_are_of_the_process_itself():
    python("x = bytearray(50_000_000)")
"""


class ChildrenTests(PytestCase):
    def run_with(self, *options):
        result = self.run_pytest(SOURCE, "--ctracemalloc-json=j.json", *options, subprocess=True)
        result.assert_outcomes(passed=8, failed=1)
        tests = json.loads((self.pytester.path / "j.json").read_text())["tests"]
        return result, {test["id"].partition("::")[2]: test["children"] for test in tests}

    def test_figures(self):
        before = set(os.listdir(tempfile.gettempdir()))
        result, found = self.run_with("--ctracemalloc-children")
        new = [name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("ctracemalloc-")]
        self.assertEqual(new, [])
        [one] = found["test_a_child"]
        self.assertEqual(
            (one["command"], one["end"]), ("-c 'x = bytearray(3_000_000); del x; y = bytearray(500_000)'", "exit status 0")
        )
        self.assertAlmostEqual(one["peak"], 3_000_000, delta=100_000)
        self.assertAlmostEqual(one["size"], 500_000, delta=100_000)
        self.assertEqual((found["test_none"], found["test_that_ends_it"], found["test_environment"]), ([], [], []))
        peaks = {child["command"]: round(child["peak"], -5) for child in found["test_fixtures_and_a_grandchild"]}
        for size in ("700_000", "1_000_000", "2_000_000"):
            self.assertEqual(peaks.pop(f"-c 'x = bytearray({size})'"), int(size))
        self.assertEqual(len(peaks), 1)  # the parent of the grandchild, whose imports take more on newer Pythons
        [worker] = [child for child in found["test_pool"] if child["command"] == "SpawnPoolWorker-1"]
        self.assertGreater(worker["peak"], 4_000_000)
        [running] = found["test_that_leaves_one"]
        self.assertEqual(running["end"], "running")
        self.assertAlmostEqual(running["size"], 900_000, delta=100_000)
        self.assertAlmostEqual(found["test_that_fails"][0]["peak"], 800_000, delta=100_000)
        self.assertGreater(found["test_limits_are_of_the_process_itself"][0]["peak"], 50_000_000)
        lines = self.section(result, "ctracemalloc: memory of the tests")
        at = next(
            i for i, line in enumerate(lines) if line.startswith("largest Python processes that tests started, by peak, of ")
        )
        text = r"^ +47\.\d MiB  -c 'x = bytearray\(50_000_000\)' \(47\.\d MiB at its end\), by test_it.py::test_limits_are_of"
        self.assertRegex(lines[at + 1], text)

    def test_without_the_option(self):
        self.assertEqual(set(map(len, self.run_with()[1].values())), {0})

    def test_workers(self):
        self.pytester.makepyfile(test_it="")
        try:
            import xdist  # noqa: F401
        except ImportError:
            self.skipTest("pytest-xdist is not installed for this Python")
        found = self.run_with("--ctracemalloc-children", "-n", "1")[1]
        self.assertAlmostEqual(found["test_a_child"][0]["peak"], 3_000_000, delta=100_000)

    def test_a_run_that_follows_them_already(self):
        self.pytester.makepyfile(test_it="def test_it(): pass")
        command = ("-m", "ctracemalloc", "run", "--follow-children", "-o", "files", "-m", "pytest", "--ctracemalloc-children")
        result = self.pytester.run(sys.executable, *command)
        self.assertIn("--ctracemalloc-children: a run with --follow-children follows them already", result.stderr.str())
