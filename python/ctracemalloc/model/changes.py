"""What changed between the first and the last snapshot of a table's rows."""

from collections.abc import Iterable
from typing import NamedTuple

from .table import Row

NEW, GROWN, SHRUNK, GONE = KINDS = ("new", "grown", "shrunk", "gone")
SAME = "same"


def kind_of_change(row: Row, measure: str) -> str:
    old, new = row.history[0].amount(measure), row.history[-1].amount(measure)
    if old == new:
        return SAME
    if not any(old):
        return NEW
    if not any(new):
        return GONE
    return GROWN if new > old else SHRUNK


class ChangeSum(NamedTuple):
    """The rows of one kind of change."""

    kind: str
    rows: int
    size: int  # bytes: the sum of their changes


def sum_changes(rows: Iterable[Row], measure: str) -> list[ChangeSum]:
    sums = {kind: [0, 0] for kind in KINDS}
    for row in rows:
        kind = kind_of_change(row, measure)
        if kind != SAME:
            sums[kind][0] += 1
            sums[kind][1] += row.change.amount(measure)[0]
    return [ChangeSum(kind, number, size) for kind, (number, size) in sums.items() if number]
