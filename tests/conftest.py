"""pytest: the environment of the tests' children, and the lines that tests/run_all.py reads.

Hypothesis' examples are the same in each run, so that CI does not fail by chance; with CTM_LONG=1 (`make test-long`) they
are others each time and twenty times as many. What fails is printed, and how to have it again (`@reproduce_failure`).

`::skip NAME: REASON` is printed for each skipped test, `::counts passed=… failed=… skipped=…` last.
"""

import os

from hypothesis import settings

# readline, which pytest imports, tells children the size of a terminal, in the C library's environment alone: outputs
# would be made to fit into it. A terminal of the one who runs the tests would do the same.
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


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    skipped = stats.get("skipped", [])
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"::skip {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    passed = len(stats.get("passed", [])) + len(stats.get("xfailed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"::counts passed={passed} failed={failed} skipped={len(skipped)}")
