"""Input files of commands: the snapshot of a file, and facts about its program.

Model: the input is a snapshot file (compressed or not), a file of the standard module, a black box, or a recording, of which
the last moment is used. The first bytes determine the kind. An error message contains the file's name once.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._ctracemalloc import FileError, Snapshot
from ..blackbox.reading import open_black_box
from ..formats import kinds
from ..model.origin import run_of, run_of_black_box, run_of_moment
from ..recording import writing
from ..recording.reading import Recording

READERS = {kinds.SNAPSHOT: "report", kinds.RECORDING: "recording", kinds.BLACK_BOX: "attach"}


class Source(NamedTuple):
    snapshot: Snapshot
    run: dict[str, Any]  # facts about the program, as in `Snapshot.run`; empty: none are known


def load(path: str) -> Source:
    """Read the file. FileError and OSError contain its name."""
    kind = kinds.kind_of(path) or kinds.SNAPSHOT
    with naming(path, kind):
        if kind == kinds.RECORDING:
            recording = writing.open_recording(path)
            return Source(recording.snapshot(), run_of_moment(recording, None))
        if kind == kinds.BLACK_BOX:
            with open_black_box(path) as box:
                return Source(box.snapshot(), run_of_black_box(box))
        snapshot = Snapshot.load(path)
        return Source(snapshot, run_of(snapshot))


def expect(path: str, *wanted: str) -> None:
    """FileError if the file is one of this package's, but not of a wanted kind."""
    found = kinds.kind_of(path)
    if found is not None and found not in wanted:
        raise FileError(f"{path}: it is a {found}, not a {wanted[0]}: `{READERS[found]}` reads it")


def open_recording(path: str) -> Recording:
    expect(path, kinds.RECORDING)
    with naming(path, kinds.RECORDING):
        return writing.open_recording(path)


@contextlib.contextmanager
def naming(path: str, kind: str = kinds.SNAPSHOT) -> Iterator[None]:
    """Turn an error about a file, or about a fact that a snapshot lacks, into a FileError that begins with the file's name."""
    try:
        yield
    except FileError as error:
        if error.reason is None:
            raise
        better = FileError(f"{path}: not a valid {kind}: {error.reason} (at byte {error.offset})")
        better.reason, better.offset = error.reason, error.offset
        raise better from None
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def peak_of(source: Source, path: str) -> Snapshot:
    """snapshot.at_peak, or a FileError that contains the file's name."""
    peak = source.snapshot.at_peak
    if peak is None:
        raise FileError(f"{path}: what was live at the peak is not in this file")
    return peak
