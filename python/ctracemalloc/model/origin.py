"""Facts about a snapshot's program: its command line, when it began, and how it ended.

Model: the facts are a dict, `run`. It is in the snapshot's file, or is made here from a recording's moment or a black box;
commands write that dict into the snapshots that they save. So it has numbers, codes and the program's own texts, and what a
report prints for them is no part of a file. docs/reference/python.md lists the keys. A file may contain anything, so every
value that comes from one is checked.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .._ctracemalloc import Snapshot
from ..places.files import Paths

TYPE_CHECKING = False  # a program that `run` traces needs none of these
if TYPE_CHECKING:
    from ..blackbox.reading import BlackBox
    from ..recording.reading import Recording

# Codes of how a program ended; anything else is the text that the program itself recorded.
RUNNING, STOPPED, EXIT, UNRECORDED = "running", "stopped", "exit", "unrecorded"


def merged_of(snapshot: Snapshot) -> int:
    """How many snapshots Snapshot.merge made it of; 1: it was not merged."""
    merged = getattr(snapshot, "merged", 1)
    return merged if isinstance(merged, int) else 1


def run_of(snapshot: Snapshot) -> dict[str, Any]:
    """What `python -m ctracemalloc run` and other commands stored in the snapshot; empty in other snapshots."""
    run = getattr(snapshot, "run", None)
    return run if isinstance(run, dict) else {}


def paths_of(snapshots: Sequence[Snapshot]) -> Paths:
    """How to make the paths of one program's files whole; of several that were started in different directories they stay."""
    folders, known = set(), {}
    for snapshot in snapshots:
        run = run_of(snapshot)
        folder, sources = run.get("folder"), run.get("sources")
        folders.add(folder if isinstance(folder, str) else "")
        known.update(sources if isinstance(sources, dict) else {})
    return Paths(folders.pop(), known) if len(folders) == 1 else Paths()


def size_in(run: Mapping[str, Any], name: str) -> int | None:
    """A size, if the file has a valid one."""
    size = run.get(name)
    return size if isinstance(size, int) and 0 <= size < 1 << 63 else None


def number_in(run: Mapping[str, Any], name: str) -> float | None:
    """A time in seconds, if the file has a valid one."""
    number = run.get(name)
    return number if isinstance(number, float) and 0 <= number < 1 << 40 else None


def run_of_moment(recording: "Recording", at: float | None) -> dict[str, Any]:
    """`run` for the snapshot of a recording's moment."""
    from ..recording.ticks import Ticks

    ticks = Ticks(recording.times, recording.interval)
    optional = {"incomplete": recording.incomplete, "cut off": recording.truncated}
    return {
        "command": words_of(recording.command),
        "pid": recording.pid,
        "peak": recording.moment(at).peak,
        "began": recording.started,
        "moment": ticks.short_time(ticks.index(at)),
        "length": ticks.short_time(len(recording) - 1),
        "ended": recording.ended or UNRECORDED,
        **{name: value for name, value in optional.items() if value is not None},
    }


def run_of_black_box(box: "BlackBox") -> dict[str, Any]:
    """`run` for a snapshot of a black box, taken now."""
    optional = {"ended at": box.ended_at, "incomplete": box.incomplete or None}
    return {
        "command": words_of(box.command),
        "pid": box.pid,
        "began": box.started,
        "ended": RUNNING if box.running else box.ended or UNRECORDED,
        **{name: value for name, value in optional.items() if value is not None},
    }


def words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]
