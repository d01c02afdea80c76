"""Reading a black box from its file.

Model: a BlackBox is an open file. Each call reads the tables again, so for a running program the results are current.
"""

import os
import sys
import time
from types import TracebackType
from typing import NamedTuple, TypeAlias

from .. import _ctracemalloc
from .._ctracemalloc import FileError, Snapshot
from .._losses import Loss

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Totals(NamedTuple):
    """Sums over all sites; of a sample, estimates."""

    time: float  # UNIX time of the reading
    size: int  # bytes live
    count: int  # type: ignore[assignment]  # blocks live
    peak: int  # bytes
    allocated_size: int  # bytes ever allocated
    allocated_count: int


class Rates(NamedTuple):
    """Changes a second between two readings."""

    seconds: float
    size: float  # bytes: growth
    count: float  # type: ignore[assignment]  # blocks
    allocated_size: float  # bytes: churn
    allocated_count: float


def read_totals(snapshot: Snapshot, when: float) -> Totals:
    files = snapshot.statistics("filename", sort="allocated")
    peak = snapshot.at_peak
    return Totals(
        when,
        sum(item.size for item in files),
        sum(item.count for item in files),
        0 if peak is None else sum(item.size for item in peak.statistics("filename")),
        sum(item.allocated_size or 0 for item in files),
        sum(item.allocated_count or 0 for item in files),
    )


def rates_between(old: Totals, new: Totals) -> Rates:
    seconds = new.time - old.time
    if seconds <= 0:
        return Rates(0.0, 0.0, 0.0, 0.0, 0.0)
    return Rates(
        seconds,
        (new.size - old.size) / seconds,
        (new.count - old.count) / seconds,
        (new.allocated_size - old.allocated_size) / seconds,
        (new.allocated_count - old.allocated_count) / seconds,
    )


class BlackBox:
    """An open black box: of a program that runs, that ended, or that was killed."""

    def __init__(self, path: _Path) -> None:
        self._path = os.fsdecode(path)
        sys.audit("open", self._path, "rb", 0)
        self._core = _ctracemalloc._black_box_open(path)
        self._last: Totals | None = None

    def snapshot(self) -> Snapshot:
        """A snapshot of the tables: now, or when the program ended."""
        return self._core.snapshot()

    def peak(self) -> Snapshot:
        """A snapshot of the blocks that were live at the peak."""
        snapshot = self.snapshot().at_peak
        assert snapshot is not None  # every black box has a peak
        return snapshot

    def totals(self) -> Totals:
        return read_totals(self.snapshot(), time.time())

    def rates(self) -> Rates | None:
        """Changes a second since the last call; None: this is the first call."""
        old, self._last = self._last, self.totals()
        return None if old is None else rates_between(old, self._last)

    @property
    def path(self) -> str:
        return self._path

    @property
    def started(self) -> float:
        """When tracing began: UNIX time in seconds."""
        return self._core.info()[0] / 1e9

    @property
    def ended(self) -> str | None:
        """How the program ended: a text if it is known, else "stopped" or "exit".

        None: it continues, or was killed, or ended without recording how.
        """
        kind = self._core.info()[6]
        return None if kind is None else self._core.end()[0] or kind

    @property
    def exit_status(self) -> int | None:
        """The exit status of the program, if it is known."""
        return self._core.end()[1]

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Facts about what is missing from the numbers."""
        return self._core.losses()

    @property
    def ended_at(self) -> float | None:
        """UNIX time in seconds, if it ended."""
        nanoseconds = self._core.info()[1]
        return nanoseconds / 1e9 if nanoseconds else None

    @property
    def running(self) -> bool:
        """Is a process writing it?"""
        return self._core.info()[8]

    @property
    def pid(self) -> int:
        """The process id, as the process itself sees it."""
        return self._core.info()[4]

    @property
    def command(self) -> str:
        """The command line of the program."""
        return self._core.info()[5]

    @property
    def nframe(self) -> int:
        return self._core.info()[3]

    @property
    def sample_interval(self) -> int | None:
        return self._core.info()[2] or None

    @property
    def incomplete(self) -> str | None:
        """Why the file does not hold everything; None: it does."""
        return self._core.info()[7]

    def close(self) -> None:
        self._core.close()

    def __enter__(self) -> "BlackBox":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<BlackBox {self._path!r}>"


def open_black_box(path: _Path) -> BlackBox:
    """Open a black box to read it. The program may still run or may have ended in any way."""
    try:
        return BlackBox(path)
    except FileError as error:
        better = FileError(f"{path!r} is not a valid black box: {error.reason} (at byte {error.offset})")
        better.offset, better.reason = error.offset, error.reason
        raise better from None
