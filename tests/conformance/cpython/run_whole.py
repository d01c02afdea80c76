"""CPython's whole test suite with CTRACEMALLOC=1 in the environment: a test that passes without it must pass with it.
Resources (network, minutes of time, gigabytes) are off, as in `python -m test`.

usage: run_whole.py [TEST…]     names as for `python -m test`; none: all of them

All files are run with tracing, and those that fail then also without. A test that fails with tracing only is run again, alone
and in both ways, before it counts: on a busy machine some of CPython's own tests fail now and then. Both lists are
printed.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HOURS = 3600
# Differences that every tracer has. Remove an entry once it is no longer necessary.
EXPECTED = {
    r"test\.test_cmd_line\.CmdLineTest\.test_xdev": "the name of the allocators is not known to the interpreter while they have"
    " hooks; the same with PYTHONTRACEMALLOC",
    r"test\.test_tracemalloc\.TestCAPI\.test_stop_(un)?track": "PyTraceMalloc_Track says that the block is traced: it is,"
    " by us, and a caller who is told that nothing traces need not tell when the block is freed (docs/reference/limits.md)",
    r"test\.test_capi\.test_(mem|misc)\.PyMem\w*DebugTests\.test_(api_misuse|buffer_overflow)": "3.11, 3.12: the dump of a"
    " damaged block lacks the line 'Enable tracemalloc to get the memory block allocation traceback'"
    " (docs/reference/limits.md)",
}
JOBS = os.environ.get("CTM_TEST_JOBS", "2")


class Run:
    def __init__(self, names, traced):
        self.label = "CTRACEMALLOC=1" if traced else "plain"
        environment = {key: value for key, value in os.environ.items() if key != "CTRACEMALLOC"}
        if traced:
            environment["CTRACEMALLOC"] = "1"
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder, "results.xml")
            command = [sys.executable, "-m", "test", "-j", JOBS, "--timeout", "900", "--junit-xml", results, *names]
            print(f"--- {self.label}: {' '.join(names) or 'all'}", flush=True)
            done = subprocess.run(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=6 * HOURS,
            )
            self.output = done.stdout
            self.files = failed_files(done.stdout)
            self.tests, self.ran = failed_tests(results)

    def print(self):
        print(f"{self.label}: {self.ran:,} tests; failed files: {', '.join(sorted(self.files)) or 'none'}")
        for name in sorted(self.tests):
            print(f"    {name}")
        sys.stdout.flush()


def failed_files(output):
    """The test files that the summary lists: failed, crashed, or out of time."""
    found = set()
    for match in re.finditer(r"^\d+ (?:re-run )?tests? failed:\n((?:    .*\n)+)", output, re.M):
        found.update(match.group(1).split())
    return found


def failed_tests(results):
    """(names of tests that failed, how many there were); no names if the process wrote no results."""
    failed, ran = set(), 0
    if results.exists():
        for case in ElementTree.parse(results).iter("testcase"):
            ran += 1
            if case.find("failure") is not None or case.find("error") is not None:
                failed.add(re.sub(r"0x[0-9a-f]+", "0x", case.get("name", "?")))
    return failed, ran


def reason_of(name):
    return next((reason for pattern, reason in EXPECTED.items() if re.fullmatch(pattern, name)), None)


def only_traced(plain, traced):
    """What fails with tracing only and is not expected to: tests, and files that failed without a failed test."""
    tests = traced.tests - plain.tests
    files = {file for file in traced.files - plain.files if not any(file_of(test, [file]) for test in traced.tests)}
    return files | {test for test in tests if reason_of(test) is None}


def file_of(name, files):
    """The file of a test: test names begin with `test.test_x.` or, in a package, `test.test_x.test_y.`"""
    short = name.removeprefix("test.")
    return next((file for file in files if short == file or short.startswith(file.removeprefix("test.") + ".")), None)


def confirm(suspects, traced):
    files = {file_of(name, traced.files) or name for name in suspects} & traced.files
    if not files:
        return suspects
    again = [Run(sorted(files), way) for way in (False, True)]
    for run in again:
        run.print()
    confirmed = only_traced(*again)
    if confirmed:
        print(again[1].output[-20000:])
    return confirmed


def main():
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.libregrtest") is None:
        print("this Python was installed without its test suite")
        sys.exit(77)
    names = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and the tests would inherit that
    traced = Run(names, True)
    traced.print()
    if traced.ran == 0:
        print(traced.output[-6000:])
        print("::counts passed=0 failed=1 skipped=0")
        sys.exit(1)
    if not traced.files:
        print(f"::counts passed={traced.ran} failed=0 skipped=0", flush=True)
        sys.exit(0)
    plain = Run(sorted(traced.files), False)
    plain.print()
    expected = sorted(name for name in traced.tests - plain.tests if reason_of(name))
    for name in expected:
        print(f"::skip {name}: {reason_of(name)}")
    suspects = only_traced(plain, traced)
    confirmed = confirm(suspects, traced) if suspects else set()
    print(f"fails with CTRACEMALLOC=1 only: {', '.join(sorted(confirmed)) or 'nothing'}")
    print(f"::counts passed={traced.ran - len(traced.tests)} failed={len(confirmed)} skipped={len(expected)}", flush=True)
    sys.exit(1 if confirmed else 0)


if __name__ == "__main__":
    main()
