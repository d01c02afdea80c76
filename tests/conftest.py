"""pytest: the environment of the tests' children, and the lines that tests/run_all.py reads.

Hypothesis' examples are the same in each run, so that CI does not fail by chance; with CTM_LONG=1 (`make test-long`) they are
different each time and twenty times as many, and a test has an hour. A failing example is printed with the decorator that
repeats it (`@reproduce_failure`).

`::skip NAME: REASON` is printed for each skipped test, `::counts passed=… failed=… skipped=…` last.

With --progress FILE each test that begins and how it ended is a line of FILE, [WHAT, TEST, TEXT] as JSON. Tests that FILE
names from the start are not run: a process before this one has run them.
"""

import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]  # runs of pytest inside of tests of the pytest plugin

# readline, which pytest imports, sets the size of a terminal for children, in the C library's environment alone: outputs
# would be wrapped to fit it. The terminal in which the tests are started would do the same.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
    os.unsetenv(name)

# A shell without job control lets a job in the background ignore Ctrl-C, and so would the programs that the tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONG = os.environ.get("CTM_LONG") == "1"
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=not LONG,
    max_examples=4000 if LONG else 200,
    database=None,
    print_blob=True,
)
settings.load_profile("tests")


def pytest_addoption(parser):
    parser.addoption("--progress", metavar="FILE", type=Path, help="write down how each test ended, and run on from there")


def pytest_configure(config):
    path = config.getoption("--progress")
    if path is not None:
        config.pluginmanager.register(Progress(path), "progress")


class Progress:
    """The file of --progress. It is open only while a line is written, and children of the tests write nothing."""

    def __init__(self, path):
        self.path = path
        self.pid = os.getpid()

    def write(self, what, test, text=""):
        if os.getpid() == self.pid:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps([what, test, text]) + "\n")

    def pytest_collection_modifyitems(self, config, items):
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            begun = {json.loads(line)[1] for line in lines if line.startswith('["begun"') and line.endswith("]")}
            config.hook.pytest_deselected(items=[item for item in items if item.nodeid in begun])
            items[:] = [item for item in items if item.nodeid not in begun]

    def pytest_runtest_logstart(self, nodeid):
        self.write("begun", nodeid)

    def pytest_runtest_logreport(self, report):
        of_subtest = hasattr(report, "context")
        if report.failed:
            lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
            self.write("failed", report.nodeid, "\n".join(lines[-8:]))
        elif report.skipped and not hasattr(report, "wasxfail"):
            self.write("skipped", report.nodeid, reason_of(report))
        elif report.skipped or (report.when == "call" and not of_subtest):
            self.write("passed", report.nodeid)

    def pytest_runtest_logfinish(self, nodeid):
        self.write("ended", nodeid)


def reason_of(report):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return str(reason).removeprefix("Skipped: ")


def pytest_collection_modifyitems(items):
    """The time limit of pyproject.toml is for CI's number of runs."""
    if LONG:
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    skipped = stats.get("skipped", [])
    for report in skipped:
        terminalreporter.write_line(f"::skip {report.nodeid}: {reason_of(report)}")
    passed = len(stats.get("passed", [])) + len(stats.get("xfailed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"::counts passed={passed} failed={failed} skipped={len(skipped)}")
