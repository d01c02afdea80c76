"""Runs of pytest inside of a test, for the tests of the pytest plugin.

The plugin is the one that is installed, by its entry point. A run in this process is quick; where the process itself matters
(what is imported, whether tracing is on), it is a process of its own. ctracemalloc is imported here, because a run in this
process forgets what it imported, and the extension stays what it is for as long as the process lives.
"""

import unittest
from importlib.metadata import entry_points

import ctracemalloc  # noqa: F401
import pytest

HAS_PLUGIN = any(point.name == "ctracemalloc" for point in entry_points(group="pytest11"))
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:asyncio", "-p", "no:memray")


@unittest.skipUnless(HAS_PLUGIN, "ctracemalloc is not installed with its entry point for pytest")
class PytestCase(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _have_pytester(self, pytester):
        self.pytester = pytester

    def run_pytest(self, source, *options, subprocess=False, ini=""):
        """The result of a run of the tests in `source`; its files are in self.pytester.path."""
        self.pytester.makepyfile(test_it=source)
        if ini:
            self.pytester.makeini("[pytest]\n" + ini)
        run = self.pytester.runpytest_subprocess if subprocess else self.pytester.runpytest_inprocess
        return run(*QUIET, *options)

    def outcomes(self, result):
        """{test: "passed", "failed" …} of a run with -rA."""
        found = {}
        for line in result.outlines:
            word, _space, rest = line.partition(" ")
            if word in ("PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS") and "::" in rest:
                found[rest.partition("::")[2].partition(" - ")[0]] = word.lower()
        return found

    def section(self, result, title):
        """The lines below a heading of the output, up to the next one."""
        lines = iter(result.outlines)
        for line in lines:
            if title in line and line.startswith(("=", "-", "_")):
                break
        else:
            self.fail(f"no section {title!r} in:\n{result.stdout.str()}")
        found = []
        for line in lines:
            if line.startswith(("===", "---", "___")):
                break
            found.append(line)
        return found
