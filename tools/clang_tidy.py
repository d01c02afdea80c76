#!/usr/bin/env python3
"""Runs clang-tidy on C sources, with the flags they are compiled with and the headers of a CPython on this machine.

usage: clang_tidy.py FILE…     (.clang-tidy has the list of checks)
"""

import shutil
import subprocess
import sys

import c_sources


def main():
    tool = shutil.which("clang-tidy")
    if tool is None:
        raise SystemExit("clang_tidy.py: clang-tidy is not in PATH; `make lint` brings it")
    flags = c_sources.flags_of("src/pyext")
    if flags is None:
        raise SystemExit("clang_tidy.py: no Python.h on this machine (Debian: python3-dev)")
    command = [tool, "--quiet", *sys.argv[1:], "--", *flags]
    done = subprocess.run(command, cwd=c_sources.ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
