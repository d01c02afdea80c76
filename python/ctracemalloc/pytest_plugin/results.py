"""What was measured, test by test, as it is gathered from the reports.

Model: each report of a phase carries a tuple of numbers, strings and tuples (its attribute `ctracemalloc`), which is what
pytest-xdist can send from a worker. Results keeps it as it is, in the process that the user started, where every report
arrives, and reads it at the end: the garbage collector does not follow such tuples, and a run has many reports.
"""

import heapq
from collections.abc import Sequence
from typing import Any, NamedTuple

from .measure import Line

SETUP, CALL, TEARDOWN = PHASES = ("setup", "call", "teardown")
PASSED, FAILED = "passed", "failed"
PEAK, GROWTH = FIGURES = ("peak", "growth")
# Bytes. What is less is not shown: CPython keeps some memory of its own when code runs for the first time.
LEAST = {PEAK: 1, GROWTH: 512}
LEAST_OF_FIXTURES = 1024  # pytest itself keeps some hundred bytes for each
WITH_LINES = 50  # tests, of each figure, whose lines a page has
ATTRIBUTE = "ctracemalloc"  # of a report
CHILDREN_ATTRIBUTE = "ctracemalloc_children"  # of the report of a teardown
OWN_SECTION = "ctracemalloc: "  # what the titles of our sections of a report begin with

Data = tuple[Any, ...]  # of a Phase


class FixtureGrowth(NamedTuple):
    """What a fixture allocated and kept when it was set up. growth: bytes, without those of other fixtures in it."""

    name: str
    scope: str
    growth: int


class ChildProcess(NamedTuple):
    """A Python process that a test started. peak, size: bytes, the latter at its end; None: not known.

    problem: what was lost of it, and why.
    """

    command: str
    end: str  # how it ended
    peak: int | None
    size: int | None
    problem: str | None = None


class Phase(NamedTuple):
    """Of setup, call or teardown. peak, growth: bytes; blocks: as growth.

    fixtures: those that were set up in it, whose growth is part of its growth. caches: bytes of the growth that are those of
    abstract base classes; known where the lines are.
    """

    peak: int
    growth: int
    blocks: int
    passed: bool
    peak_lines: Sequence[Line] = ()
    growth_lines: Sequence[Line] = ()
    fixtures: Sequence[FixtureGrowth] = ()
    caches: int = 0

    def as_data(self) -> Data:
        parts = (self.peak_lines, self.growth_lines, self.fixtures)
        figures = (self.peak, self.growth, self.blocks, self.passed, self.caches)
        return (*figures, *(tuple(map(tuple, part)) if part else () for part in parts))

    @classmethod
    def of_data(cls, data: Data) -> "Phase":
        peak, growth, blocks, passed, caches, *parts, fixtures = data
        peak_lines, growth_lines = ([Line(*line) for line in part] for part in parts)
        fixture_growths = [FixtureGrowth(*one) for one in fixtures]
        return cls(peak, growth, blocks, passed, peak_lines, growth_lines, fixture_growths, caches)


class Ranking:
    """The largest sizes seen so far, to know which tests may be among those shown."""

    def __init__(self, figure: str, number: int) -> None:
        self.least, self.number = LEAST[figure], number
        self.sizes: list[int] = []

    def takes(self, size: int) -> bool:
        """Is it among the largest? Nothing is remembered."""
        return size >= self.least and self.number > 0 and (len(self.sizes) < self.number or size > self.sizes[0])

    def add(self, size: int) -> None:
        if self.takes(size):
            put = heapq.heappush if len(self.sizes) < self.number else heapq.heapreplace
            put(self.sizes, size)


class Results:
    """The phases of each test, in the order in which they ran. A test that runs again replaces what it was."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, Data]] = {}
        self.known: dict[str, dict[str, Phase]] | None = None  # what was read, if nothing was added since
        self.outcomes: dict[str, str] = {}  # passed, failed or skipped
        self.children: dict[str, list[ChildProcess]] = {}  # of tests that have some
        self.sections: dict[str, list[tuple[str, str]]] = {}  # (title, text) of what the reports of failed tests say of memory

    def add(self, test: str, when: str, outcome: str, data: Data) -> None:
        self.known = None
        if when == SETUP:
            self.data[test], self.outcomes[test] = {}, PASSED
        if outcome != PASSED and self.outcomes.get(test) != FAILED:
            self.outcomes[test] = outcome
        self.data.setdefault(test, {})[when] = data

    @property
    def tests(self) -> dict[str, dict[str, Phase]]:
        if self.known is None:
            self.known = {
                test: {when: Phase.of_data(data) for when, data in phases.items()} for test, phases in self.data.items()
            }
        return self.known

    def add_children(self, test: str, data: Data) -> None:
        self.children[test] = [ChildProcess(*one) for one in data]

    def largest_children(self, number: int) -> list[tuple[ChildProcess, str]]:
        """Those with the largest peak, each with its test."""
        found = [(-(one.peak or 0), test, one) for test, children in self.children.items() for one in children if one.peak]
        return [(one, test) for _peak, test, one in heapq.nsmallest(number, found)]

    def add_sections(self, test: str, when: str, sections: list[tuple[str, str]]) -> None:
        """Of a report."""
        if when == SETUP:
            self.sections.pop(test, None)
        own = [(title.removeprefix(OWN_SECTION), text) for title, text in sections if title.startswith(OWN_SECTION)]
        if own:
            self.sections[test] = own

    def largest(self, figure: str, number: int) -> list[tuple[str, dict[str, Phase]]]:
        """The tests with the largest peak or growth of their call, those with next to none left out. Of growth, those that
        passed: what failed is kept alive by its exception."""
        found = [
            (getattr(phases[CALL], figure), test)
            for test, phases in self.tests.items()
            if CALL in phases and (figure == PEAK or phases[CALL].passed)
        ]
        largest = heapq.nsmallest(number, ((-size, test) for size, test in found if size >= LEAST[figure]))
        return [(test, self.tests[test]) for _size, test in largest]

    def fixtures(self, number: int) -> list[tuple[FixtureGrowth, str]]:
        """The set-ups of fixtures with the largest growth, each with the test in which it happened."""
        found = [
            (-one.growth, one, test)
            for test, phases in self.tests.items()
            for phase in phases.values()
            for one in phase.fixtures
            if one.growth >= LEAST_OF_FIXTURES
        ]
        return [(one, test) for _size, one, test in heapq.nsmallest(number, found)]
