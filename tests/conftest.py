"""pytest: the lines that tests/run_all.py reads.

`::skip NAME: REASON` is printed for each skipped test, `::counts passed=… failed=… skipped=…` last.
"""


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    skipped = stats.get("skipped", [])
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"::skip {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    passed = len(stats.get("passed", [])) + len(stats.get("xfailed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"::counts passed={passed} failed={failed} skipped={len(skipped)}")
