#!/usr/bin/env python3
"""Runs the documentation: every block of commands and code of every page, in a fresh folder for each page.

usage: run.py [PAGE ...] [--update] [--python PATH] [--console]

PAGE is a part of a page's name, or the file of a page that is not of the documentation. --update writes the actual outputs
into the pages, where they differ: check the difference in git, then commit it. --python tests another Python than the one that
runs this; it needs nothing but the package. --console runs the commands only, and not the blocks of code. The
directives before a block are described in pages.py, how each language is run in blocks.py, and when two outputs are equal in
compare.py.
"""

import argparse
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
import test_pages  # noqa: E402


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
    only_pages = blocks.Tested.only_console  # the other tests import the package
    suite = loader.loadTestsFromModule(test_pages) if only_pages else loader.discover(str(HERE))
    if loader.errors:
        raise SystemExit(loader.errors[0])
    return unittest.TestSuite(test for test in tests_of(suite) if not names or any(name in str(test) for name in names))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--python")
    parser.add_argument("--console", action="store_true")
    options = parser.parse_args()
    blocks.Refresh.wanted, blocks.Tested.only_console = options.update, options.console
    if options.python is not None:
        blocks.Tested.use(options.python)
    others = [Path(name).resolve() for name in options.pages if name.endswith(".md") and Path(name).exists()]
    others = [path for path in others if path not in test_pages.all_pages()]
    suite = unittest.TestSuite(test_pages.page_suite(test_pages.make_sybil(), path) for path in others)
    names = [name for name in options.pages if Path(name).resolve() not in others]
    if names or not others:
        suite.addTests(all_tests(names))
    status = run(suite)
    blocks.Refresh.write()
    return status


if __name__ == "__main__":
    sys.exit(main())
