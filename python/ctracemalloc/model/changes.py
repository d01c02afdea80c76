"""What changed between two snapshots."""

from typing import NamedTuple

from .._ctracemalloc import Snapshot, StatisticDiff, Traceback
from .sums import Sums, sums_of


class Change(NamedTuple):
    """size_diff and blocks_diff are those that the changes are sorted by: live, at the peak, or ever allocated."""

    traceback: Traceback
    size_diff: int
    blocks_diff: int
    size: int  # now: live, or at the peak
    blocks: int  # live now
    freed_diff: int  # blocks
    live_diff: int  # bytes


class Changes(NamedTuple):
    old: Sums
    new: Sums
    shown: list[Change]
    number: int  # of all changes


def changes_between(
    old: Snapshot, new: Snapshot, key: str, top: int, *, cumulative: bool = False, sort: str = "size"
) -> Changes:
    differences = new.compare_to(old, key, cumulative, sort=sort)
    changed = [item for item in differences if has_changed(item, sort)]
    return Changes(sums_of(old), sums_of(new), [change_of(item, sort) for item in changed[:top]], len(changed))


def has_changed(item: StatisticDiff, sort: str) -> bool:
    if sort == "peak":
        return bool(item.peak_size_diff or item.peak_count_diff)
    if sort == "allocated":
        return bool(item.allocated_count_diff or item.freed_count_diff)
    return bool(item.size_diff or item.count_diff)


def change_of(item: StatisticDiff, sort: str) -> Change:
    size_diff, blocks_diff, size = item.size_diff, item.count_diff, item.size
    if sort == "peak":
        size_diff, blocks_diff, size = item.peak_size_diff or 0, item.peak_count_diff or 0, item.peak_size or 0
    elif sort == "allocated":
        size_diff, blocks_diff = item.allocated_size_diff or 0, item.allocated_count_diff or 0
    return Change(item.traceback, size_diff, blocks_diff, size, item.count, item.freed_count_diff or 0, item.size_diff)
