#!/usr/bin/env python3
"""Runs clang-tidy on C sources, with the flags they are compiled with and the headers of each CPython on this machine.

Model: a file of the extension is looked at on the newest Python, and again on each other one on which the project's own text
differs (c_sources.pythons_of_files): code that only one version compiles is seen, and the rest is not read five times.

usage: clang_tidy.py FILE…     (.clang-tidy has the list of checks)
"""

import shutil
import subprocess
import sys
from collections import defaultdict

import c_sources


def runs_of(names):
    """{the Headers of a Python, or None for the library: the files that are looked at with them}."""
    runs = defaultdict(list)
    for name, pythons in c_sources.pythons_of_files(c_sources.ROOT, names).items():
        for headers in pythons or [None]:
            runs[headers].append(name)
    return runs


def tidy(tool, headers, names):
    """Returns clang-tidy's exit status."""
    folder = "src/libctm" if headers is None else "src/pyext"
    command = [tool, "--quiet", *names, "--", *c_sources.flags_of(folder, headers)]
    done = subprocess.run(command, cwd=c_sources.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"clang-tidy, Python {headers.version}:" if headers else "clang-tidy:")
        print(done.stdout or done.stderr)
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
    failed = [headers for headers, files in runs_of(names).items() if tidy(tool, headers, files) != 0]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
