#!/usr/bin/env python3
"""Runs clang-tidy on C sources, with the flags of each of their builds (c_sources.py).

Model: a file is looked at in the first of its builds, and again in each other one in which the project's own text differs
(c_sources.builds_of_files): code that only one CPython or one option compiles is seen, and the rest is not read five times.
The library's first build has the asserts, so that their conditions are looked at.

usage: clang_tidy.py FILE…     (.clang-tidy has the list of checks)
"""

import shutil
import subprocess
import sys
from collections import defaultdict

import c_sources

WARNINGS = ("-Wall", "-Wextra")  # those of the build, where clang may be the compiler


def runs_of(names):
    """{build: the files that are looked at in it}."""
    runs = defaultdict(list)
    for name, builds in c_sources.builds_of_files(c_sources.ROOT, names).items():
        for build in builds:
            runs[build].append(name)
    return runs


def tidy(tool, build, names):
    """Returns clang-tidy's exit status."""
    command = [tool, "--quiet", *names, "--", *c_sources.flags_of(names[0], build), *WARNINGS]
    done = subprocess.run(command, cwd=c_sources.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"clang-tidy, {build.name}:")
        print(done.stdout + done.stderr)
    return done.returncode


def main():
    tool = shutil.which("clang-tidy")
    if tool is None:
        raise SystemExit("clang_tidy.py: clang-tidy is not in PATH; `make lint` brings it")
    names = sys.argv[1:]
    if c_sources.compiler() is None or not c_sources.pythons():
        print("clang_tidy.py: no C compiler or no Python.h on this machine (Debian: gcc, python3-dev)")
        return c_sources.COULD_NOT_RUN
    if any(map(c_sources.needs_python, names)):
        c_sources.tell_unseen()
    failed = [build for build, files in runs_of(names).items() if tidy(tool, build, files) != 0]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
