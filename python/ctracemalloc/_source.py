"""What is in a file that `report` or `diff` is given: a snapshot, and facts about where it is from.

Model: a snapshot file, compressed or not, a file of the standard module, a black box, or a recording, of which the last moment
counts. The first bytes tell which. What goes wrong is told with the file's name, once.
"""

import contextlib
import shlex
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import _black_box, _output, _record
from ._ctracemalloc import FileError, Snapshot
from ._recording import Recording

READERS = {_output.SNAPSHOT: "report", _output.RECORDING: "recording", _output.BLACK_BOX: "attach"}
NO_MARK = "killed, or by os._exit or exec"  # they leave none
RECORDING_ENDS = {"stopped": "stopped", "exit": "with the program", None: f"no end: it goes on, was {NO_MARK}"}
BOX_ENDS = {"stopped": "stopped", "exit": "with the program", "": NO_MARK}


class Source(NamedTuple):
    snapshot: Snapshot
    run: dict[str, Any]  # about the program, as `Snapshot.run` has it; empty: nothing is known


def load(path: str) -> Source:
    """FileError and OSError name the file."""
    kind = _output.kind_of(path) or _output.SNAPSHOT
    with naming(path, kind):
        if kind == _output.RECORDING:
            recording = _record.open_recording(path)
            return Source(recording.snapshot(), of_moment(recording, None))
        if kind == _output.BLACK_BOX:
            with _black_box.open_black_box(path) as box:
                return Source(box.snapshot(), of_box(box))
        snapshot = Snapshot.load(path)
        run = getattr(snapshot, "run", None)
        return Source(snapshot, run if isinstance(run, dict) else {})


def expect(path: str, *kinds: str) -> None:
    """FileError if a file is one of ours, but of another kind."""
    found = _output.kind_of(path)
    if found is not None and found not in kinds:
        raise FileError(f"{path}: it is a {found}, not a {kinds[0]}: `{READERS[found]}` reads it")


def open_recording(path: str) -> Recording:
    expect(path, _output.RECORDING)
    with naming(path, _output.RECORDING):
        return _record.open_recording(path)


@contextlib.contextmanager
def naming(path: str, kind: str = _output.SNAPSHOT) -> Iterator[None]:
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


# --- about the program ---


def recording_end(recording: Recording) -> str:
    """How the program, or the recording alone, ended."""
    if recording.incomplete is not None:
        return "the recording, before the program"
    return RECORDING_ENDS.get(recording.ended, recording.ended or "")


def of_moment(recording: Recording, at: float | None) -> dict[str, Any]:
    """Of the snapshot of a recording's moment."""
    index = recording._index(at)
    cut = {} if recording.truncated is None else {"cut off": recording.truncated}
    return {
        "command": words_of(recording.command),
        "pid": recording.pid,
        "began": date(recording.started),
        "moment": f"{recording._clock(index)} of a recording of {recording._clock(len(recording) - 1)}",
        "ended": recording_end(recording),
        **cut,
    }


def of_box(box: _black_box.BlackBox) -> dict[str, Any]:
    """Of a snapshot of a black box, taken now."""
    ended = describe_box(box, box.running)
    if box.ended_at is not None:
        ended += f" at {date(box.ended_at)}"
    return {"command": words_of(box.command), "pid": box.pid, "began": date(box.started), "ended": ended}


def describe_box(box: _black_box.BlackBox, running: bool) -> str:
    state = "running" if running else BOX_ENDS.get(box.ended or "", box.ended or "")
    return f"{state}, incomplete: {box.incomplete}" if box.incomplete else state


def words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
