"""Runs one module of CPython's own test suite and writes the outcome of each of its tests.

usage: outcomes.py WAY NFRAME OUTPUT TEST_MODULE [TEST_ID…]

WAY is one of
    plain      nothing is changed
    standin    ctracemalloc is installed as tracemalloc and _tracemalloc, and does not trace
    traced     the same, and it traces NFRAME frames; so do the child processes that run `site`
    standard   the standard tracemalloc traces NFRAME frames, here and in child processes

OUTPUT has one JSON list in each line: ["start", ID] before a test and [OUTCOME, ID, DETAIL] after it, so that after a crash
it has the name of the test that crashed.
"""

import importlib
import json
import os
import re
import sys
import unittest

# These modules assert what an *untraced* child process prints (test_capi: the dump of a damaged block), or use
# sub-interpreters, which test.support refuses to make while tracemalloc traces.
CHILDREN_UNTRACED = {"test.test_warnings", "test.test_capi"}


def begin(way, nframe, module):
    if way == "plain":
        return
    if way == "standard":
        import tracemalloc

        tracemalloc.start(nframe)
        if module not in CHILDREN_UNTRACED:
            os.environ["PYTHONTRACEMALLOC"] = str(nframe)
        return
    import ctracemalloc

    ctracemalloc.install()
    if way == "traced":
        if module not in CHILDREN_UNTRACED:
            os.environ["CTM_STANDIN"] = str(nframe)  # read by standin.pth in the children
        if not ctracemalloc.is_tracing():
            ctracemalloc.start(nframe)


def name_of(test):
    """The test's id without addresses; for a subtest, the id of its test."""
    return re.sub(r"0x[0-9a-f]+", "0x", getattr(test, "test_case", test).id())


class Recorder(unittest.TextTestResult):
    """Writes each outcome as soon as it is known."""

    output = None  # set by main

    def write(self, *row):
        self.output.write(json.dumps(row) + "\n")
        self.output.flush()

    def startTest(self, test):
        super().startTest(test)
        self.write("start", name_of(test), "")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.write("passed", name_of(test), "")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.write("skipped", name_of(test), str(reason))

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.write("failed", name_of(test), self.failures[-1][1])

    def addError(self, test, error):
        super().addError(test, error)
        self.write("failed", name_of(test), self.errors[-1][1])

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.write("expected failure", name_of(test), "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.write("unexpected success", name_of(test), "")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.write("failed", name_of(test), f"{subtest}: {error[1]!r}")


def load(module, ids):
    try:
        importlib.import_module(module)
    except unittest.SkipTest as reason:
        return None, str(reason)
    loader = unittest.TestLoader()
    return loader.loadTestsFromNames(ids or [module]), None


def main():
    way, nframe, output, module, *ids = sys.argv[1:]
    begin(way, int(nframe), module)
    from test import support
    from test.support import os_helper

    support.use_resources = {}  # no network, no tests that take minutes: as in `python -m test`
    with open(output, "w", encoding="utf-8") as Recorder.output, os_helper.temp_cwd(None):
        suite, reason = load(module, ids)
        if suite is None:
            Recorder.output.write(json.dumps(["skipped", module, reason]) + "\n")
            return
        unittest.TextTestRunner(verbosity=2, resultclass=Recorder).run(suite)
        Recorder.output.write(json.dumps(["end", "", ""]) + "\n")
        Recorder.output.flush()
    # Threads that a test has not ended are not part of this test.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
