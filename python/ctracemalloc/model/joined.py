"""The call trees of several states as one tree.

Model: two trees that the core made together, of a difference, have the same nodes. So do trees of a program whose tables only
grew: the nodes of the older one are the first of the newer one. Otherwise, as after clear_traces(), nodes are joined by their
parents and by the file, function and line of their frames.
"""

from array import array
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple, TypeAlias

from .._ctracemalloc import CallTree
from ..places.files import CodeFile, Paths
from ..places.patterns import Patterns
from .figures import own_columns, total_columns
from .frames import Frames, begins_alike, columns_of

Named: TypeAlias = tuple[tuple[str, str, int], CodeFile]  # file name, function, first line; whose code
Columns: TypeAlias = list[Sequence[int]]
SIZES, PEAKS, CHURN = (0, 1), (2, 3), (4, 5)  # of Figures


class Joined(NamedTuple):
    """Columns by node, a parent before its children."""

    parent: Sequence[int]
    frame: Sequence[int]
    own: list[Columns]  # [state][figure]; of a state with fewer nodes shorter: the others are 0
    total: list[Columns]
    frames: Sequence[tuple[int, int]]  # (function, line number)
    functions: Sequence[Named]
    figures: tuple[int, ...]  # which of Figures
    peak_known: bool
    churn_known: bool


class StateTree(NamedTuple):
    """One state, of the blocks that the patterns want."""

    tree: CallTree
    frames: Frames


def joined_trees(trees: Sequence[CallTree], paths: Paths, patterns: Patterns, *, any_frame: bool = False) -> Joined:
    """trees: of the states, the oldest first."""
    peak_known = all(tree.peak_known for tree in trees)
    churn_known = all(tree.churn_known for tree in trees)
    figures = SIZES + (PEAKS if peak_known else ()) + (CHURN if churn_known else ())
    parts = parts_of(trees, paths, patterns, any_frame)
    if len({id(part.frames) for part in parts}) == 1:
        return by_id(parts, figures, peak_known, churn_known)
    return by_name(parts, figures, peak_known, churn_known)


def parts_of(trees: Sequence[CallTree], paths: Paths, patterns: Patterns, any_frame: bool) -> list[StateTree]:
    """Trees whose nodes mean the same as those of the last one have its Frames."""
    last, parts = trees[-1], []
    of_last = Frames(last, paths)
    for tree in trees:
        frames = of_last if tree is last or is_begin(tree, last) else Frames(tree, paths)
        parts.append(StateTree(frames.selected(tree, patterns, any_frame), frames))
    return parts


def is_begin(tree: CallTree, last: CallTree) -> bool:
    """Are the nodes of the tree the first nodes of the last one?"""
    if len(tree) > len(last) or not all(map(begins_alike, columns_of(tree), columns_of(last))):
        return False
    if any(bytes(one) != bytes(other[: len(one)]) for one, other in ((tree.parent, last.parent), (tree.frame, last.frame))):
        return False
    used = max(max(tree.function_filename, default=-1), max(tree.function_name, default=-1)) + 1
    return all(tree.strings[index] == last.strings[index] for index in range(used))


def by_id(parts: Sequence[StateTree], figures: tuple[int, ...], peak_known: bool, churn_known: bool) -> Joined:
    tree, frames = parts[-1]

    def columns(of_tree: Sequence[memoryview]) -> Columns:
        return [of_tree[figure] for figure in figures]

    return Joined(
        tree.parent,
        tree.frame,
        [columns(own_columns(part.tree)) for part in parts],
        [columns(total_columns(part.tree)) for part in parts],
        list(zip(frames.function_of, frames.lineno_of, strict=True)),
        list(zip(frames.functions, frames.codes, strict=True)),
        figures,
        peak_known,
        churn_known,
    )


def by_name(parts: Sequence[StateTree], figures: tuple[int, ...], peak_known: bool, churn_known: bool) -> Joined:
    names = Names()
    maps = [names.add(part) for part in parts]
    length = len(names.nodes)

    def columns(of_tree: Sequence[memoryview], numbers: Sequence[int]) -> Columns:
        found: Columns = []
        for figure in figures:
            column = array("q", bytes(8 * length))
            for node, value in enumerate(of_tree[figure]):
                if value:
                    column[numbers[node]] = value
            found.append(column)
        return found

    return Joined(
        [parent for parent, _frame in names.nodes],
        [frame for _parent, frame in names.nodes],
        [columns(own_columns(part.tree), numbers) for part, numbers in zip(parts, maps, strict=True)],
        [columns(total_columns(part.tree), numbers) for part, numbers in zip(parts, maps, strict=True)],
        list(names.frames),
        list(names.functions),
        figures,
        peak_known,
        churn_known,
    )


class Names:
    """Nodes, frames and functions of all states, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self.functions: dict[Named, int] = {}
        self.frames: dict[tuple[int, int], int] = {}
        self.nodes: dict[tuple[int, int], int] = {(0, -1): 0}  # (parent, frame); the root has no frame

    def add(self, part: StateTree) -> Sequence[int]:
        """The number of each node of a state. Nodes without figures are left out, and have any number."""
        functions, frames, nodes = self.functions, self.frames, self.nodes
        named = [
            functions.setdefault(one, len(functions)) for one in zip(part.frames.functions, part.frames.codes, strict=True)
        ]
        linenos = part.frames.lineno_of
        frame_of = [
            frames.setdefault((named[function], lineno), len(frames))
            for function, lineno in zip(part.frames.function_of, linenos, strict=True)
        ]
        tree = part.tree
        numbers = array("I", bytes(4 * len(tree)))
        having = map(any, zip(*total_columns(tree), strict=True))
        for node in compress(range(len(tree)), having):
            if node:
                key = numbers[tree.parent[node]], frame_of[tree.frame[node]]
                numbers[node] = nodes.setdefault(key, len(nodes))
        return numbers
