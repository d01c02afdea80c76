"""The pytest plugin beside other plugins and kinds of tests: pytest-xdist, async tests, unittest, doctest, tests that trace."""

import importlib.util
import json
import unittest

from cli_support import skip_some_pythons
from pytest_support import QUIET, PytestCase


def setUpModule():
    skip_some_pythons()


HAS_XDIST = importlib.util.find_spec("xdist") is not None
HAS_ANYIO = importlib.util.find_spec("anyio") is not None
HAS_ASYNCIO = importlib.util.find_spec("pytest_asyncio") is not None
HAS_MEMRAY = importlib.util.find_spec("memray") is not None


class OthersCase(PytestCase):
    def calls(self, source, *options, plugins=(), outcomes=None, **keywords):
        """{test: peak and growth of its call}, of a run that ends with these outcomes."""
        self.pytester.makepyfile(test_it=source)
        quiet = [word for word in QUIET if word not in ("-p", *(f"no:{name}" for name in plugins))]
        quiet = [part for word in quiet for part in ("-p", word)]
        run = self.pytester.runpytest_subprocess if keywords.get("subprocess") else self.pytester.runpytest_inprocess
        self.result = run(*quiet, "--ctracemalloc-json=out.json", *options)
        self.result.assert_outcomes(**(outcomes or {"passed": keywords.get("passed", 1)}))
        document = json.loads((self.pytester.path / "out.json").read_text())
        return {test["id"].partition("::")[2]: test["call"] for test in document["tests"]}


@unittest.skipUnless(HAS_XDIST, "needs pytest-xdist")
class XdistTests(OthersCase):
    SOURCE = """
import pytest

KEPT = []

@pytest.mark.parametrize("number", range(1, 7))
def test_grow(number):
    KEPT.append(bytearray(number * 10_000))

@pytest.mark.limit_memory("50 KB")
def test_limit():
    bytearray(60_000)
"""

    def test_one_summary_of_all_workers(self):
        options = (
            "-n2",
            "--ctracemalloc",
            "--ctracemalloc-top=3",
            "--ctracemalloc-baseline=base.json",
            "--ctracemalloc-tolerance=5KB",
        )
        update = "--ctracemalloc-update-baseline"
        calls = self.calls(self.SOURCE, *options, update, subprocess=True, outcomes={"passed": 6, "failed": 1})
        self.assertEqual(sorted(calls), [*(f"test_grow[{number}]" for number in range(1, 7)), "test_limit"])
        for number in range(1, 7):
            self.assertAlmostEqual(calls[f"test_grow[{number}]"]["growth"], number * 10_000, delta=3000)
        lines = self.section(self.result, "ctracemalloc: memory of the tests")
        self.assertIn("7 tests measured", lines[0])
        self.assertEqual(self.result.stdout.str().count("memory of the tests"), 1)
        grown = [line.split("::")[1] for line in lines[lines.index("largest growth") :] if "::" in line]
        self.assertEqual(grown, ["test_grow[6]", "test_grow[5]", "test_grow[4]"])
        self.assertIn("test_it.py:11 in test_limit", " ".join(self.section(self.result, "ctracemalloc: limit_memory")))
        self.assertIn("has the figures of 6 tests", self.result.stdout.str())
        self.calls(self.SOURCE, *options, subprocess=True, outcomes={"passed": 6, "failed": 1})
        self.assertIn("6 of 7 tests were compared", self.result.stdout.str())


class AsyncTests(OthersCase):
    SOURCE = """
import asyncio
import pytest

KEPT = []

@pytest.mark.{marker}
async def test_growth():
    await asyncio.sleep(0)
    KEPT.append(bytearray(50_000))
    await asyncio.sleep(0)

@pytest.mark.{marker}
async def test_nothing():
    await asyncio.sleep(0)

@pytest.mark.limit_leaks("10 KB")
@pytest.mark.{marker}
async def test_limit():
    KEPT.append(bytearray(50_000))
    await asyncio.sleep(0)
"""

    def check(self, marker, plugin, *options):
        source = self.SOURCE.format(marker=marker)
        calls = self.calls(source, *options, plugins=(plugin,), outcomes={"passed": 2, "failed": 1})
        (growth,) = [call["growth"] for test, call in calls.items() if "growth" in test]
        (nothing,) = [call for test, call in calls.items() if "nothing" in test]
        self.assertAlmostEqual(growth, 50_000, delta=2000)
        self.assertLess(nothing["peak"], 20_000)
        self.assertLess(abs(nothing["growth"]), 2000)

    @unittest.skipUnless(HAS_ANYIO, "needs anyio")
    def test_anyio(self):
        self.pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
        self.check("anyio", "anyio")

    @unittest.skipUnless(HAS_ASYNCIO, "needs pytest-asyncio")
    def test_asyncio(self):
        self.check("asyncio", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")


class KindsTests(OthersCase):
    def test_unittest(self):
        source = """
import unittest
import pytest

class SomeTests(unittest.TestCase):
    def setUp(self):
        self.data = bytearray(30_000)

    def test_peak(self):
        bytearray(50_000)
        self.skipping = False

    @pytest.mark.limit_memory("40 KB")
    def test_limit(self):
        bytearray(50_000)

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                bytearray(number)

    def test_skips(self):
        self.skipTest("why not")
"""
        self.pytester.makepyfile(test_it=source)
        calls = self.calls(source, outcomes={"passed": 2, "failed": 1, "skipped": 1})
        self.assertAlmostEqual(calls["SomeTests::test_peak"]["peak"], 80_000, delta=5000)

    def test_doctest(self):
        source = '''
def double(number):
    """
    >>> len(bytearray(70_000))
    70000
    """
'''
        calls = self.calls(source, "--doctest-modules")
        (call,) = calls.values()
        self.assertGreater(call["peak"], 70_000)

    def test_parametrised_methods_and_classes(self):
        source = """
import pytest

@pytest.mark.parametrize("size", [10_000, 20_000])
class TestIt:
    @staticmethod
    @pytest.mark.parametrize("other", [1000])
    def test_static(size, other):
        bytearray(size)

    def test_method(self, size, request):
        assert request.function.__name__ == "test_method" and request.node.obj == request.function == self.test_method
        bytearray(size)
"""
        calls = self.calls(source, passed=4)
        for size in (10_000, 20_000):
            self.assertAlmostEqual(calls[f"TestIt::test_method[{size}]"]["peak"], size, delta=2500)
            self.assertAlmostEqual(calls[f"TestIt::test_static[1000-{size}]"]["peak"], size, delta=2500)

    def test_tests_that_trace_themselves(self):
        source = """
import tracemalloc
import ctracemalloc

KEPT = []

def test_standard():
    tracemalloc.start(3)
    KEPT.append(bytearray(50_000))
    size, peak = tracemalloc.get_traced_memory()
    assert size > 50_000
    assert tracemalloc.take_snapshot().statistics("lineno")
    tracemalloc.stop()
    assert not tracemalloc.is_tracing()

def test_own():
    assert ctracemalloc.is_tracing()
    ctracemalloc.start(3)
    ctracemalloc.stop()

def test_next():
    KEPT.append(bytearray(50_000))
"""
        calls = self.calls(source, passed=3)
        self.assertGreater(calls["test_standard"]["growth"], 50_000)
        self.assertIsNone(calls["test_own"])
        self.assertAlmostEqual(calls["test_next"]["growth"], 50_000, delta=1000)

    @unittest.skipUnless(HAS_MEMRAY, "needs memray")
    def test_tests_that_use_memray(self):
        source = """
import memray

KEPT = []

def test_it(tmp_path):
    with memray.Tracker(tmp_path / "out.bin"):
        KEPT.append(bytearray(50_000))
"""
        self.assertGreater(self.calls(source, subprocess=True)["test_it"]["growth"], 50_000)

    def test_tests_that_run_children(self):
        source = """
import os
import subprocess
import sys

def test_child():
    assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\\n"

def test_fork():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
"""
        self.calls(source, passed=2, subprocess=True)

    def test_a_run_within_a_run(self):
        source = """
pytest_plugins = ["pytester"]

def test_outer(pytester):
    pytester.makepyfile("def test_inner(): bytearray(10_000)")
    result = pytester.runpytest_inprocess("--ctracemalloc", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
    assert "1 test measured" in result.stdout.str()
"""
        self.assertIsNotNone(self.calls(source)["test_outer"])


if __name__ == "__main__":
    unittest.main()
