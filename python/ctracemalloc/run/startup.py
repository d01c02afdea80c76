"""What makes a Python that starts look for a run that it belongs to, before its first line (_startup/).

Model: the package installs a .pth file, which every Python of the environment reads. Where it is not installed, as in a
folder of PYTHONPATH, a module in a folder of ours does the same.
"""

import os
import site

import ctracemalloc

HOOK = "ctracemalloc.pth"
STARTUP_FOLDER = os.path.join(os.path.dirname(os.path.abspath(ctracemalloc.__file__)), "_startup", "pythonpath")


def hook_is_installed() -> bool:
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return any(os.path.isfile(os.path.join(folder, HOOK)) for folder in folders)


def add_paths(environment: dict[str, str], paths: list[str]) -> None:
    rest = environment.get("PYTHONPATH")
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths if rest is None else [*paths, rest])
