"""The files that guards write snapshots to.

Model: a pattern is a path with fields: {pid}, {time} (the local time, as 20261130T160422) and {n} (1, 2, 3 … in this process).
It is made whole when the guard is set, because the program may change its directory. No file is overwritten: if there is one of
that name, the new one gets a number, and its name is claimed before it is written. A name that ends in .zst is compressed.
"""

import os
import time
from string import Formatter

from .. import Snapshot, get_traced_memory
from .._program import run_facts
from ..formats import compression, output
from ..formats.sources import digests_of
from ..render.text.style import current_folder

FIELDS = ("pid", "time", "n")


class Target:
    """The files of one guard. ValueError for a pattern that is none, OSError if nothing can be written there."""

    def __init__(self, pattern: str | os.PathLike[str]) -> None:
        text = os.fspath(pattern)
        if not isinstance(text, str):
            raise TypeError(f"the pattern of a path must be a str, not {type(text).__name__}")
        folder = "" if os.path.isabs(text) else os.path.join(os.getcwd(), "")
        self.pieces = [(folder, ""), *pieces_of(text)]
        self.number = 0
        if text.endswith(compression.SUFFIX):
            compression.library()
        first = self.named(1)
        if not os.path.basename(first):
            raise ValueError(f"the pattern of a path has no name of a file: {text!r}")
        output.check_folder(first)

    def named(self, number: int) -> str:
        values = {"pid": str(os.getpid()), "time": time.strftime("%Y%m%dT%H%M%S"), "n": str(number)}
        return "".join(literal + (values[field] if field else "") for literal, field in self.pieces)

    def dump(self, snapshot: Snapshot) -> str:
        """Write a snapshot into a new file. Returns its path."""
        self.number += 1
        path = output.claim_free_name(self.named(self.number))
        try:
            write(snapshot, path)
        except BaseException:
            output.remove_if_empty(path)
            raise
        return path


def pieces_of(text: str) -> list[tuple[str, str]]:
    """(text, the field after it or "")"""
    pieces = []
    for literal, field, form, conversion in Formatter().parse(text):
        if field is not None and (field not in FIELDS or form or conversion):
            raise ValueError(f"a pattern of a path has the fields {{pid}}, {{time}} and {{n}}, not {{{field}}}: {text!r}")
        pieces.append((literal, field or ""))
    return pieces


def write(snapshot: Snapshot, path: str) -> None:
    output.save(snapshot, path, compression.of_name(path))


def add_facts(snapshot: Snapshot, *, sources: bool = True) -> Snapshot:
    """sources: also whether the files of source are what they are now, which takes time to find out."""
    folder = current_folder()
    snapshot.run = {**run_facts(), "folder": folder, "peak": get_traced_memory()[1]}
    if sources:
        snapshot.run["sources"] = digests_of(snapshot._filenames(), folder)
    return snapshot
