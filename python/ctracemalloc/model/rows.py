"""The rows of a report: the largest statistics of a snapshot."""

from typing import NamedTuple

from .._ctracemalloc import Snapshot, Statistic, Traceback
from .sums import sums_of


class Row(NamedTuple):
    """size and blocks are those that the rows are sorted by: live, at the peak, or ever allocated."""

    traceback: Traceback
    size: int
    blocks: int
    average: float  # bytes of a block
    percent: float | None  # of the whole; None: the whole is 0 bytes
    live: int  # bytes


class Rows(NamedTuple):
    shown: list[Row]
    number: int  # of all statistics


def rows_of(snapshot: Snapshot, key: str, top: int, *, cumulative: bool = False, sort: str = "size") -> Rows:
    statistics = snapshot.statistics(key, cumulative, sort=sort)
    whole = whole_of(snapshot, sort)
    return Rows([row_of(statistic, sort, whole) for statistic in statistics[:top]], len(statistics))


def row_of(statistic: Statistic, sort: str, whole: int) -> Row:
    size, blocks = amounts_of(statistic, sort)
    average = size / blocks if blocks else 0
    return Row(statistic.traceback, size, blocks, average, 100 * size / whole if whole else None, statistic.size)


def amounts_of(statistic: Statistic, sort: str) -> tuple[int, int]:
    if sort == "peak":
        return statistic.peak_size or 0, statistic.peak_count or 0
    if sort == "allocated":
        return statistic.allocated_size or 0, statistic.allocated_count or 0
    return statistic.size, statistic.count


def whole_of(snapshot: Snapshot, sort: str) -> int:
    """The bytes that a row's percentage refers to."""
    if sort == "allocated":
        return sums_of(snapshot).allocated_size or 0
    peak = snapshot.at_peak if sort == "peak" else None
    return sums_of(snapshot if peak is None else peak).size
