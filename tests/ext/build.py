"""Compiles each C file of this folder for the running Python into build/ext, unless it is up to date.

usage: python tests/ext/build.py        (the folder is printed; the tests put it on sys.path)
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / "build" / "ext"


def compile_module(source):
    target = FOLDER / (source.stem + sysconfig.get_config_var("EXT_SUFFIX"))
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    include = "-I" + sysconfig.get_path("include")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra", "-Werror"]
    scratch = target.with_suffix(f".{os.getpid()}")
    env = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    subprocess.run([*compiler, *flags, include, str(source), "-o", str(scratch)], check=True, env=env)
    scratch.replace(target)


def build():
    """The folder with the modules in it."""
    for source in sorted(HERE.glob("*.c")):
        compile_module(source)
    return FOLDER


if __name__ == "__main__":
    print(build())
    sys.exit(0)
