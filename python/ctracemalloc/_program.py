"""Facts about this program, as a snapshot's `run` has them.

Model: the program may have put anything into sys.argv, paths and bytes too. Here its words become text.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any


def run_facts() -> dict[str, Any]:
    return {"command": command(), "pid": os.getpid()}


def command() -> list[str]:
    """Without the interpreter, if that is known."""
    words = words_of(sys.argv)
    return words if words and words[0] else words_of(sys.orig_argv)


def title() -> str:
    """What a page about this program is called, for example `shop.py, pid 123`."""
    path = command()[0]
    folder, name = os.path.split(path)
    if name == "__main__.py":  # of `python -m shop`
        name = os.path.basename(folder)
    return f"{name or path}, pid {os.getpid()}"


def words_of(command: Iterable[object]) -> list[str]:
    return [os.fsdecode(word) if isinstance(word, bytes | os.PathLike) else str(word) for word in command]
