"""`python -m ctracemalloc doctor`: is tracing exact on this interpreter?

Model: the extension knows the facts, its `_doctor()` gives them (it traces for a moment, because
most of them are results of self-tests made at start); this module says what each means to
who uses the tracer.
"""

import sys
from collections.abc import Mapping
from typing import TextIO

from . import _ctracemalloc
from ._terminal import Style

# What it means when the fact holds, and when it does not.
MEANINGS = {
    "allocators": (
        "every block of the raw, mem and obj domains is seen",
        "blocks of some domain are not seen: totals are too small",
    ),
    "free_lists": (
        "an object that comes from a free list gets the traceback of its new owner",
        "such an object keeps the traceback of the first owner of its memory; sizes, counts and totals stay right",
    ),
    "tracked_blocks": (
        "memory that extensions report (numpy's domain 389047, for one) is in snapshots",
        "memory that extensions report through PyTraceMalloc_Track is missing",
    ),
    "memory": (
        "nothing was lost",
        "some tracebacks are those of an earlier owner of the memory",
    ),
    "frames": (
        "file, line and function of each frame are read exactly",
        "frames may be missing or wrong",
    ),
}


def print_facts(out: TextIO) -> int:
    """Print every fact; the exit status: 0 if all is right, 1 if something is lost."""
    style = Style.for_stream(out, refused=True)
    print_text(f"python: {sys.version} at {sys.executable}", out, style)
    print_text(f"ctracemalloc: {_ctracemalloc.__version__}", out, style)
    lost = []
    for name, value in _ctracemalloc._doctor().items():
        if not isinstance(value, Mapping):
            print_text(f"{name}: {value}", out, style)
            continue
        ok = bool(value.get("ok"))
        print_text(f"{name}: {value.get('detail', '')}", out, style, mark="ok" if ok else "LOST")
        if name in MEANINGS:
            print_text(MEANINGS[name][0 if ok else 1], out, style, indent=8)
        if not ok:
            lost.append(name)
    if lost:
        print_text(f"something is lost on this interpreter: {', '.join(lost)}", out, style, indent=0)
        return 1
    print_text("all right: tracing is exact on this interpreter", out, style, indent=0)
    return 0


def print_text(text: str, out: TextIO, style: Style, mark: str = "", indent: int = 6) -> None:
    """In lines that fit a terminal; `mark` stands before the first."""
    first, *rest = style.prose(style.name(text), indent)
    print(f"{mark:<{indent}}{first}", file=out)
    for line in rest:
        print(" " * indent + line, file=out)
