"""Reading a recording: memory over time.

Model: a Recording is an open file: a list of moments, and for each the snapshot that take_snapshot() would have returned.
writing.py makes the files, docs/formats/recording.md describes their contents, and ticks.py has the rule by which a time
selects a moment.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from .. import _ctracemalloc
from .._ctracemalloc import Frame, Snapshot, Statistic, StatisticDiff, Traceback
from .._losses import Loss
from .._words import counted
from .ticks import Ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .writing import _Path

KEYS = {"filename": 1, "lineno": 2, "function": 3}  # ctm_key

_Place: TypeAlias = Frame | Traceback | Statistic | StatisticDiff


class Moment(NamedTuple):
    """One tick of a recording: the sums over everything that was live."""

    time: float  # seconds since the recording began
    size: int  # bytes
    count: int  # type: ignore[assignment]  # blocks
    peak: int  # bytes: the exact peak until this tick, since start, clear_traces or reset_peak
    resident: int  # bytes of memory of the whole process; 0: not known


class Event(NamedTuple):
    """An event after which the counters start from zero."""

    time: float
    what: str  # "start", "clear" (or stop and start within one tick), "stop"


class Peak(NamedTuple):
    time: float  # of the first tick that has the peak
    size: int  # bytes


class Series(NamedTuple):
    """A location over time: item i of sizes and counts belongs to times[i]."""

    place: Frame
    times: list[float]
    sizes: list[int]
    counts: list[int]

    @property
    def growth(self) -> int:
        return self.sizes[-1] - self.sizes[0]


class Recording:
    """A recording, opened by open_recording() for reading. It may still grow: what the file has so far is read."""

    def __init__(self, path: "_Path") -> None:
        self._core = _ctracemalloc._recording_open(path)
        info = self._core.info()
        self._path = os.fsdecode(path)
        self._started, self._interval, self._pid, self._command, self._ended = info[:5]
        self._good_bytes, self._file_bytes, self._fault_offset, self._fault = info[5:]
        self._moments = self._core.moments()
        self._times = [moment[0] / 1e9 for moment in self._moments]
        self._ticks = Ticks(self._times, self.interval)

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
        """How the program ended: a text if it is known, else "stopped" or "exit".

        None: it continues, or was killed, or ended without recording how.
        """
        return None if self._ended is None else self._core.end()[0] or self._ended

    @property
    def exit_status(self) -> int | None:
        """The exit status of the program, if it is known."""
        return self._core.end()[1]

    @property
    def incomplete(self) -> str | None:
        """Why the recording ended before the program did; None: the file does not say that it did."""
        return self._core.lack()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Facts about what is missing from the numbers of any of the moments."""
        return self._core.losses()

    @property
    def truncated(self) -> str | None:
        """What is wrong with the end of the file, which was not read; None: nothing is."""
        if self._fault is None:
            return None
        lost = self._file_bytes - self._good_bytes
        left_out = f"the last {counted(lost, 'byte')} {'was' if lost == 1 else 'were'} left out"
        return f"{self._fault} (at byte {self._fault_offset}): {left_out}"

    @property
    def times(self) -> list[float]:
        """The times of all moments, in seconds since the recording began."""
        return list(self._times)

    @property
    def events(self) -> list[Event]:
        """When tracing was started, cleared and stopped. Snapshots from before and after such an event do not add up."""
        events = []
        before = False
        for time, tracing, _nframe, _sample_interval in self._core.spans():
            events.append(Event(time / 1e9, "stop" if not tracing else "clear" if before else "start"))
            before = tracing
        return events

    @property
    def sample_intervals(self) -> list[int]:
        """The sample intervals of the recording, each once, in bytes; empty: every block was recorded."""
        return list(dict.fromkeys(interval for _time, tracing, _nframe, interval in self._core.spans() if tracing and interval))

    def totals(self) -> list[Moment]:
        """What was live at each moment."""
        return [Moment(time / 1e9, *rest) for time, *rest, _span in self._moments]

    def moment(self, at: float | None = None) -> Moment:
        """The Moment nearest to `at` seconds; None: the last one. ValueError outside of the recording."""
        time, *rest, _span = self._moments[self._ticks.index(at)]
        return Moment(time / 1e9, *rest)

    @property
    def peak(self) -> Peak:
        """The highest value of traced memory, at a tick or between two."""
        if not self._moments:
            raise ValueError("the recording has no moments")
        highest = max(moment[3] for moment in self._moments)
        first = next(moment for moment in self._moments if moment[3] == highest)
        return Peak(first[0] / 1e9, highest)

    def snapshot(self, at: float | None = None) -> Snapshot:
        """The Snapshot of the moment nearest to `at` seconds; None: of the last one. ValueError outside of the recording."""
        return self._core.snapshot(self._ticks.index(at))

    def diff(
        self,
        start: float | None = None,
        end: float | None = None,
        key_type: str = "lineno",
        cumulative: bool = False,
    ) -> list[StatisticDiff]:
        """What changed between two moments (None: the first, the last), the largest change first."""
        first, last = self._ticks.range(start, end)
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
        """Locations over time, each with its size and count at every moment from `start` to `end`.

        places: Frames, Tracebacks or Statistics (their most recent frame counts); None: the `top` that changed
        most between the two moments.
        """
        if key_type not in KEYS:
            raise ValueError(f"unknown key type for a series: {key_type!r}")
        first, last = self._ticks.range(start, end)
        if places is None:
            places = self.diff(start, end, key_type)[:top]
        frames = [frame_of(place) for place in places]
        keys = [(frame.filename, frame.lineno, frame.name) for frame in frames]
        lists = self._core.series(first, last + 1 - first, KEYS[key_type], keys)
        times = self._times[first : last + 1]
        return [Series(frame, times, sizes, counts) for frame, (sizes, counts) in zip(frames, lists, strict=True)]

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
