"""Sums over a whole snapshot."""

from typing import NamedTuple

from .._ctracemalloc import Snapshot
from .figures import FREED, figures_at, total_columns

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
    peak_size: int | None


def sums_of(snapshot: Snapshot) -> Sums:
    """Also of blocks with an empty traceback, which statistics() refuses."""
    tree = snapshot.call_tree()
    total = figures_at(total_columns(tree), 0)
    peak_size = total.peak_size if tree.peak_known else None
    if not tree.churn_known:
        return Sums(total.size, total.blocks, None, None, None, peak_size)
    freed_size, freed_blocks = total.amount(FREED)
    return Sums(total.size, total.blocks, freed_size, freed_blocks, total.allocated_size, peak_size)


def peak_stands_out(live: int, most: int) -> bool:
    """live, most: bytes, now and at the peak."""
    return most >= PEAK_RATIO * live and most - live >= PEAK_BYTES
