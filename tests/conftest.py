"""pytest: the environment of the tests' children, and the lines that tests/run_all.py reads.

Hypothesis' examples are the same in each run, so that CI does not fail by chance; with CTM_LONG=1 (`make test-long`) they are
different each time and twenty times as many, and a test has an hour. A failing example is printed with the decorator that
repeats it (`@reproduce_failure`).

`::skip NAME: REASON` is printed for each skipped test, `::counts passed=… failed=… skipped=…` last.
"""

import os

import pytest
from hypothesis import settings

# readline, which pytest imports, sets the size of a terminal for children, in the C library's environment alone: outputs
# would be wrapped to fit it. The terminal in which the tests are started would do the same.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
    os.unsetenv(name)

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


def pytest_collection_modifyitems(items):
    """The time limit of pyproject.toml is for CI's number of runs."""
    if LONG:
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    skipped = stats.get("skipped", [])
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"::skip {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    passed = len(stats.get("passed", [])) + len(stats.get("xfailed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"::counts passed={passed} failed={failed} skipped={len(skipped)}")
