"""The six figures that every row and every total has, and the measures that are made of them."""

from collections.abc import Sequence
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._ctracemalloc import CallTree, CallTreeGroups

LIVE, PEAK, ALLOCATED, FREED = "live", "peak", "allocated", "freed"
MEASURES = (LIVE, PEAK, ALLOCATED, FREED)


class Figures(NamedTuple):
    """Bytes and blocks: live, live at the moment of the peak, ever allocated. 0 where the snapshot does not know."""

    size: int
    blocks: int
    peak_size: int
    peak_blocks: int
    allocated_size: int
    allocated_blocks: int

    def amount(self, measure: str) -> tuple[int, int]:
        """(bytes, blocks)"""
        if measure == PEAK:
            return self.peak_size, self.peak_blocks
        if measure == ALLOCATED:
            return self.allocated_size, self.allocated_blocks
        if measure == FREED:
            return self.allocated_size - self.size, self.allocated_blocks - self.blocks
        return self.size, self.blocks

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(*(a - b for a, b in zip(self, other, strict=True)))

    def plus(self, other: "Figures") -> "Figures":
        return Figures(*(a + b for a, b in zip(self, other, strict=True)))


NONE = Figures(0, 0, 0, 0, 0, 0)


def own_columns(columns: "CallTree | CallTreeGroups") -> Sequence[memoryview]:
    """The own figures of nodes or groups, in the order of Figures."""
    return (
        columns.own_size,
        columns.own_count,
        columns.own_peak_size,
        columns.own_peak_count,
        columns.own_allocated_size,
        columns.own_allocated_count,
    )


def total_columns(columns: "CallTree | CallTreeGroups") -> Sequence[memoryview]:
    """The total figures of nodes or groups, in the order of Figures."""
    return (
        columns.total_size,
        columns.total_count,
        columns.total_peak_size,
        columns.total_peak_count,
        columns.total_allocated_size,
        columns.total_allocated_count,
    )


def figures_at(columns: Sequence[memoryview], index: int) -> Figures:
    return Figures(*(column[index] for column in columns))


def measured(columns: Sequence[memoryview], measure: str) -> tuple[Sequence[int], Sequence[int]]:
    """(bytes, blocks) of a measure, for each node or group."""
    if measure == FREED:
        freed = [[a - b for a, b in zip(columns[4 + i], columns[i], strict=True)] for i in (0, 1)]
        return freed[0], freed[1]
    first = 2 * (LIVE, PEAK, ALLOCATED).index(measure)
    return columns[first], columns[first + 1]
