#!/usr/bin/env python3
"""Runs the documentation: every block of commands and code of every page, in a fresh folder for each page.

usage: run.py [PAGE ...] [--update]

--update writes the actual outputs into the pages, where they differ: check the difference in git, then commit it. The
directives before a block are described in pages.py, how each language is run in blocks.py, and when two outputs are equal in
compare.py.
"""

import importlib.util
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

if importlib.util.find_spec("sybil") is None:
    print("needs sybil (pip install sybil)")
    sys.exit(77)

import blocks  # noqa: E402


class Result(unittest.TextTestResult):
    """Also counts the tests that passed."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def run(suite):
    """Run the tests. Returns the exit status. Each page is a test class of unittest, with a folder that its blocks fill."""
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors)
    sys.stderr.flush()
    for test, reason in result.skipped:
        print(f"::skip {test}: {reason}")
    print(f"::counts passed={result.passed} failed={failed} skipped={len(result.skipped)}", flush=True)
    return 0 if failed == 0 and result.testsRun > 0 else 1


def tests_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


def all_tests(names):
    loader = unittest.TestLoader()
    suite = loader.discover(str(HERE))
    if loader.errors:
        raise SystemExit(loader.errors[0])
    return unittest.TestSuite(test for test in tests_of(suite) if not names or any(name in str(test) for name in names))


def main():
    names = sys.argv[1:]
    blocks.Refresh.wanted = "--update" in names
    suite = all_tests([name for name in names if name != "--update"])
    status = run(suite)
    blocks.Refresh.write()
    return status


if __name__ == "__main__":
    sys.exit(main())
