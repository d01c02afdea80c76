"""The processes of a run that followed its children: what its journal says, and the numbers in their files.

Model: model/processes.py puts the events of a journal together. Of a process's files one has its numbers: the snapshot, else
the black box, else the last moment of the recording. A file that cannot be read is a problem of its process, not an error.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._ctracemalloc import FileError, Snapshot
from ..blackbox.reading import open_black_box
from ..model.origin import run_of, size_in
from ..model.processes import FILES, RUNNING, UNKNOWN, Numbers, Process, tree_of
from ..model.sums import sums_of
from ..recording.writing import open_recording


def events_of(path: str) -> Iterator[dict[str, Any]]:
    """Those of a journal."""
    with open(path, "rb") as file:
        yield from events_in(file)


def events_in(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """A line that was cut off is left out."""
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def processes_of_journal(path: str, names: Sequence[str]) -> list[Process]:
    """Those of one journal, with the paths of their files. names: of the files in its folder."""
    return processes_of(events_of(path), os.path.dirname(path), names)


def processes_of(events: Iterable[dict[str, Any]], folder: str, names: Sequence[str] = ()) -> list[Process]:
    """Those of some events of a journal in this folder."""
    processes = tree_of(events)
    for process in processes:
        process.files = {kind: os.path.join(folder, file) for kind, file in process.files.items()}
        add_untold(process, names)
    return processes


def add_untold(process: Process, names: Sequence[str]) -> None:
    """The snapshot that the process wrote, and was killed before it said so. names: of the files in its folder."""
    folder, box = os.path.split(process.files.get("black_box", ""))
    stem, ending = os.path.splitext(box)
    for name in (stem + ".ctm", stem + ".ctm.zst") if ending == ".box" else ():
        if name in names and "snapshot" not in process.files:
            process.files["snapshot"] = os.path.join(folder, name)


def read_numbers(process: Process) -> None:
    for kind in FILES:
        path = process.files.get(kind)
        if path is None or is_missing(path):
            continue
        try:
            process.numbers, process.file = numbers_of(process, kind, path), path
            return
        except (OSError, FileError, ValueError) as error:
            process.problems.append(f"{path}: {error}")


def problem_of_box(path: str | None) -> str | None:
    """Why a black box does not hold all; None: it does, or the file is none."""
    if path is None or not path.endswith(".box"):
        return None
    with open_black_box(path) as box:
        return box.incomplete


def is_missing(path: str) -> bool:
    """Also if it is empty: the process was killed before it wrote anything."""
    try:
        return os.stat(path).st_size == 0
    except OSError:
        return True


def numbers_of(process: Process, kind: str, path: str) -> Numbers:
    if kind == "recording":
        recording = open_recording(path)
        last = recording.moment()
        return Numbers(last.size, last.count, recording.peak.size, bool(recording.sample_intervals))
    if kind == "black_box":
        with open_black_box(path) as box:
            if box.running and process.end == UNKNOWN:
                process.end = RUNNING
            return numbers_in(box.snapshot(), None)
    snapshot = Snapshot.load(path)
    return numbers_in(snapshot, size_in(run_of(snapshot), "peak"))


def numbers_in(snapshot: Snapshot, peak: int | None) -> Numbers:
    sums = sums_of(snapshot)
    if peak is None and (at_peak := snapshot.at_peak) is not None:
        peak = sums_of(at_peak).size
    return Numbers(sums.size, sums.blocks, peak, snapshot.sample_interval is not None)
