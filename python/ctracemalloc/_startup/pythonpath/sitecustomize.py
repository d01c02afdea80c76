"""Replaces ctracemalloc.pth where that is not installed; see ctracemalloc/cli/run.py.

The interpreter imports this module because the launcher put this folder first on PYTHONPATH. The module removes the folder
from PYTHONPATH and sys.path, starts the tracer and imports the sitecustomize that would have been imported without it. With
`run --follow-children` the folder stays in PYTHONPATH, where child processes find it; and in a child that cannot be traced,
as one of another Python, nothing is printed.
"""

import os
import sys


def forget_folder(folder: str) -> None:
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    if os.environ.get("CTRACEMALLOC_RUN"):
        return
    rest = os.environ.get("PYTHONPATH", "").split(os.pathsep, 1)
    if rest[0] == folder:
        if len(rest) == 2:
            os.environ["PYTHONPATH"] = rest[1]
        else:
            del os.environ["PYTHONPATH"]


def boot(parent: str) -> None:
    sys.path.insert(0, parent)
    try:
        from ctracemalloc._startup import boot as startup
    except ImportError as error:
        quiet = os.environ.get("CTRACEMALLOC_RUN") and "ctracemalloc_run" not in sys._xoptions
        if not quiet and "sub-interpreter" not in str(error).replace("subi", "sub-i"):  # a sub-interpreter has nothing to start
            raise
        return
    finally:
        sys.path.remove(parent)
    startup.boot()


def import_next() -> None:
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this  # no other one exists, and the import system needs an entry


def main() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    forget_folder(folder)
    boot(os.path.dirname(os.path.dirname(os.path.dirname(folder))))
    import_next()


if __name__ == "sitecustomize":  # a tool that inspects the package imports it under its full name: it does nothing then
    main()
