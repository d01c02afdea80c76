#!/usr/bin/env python3
"""Runs mypy --strict on the package, then again without the stubs that hide a module of the same name.

mypy reads X.pyi instead of X.py, so what __init__.py itself does would never be checked. Without the stub it defines its names
by importing them, which a strict mypy takes for private: --implicit-reexport, in the second run only.

usage: check_types.py [ROOT]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path("python", "ctracemalloc")


def mypy(root, *options):
    environment = {**os.environ, "MYPYPATH": str(root / PACKAGE.parent)}
    command = [sys.executable, "-m", "mypy", "--strict", *options, str(PACKAGE)]
    return subprocess.run(command, cwd=root, env=environment).returncode


def without_hiding_stubs(root):
    """Returns the names of the modules that had one."""
    stubs = [path for path in (root / PACKAGE).rglob("*.pyi") if path.with_suffix(".py").exists()]
    for path in stubs:
        path.unlink()
    return [str(path.with_suffix(".py").relative_to(root)) for path in stubs]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    status = mypy(root)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(root / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(root / "pyproject.toml", copy)
        print(f"without the stubs of {', '.join(without_hiding_stubs(copy))}:", flush=True)
        status |= mypy(copy, "--implicit-reexport")
    return status


if __name__ == "__main__":
    sys.exit(main())
