#!/usr/bin/env python3
"""The command as users install it: transcripts in environments with nothing but the wheel, or the wheel and its extra `cli`.

Model: a wheel of this tree is installed into two new virtual environments, without pip and without what the tests need. The
transcripts are the console blocks of the documentation (with the extra) and of docs/plain.md (without), which
tests/docs/run.py compares; it runs on the Python that runs this.

usage: run_plain.py [PYTHON]    of the environments; default: the one that runs this
Status 77: what is needed cannot be downloaded.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "tests" / "docs"
PAGES = ("README.md", "tutorial.md", "command-line.md", "black-box.md", "merge.md", "recording.md", "processes.md")
EXTRA = {"rich", "textual", "shtab"}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, check=True, **options)


def make_wheel(python, place):
    """Build with what this Python has, for `python`."""
    shutil.rmtree(place, ignore_errors=True)
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, ROOT)
    (wheel,) = place.glob("ctracemalloc-*.whl")
    return wheel


def make_environment(python, place, requirement):
    """The interpreter of a new environment that has what is required."""
    run(python, "-m", "venv", "--clear", "--without-pip", place)
    inside = place / "bin" / "python"
    run(python, "-m", "pip", "--python", inside, "install", "-q", "--disable-pip-version-check", requirement)
    return inside


def installed(python):
    code = "from importlib.metadata import distributions; print(*(d.metadata['Name'].lower() for d in distributions()))"
    return set(run(python, "-c", code, capture_output=True).stdout.split())


def transcripts(python, *pages):
    """(status, passed, failed, skipped)"""
    command = [sys.executable, DOCS / "run.py", "--console", "--python", python, *pages]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = re.search(r"^::counts passed=(\d+) failed=(\d+) skipped=(\d+)", done.stdout, re.M)
    print(re.sub(r"^::.*\n", "", done.stdout, flags=re.M), flush=True)
    return done.returncode, *(map(int, counts.groups()) if counts else (0, 1, 0))


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])", capture_output=True).stdout.strip()
    place = ROOT / "build" / f"plain-{version}"
    try:
        wheel = make_wheel(python, place / "wheel")
        plain = make_environment(python, place / "plain", wheel)
        extra = make_environment(python, place / "cli", f"{wheel}[cli]")
    except subprocess.CalledProcessError as error:
        print(f"what is needed cannot be had: {error}")
        return 77
    passed, failed, skipped = 0, 0, 0
    for good, what in (
        (installed(plain) == {"ctracemalloc"}, "the plain environment has nothing but the package"),
        (installed(extra) >= {"ctracemalloc", *EXTRA}, "the other one has the extra"),
    ):
        print("ok     " if good else "FAILED ", what)
        passed, failed = passed + good, failed + (not good)
    for found in (transcripts(plain, DOCS / "plain.md"), transcripts(extra, *PAGES)):
        passed, failed, skipped = passed + found[1], failed + max(found[2], found[0] != 0), skipped + found[3]
    print(f"::counts passed={passed} failed={failed} skipped={skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
