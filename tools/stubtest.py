#!/usr/bin/env python3
"""Runs stubtest: the .pyi files against the extension, which is built and installed into the running environment first."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    if sys.prefix == sys.base_prefix:
        raise SystemExit("stubtest.py: run it in a virtual environment, it installs the package; `make lint` does")
    own_folder = f"--config-settings=build-dir={ROOT / 'build' / 'stubtest'}"  # another build may be running
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--force-reinstall"]
    built = subprocess.run([*install, own_folder, ROOT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if built.returncode != 0:
        sys.stderr.write(built.stdout)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MYPY_CACHE_DIR": folder}
        options = ["--mypy-config-file", ROOT / "pyproject.toml", "--allowlist", ROOT / "tools" / "stubtest.allow"]
        stubtest = [sys.executable, "-m", "mypy.stubtest", *options, "--ignore-unused-allowlist", "ctracemalloc"]
        return subprocess.run(stubtest, cwd=folder, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
