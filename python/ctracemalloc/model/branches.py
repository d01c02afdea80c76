"""A call tree that is opened node by node: the children of a node are found when they are asked for.

Model: the children of all nodes are linked once, in one pass over the column of parents; only those that are shown become
objects. Node 0 is the root, the whole program.
"""

from array import array
from collections.abc import Sequence

from .._ctracemalloc import CallTree, Snapshot
from .calls import ROOT, Calls, Node, is_folded, node_of
from .figures import figures_at, measured, total_columns
from .frames import Frames
from .origin import paths_of
from .table import View

MOST_CHILDREN = 500  # shown of a node


class Branches:
    def __init__(self, snapshots: Sequence[Snapshot], view: View) -> None:
        """Of one snapshot, or of the difference of two, the older first."""
        self.whole_tree = snapshots[-1].call_tree(*snapshots[:-1])
        self.frames = Frames(self.whole_tree, paths_of(snapshots))
        self.is_diff = self.whole_tree.newer is not None
        self.first_child, self.next_sibling = links_of(self.whole_tree)
        self.show(view)

    def show(self, view: View) -> None:
        """Another choice of blocks, or another measure."""
        self.view = view
        self.tree = self.frames.selected(self.whole_tree, view.patterns, view.any_frame)
        self.sizes, blocks = measured(total_columns(self.tree), view.measure)
        self.ranks = blocks if view.by_count else self.sizes
        self.least = max(view.threshold_size, abs(self.ranks[ROOT]) * view.threshold_percent / 100)
        self.nodes: dict[int, Node] = {}
        self.known: dict[int, list[int]] = {}

    @property
    def calls(self) -> Calls:
        """What the texts of lines need: the whole."""
        tree = self.tree
        whole = figures_at(total_columns(tree), ROOT)
        return Calls({}, {}, {}, len(tree), whole, self.is_diff, tree.peak_known, tree.churn_known)

    def node(self, number: int) -> Node:
        found = self.nodes.get(number)
        if found is None:
            found = self.nodes[number] = node_of(self.tree, self.frames, number)
        return found

    def children(self, number: int) -> list[int]:
        """Those with blocks, the largest first."""
        found = self.known.get(number)
        if found is None:
            ranks, found = self.ranks, []
            child = self.first_child[number]
            while child:
                if ranks[child] and abs(ranks[child]) >= self.least:
                    found.append(child)
                child = self.next_sibling[child]
            found.sort(key=lambda child: (-abs(ranks[child]), child))
            self.known[number] = found
        return found

    def end_of_fold(self, number: int) -> tuple[int, int]:
        """(the last node, the number of nodes) of a chain of one folded origin, which has one line."""
        count = 1
        while is_folded(self.node(number), self.view):
            below = self.children(number)
            if len(below) != 1 or self.origin(below[0]) != self.origin(number):
                break
            number, count = below[0], count + 1
        return number, count

    def origin(self, number: int) -> str | None:
        place = self.node(number).place
        return None if place is None else place.code.origin

    def biggest_path(self, number: int) -> list[int]:
        """A node, its largest child, and so on down."""
        path = [number]
        while below := self.children(path[-1]):
            path.append(below[0])
        return path


def links_of(tree: CallTree) -> tuple["array[int]", "array[int]"]:
    """(the first child of each node, the next sibling of each node); 0: there is none."""
    first, following = array("I", bytes(4 * len(tree))), array("I", bytes(4 * len(tree)))
    for node, parent in enumerate(tree.parent):
        if node:
            following[node] = first[parent]
            first[parent] = node
    return first, following
