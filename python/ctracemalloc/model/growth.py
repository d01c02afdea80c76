"""What keeps growing: in a program that is looked at again and again, and in calls of a function.

Model: what grows is a line that has more at the end of each step than at its beginning. Of a function the steps are parts of
its calls. In a program growth may begin late, and be slow. So the looks are numbered, and a line keeps growing if it grew in
each of PARTS steps of equal length, the last of which ends now. Steps are 1, 2, 4, 8 … looks long, and those of a length are
compared when the number of the newest look is a multiple of it. A leak is found by the shortest steps in each of which it
grows, and a cache that has filled up is not.

Of a look only the sizes of the lines are kept, and of older looks those that a later comparison needs: a few for each length of
steps. Lines have numbers that stay, also when the trees number them anew. When the tables were emptied all begins anew.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .._ctracemalloc import CallTree
from ..places.patterns import Patterns
from .figures import Figures, figures_at, own_columns, total_columns
from .frames import LINENO, Frames, Identity, KeyRows, Place
from .table import Row, Table
from .watch import Look, growing

PARTS = 8  # what goes up and down at random seldom goes up so often in a row
SHOWN = 4  # steps from one size that a table has to the next


class Step(NamedTuple):
    """The figures of a look; arrays are indexed by the numbers of lines."""

    time: float  # seconds
    sizes: "array[int]"  # bytes
    blocks: "array[int]"
    total: Figures  # of the blocks that are looked at


class Lines:
    """The lines of one program's trees, by numbers that stay when a tree has others. patterns, any_frame: of which blocks."""

    def __init__(self, patterns: Patterns, any_frame: bool = False) -> None:
        self.patterns, self.any_frame = patterns, any_frame
        self.frames: Frames | None = None
        self.numbers: dict[Identity, int] = {}
        self.places: list[Place] = []

    def step(self, tree: CallTree, time: float) -> Step:
        if self.frames is None or not self.frames.follow(tree):
            self.frames = Frames(tree)
            self.rows = KeyRows(self.frames, LINENO)
        self.rows.extend()
        for identity, place in zip(self.rows.numbers, self.rows.places, strict=True):
            if self.numbers.setdefault(identity, len(self.places)) == len(self.places):
                self.places.append(place)
        selected = self.frames.selected(tree, self.patterns, self.any_frame)
        groups = selected.group(self.rows.row_of[: len(tree.frame_function)], len(self.rows.places))
        size_of, blocks_of, *_others = own_columns(groups)
        sizes, blocks = (array("q", bytes(8 * len(self.places))) for _ in range(2))
        for identity, size, count in zip(self.rows.numbers, size_of, blocks_of, strict=True):
            number = self.numbers[identity]
            sizes[number], blocks[number] = size, count
        return Step(time, sizes, blocks, figures_at(total_columns(selected), 0))

    def grown(self, steps: Sequence[Step]) -> list[int]:
        """The lines with more in each step than in the one before."""
        return growing([*range(len(self.places))], [step.sizes for step in steps])

    def table(self, lines: Iterable[int], steps: Sequence[Step], limit: int) -> Table:
        """Those that grew most."""
        rows = [Row(self.places[number], tuple(figures_in(step, number) for step in steps)) for number in lines]
        rows.sort(key=lambda row: row.change.size, reverse=True)
        totals = tuple(step.total for step in steps)
        return Table(rows[:limit], len(rows), 0, totals, totals, {}, False, False)


def figures_in(step: Step, number: int) -> Figures:
    """A line that came later had nothing."""
    is_known = number < len(step.sizes)
    return Figures(step.sizes[number] if is_known else 0, step.blocks[number] if is_known else 0, 0, 0, 0, 0)


class Growth(NamedTuple):
    seconds: float  # of the PARTS steps together
    table: Table  # of the lines that grew in each of them, with their figures before, in the middle and after


class GrowthWatch:
    """patterns: `exclude` leaves out tracebacks with any such frame. limit: rows of a table."""

    def __init__(self, patterns: Patterns, limit: int) -> None:
        self.patterns, self.limit = patterns, limit
        self.generation: int | None = None

    def begin(self, generation: int) -> None:
        self.generation = generation
        self.newest = -1  # the number of the newest look
        self.steps: dict[int, Step] = {}
        self.lines = Lines(self.patterns, any_frame=True)

    def add(self, look: Look) -> list[Growth]:
        """Take a look; returns what keeps growing, by the length of the steps, each line once."""
        if look.generation != self.generation:
            self.begin(look.generation)
        self.newest += 1
        self.steps[self.newest] = self.lines.step(look.tree, look.time)
        self.forget()
        return [*self.growths()]

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
            found = [number for number in self.lines.grown(steps) if number not in known]
            known.update(found)
            if found:
                yield Growth(steps[-1].time - steps[0].time, self.lines.table(found, steps[::SHOWN], self.limit))
            length *= 2
