"""The rows of a report or a difference, from the call trees of one or more snapshots.

Model: a row is a place with its figures in each snapshot, the oldest first. The places of several snapshots are joined by their
identities, so the snapshots may be of different programs. Rows of whole tracebacks are nodes of one tree, which two snapshots
share. Of one snapshot the rows with most are shown, of two those that changed most, of more those that grew each time.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest
from itertools import chain, pairwise
from typing import NamedTuple, TypeAlias

from .._ctracemalloc import CallTree, Snapshot, Statistic, Traceback
from ..places.files import Paths
from ..places.patterns import Patterns
from .figures import LIVE, NONE, Figures, figures_at, measured, own_columns, total_columns
from .frames import LINENO, NO_PLACE, TRACEBACK, Frames, Identity, Place
from .origin import paths_of

LABEL = "label:"
ALL = 1 << 62  # rows
Amount: TypeAlias = tuple[int, int]  # bytes, blocks


class View(NamedTuple):
    """What a table shows."""

    key: str = LINENO
    measure: str = LIVE
    by_count: bool = False  # the largest number of blocks first
    cumulative: bool = False  # figures of all blocks with the place anywhere in their traceback
    fold: bool = False  # one row for each origin in FOLDED
    patterns: Patterns = Patterns((), ())
    any_frame: bool = False  # patterns decide by any frame of a traceback, not by the most recent one
    threshold_percent: float = 0  # rows below it are left out
    threshold_size: int = 0  # bytes: the same
    limit: int = ALL  # rows
    every: bool = False  # of one snapshot: also rows without the measure, so that they add up to the totals in each figure


class Row(NamedTuple):
    place: Place
    history: tuple[Figures, ...]  # in each snapshot, the oldest first
    node: int = 0  # in Table.tree: of whole tracebacks

    @property
    def figures(self) -> Figures:
        return self.history[-1]

    @property
    def change(self) -> Figures:
        return self.history[-1] - self.history[0]


class Table(NamedTuple):
    rows: list[Row]  # at most view.limit
    number: int  # of all rows
    below: int  # of the rows that were left out because they are below the threshold
    totals: tuple[Figures, ...]  # of the selected blocks, in each snapshot
    whole: tuple[Figures, ...]  # of all blocks
    by_origin: dict[str, Figures]  # of the newest snapshot; of all selected blocks
    peak_known: bool
    churn_known: bool
    tree: CallTree | None = None  # of whole tracebacks

    def traceback(self, row: Row) -> Traceback | None:
        return self.tree.traceback(row.node) if self.tree is not None and row.node else None


def table_of(snapshots: Sequence[Snapshot], view: View) -> Table:
    """The table of one snapshot, or of several, the oldest first."""
    if view.key.startswith(LABEL):
        return label_table(snapshots, view)
    if view.key == TRACEBACK:
        return traceback_table(snapshots, view)
    joined: dict[Identity, tuple[Place, list[Figures]]] = {}
    parts = [Part(snapshot.call_tree(), view, paths_of([snapshot])) for snapshot in snapshots]
    for index, part in enumerate(parts):
        for identity, place, figures in part.groups(view):
            history = joined.setdefault(identity, (place, [NONE] * len(parts)))[1]
            history[index] = figures
    return arranged([Row(place, tuple(history)) for place, history in joined.values()], parts, view)


class Part:
    """The tree of one snapshot, and what a view selects of it."""

    def __init__(self, tree: CallTree, view: View, paths: Paths) -> None:
        self.frames = Frames(tree, paths)
        self.whole = figures_at(total_columns(tree), 0)
        self.tree = self.frames.selected(tree, view.patterns, view.any_frame)
        self.total = figures_at(total_columns(self.tree), 0)

    def groups(self, view: View) -> Iterable[tuple[Identity, Place, Figures]]:
        """The rows of the snapshot that have a block."""
        row_of, identities, places = self.frames.rows(view.key, view.fold)
        groups = self.tree.group(row_of, len(places))
        columns = total_columns(groups) if view.cumulative else own_columns(groups)
        for identity, place, *figures in zip(identities, places, *columns, strict=True):
            if any(figures):
                yield identity, place, Figures(*figures)

    def by_origin(self) -> dict[str, Figures]:
        number_of, origins = self.frames.by_origin()
        columns = own_columns(self.tree.group(number_of, len(origins)))
        return {origin: figures_at(columns, number) for number, origin in enumerate(origins)}


def order_of(place: Place) -> tuple[object, ...]:
    return place.filename, place.lineno, place.function, place.code, place.label or ""


def arranged(rows: Sequence[Row], parts: Sequence[Part], view: View) -> Table:
    ranked = Ranking(view, parts[-1].total.amount(view.measure)[0])
    amounts = enumerate(amounts_of(row.history, view) for row in rows)
    shown = ranked.largest(amounts, lambda index: order_of(rows[index].place))
    return table_with([rows[index] for index in shown], ranked, parts, None)


def table_with(rows: list[Row], ranked: "Ranking", parts: Sequence[Part], tree: CallTree | None) -> Table:
    return Table(
        rows,
        ranked.number,
        ranked.below,
        tuple(part.total for part in parts),
        tuple(part.whole for part in parts),
        parts[-1].by_origin(),
        all(part.tree.peak_known for part in parts),
        all(part.tree.churn_known for part in parts),
        tree,
    )


def amounts_of(history: Iterable[Figures], view: View) -> list[Amount]:
    return [figures.amount(view.measure) for figures in history]


class Ranking:
    """Which rows are shown, from their amounts in each snapshot."""

    def __init__(self, view: View, whole: int) -> None:
        self.view = view
        self.least = max(view.threshold_size, whole * view.threshold_percent / 100)  # bytes
        self.number = 0
        self.below = 0

    def largest(self, rows: Iterable[tuple[int, Sequence[Amount]]], tie: Callable[[int], tuple[object, ...]]) -> list[int]:
        """The numbers of the rows to show, in their order.

        rows: each with its number. tie: of two rows with equal amounts the greater one comes first.
        """
        ranked = nlargest(self.view.limit, self.candidates(rows), key=lambda item: (item[0], tie(item[1])))
        return [number for _key, number in ranked]

    def candidates(self, rows: Iterable[tuple[int, Sequence[Amount]]]) -> Iterable[tuple[tuple[int, ...], int]]:
        for number, amounts in rows:
            key = self.key(amounts)
            if key is None:
                continue
            self.number += 1
            if abs(key[self.view.by_count]) < self.least:
                self.below += 1
            else:
                yield key, number

    def key(self, amounts: Sequence[Amount]) -> tuple[int, ...] | None:
        """What rows are sorted by; None: it is no row."""
        size, blocks = amounts[-1]
        if len(amounts) == 1:
            is_row = size or blocks or self.view.every
            return None if not is_row else (blocks, size) if self.view.by_count else (size, blocks)
        if len(amounts) > 2 and not all(new > old for old, new in pairwise(amounts)):
            return None
        size_diff, blocks_diff = size - amounts[0][0], blocks - amounts[0][1]
        if not (size_diff or blocks_diff):
            return None
        if self.view.by_count:
            return abs(blocks_diff), abs(size_diff), blocks, size
        return abs(size_diff), abs(blocks_diff), size, blocks


# --- whole tracebacks ---


def traceback_table(snapshots: Sequence[Snapshot], view: View) -> Table:
    """Each node with blocks of its own is a row. Rows are made for the nodes that are shown only: there can be millions."""
    tree = snapshots[-1].call_tree(*snapshots[:-1])
    trees = [tree] if tree.older is None or tree.newer is None else [tree.older, tree.newer]
    parts = [Part(part, view, paths_of(snapshots)) for part in trees]
    frames, columns = parts[-1].frames, [own_columns(part.tree) for part in parts]
    ranked = Ranking(view, parts[-1].total.amount(view.measure)[0])
    folded = folded_rows(parts, view)
    of_folded = enumerate((amounts_of(row.history, view) for row in folded), len(tree))
    shown = ranked.largest(chain(amounts_of_nodes(columns, tree, frames, view), of_folded), lambda node: (-node,))
    rows = []
    for node in shown:
        if node >= len(tree):
            rows.append(folded[node - len(tree)])
        else:
            rows.append(Row(frames.place(tree.frame[node]), tuple(figures_at(column, node) for column in columns), node))
    return table_with(rows, ranked, parts, tree)


def amounts_of_nodes(
    columns: Sequence[Sequence[memoryview]], tree: CallTree, frames: Frames, view: View
) -> Iterable[tuple[int, tuple[Amount, ...]]]:
    """(node, its amount in each snapshot) of all nodes but the folded ones."""
    amounts = zip(*(zip(*measured(column, view.measure), strict=True) for column in columns), strict=True)
    if view.every:
        used = map(any, zip(*chain.from_iterable(columns), strict=True))
        return ((node, of_node) for node, (of_node, is_used) in enumerate(zip(amounts, used, strict=True)) if is_used)
    if not view.fold:
        return enumerate(amounts)
    folded = frames.folded()
    return ((node, of_node) for node, of_node in enumerate(amounts) if not folded[tree.frame[node]])


def folded_rows(parts: Sequence[Part], view: View) -> list[Row]:
    """One row for each folded origin, of the blocks that its frames allocated."""
    if not view.fold:
        return []
    row_of, _identities, places = parts[-1].frames.rows(LINENO, fold=True)
    groups = [own_columns(part.tree.group(row_of, len(places))) for part in parts]
    return [Row(place, tuple(figures_at(group, row) for group in groups)) for row, place in enumerate(places) if place.folded]


# --- labels ---


def label_table(snapshots: Sequence[Snapshot], view: View) -> Table:
    """Labels are of sites, which a tree does not have: the statistics of the snapshots are joined."""
    joined: dict[str, list[Figures]] = {}
    parts = [Part(snapshot.call_tree(), view, paths_of([snapshot])) for snapshot in snapshots]
    for index, (snapshot, part) in enumerate(zip(snapshots, parts, strict=True)):
        sorts = ["size", *(["peak"] if part.tree.peak_known else []), *(["allocated"] if part.tree.churn_known else [])]
        for sort in sorts:
            for statistic in snapshot.statistics(view.key, sort=sort):
                history = joined.setdefault(statistic.traceback[0].filename, [NONE] * len(parts))
                history[index] = figures_of(statistic)
    rows = [Row(NO_PLACE._replace(label=label), tuple(history)) for label, history in joined.items()]
    return arranged(rows, parts, view)


def figures_of(statistic: Statistic) -> Figures:
    return Figures(
        statistic.size,
        statistic.count,
        statistic.peak_size or 0,
        statistic.peak_count or 0,
        statistic.allocated_size or 0,
        statistic.allocated_count or 0,
    )
