"""What keeps growing in a program that is looked at again and again, whenever it began and however slowly it grows.

Model: the looks are numbered. A line keeps growing if it has more in each of PARTS steps of equal length, the last of which
ends now. Steps are 1, 2, 4, 8 … looks long, and those of a length are compared when the number of the newest look is a multiple
of it: so a leak is found by the shortest steps in each of which it grows, and a cache that has filled up is not.

Of a look only the sizes of the lines are kept, and of older looks those that a later comparison needs: a few for each length of
steps. Lines have numbers that stay, also when the trees number them anew. When the tables were emptied all begins anew.
"""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from ..places.patterns import Patterns
from .figures import Figures, figures_at, own_columns, total_columns
from .frames import LINENO, Frames, Identity, KeyRows, Place
from .table import Row, Table
from .watch import Look, growing

PARTS = 3


class Step(NamedTuple):
    """The figures of a look; arrays are indexed by the numbers of lines."""

    time: float  # seconds
    sizes: "array[int]"  # bytes
    blocks: "array[int]"
    total: Figures  # of the blocks that are looked at


class Growth(NamedTuple):
    seconds: float  # of the PARTS steps together
    table: Table  # of the lines that grew in each of them, with their figures before, between and after


class GrowthWatch:
    """patterns: `exclude` leaves out tracebacks with any such frame. limit: rows of a table."""

    def __init__(self, patterns: Patterns, limit: int) -> None:
        self.patterns, self.limit = patterns, limit
        self.generation: int | None = None

    def begin(self, generation: int) -> None:
        self.generation = generation
        self.newest = -1  # the number of the newest look
        self.steps: dict[int, Step] = {}
        self.frames: Frames | None = None
        self.numbers: dict[Identity, int] = {}
        self.places: list[Place] = []

    def add(self, look: Look) -> list[Growth]:
        """Take a look; returns what keeps growing, by the length of the steps, each line once."""
        if look.generation != self.generation:
            self.begin(look.generation)
        if self.frames is None or not self.frames.follow(look.tree):
            self.frames = Frames(look.tree)
            self.rows = KeyRows(self.frames, LINENO)
        self.rows.extend()
        self.newest += 1
        self.steps[self.newest] = self.step(look, self.frames)
        self.forget()
        return [*self.growths()]

    def step(self, look: Look, frames: Frames) -> Step:
        tree = frames.selected(look.tree, self.patterns, any_frame=True)
        groups = tree.group(self.rows.row_of[: len(tree.frame_function)], len(self.rows.places))
        size_of, blocks_of, *_others = own_columns(groups)
        for identity, place in zip(self.rows.numbers, self.rows.places, strict=True):
            if self.numbers.setdefault(identity, len(self.places)) == len(self.places):
                self.places.append(place)
        sizes, blocks = (array("q", bytes(8 * len(self.places))) for _ in range(2))
        for identity, size, count in zip(self.rows.numbers, size_of, blocks_of, strict=True):
            number = self.numbers[identity]
            sizes[number], blocks[number] = size, count
        return Step(look.time, sizes, blocks, figures_at(total_columns(tree), 0))

    def forget(self) -> None:
        """The looks that no later comparison needs: those of steps of a length are multiples of it."""
        for number in [*self.steps]:
            longest = number & -number  # of the steps that it is an end of
            if number and self.newest - number > PARTS * longest:
                del self.steps[number]

    def growths(self) -> Iterator[Growth]:
        length, known = 1, set[int]()
        while length * PARTS <= self.newest and self.newest & (length - 1) == 0:
            steps = [self.steps[self.newest - part * length] for part in range(PARTS, -1, -1)]
            candidates = [number for number in range(len(self.places)) if number not in known]
            found = growing(candidates, [step.sizes for step in steps])
            known.update(found)
            if found:
                yield Growth(steps[-1].time - steps[0].time, self.table(found, steps))
            length *= 2

    def table(self, found: list[int], steps: list[Step]) -> Table:
        rows = [Row(self.places[number], tuple(figures_in(step, number) for step in steps)) for number in found]
        rows.sort(key=lambda row: row.change.size, reverse=True)
        totals = tuple(step.total for step in steps)
        return Table(rows[: self.limit], len(rows), 0, totals, totals, {}, False, False)


def figures_in(step: Step, number: int) -> Figures:
    """A line that came later had nothing."""
    is_known = number < len(step.sizes)
    return Figures(step.sizes[number] if is_known else 0, step.blocks[number] if is_known else 0, 0, 0, 0, 0)
