"""Input files of commands: the snapshot of a file, and facts about its program.

Model: the input is a snapshot file (compressed or not), a file of the standard module, a black box, or a recording, of which
one moment is used. The first bytes determine the kind, never the name. "-" is standard input, and no name at all is the newest
of this package's files in the current directory. An error message contains the file's name once.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._ctracemalloc import FileError, Snapshot
from ..blackbox.reading import open_black_box
from ..formats import kinds
from ..model.figures import ALLOCATED, FREED, PEAK
from ..model.origin import UNRECORDED, run_of, run_of_black_box, run_of_moment
from ..recording import writing
from ..recording.reading import Recording
from .journals import end_beside
from .progress import working

READERS = {kinds.SNAPSHOT: "report", kinds.RECORDING: "timeline", kinds.BLACK_BOX: "attach"}
STDIN = "-"
DIRECTORY = (
    "`report` shows the processes whose files are in it, and `merge -o all.ctm {folder}/*.ctm` makes one snapshot of these"
)
MISSING = {
    PEAK: "what was live at the peak is not in this file",
    ALLOCATED: "what was ever allocated is not in this file",
    FREED: "what was freed again is not in this file",
}


class Source(NamedTuple):
    path: str  # as it was given
    kind: str
    snapshot: Snapshot
    run: dict[str, Any]  # facts about the program, as in `Snapshot.run`; empty: none are known
    newest: bool = False  # the path was not given: it is the newest file


def check_known(source: Source, measure: str) -> None:
    """FileError if the file does not have what a view shows."""
    if measure not in MISSING:
        return
    tree = source.snapshot.call_tree()
    if not (tree.peak_known if measure == PEAK else tree.churn_known):
        raise FileError(f"{source.path}: {MISSING[measure]}")


def load(path: str | None, at: float | None = None) -> Source:
    """Read the file; None: the newest one. at: the moment of a recording. FileError and OSError contain the file's name."""
    if path is None:
        return load(newest_file(), at)._replace(newest=True)
    if path != STDIN and os.path.isdir(path):
        raise FileError(f"{path}: it is a directory: {DIRECTORY.format(folder=os.path.normpath(path))}")
    with opened(path) as real:
        kind = kinds.kind_of(real) or kinds.SNAPSHOT
        with naming(path, kind, real), working(f"reading {path}"):
            snapshot, run = read(real, kind, at)
    return Source(path, kind, snapshot, run)


def read(path: str, kind: str, at: float | None) -> tuple[Snapshot, dict[str, Any]]:
    if kind == kinds.RECORDING:
        recording = writing.open_recording(path)
        return recording.snapshot(at), run_of_moment(recording, at)
    if at is not None:
        raise ValueError(f"--at is a moment of a recording, and this is a {kind}")
    if kind == kinds.BLACK_BOX:
        with open_black_box(path) as box:
            return box.snapshot(), with_told_end(path, run_of_black_box(box))
    snapshot = Snapshot.load(path)
    return snapshot, run_of(snapshot)


def with_told_end(path: str, run: dict[str, Any]) -> dict[str, Any]:
    """The facts of a black box; of a child that was killed, with what its parent's journal says of that."""
    told = end_beside(path, run["pid"]) if run["ended"] == UNRECORDED else None
    return run if told is None else {**run, "ended": told}


@contextlib.contextmanager
def opened(path: str) -> Iterator[str]:
    """A path that can be read several times. Standard input is copied into a file without a name first."""
    if path != STDIN:
        yield path
        return
    reader = standard_input()
    begin = reader.peek(kinds.MAGIC_SIZE)[: kinds.MAGIC_SIZE]
    if not kinds.may_begin(begin):
        raise FileError(f"{path}: standard input is neither a file of ctracemalloc nor one of tracemalloc")
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(reader, copy)
        copy.flush()
        yield f"/proc/self/fd/{copy.fileno()}"


def standard_input() -> Any:
    """As a BufferedReader, which typeshed does not say."""
    if sys.stdin is None:
        raise OSError("-: standard input is closed")
    if sys.stdin.isatty():
        raise OSError("-: standard input is a terminal; pipe a file into it")
    return sys.stdin.buffer


def newest_file(wanted: str | None = None) -> str:
    """The newest snapshot, recording or black box of the current directory, told by content; or of the wanted kind."""
    dated = []
    with os.scandir(".") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_file() and entry.stat().st_size:
                    dated.append((entry.stat().st_mtime_ns, entry.name))
    for _time, name in sorted(dated, reverse=True):
        with contextlib.suppress(OSError, ImportError):
            kind = kinds.kind_of(name)
            if kind is not None and wanted in (None, kind):
                return name
    what = wanted or "snapshot, recording or black box"
    raise FileNotFoundError(f"which file? none was given, and this directory has no {what}")


def expect(path: str, *wanted: str, real: str | None = None) -> None:
    """FileError if the file is one of this package's, but not of a wanted kind. real: the path to read."""
    found = kinds.kind_of(path if real is None else real)
    if found is not None and found not in wanted:
        raise FileError(f"{path}: it is a {found}, not a {wanted[0]}: `{READERS[found]}` reads it")


def open_recording(path: str, real: str | None = None) -> Recording:
    """real: the path to read, if it is another one (opened)."""
    real = path if real is None else real
    with naming(path, kinds.RECORDING, real):
        found = kinds.kind_of(real)
        if found not in (None, kinds.RECORDING):
            raise FileError(f"{path}: it is a {found}, not a {kinds.RECORDING}: `{READERS[found]}` reads it")
        return writing.open_recording(real)


@contextlib.contextmanager
def naming(path: str, kind: str = kinds.SNAPSHOT, real: str | None = None) -> Iterator[None]:
    """Turn an error about a file, or about a fact that a snapshot lacks, into a FileError that begins with the file's name.

    real: the path that was read, if it is another one.
    """
    try:
        yield
    except FileError as error:
        if getattr(error, "reason", None) is None:
            raise
        better = FileError(f"{path}: not a valid {kind}: {error.reason} (at byte {error.offset})")
        better.reason, better.offset = error.reason, error.offset
        raise better from None
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None
    except OSError as error:
        if real in (None, path) or error.strerror is None or error.filename not in (None, real):
            raise
        raise OSError(f"{path}: {error.strerror}") from None
