"""What a picture draws: one call tree with the own figures of one or more states, small nodes merged.

Model: a state is a snapshot: one alone, the two of a difference, or moments of a recording, the oldest first. The trees of all
states become one tree (joined.py), so a node means the same in each. A node is kept if any of its total figures reaches a share
of the whole in any state. What is below a kept node and was not kept is one more child of it, a node of the frame SMALLER, so
the figures of a node and its children still add up.

Figures are bytes and blocks, in the order of Figures; only those that every state knows.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, chain, compress
from operator import itemgetter, sub
from typing import NamedTuple

from .._ctracemalloc import CallTree
from ..places.files import CodeFile, Paths
from ..places.patterns import Patterns
from .joined import Joined, joined_trees

LEAST_PERCENT = 0.01  # of the whole
ROOT_FRAME, SMALLER, FIRST_FRAME = range(3)  # of Graph.frame
Columns = list[Sequence[int]]  # one for each figure


class Least(NamedTuple):
    """Nodes whose totals are all below it are merged."""

    percent: float = LEAST_PERCENT  # of each figure of the whole; 0: nothing is merged
    size: int = 0  # bytes; if it is not 0, blocks do not matter


ALL = Least(0)  # that has any figure


class Function(NamedTuple):
    file: int  # in Graph.files
    name: str
    first_lineno: int


class File(NamedTuple):
    name: str
    code: CodeFile


class Graph(NamedTuple):
    """Ids of nodes, frames, functions and files are indexes. A parent is before its children; node 0 is the whole program."""

    parent: Sequence[int]
    frame: Sequence[int]  # ROOT_FRAME, SMALLER, or FIRST_FRAME and more: frames[frame - FIRST_FRAME]
    own: list[Columns]  # of each state: own figures by node
    totals: list[list[int]]  # of each state: the figures of the whole
    frames: list[tuple[int, int]]  # (function, line number; 0: not known)
    functions: list[Function]
    files: list[File]
    merged: list[int]  # of each node of SMALLER: how many nodes it stands for
    figures: tuple[int, ...]  # which of Figures the columns are
    peak_known: bool
    churn_known: bool
    least: Least  # what was merged


def graph_of(
    trees: Sequence[CallTree],
    paths: Paths,
    patterns: Patterns,
    *,
    any_frame: bool = False,
    least: Least | None = None,
    most: int = 0,
) -> Graph:
    """trees: of the states. Only blocks that the patterns want.

    least: None: small nodes are merged if more than `most` nodes have a figure.
    """
    whole = joined_trees(trees, paths, patterns, any_frame=any_frame)
    totals = [[column[0] for column in columns] for columns in whole.total]
    having = reaching(whole, ALL)
    least = least if least is not None else ALL if having.count(1) <= most else Least()
    kept_mask = having if least == ALL else reaching(whole, least)
    kept = list(compress(range(len(whole.parent)), kept_mask))
    number = list(accumulate(kept_mask, initial=-1))[1:]  # of each kept node
    parent = [0, *(number[whole.parent[node]] for node in kept[1:])]
    arrays = [[gathered(column, kept) for column in columns] for columns in whole.own]
    rest = [rest_of(whole, state, kept, parent) for state in range(len(arrays))]
    small = [node for node, left in enumerate(zip(*chain.from_iterable(rest), strict=True)) if any(left)]
    parent += small
    own: list[Columns] = [
        [column + gathered(of_small, small) for column, of_small in zip(columns, left, strict=True)]
        for columns, left in zip(arrays, rest, strict=True)
    ]
    merged = merged_below(whole, kept_mask, having) if small else ()
    return with_tables(whole, parent, kept, own, totals, [merged[kept[node]] for node in small], least)


def reaching(whole: Joined, least: Least) -> bytes:
    """For each node 1 if one of its totals is not below `least`, else 0. The root always is not."""
    bits = 1
    for columns in whole.total:
        for column in columns[:: 2 if least.size else 1]:
            number = max(1, least.size, -int(-column[0] * least.percent // 100))
            bits |= int.from_bytes(bytes(map(number.__le__, column)), "little")
    return bits.to_bytes(len(whole.parent), "little")


def gathered(column: Sequence[int], nodes: Sequence[int]) -> "array[int]":
    """nodes: in order. The column may end before some of them."""
    number = bisect_left(nodes, len(column))
    there = nodes if number == len(nodes) else nodes[:number]
    found = array("q", itemgetter(*there)(column) if number > 1 else [column[node] for node in there])  # of one: no tuple
    found.frombytes(bytes(found.itemsize * (len(nodes) - number)))
    return found


def rest_of(whole: Joined, state: int, kept: Sequence[int], parent: Sequence[int]) -> "list[array[int]]":
    """By kept node: what its children that were not kept have in each figure."""
    found = []
    for own, total in zip(whole.own[state], whole.total[state], strict=True):
        totals = gathered(total, kept)
        rest = array("q", map(sub, totals, gathered(own, kept)))
        for node in range(1, len(kept)):
            rest[parent[node]] -= totals[node]
        found.append(rest)
    return found


def merged_below(whole: Joined, kept_mask: bytes, having: bytes) -> Sequence[int]:
    """By node: how many nodes with figures are below it and were not kept, as far as the next kept node. having: which have."""
    below = [0] * len(whole.parent)
    for node in compress(range(len(whole.parent) - 1, 0, -1), map(sub, reversed(having), reversed(kept_mask))):
        below[whole.parent[node]] += 1 + below[node]
    return below


def with_tables(
    whole: Joined,
    parent: list[int],
    kept: list[int],
    own: list[Columns],
    totals: list[list[int]],
    merged: list[int],
    least: Least,
) -> Graph:
    """Only the frames, functions and files that the nodes have."""
    frame_ids = [whole.frame[node] for node in kept[1:]]
    used = {frame: FIRST_FRAME + index for index, frame in enumerate(sorted(set(frame_ids)))}
    functions: dict[int, int] = {}
    frames = [(functions.setdefault(whole.frames[frame][0], len(functions)), whole.frames[frame][1]) for frame in used]
    files: dict[str, int] = {}
    of_function, codes = [], []
    for function in functions:
        (filename, name, first_lineno), code = whole.functions[function]
        if filename not in files:
            files[filename] = len(files)
            codes.append(code)
        of_function.append(Function(files[filename], name, first_lineno))
    return Graph(
        parent,
        [ROOT_FRAME, *(used[frame] for frame in frame_ids), *[SMALLER] * len(merged)],
        own,
        totals,
        frames,
        of_function,
        [File(name, code) for name, code in zip(files, codes, strict=True)],
        merged,
        whole.figures,
        whole.peak_known,
        whole.churn_known,
        least,
    )
