"""Facts in a snapshot about its program. A file may contain anything, so every value is checked."""

from collections.abc import Mapping
from typing import Any

from .._ctracemalloc import Snapshot


def merged_of(snapshot: Snapshot) -> int:
    """How many snapshots Snapshot.merge made it of; 1: it was not merged."""
    merged = getattr(snapshot, "merged", 1)
    return merged if isinstance(merged, int) else 1


def run_of(snapshot: Snapshot) -> dict[str, Any]:
    """What `python -m ctracemalloc run` and other commands stored in the snapshot; empty in other snapshots."""
    run = getattr(snapshot, "run", None)
    return run if isinstance(run, dict) else {}


def size_in(run: Mapping[str, Any], name: str) -> int | None:
    """A size, if the file has a valid one."""
    size = run.get(name)
    return size if isinstance(size, int) and 0 <= size < 1 << 63 else None
