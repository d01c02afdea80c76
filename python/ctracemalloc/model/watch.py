"""What a view that looks again and again knows: the newest look, the mark, and some looks between them.

Model: a look is the call tree of one moment. Looks of one generation have tables that only grow, so a frame keeps its id and a
row keeps its number; places are found once. When the program has emptied its tables the counters begin at zero: figures from
before and after do not add up, so the watch begins anew and the mark with it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from operator import sub
from typing import NamedTuple, TypeAlias

from .._ctracemalloc import CallTree
from ..places.patterns import Patterns
from .figures import Figures, figures_at, own_columns, total_columns
from .frames import FILENAME, TRACEBACK, Frames, Identity, KeyRows, Place
from .table import ALL, order_of

SORTS = SIZE, COUNT, GROWTH, ALLOCATED, PEAK, LOCATION = "size", "count", "growth", "allocated", "peak", "location"
MOST_LOOKS = 6  # kept between the mark and now
MOST_NODES = 300_000  # of trees of which so many looks are kept
MOST_POINTS = 4096
RATE_SECONDS = 1.0  # over which rates are
NO_ROW = -1
Scope: TypeAlias = tuple[tuple[str, bool, Identity], ...]  # (key, fold, identity) of rows, each inside the one before it
Columns: TypeAlias = tuple[list[int], ...]


class Look(NamedTuple):
    tree: CallTree
    time: float  # seconds; of a recording, since it began
    generation: int


class Point(NamedTuple):
    """The totals of a look."""

    time: float
    size: int
    allocated: int


class Rates(NamedTuple):
    """Bytes a second."""

    growth: float
    allocated: float


class Selection(NamedTuple):
    """Which blocks a table is of, and what a row stands for."""

    key: str = FILENAME
    fold: bool = False
    within: Scope = ()
    patterns: Patterns = Patterns((), ())
    any_frame: bool = False
    cumulative: bool = False


class Order(NamedTuple):
    """Which rows are shown, and in which order."""

    by: str = SIZE
    growing: bool = False  # only rows that grew in each part of the time since the mark
    limit: int = ALL
    threshold_percent: float = 0
    threshold_size: int = 0  # bytes


class Cells(NamedTuple):
    """The numbers of a row. Growth and allocated: since the mark."""

    size: int
    count: int  # type: ignore[assignment]
    growth: int
    allocated: int
    peak: int


class Rows(NamedTuple):
    """Columns indexed by the number of a row; order has the numbers of the rows that are shown."""

    columns: Columns  # as in Cells
    order: list[int]
    total: Figures  # of the selected blocks
    parts: int  # of the time since the mark, for Order.growing

    def cells(self, number: int) -> Cells:
        return Cells(*(column[number] for column in self.columns))


class Watch:
    def __init__(self, first: Look) -> None:
        self.begin(first)

    def begin(self, look: Look) -> None:
        self.frames = Frames(look.tree)
        self.edition = self.frames.edition
        self.kept: dict[tuple[str, bool, Scope], KeyRows] = {}
        self.columns: dict[tuple[object, ...], tuple[CallTree, Sequence[memoryview]]] = {}  # of older looks
        self.selected: dict[tuple[object, ...], tuple[CallTree, CallTree]] = {}
        self.newest = self.first = look
        self.points: list[Point] = []
        self.set_mark(look)
        self.add_point(look)

    def set_mark(self, look: Look) -> None:
        self.mark = look
        self.between: list[Look] = []  # those kept, the oldest first
        self.spacing = 0.0  # seconds between two of them

    def add(self, look: Look) -> bool:
        """Take a look; False: nothing has been allocated or freed since the last one."""
        old, self.newest = self.newest, look
        if look.generation != old.generation or not self.frames.follow(look.tree):
            self.begin(look)
            return True
        self.add_point(look)
        if figures_of(old) == figures_of(look) and len(old.tree) == len(look.tree):
            self.newest = old._replace(time=look.time)
            return False
        self.keep(old)
        return True

    def add_point(self, look: Look) -> None:
        total = figures_of(look)
        self.points.append(Point(look.time, total.size, total.allocated_size))
        if len(self.points) > MOST_POINTS:
            older = self.points[:-64]
            pairs = zip(older[::2], older[1::2], strict=False)
            self.points[:-64] = [max(pair, key=lambda point: point.size) for pair in pairs]

    def keep(self, look: Look) -> None:
        """Keep some looks, about evenly spaced."""
        last = self.between[-1] if self.between else self.mark
        if look.time <= last.time or look.time - last.time < self.spacing:
            return
        self.between.append(look)
        if len(self.between) >= (MOST_LOOKS if len(look.tree) < MOST_NODES else 2):
            del self.between[::2]
            self.spacing = 2 * max(self.spacing, (look.time - self.mark.time) / MOST_LOOKS)

    def rates(self, most: float = inf) -> Rates | None:
        """None: there are not two looks of different times that are at most `most` seconds apart."""
        now = self.points[-1]
        base = now
        for point in reversed(self.points[:-1]):
            base = point
            if abs(now.time - point.time) >= RATE_SECONDS:  # a recording is replayed in both directions
                break
        seconds = now.time - base.time
        if not 0 < abs(seconds) <= most:
            return None
        return Rates((now.size - base.size) / seconds, (now.allocated - base.allocated) / seconds)

    # --- rows ---

    def key_rows(self, key: str, fold: bool, within: Scope = ()) -> KeyRows:
        if self.edition != self.frames.edition:
            self.edition = self.frames.edition
            self.kept.clear()  # rows may have other numbers now
        found = self.kept.get((key, fold, within))
        if found is None:
            outer = None
            if within:
                outer_key, outer_fold, identity = within[-1]
                rows = self.key_rows(outer_key, outer_fold, within[:-1])
                outer = rows, rows.numbers.get(identity, NO_ROW)
            found = self.kept[key, fold, within] = KeyRows(self.frames, key, fold, outer)
        found.extend()
        return found

    def tree_of(self, look: Look, selection: Selection) -> CallTree:
        """The tree of the blocks that the patterns of a selection want."""
        tree, patterns = look.tree, selection.patterns
        if not patterns:
            return tree
        known = (id(tree), patterns, selection.any_frame)
        found = self.selected.get(known)
        if found is None or found[0] is not tree:
            self.forget_trees()
            wanted = self.frames.wanted(patterns)[: len(tree.frame_function)]
            found = self.selected[known] = tree, tree.select(wanted, selection.any_frame)
        return found[1]

    def forget_trees(self) -> None:
        alive = {id(look.tree) for look in (self.first, self.mark, self.newest, *self.between)}
        self.selected = {known: trees for known, trees in self.selected.items() if known[0] in alive}

    def figures(self, look: Look, rows: KeyRows, selection: Selection) -> Sequence[memoryview]:
        """The columns of the rows in a look. Of an older look they stay: it has no frames that came later."""
        known = (id(look.tree), selection, self.frames.edition)
        found = self.columns.get(known)
        if found is not None and found[0] is look.tree:
            return found[1]
        tree = self.tree_of(look, selection)
        groups = tree.group(rows.row_of[: len(tree.frame_function)], len(rows.places))
        columns = total_columns(groups) if selection.cumulative else own_columns(groups)
        if look is not self.newest:
            if len(self.columns) >= 2 * MOST_LOOKS:
                self.columns.clear()
            self.columns[known] = look.tree, columns
        return columns

    def rows(self, selection: Selection, order: Order, between: Sequence[Look] | None = None) -> Rows:
        """between: looks between the mark and the newest one; None: those that were kept."""
        kept = [look for look in self.between if look.time < self.newest.time]
        looks = [self.mark, *(kept if between is None else between), self.newest]
        if selection.key == TRACEBACK:
            tree = self.tree_of(self.newest, selection)
            nodes = self.nodes_within(tree, selection)
            steps = [
                own_columns(self.tree_of(look, selection)) for look in (looks if order.growing else looks[:: len(looks) - 1])
            ]
        else:
            rows = self.key_rows(selection.key, selection.fold, selection.within)
            nodes = range(1, len(rows.places))
            steps = [self.figures(look, rows, selection) for look in (looks if order.growing else looks[:: len(looks) - 1])]
        total = figures_at(total_columns(self.tree_of(self.newest, selection)), 0)
        columns = columns_between(steps[0], steps[-1])
        shown = present(nodes, columns, steps[-1])
        least = least_size(order, total)
        if least:
            shown = [number for number in shown if columns[0][number] >= least]
        if order.growing:
            shown = growing(shown, [step[0].tolist() for step in steps])
        return Rows(columns, self.arranged(shown, columns, selection, order), total, len(looks) - 1)

    def nodes_within(self, tree: CallTree, selection: Selection) -> Sequence[int]:
        """The nodes whose most recent frame is in the row that a selection is within."""
        if not selection.within:
            return range(len(tree))
        *outer, (key, fold, identity) = selection.within
        rows = self.key_rows(key, fold, tuple(outer))
        number = rows.numbers.get(identity, NO_ROW)
        inside = bytes([row == number for row in rows.row_of])
        return [node for node, frame in enumerate(tree.frame) if inside[frame]]

    def arranged(self, shown: list[int], columns: Columns, selection: Selection, order: Order) -> list[int]:
        if order.by == LOCATION:
            shown.sort(key=lambda number: order_of(self.place(selection, number)))
        else:
            shown.sort(key=columns[SORTS.index(order.by)].__getitem__, reverse=True)
        return shown[: order.limit]

    def place(self, selection: Selection, number: int) -> Place:
        if selection.key == TRACEBACK:
            return self.frames.place(self.newest.tree.frame[number])
        return self.key_rows(selection.key, selection.fold, selection.within).places[number]

    def identity(self, selection: Selection, number: int) -> Identity:
        """What a row is known by in Selection.within."""
        rows = self.key_rows(selection.key, selection.fold, selection.within)
        return list(rows.numbers)[number]


def figures_of(look: Look) -> Figures:
    return figures_at(total_columns(look.tree), 0)


def least_size(order: Order, total: Figures) -> float:
    return max(order.threshold_size, total.size * order.threshold_percent / 100)


def columns_between(mark: Sequence[memoryview], now: Sequence[memoryview]) -> Columns:
    """The columns of Rows, from the figures at the mark and now."""
    sizes, allocated = now[0].tolist(), now[4].tolist()
    return sizes, now[1].tolist(), difference(sizes, mark[0]), difference(allocated, mark[4]), now[2].tolist()


def present(numbers: Iterable[int], columns: Columns, now: Sequence[memoryview]) -> list[int]:
    """Those that have a block, had one at the peak or at the mark, or ever allocated one."""
    blocks, growth, peak_blocks, allocated_blocks = columns[1], columns[2], now[3].tolist(), now[5].tolist()
    return [number for number in numbers if blocks[number] or allocated_blocks[number] or peak_blocks[number] or growth[number]]


def difference(new: list[int], old: memoryview) -> list[int]:
    """new - old by row; there was nothing of rows that `old` does not have."""
    older = old.tolist()
    return [*map(sub, new, older), *new[len(older) :]]


def growing(numbers: list[int], steps: Sequence[Sequence[int]]) -> list[int]:
    """Those with more in each step than in the one before it. Of what a step does not have yet there was nothing."""
    for old, new in pairwise(steps):
        numbers = [
            number for number in numbers if number < len(new) and new[number] > (old[number] if number < len(old) else 0)
        ]
    return numbers
