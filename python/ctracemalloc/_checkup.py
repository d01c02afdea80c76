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
        "such an object keeps the traceback of the first owner of its memory; sizes, counts "
        "and totals stay right",
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
    print(style.name(f"      python: {sys.version} at {sys.executable}"), file=out)
    print(f"      ctracemalloc: {_ctracemalloc.__version__}", file=out)
    lost = []
    for name, value in _ctracemalloc._doctor().items():
        if not isinstance(value, Mapping):
            print(style.name(f"      {name}: {value}"), file=out)
            continue
        ok = bool(value.get("ok"))
        print(style.name(f"{'ok' if ok else 'LOST':<4}  {name}: {value.get('detail', '')}"), file=out)
        if name in MEANINGS:
            print(f"        {MEANINGS[name][0 if ok else 1]}", file=out)
        if not ok:
            lost.append(name)
    if lost:
        print(f"something is lost on this interpreter: {', '.join(lost)}", file=out)
        return 1
    print("all right: tracing is exact on this interpreter", file=out)
    return 0
