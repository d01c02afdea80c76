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


# Processes that do not begin and end in one test, and tests that are in the way.
ODD = """
import os, resource, shutil, subprocess, sys

def python(code, **keywords):
    return subprocess.run([sys.executable, "-c", code], check=True, **keywords)

SERVER = '''
import os, sys
for line in sys.stdin:
    if os.fork() == 0:
        x = bytearray(int(line))
        os._exit(0)
    os.wait()
    print(flush=True)
'''

def ask(size):
    server.stdin.write(f"{size}\\n")
    server.stdin.flush()
    server.stdout.readline()

def test_server_begins():
    global server
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = subprocess.Popen([sys.executable, "-c", SERVER], text=True, **pipes)
    ask(3_000_000)

def test_server_forks():
    ask(4_000_000)
    ask(5_000_000)

def test_server_ends():
    server.communicate()
    assert server.returncode == 0

KEPT = {}

def test_environment_is_kept():
    KEPT.update(os.environ)

def test_environment_is_used():
    python("x = bytearray(2_000_000)", env=KEPT)

def test_no_space():
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    code = "for n in range(3000): exec(compile(f'x = bytes({n})', f'file{n}', 'exec'))"
    python(code, preexec_fn=limit)

def test_removes():
    shutil.rmtree(os.path.dirname(os.environ["CTRACEMALLOC_RUN"]))
    python("x = bytearray(1_000_000)")

def test_after():
    python("x = bytearray(1_500_000)")

def test_fork_that_ends_pytest():  # it would run tests after this one, too
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    python("x = bytearray(1_000_000)")
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
        peaks = {child["command"]: child["peak"] for child in found["test_fixtures_and_a_grandchild"]}
        for size in ("700_000", "1_000_000", "2_000_000"):
            self.assertAlmostEqual(peaks.pop(f"-c 'x = bytearray({size})'"), int(size), delta=100_000)
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

    def test_odd_processes_and_tests(self):
        before = set(os.listdir(tempfile.gettempdir()))
        result = self.run_pytest(ODD, "--ctracemalloc-json=j.json", "--ctracemalloc-children", subprocess=True)
        result.assert_outcomes(passed=9)
        new = [name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("ctracemalloc-")]
        self.assertEqual(new, [])
        tests = json.loads((self.pytester.path / "j.json").read_text(encoding="utf-8"))["tests"]
        found = {test["id"].partition("::test_")[2]: test["children"] for test in tests}
        server, fork = found["server_begins"]
        self.assertEqual((server["end"], fork["end"]), ("running", "exit status 0"))
        self.assertGreater(fork["peak"], 3_000_000)
        first, second = found["server_forks"]
        self.assertAlmostEqual(first["peak"] - fork["peak"], 1_000_000, delta=100_000)
        self.assertAlmostEqual(second["peak"] - fork["peak"], 2_000_000, delta=100_000)
        self.assertEqual((found["server_ends"], found["environment_is_kept"], found["removes"]), ([], [], []))
        self.assertAlmostEqual(found["environment_is_used"][0]["peak"], 2_000_000, delta=100_000)
        [lost] = found["no_space"]
        self.assertEqual((lost["peak"], lost["size"]), (None, None))
        self.assertIn("the file could not grow", lost["problem"])
        self.assertAlmostEqual(found["fork_that_ends_pytest"][0]["peak"], 1_000_000, delta=100_000)
        self.assertAlmostEqual(found["after"][0]["peak"], 1_500_000, delta=100_000)
        self.assertRegex(result.stdout.str(), "\nctracemalloc: not all children are known: .*No such file")
        self.assertRegex(result.stdout.str(), "\n +not known  the peak of 1 of them: the black box does not hold all")

    def test_a_test_that_runs_pytest(self):
        source = """
        import subprocess, sys
        def test_inner():
            subprocess.run([sys.executable, "-c", "x = bytearray(2_000_000)"], check=True)
        def test_outer(tmp_path):
            command = [sys.executable, "-m", "pytest", "--ctracemalloc-json=inner.json", __file__, "-k", "inner"]
            subprocess.run(command, check=True)
            subprocess.run([sys.executable, "-c", "x = bytearray(1_000_000)"], check=True)
        """
        ini = "addopts = --ctracemalloc-children"
        result = self.run_pytest(source, "--ctracemalloc-json=j.json", "-k", "outer", ini=ini, subprocess=True)
        result.assert_outcomes(passed=1, deselected=1)
        for name, test, size in (("j.json", "test_outer", 1_000_000), ("inner.json", "test_inner", 2_000_000)):
            tests = json.loads((self.pytester.path / name).read_text(encoding="utf-8"))["tests"]
            found = next(one["children"] for one in tests if one["id"].endswith(test))
            peaks = [one["peak"] for one in found if one["peak"] is not None]  # those of the inner run are not the outer one's
            self.assertAlmostEqual(peaks[-1], size, delta=100_000)

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
