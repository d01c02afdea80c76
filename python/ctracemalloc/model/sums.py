"""Sums over a whole snapshot."""

from typing import NamedTuple

from .._ctracemalloc import Snapshot

# A report shows the peak in addition to what is live if it is this many times as large:
PEAK_RATIO = 1.5
PEAK_BYTES = 64 * 1024


class Sums(NamedTuple):
    """Of a sample, estimates. None: the snapshot does not have the number."""

    size: int
    blocks: int
    freed_size: int | None
    freed_blocks: int | None
    allocated_size: int | None


def sums_of(snapshot: Snapshot) -> Sums:
    try:
        files = snapshot.statistics("filename", sort="allocated")
    except ValueError:  # not in the snapshot
        files = snapshot.statistics("filename")
        size, count = sum(item.size for item in files), sum(item.count for item in files)
        return Sums(size, count, None, None, None)
    sums = [
        sum(getattr(item, name) for item in files) for name in ("size", "count", "freed_size", "freed_count", "allocated_size")
    ]
    return Sums(*sums)


def peak_stands_out(live: int, most: int) -> bool:
    """live, most: bytes, now and at the peak."""
    return most >= PEAK_RATIO * live and most - live >= PEAK_BYTES
