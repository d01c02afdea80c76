"""The part of a call tree that a view shows: the nodes with the largest totals, each below its caller.

Model: the total of a node is at least that of any node below it, so the nodes with the largest totals are a tree themselves. In
a difference this does not hold, so the callers of a shown node are shown too. Node 0 is the root, the whole program.
"""

from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

from .._ctracemalloc import CallTree, Snapshot
from .figures import Figures, figures_at, measured, own_columns, total_columns
from .frames import FOLDED, Frames, Place
from .origin import paths_of
from .table import Part, View

ROOT = 0
HIDDEN_PERCENT = 1  # of the whole


class Node(NamedTuple):
    number: int  # the node's id in the tree
    parent: int
    place: Place | None  # None: the root
    total: Figures  # of a difference: newer - older
    own: Figures
    now: Figures  # the total in the newer snapshot
    own_now: Figures  # own, in the newer snapshot


class Calls(NamedTuple):
    nodes: dict[int, Node]  # the shown ones by their ids, each behind its parent
    children: dict[int, list[int]]  # of the shown ones, the largest first
    hidden: dict[int, int]  # bytes in calls below a shown node that are not shown: the root's, and those of HIDDEN_PERCENT
    number: int  # of all nodes with blocks, but for the root
    whole: Figures
    is_diff: bool
    peak_known: bool
    churn_known: bool


def calls_of(snapshots: Sequence[Snapshot], view: View) -> Calls:
    """Of one snapshot, or of the difference of two, the older first."""
    part = Part(snapshots[-1].call_tree(*snapshots[:-1]), view, paths_of(snapshots))
    tree = part.tree
    sizes, blocks = measured(total_columns(tree), view.measure)
    ranks = blocks if view.by_count else sizes
    shown_by = total_columns(tree) if view.every else (sizes, blocks)
    with_blocks = [number for number, figures in enumerate(zip(*shown_by, strict=True)) if number != ROOT and any(figures)]
    kept = shown_nodes(tree, with_blocks, ranks, view)
    nodes = {number: node_of(tree, part.frames, number) for number in kept}
    children: dict[int, list[int]] = {}
    for number in kept:
        if number:
            children.setdefault(tree.parent[number], []).append(number)
    for below in children.values():
        below.sort(key=lambda number: (-abs(ranks[number]), number))
    own_sizes, least = measured(own_columns(tree), view.measure)[0], abs(sizes[ROOT]) * HIDDEN_PERCENT / 100
    hidden = {}
    for number in kept:
        size = sizes[number] - own_sizes[number] - sum(sizes[child] for child in children.get(number, ()))
        if size and (number == ROOT or abs(size) >= least):
            hidden[number] = size
    return Calls(
        nodes,
        children,
        hidden,
        len(with_blocks),
        nodes[ROOT].total,
        tree.newer is not None,
        tree.peak_known,
        tree.churn_known,
    )


def shown_nodes(tree: CallTree, with_blocks: Sequence[int], ranks: Sequence[int], view: View) -> list[int]:
    """Ids in ascending order, so that a parent comes before its children. with_blocks: those that can be shown."""
    least = max(view.threshold_size, abs(ranks[ROOT]) * view.threshold_percent / 100)
    candidates = [number for number in with_blocks if abs(ranks[number]) >= least]
    largest = (
        nlargest(view.limit, candidates, key=lambda number: (abs(ranks[number]), -number))
        if view.limit < len(candidates)
        else candidates
    )
    kept = {ROOT}
    for number in largest:
        while number not in kept:
            kept.add(number)
            number = tree.parent[number]
    return sorted(kept)


def node_of(tree: CallTree, frames: Frames, number: int) -> Node:
    newer = tree if tree.newer is None else tree.newer
    return Node(
        number,
        tree.parent[number],
        frames.place(tree.frame[number]) if number else None,
        figures_at(total_columns(tree), number),
        figures_at(own_columns(tree), number),
        figures_at(total_columns(newer), number),
        figures_at(own_columns(newer), number),
    )


def is_folded(node: Node, view: View) -> bool:
    return view.fold and node.place is not None and node.place.code.origin in FOLDED
