"""What is in a file that a command is given: a snapshot, and facts about where it is from.

Model: a snapshot file, compressed or not, a file of the standard module, a black box, or a recording, of which the last moment
counts. The first bytes tell which. What goes wrong is told with the file's name, once.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._ctracemalloc import FileError, Snapshot
from ..blackbox.reading import open_black_box
from ..formats import kinds
from ..model.origin import run_of
from ..recording import writing
from ..recording.reading import Recording
from ..render.text.origin import run_of_black_box, run_of_moment

READERS = {kinds.SNAPSHOT: "report", kinds.RECORDING: "recording", kinds.BLACK_BOX: "attach"}


class Source(NamedTuple):
    snapshot: Snapshot
    run: dict[str, Any]  # about the program, as `Snapshot.run` has it; empty: nothing is known


def load(path: str) -> Source:
    """FileError and OSError name the file."""
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
    """FileError if a file is one of ours, but of another kind."""
    found = kinds.kind_of(path)
    if found is not None and found not in wanted:
        raise FileError(f"{path}: it is a {found}, not a {wanted[0]}: `{READERS[found]}` reads it")


def open_recording(path: str) -> Recording:
    expect(path, kinds.RECORDING)
    with naming(path, kinds.RECORDING):
        return writing.open_recording(path)


@contextlib.contextmanager
def naming(path: str, kind: str = kinds.SNAPSHOT) -> Iterator[None]:
    """What is wrong with a file, or not known of a snapshot, as a FileError that begins with the file's name."""
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
    """snapshot.at_peak, or a FileError that names the file."""
    peak = source.snapshot.at_peak
    if peak is None:
        raise FileError(f"{path}: what was live at the peak is not in this file")
    return peak
