"""The running programs that can be looked into: those with a black box, or with a recording that is being made.

Model: found in /proc, by the files that a process has mapped or open. Nothing is asked of the programs.
"""

import os
from typing import NamedTuple

from .._ctracemalloc import FileError
from .._words import printable
from ..blackbox import finding
from ..blackbox.reading import BlackBox
from ..formats import kinds
from ..recording.writing import open_recording
from .sources import is_being_made


class Program(NamedTuple):
    pid: int
    path: str  # of the black box or recording
    kind: str
    started: float  # UNIX time
    command: str


def program_text(command: str) -> str:
    """A command line whose interpreter is named without its directory: there is little room, and the program comes after it."""
    first, space, rest = command.partition(" ")
    if "'" not in first:  # quoted, and perhaps with spaces in it
        first = os.path.basename(first) or first
    return printable(first + space + rest)


def running_programs() -> list[Program]:
    """Those of this user, the newest first."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    found = [program for pid in pids if pid != os.getpid() and is_own(pid) and (program := program_of(pid)) is not None]
    return sorted(found, key=lambda program: program.started, reverse=True)


def is_own(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def program_of(pid: int) -> Program | None:
    """None: the process has neither, or may not be looked into."""
    for path in finding.mapped_files(pid) or ():
        try:
            with BlackBox(path) as box:
                if box.running:
                    return Program(pid, path, kinds.BLACK_BOX, box.started, box.command)
        except (OSError, FileError):
            continue
    made = recording_of(pid)
    if made is None:
        return None
    try:
        recording = open_recording(made)
    except (OSError, FileError):
        return None
    return Program(pid, made, kinds.RECORDING, recording.started, recording.command)


def recording_of(pid: int) -> str | None:
    """The recording that a process makes."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    for name in names:
        try:
            path = os.readlink(f"/proc/{pid}/fd/{name}")
            if path.startswith("/") and kinds.kind_of(path) == kinds.RECORDING and is_being_made(os.stat(path)):
                return path
        except (OSError, ImportError):
            continue
    return None
