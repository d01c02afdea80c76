#!/usr/bin/env python3
"""The notebook extension in JupyterLab, in an environment that has JupyterLab and the package of the Python that runs this.

Model: the environment is build/lab-VERSION, and is made anew when the requirements have changed; the package is a link in it.

usage: run.py [ARGUMENT OF PYTEST…]
Status 77: what is needed cannot be downloaded, or there is no chromium.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"


def make_environment(place):
    """The Python of the environment."""
    inside, made = place / "bin" / "python", place / "made-by"
    maker = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    if not made.exists() or made.read_text(encoding="utf-8") != maker:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        install = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"]
        subprocess.run([*install, "-r", REQUIREMENTS], check=True)
        made.write_text(maker, encoding="utf-8")
    link_package(place / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages" / "ctracemalloc")
    return inside


def link_package(link):
    package = Path(importlib.util.find_spec("ctracemalloc").origin).parent
    link.unlink(missing_ok=True)
    link.symlink_to(package)


def main():
    if shutil.which("chromium") is None:
        print("chromium is not installed")
        return 77
    try:
        python = make_environment(ROOT / "build" / "lab-{}.{}".format(*sys.version_info))
    except subprocess.CalledProcessError as error:
        print(f"what is needed cannot be had: {error}")
        return 77
    return subprocess.run([python, "-m", "pytest", "-v", HERE, *sys.argv[1:]], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
