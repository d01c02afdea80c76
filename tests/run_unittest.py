"""Runs unittest files below one folder and ends with the line of counts that run_all.py reads.

usage: run_unittest.py FOLDER [PATTERN] [-k SUBSTRING] [--package]

`::skip NAME: REASON` is printed for each skipped test, `::counts passed=… failed=… skipped=…` last.
"""

import argparse
import faulthandler
import os
import sys
import unittest


class Result(unittest.TextTestResult):
    """Also knows the names of the tests that passed."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.passed += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("pattern", nargs="?", default="test*.py")
    parser.add_argument("-k", dest="names", action="append", help="only names containing this")
    parser.add_argument("--package", action="store_true", help="FOLDER is a package: import it as such")
    arguments = parser.parse_args()
    faulthandler.enable()
    tests = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [os.path.join(tests, name) for name in ("readers", "pyext")]  # readers and support for any test
    loader = unittest.TestLoader()
    if arguments.names:
        loader.testNamePatterns = [f"*{name}*" for name in arguments.names]
    folder = os.path.abspath(arguments.folder)
    top = os.path.dirname(folder) if arguments.package else folder
    return run(loader.discover(folder, arguments.pattern, top))


def run(suite):
    """The exit status."""
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    sys.stderr.flush()
    for test, reason in result.skipped:
        print(f"::skip {test}: {reason}")
    print(f"::counts passed={result.passed} failed={failed} skipped={len(result.skipped)}", flush=True)
    return 0 if failed == 0 and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
