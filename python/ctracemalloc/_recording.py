"""Memory over time: making a recording, and reading one.

Model: a recording is a file to which a thread of the C core, which never takes the GIL, appends what changed in the
counters of all places since its last tick (docs/recording.md). A Recorder is the making of one: at most one
is going on in a process. A Recording is a file that was opened: a list of moments, and for each the snapshot
that take_snapshot() would have given.

Times are seconds since the recording began.
"""

import atexit
import errno
import math
import os
import shlex
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

from . import _ctracemalloc
from ._ctracemalloc import FileError, Frame, Snapshot, Statistic, StatisticDiff, Traceback

MIN_INTERVAL = 0.01
MAX_INTERVAL = 3600.0
KEYS = {"filename": 1, "lineno": 2, "function": 3}  # ctm_key

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
_Place: TypeAlias = Frame | Traceback | Statistic | StatisticDiff


# --- making one ---


def check_interval(interval: float) -> float:
    if isinstance(interval, str | bytes | bytearray):
        raise TypeError(f"interval must be a number of seconds, not {interval!r}")
    number = float(interval)
    if not (math.isfinite(number) and MIN_INTERVAL <= number <= MAX_INTERVAL):
        raise ValueError(f"interval must be in range [{MIN_INTERVAL}; {MAX_INTERVAL:.0f}] seconds, not {interval!r}")
    return number


class Recorder:
    """A recording that is being made. Made by record(); as a context manager it stops at the end."""

    def __init__(self, path: _Path, interval: float, children: bool) -> None:
        self._interval = check_interval(interval)
        self._path = os.path.abspath(os.fsdecode(path))
        self._base = self._path  # what a child's path is made of
        self._children = bool(children)
        self._begin()

    def _begin(self) -> None:
        encoded = os.fsencode(self._path)
        if b"\0" in encoded:
            raise ValueError("embedded null byte")
        sys.audit("open", self._path, "wb", 0)
        command = shlex.join(sys.orig_argv).encode("utf-8", "backslashreplace").decode()
        nanoseconds = round(self._interval * 1e9)
        try:
            self._core = _ctracemalloc._record_start(encoded, nanoseconds, command.replace("\0", ""))
        except OSError as error:
            raise explain(error, self._path) from None
        atexit.register(self._at_exit)

    def tick(self) -> None:
        """Append what has changed until now, exactly: other threads wait while the counters are read."""
        _ctracemalloc._record_tick(self._core)

    def stop(self) -> None:
        """Append a last tick and end the recording. Does nothing if it has ended; `error` tells how."""
        self._stop(at_exit=False)

    def _stop(self, at_exit: bool) -> None:
        _ctracemalloc._record_stop(self._core, at_exit)
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        self._stop(at_exit=True)

    @property
    def path(self) -> str:
        return self._path

    @property
    def interval(self) -> float:
        return self._interval

    @property
    def recording(self) -> bool:
        """Does it go on? False after stop(), an error, and in a fork of the recorded process."""
        return _ctracemalloc._record_state(self._core)[0]

    @property
    def error(self) -> OSError | None:
        """What has ended the recording before its time: a full disk, for one. None: nothing has."""
        _recording, number, reason, _ticks, _size = _ctracemalloc._record_state(self._core)
        return OSError(number, f"{reason}: {os.strerror(number)}", self._path) if number else None

    @property
    def ticks(self) -> int:
        """Ticks written."""
        return _ctracemalloc._record_state(self._core)[3]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return _ctracemalloc._record_state(self._core)[4]

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "recording" if self.recording else "ended"
        return f"<Recorder {self._path!r} interval={self._interval:g} {state}>"


def explain(error: OSError, path: str) -> OSError:
    if error.errno == errno.EWOULDBLOCK:
        return OSError(error.errno, "another process is recording into this file", path)
    if error.errno == errno.EINVAL:
        return OSError(error.errno, "a recording needs a regular file", path)
    return error


_current: Recorder | None = None
_watches_forks = False


def record(path: _Path, interval: float = 1.0, *, children: bool = False) -> Recorder:
    """Record, into the file `path`, what each place that allocates holds, every `interval` seconds.

    Tracing must be on. The recording ends with stop(), or with the program. children: a fork of
    this process gets a recording of its own, in PATH.PID; else it gets none.
    """
    global _current, _watches_forks
    if _current is not None and _current.recording:
        raise RuntimeError(f"this process is being recorded already, into {_current.path!r}")
    _current = Recorder(path, interval, children)
    if not _watches_forks:
        os.register_at_fork(
            before=before_fork, after_in_parent=_ctracemalloc._record_resume, after_in_child=record_child
        )
        _watches_forks = True
    return _current


def before_fork() -> None:
    if _current is not None:
        _ctracemalloc._record_pause(_current._core)


def record_child() -> None:
    """In a fork: the parent's recorder is not this process's; begin anew if that was asked for."""
    _ctracemalloc._record_forget()
    recorder = _current
    if recorder is None or not recorder._children:
        return
    atexit.unregister(recorder._at_exit)
    if not _ctracemalloc.is_tracing() or not recorder_was_going_on(recorder):
        return
    recorder._path = f"{recorder._base}.{os.getpid()}"
    try:
        recorder._begin()
    except (OSError, RuntimeError, MemoryError) as error:
        from . import _boot

        _boot.complain(f"process {os.getpid()} is not recorded: {error}")


def recorder_was_going_on(recorder: Recorder) -> bool:
    """Of a child: did the parent's recording go on at the fork? A child's state has a reason then, and no error."""
    _recording, number, reason, _ticks, _size = _ctracemalloc._record_state(recorder._core)
    return reason is not None and number == 0


def stop_at_exit() -> OSError | None:
    """End what is being recorded, because the program ends; tells what ended it before."""
    if _current is None:
        return None
    if _current.recording:
        _current._stop(at_exit=True)
    return _current.error


# --- reading one ---


class Moment(NamedTuple):
    """One tick of a recording: what was live, in all."""

    time: float  # seconds since the recording began
    size: int  # bytes
    count: int  # type: ignore[assignment]  # blocks
    peak: int  # bytes: the exact peak until then, since start, clear_traces or reset_peak
    resident: int  # bytes of memory of the whole process; 0: not known


class Event(NamedTuple):
    """Something after which counting begins anew."""

    time: float
    what: str  # "start", "clear" (or stop and start within one tick), "stop"


class Peak(NamedTuple):
    time: float  # of the first tick by which it had been reached
    size: int  # bytes


class Series(NamedTuple):
    """A place over time: item i of sizes and counts is that of times[i]."""

    place: Frame
    times: list[float]
    sizes: list[int]
    counts: list[int]

    @property
    def growth(self) -> int:
        return self.sizes[-1] - self.sizes[0]


class Recording:
    """A recording, opened by open_recording() to be read. It may still be going on: what is there is read."""

    def __init__(self, path: _Path) -> None:
        self._core = _ctracemalloc._recording_open(path)
        info = self._core.info()
        self._path = os.fsdecode(path)
        self._started, self._interval, self._pid, self._command, self._ended = info[:5]
        self._good_bytes, self._file_bytes, self._fault_offset, self._fault = info[5:]
        self._moments = self._core.moments()
        self._times = [moment[0] / 1e9 for moment in self._moments]

    @property
    def path(self) -> str:
        return self._path

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def command(self) -> str:
        """The command line of the recorded program."""
        return self._command

    @property
    def started(self) -> float:
        """When the recording began: UNIX time in seconds."""
        return self._started / 1e9

    @property
    def interval(self) -> float:
        return self._interval / 1e9

    @property
    def ended(self) -> str | None:
        """ "stopped", or "exit" (with the program); None: it goes on, or the process was killed."""
        return self._ended

    @property
    def truncated(self) -> str | None:
        """What is wrong with the end of the file, and was left out; None: nothing is."""
        if self._fault is None:
            return None
        lost = self._file_bytes - self._good_bytes
        return f"{self._fault} (at byte {self._fault_offset}): the last {lost} bytes were left out"

    @property
    def times(self) -> list[float]:
        """The moments there are, in seconds since the recording began."""
        return list(self._times)

    @property
    def events(self) -> list[Event]:
        """When tracing was started, cleared and stopped. Snapshots from before and after do not add up."""
        events = []
        before = False
        for time, tracing, _nframe, _sample_interval in self._core.spans():
            events.append(Event(time / 1e9, "stop" if not tracing else "clear" if before else "start"))
            before = tracing
        return events

    def totals(self) -> list[Moment]:
        """What was live, moment by moment."""
        return [Moment(time / 1e9, *rest) for time, *rest, _span in self._moments]

    def moment(self, at: float | None = None) -> Moment:
        """The last Moment not after `at` seconds; None: the last there is."""
        time, *rest, _span = self._moments[self._index(at)]
        return Moment(time / 1e9, *rest)

    @property
    def peak(self) -> Peak:
        """The highest that traced memory has been, between two ticks or not."""
        if not self._moments:
            raise ValueError("the recording has no moments")
        highest = max(moment[3] for moment in self._moments)
        first = next(moment for moment in self._moments if moment[3] == highest)
        return Peak(first[0] / 1e9, highest)

    def snapshot(self, at: float | None = None) -> Snapshot:
        """The Snapshot of the last moment not after `at` seconds; None: of the last there is."""
        return self._core.snapshot(self._index(at))

    def diff(
        self,
        start: float | None = None,
        end: float | None = None,
        key_type: str = "lineno",
        cumulative: bool = False,
    ) -> list[StatisticDiff]:
        """What changed between two moments (None: the first, the last), the largest change first."""
        first, last = self._range(start, end)
        newer, older = self._core.snapshot(last), self._core.snapshot(first)
        return newer.compare_to(older, key_type, cumulative)

    def series(
        self,
        key_type: str = "lineno",
        places: Iterable[_Place] | None = None,
        *,
        top: int = 10,
        start: float | None = None,
        end: float | None = None,
    ) -> list[Series]:
        """Places over time, each with its size and count at every moment from `start` to `end`.

        places: Frames, Tracebacks or Statistics (their most recent frame counts); None: the `top` that changed
        most between the two moments.
        """
        if key_type not in KEYS:
            raise ValueError(f"unknown key type for a series: {key_type!r}")
        first, last = self._range(start, end)
        if places is None:
            places = self.diff(start, end, key_type)[:top]
        frames = [frame_of(place) for place in places]
        keys = [(frame.filename, frame.lineno, frame.name) for frame in frames]
        lists = self._core.series(first, last + 1 - first, KEYS[key_type], keys)
        times = self._times[first : last + 1]
        return [Series(frame, times, sizes, counts) for frame, (sizes, counts) in zip(frames, lists, strict=True)]

    def _index(self, at: float | None) -> int:
        if not self._times:
            raise ValueError("the recording has no moments")
        if at is None:
            return len(self._times) - 1
        index = bisect_right(self._times, at) - 1
        if index < 0:
            raise ValueError(f"the recording begins at {self._times[0]:.3f} seconds, after {at!r}")
        return index

    def _range(self, start: float | None, end: float | None) -> tuple[int, int]:
        first, last = self._index(self._times[0] if start is None and self._times else start), self._index(end)
        if first > last:
            raise ValueError(f"the moment at {start!r} is not before that at {end!r}")
        return first, last

    def __len__(self) -> int:
        return len(self._times)

    def __repr__(self) -> str:
        return f"<Recording {self._path!r} moments={len(self)}>"


def frame_of(place: Any) -> Frame:
    traceback = getattr(place, "traceback", place)
    frame = traceback[-1] if isinstance(traceback, Sequence) and len(traceback) else traceback
    if not isinstance(frame, Frame):
        raise TypeError(f"not a Frame, Traceback or Statistic: {place!r}")
    return frame


def open_recording(path: _Path) -> Recording:
    """Open a recording to read it: whole, cut off, or still going on."""
    sys.audit("open", path, "rb", 0)
    try:
        return Recording(path)
    except FileError as error:
        better = FileError(f"{path!r} is not a valid recording: {error.reason} (at byte {error.offset})")
        better.offset, better.reason = error.offset, error.reason
        raise better from None
