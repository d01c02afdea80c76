#!/usr/bin/env python3
"""clang-tidy on C sources, with the flags they are compiled with and the headers of some CPython of this machine.

usage: clang_tidy.py FILE…     (.clang-tidy says which checks)
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("-std=c11", "-D_GNU_SOURCE", "-Iinclude", "-Isrc/libctm", "-Isrc/pyext")
ZYDIS = (
    "-isystemthird_party/zydis/zydis/include",
    "-isystemthird_party/zydis/zycore/include",
    "-DZYDIS_STATIC_BUILD",
    "-DZYCORE_STATIC_BUILD",
)


def python_headers():
    """The folder with Python.h: of the running interpreter, or of another that pythons.sh finds."""
    own = Path(sysconfig.get_path("include"))
    if (own / "Python.h").is_file():
        return own
    listed = subprocess.run([ROOT / "tools/pythons.sh", "3.13", "3.12", "3.11"], stdout=subprocess.PIPE, text=True, check=True)
    for line in listed.stdout.splitlines():
        place = line.split(" ", 1)[1]
        if place == "-" or place.startswith("sid:"):
            continue
        command = [place, "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
        folder = Path(subprocess.check_output(command, text=True).strip())
        if (folder / "Python.h").is_file():
            return folder
    raise SystemExit("clang_tidy.py: no Python.h on this machine (Debian: python3-dev)")


def main():
    tool = shutil.which("clang-tidy")
    if tool is None:
        raise SystemExit("clang_tidy.py: clang-tidy is not in PATH; `make lint` brings it")
    includes = f"-isystem{python_headers()}"
    done = subprocess.run(
        [tool, "--quiet", *sys.argv[1:], "--", *OURS, *ZYDIS, includes], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
