"""Runs CPython's own tests in two ways and compares the outcome of each test. See outcomes.py."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RANK = {"passed": 0, "expected failure": 1, "skipped": 2, "unexpected success": 3, "failed": 4}


class Run:
    """The result of one run: outcome and detail of each test, and how the process ended."""

    def __init__(self, way, module, nframe=1, ids=(), timeout=900):
        self.way = way
        self.outcomes, self.details = {}, {}
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "outcomes")
            command = [sys.executable, HERE / "outcomes.py", way, str(nframe), output, module, *ids]
            print(f"--- {module} {way} {' '.join(ids)}", flush=True)
            try:
                done = subprocess.run(command, timeout=timeout, stderr=subprocess.STDOUT)
                self.end = f"status {done.returncode}"
                self.whole = done.returncode == 0
            except subprocess.TimeoutExpired:
                self.end, self.whole = f"no end after {timeout} s", False
            self.read(output)

    def read(self, output):
        running = None
        lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
        for line in lines:
            outcome, name, detail = json.loads(line)
            if outcome == "start":
                running = name
            elif outcome == "end":
                running = None
            else:
                self.note(name, outcome, detail)
                running = None if running == name else running
        if not self.whole and running is not None:
            self.note(running, "failed", f"the process ended here: {self.end}")

    def note(self, name, outcome, detail):
        """Store an outcome. A test with several outcomes (subtests) has the worst of them."""
        if RANK[outcome] >= RANK.get(self.outcomes.get(name), -1):
            self.outcomes[name], self.details[name] = outcome, detail

    def count(self, outcome):
        return sum(1 for found in self.outcomes.values() if found == outcome)


def require_tests(module):
    """End this process as "could not run" if this Python has no such part of its test suite."""
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test." + module) is None:
        print(f"this Python was installed without its test suite (test.{module})")
        sys.exit(77)


def require_traceable():
    import ctracemalloc

    site = Path(ctracemalloc.__file__).parent.parent
    if not (site / "ctm_test_standin.pth").exists():
        print(f"note: {site} has no ctm_test_standin.pth: child processes are not traced")


def differing(before, after):
    names = before.outcomes.keys() | after.outcomes.keys()
    return sorted(n for n in names if before.outcomes.get(n) != after.outcomes.get(n))


def describe(name, before, after):
    old, new = before.outcomes.get(name, "not run"), after.outcomes.get(name, "not run")
    detail = after.details.get(name, "").strip().splitlines()
    text = f"{name}: {old} {before.way}, {new} {after.way}"
    return text + (f" ({detail[-1][:200]})" if detail else "")


def finish(passed, failed, skipped):
    print(f"::counts passed={passed} failed={failed} skipped={skipped}", flush=True)
    os._exit(1 if failed else 0)
