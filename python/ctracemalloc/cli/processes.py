"""`report FOLDER`: the processes of a run that followed its children, from the files in its folder.

Model: journals (run/journal.py) say which processes there were and which files they have. A file of this package that no
journal names is a process of its own, without a parent. Of a process's files one has its numbers: the snapshot, else the
black box, else the last moment of the recording. A file that cannot be read is a problem of its process, not an error: one
that was cut off must not hide the others.

A process may be killed at any time, also while it writes its snapshot, or before it has told the journal of it. So temporary
files are left out, and a snapshot belongs to the process whose black box has the same name.
"""

import os
from collections.abc import Sequence
from typing import Any

from .._ctracemalloc import FileError, Snapshot
from ..formats import kinds
from ..formats.sources import stored_in
from ..model.origin import UNRECORDED, run_of
from ..model.processes import UNKNOWN, Process, Processes, Series
from ..recording.writing import open_recording
from ..render.text.processes import what
from ..run.journal import SUFFIX
from ..run.processes import is_missing, processes_of_journal, read_numbers
from . import sources

TEMPORARY = ".tmp"  # the ending of a file that is being written
KINDS = {kinds.SNAPSHOT: "snapshot", kinds.BLACK_BOX: "black_box", kinds.RECORDING: "recording"}


def processes_of(folder: str) -> Processes:
    """All processes with files in the folder. FileError: there are none. OSError: the folder cannot be read."""
    found = read_folder(folder)
    if any(process.file is None and process.end == UNKNOWN for process in found.processes):
        found = read_folder(folder)  # it may have ended meanwhile, and replaced its black box by a snapshot
    if not found.processes:
        raise FileError(f"{folder}: no file of ctracemalloc in this directory")
    return found


def read_folder(folder: str) -> Processes:
    names = sorted(os.listdir(folder))
    found, named = Processes(), set()
    for name in names:
        if name.endswith(SUFFIX):
            processes = processes_of_journal(os.path.join(folder, name), names)
            named |= {path for process in processes for path in process.files.values()}
            found.add(processes)
    lone = [path for name in names if (path := os.path.join(folder, name)) not in named and not name.endswith(TEMPORARY)]
    found.add(lone_processes(lone))
    for process in found.processes:
        read_numbers(process)
        read_series(process, found)
    return found


def lone_processes(paths: list[str]) -> list[Process]:
    """The processes of files that no journal names. Several files with one process id are one process's."""
    found: dict[tuple[int, str], Process] = {}
    for path in paths:
        try:
            kind = kinds.kind_of(path) if os.path.isfile(path) else None
        except OSError:
            continue
        if kind is not None:
            process = lone_process(path)
            found.setdefault((process.pid, "" if process.pid else path), process).files.setdefault(KINDS[kind], path)
    return list(found.values())


def lone_process(path: str) -> Process:
    try:
        run = sources.load(path).run
    except (OSError, FileError):
        return Process(0)  # read_numbers() will meet the same error
    process = Process(run["pid"] if isinstance(run.get("pid"), int) else 0)
    command = run.get("command")
    process.command = [word for word in command if isinstance(word, str)] if isinstance(command, list) else []
    process.name = run["process"] if isinstance(run.get("process"), str) else None
    process.end = run["ended"] if isinstance(run.get("ended"), str) and run["ended"] != UNRECORDED else UNKNOWN
    return process


# --- numbers ---


def read_series(process: Process, found: Processes) -> None:
    path = process.files.get("recording")
    if path is None or is_missing(path):
        return
    try:
        recording = open_recording(path)
    except (OSError, FileError) as error:
        process.problems.append(f"{path}: {error}")
        return
    moments = recording.totals()
    found.series.append(Series([recording.started + one.time for one in moments], [one.size for one in moments]))


# --- one or all ---


def merged(found: Processes) -> Snapshot:
    """One snapshot of all; blocks have the label "process". Its peak is a sum of separate peaks."""
    having = [process for process in found.processes if process.file is not None]
    snapshots = [sources.load(process.file or "").snapshot for process in having]
    labels = {id(snapshot): label_of(process) for snapshot, process in zip(snapshots, having, strict=True)}
    everything = Snapshot.merge(snapshots, labels=lambda snapshot: labels[id(snapshot)])
    everything.run = common_paths(snapshots)
    return everything


def common_paths(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """What makes the paths of all processes whole, if they were started in one directory: a fork has relative names."""
    runs = [run for snapshot in snapshots if isinstance((run := run_of(snapshot)).get("folder"), str)]
    folders = {run["folder"] for run in runs}
    if len(folders) != 1:
        return {}
    known = {name: digest for run in runs for name, digest in stored_in(run).items()}
    return {"folder": folders.pop(), "sources": known}


def label_of(process: Process) -> dict[str, str]:
    source = {} if process.file is None else {"source": os.path.basename(process.file)}
    return {"process": f"{process.pid} {what(process)}", "pid": str(process.pid), **source}


def document_of(found: Processes) -> dict[str, Any]:
    """What `report FOLDER --json` adds to the document of the merged snapshot."""
    totals = found.totals()
    highest = totals.highest
    return {
        "sum_of_peaks": totals.peak,
        "highest_sum": None if highest is None else {**highest._asdict()},
        "recordings": totals.recorded,
        "untraced": totals.untraced,
        "processes": [row_of(process) for process in found.processes],
    }


def row_of(process: Process) -> dict[str, Any]:
    numbers = process.numbers
    return {
        "pid": process.pid,
        "parent": None if process.parent is None else process.parent.pid,
        "name": process.name,
        "command": process.command,
        "started_by": process.by or None,
        "began": process.began,
        "ended": process.ended,
        "end": process.end,
        "status": process.status,
        "size": None if numbers is None else numbers.size,
        "count": None if numbers is None else numbers.count,
        "peak_size": None if numbers is None else numbers.peak,
        "files": process.files,
        "problems": process.problems,
    }
