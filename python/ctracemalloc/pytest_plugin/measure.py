"""Measuring: what happens to the traced memory between two moments, and which lines and call stacks did it.

Model: a Scope begins and ends around one call. It knows the memory that was live at its beginning, at its end, and at the peak
between them. These numbers are of the whole process: what other threads do meanwhile counts. A block is told from an older
one only by its traceback: lines and stacks are those that have more at the end, or at the peak, than at the beginning. So if a
scope frees an old block and allocates one of the same size with the same traceback, that is no difference.

The numbers are in an array, so that what a scope itself keeps was allocated before it began. Its own lines are left out.

Garbage that is older and freed within a scope would hide growth, and garbage made within would be taken for growth. To
collect all takes time in proportion to all objects of the process, so it is done for exact scopes only. To collect the young
generations before and after is cheap, and enough as long as the program itself does not collect in between.
"""

import gc
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import ctracemalloc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctracemalloc import Snapshot, StatisticDiff

BEFORE, AFTER, PEAK, HIGHEST, OWN = range(5)
OWN_FOLDER = os.path.dirname(os.path.abspath(ctracemalloc.__file__)) + os.sep
RUNNER = (os.path.join("_pytest", "runner.py"), "pytest_runtest_call")  # the end of a file's path, a function
YOUNG, ALL = 1, 2  # generations, of gc.collect
STACK = 20  # frames: of a call stack that people read
DEEP = 1000  # frames: enough to see in which thread a traceback began


class Line(NamedTuple):
    """A line of source and what was allocated in it. size: bytes."""

    filename: str
    lineno: int
    function: str
    size: int
    blocks: int


class Stack(NamedTuple):
    """A call stack and what was allocated there. frames: (function, file, line), the most recent first. size: bytes."""

    frames: tuple[tuple[str, str, int], ...]
    size: int
    blocks: int
    is_whole: bool  # are all its frames here?


class Tracing:
    """Tracing for as long as the plugin needs it: what was on before stays on."""

    def __init__(self, nframe: int) -> None:
        self.nframe = nframe
        self.has_started = False

    def need(self, nframe: int = 0) -> bool:
        """Start, unless tracing is on; was it? nframe: frames that are needed in each traceback."""
        was_on = ctracemalloc.is_tracing()
        if not was_on:
            ctracemalloc.start(max(self.nframe, nframe))
            self.has_started = True
        return was_on

    def end(self) -> None:
        """Stop what need() has started."""
        if self.has_started and ctracemalloc.is_tracing():
            ctracemalloc.stop()
        self.has_started = False


def live_bytes() -> int:
    return ctracemalloc.get_traced_memory()[0]


class Scope:
    """From begin() to end(), which are called in this order: prepare, begin, end, then of the others what is wanted.

    The numbers are those of the program alone if they are asked for before snapshots are kept: collect, keep_peak, keep_end.
    """

    def __init__(self, *, with_lines: bool, is_exact: bool) -> None:
        """with_lines: lines and stacks will be asked for. is_exact: collect all garbage, and not only the young."""
        self.with_lines, self.is_exact = with_lines, is_exact
        self.numbers = array("q", [0] * 5)  # bytes; HIGHEST: an earlier peak; OWN: kept by apart()
        self.collections = 0  # that the program has made until the beginning
        self.has_begun = self.is_known = False
        self.before: Snapshot | None = None
        self.at_peak: Snapshot | None = None
        self.after: Snapshot | None = None

    def prepare(self) -> None:
        self.collections = collections_made() + 1  # the next line's is no collection of the program
        gc.collect(ALL if self.is_exact else YOUNG)
        if self.with_lines:
            self.before = ctracemalloc.take_snapshot()

    def begin(self) -> None:
        self.has_begun = True
        self.numbers[BEFORE] = live_bytes()
        ctracemalloc.reset_peak()

    def end(self) -> None:
        self.numbers[AFTER], self.numbers[PEAK] = ctracemalloc.get_traced_memory()
        self.is_known = ctracemalloc.is_tracing()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is allocated meanwhile is no part of the peak, and what is kept of it is no growth."""
        before, peak = ctracemalloc.get_traced_memory()
        if peak > self.numbers[HIGHEST]:
            self.numbers[HIGHEST] = peak
            self.at_peak = ctracemalloc.take_snapshot(at_peak=True)
        try:
            yield
        finally:
            self.numbers[OWN] += live_bytes() - before
            ctracemalloc.reset_peak()

    def collect(self) -> None:
        """Collect garbage: from now on the growth is that without it.

        What was allocated since the beginning is young, unless the program has collected since.
        """
        gc.collect(ALL if self.is_exact or self.collections != collections_made() else YOUNG)
        self.numbers[AFTER] = live_bytes()

    def keep_peak(self) -> None:
        """Keep what was live at the peak."""
        if self.numbers[PEAK] > self.numbers[HIGHEST]:
            self.at_peak = ctracemalloc.take_snapshot(at_peak=True)

    def keep_end(self) -> None:
        """Keep what is live now."""
        self.after = ctracemalloc.take_snapshot()

    @property
    def peak(self) -> int:
        """How many bytes more there were at the most than at the beginning."""
        return max(0, max(self.numbers[PEAK], self.numbers[HIGHEST]) - self.numbers[BEFORE])

    @property
    def growth(self) -> int:
        """How many bytes more there are at the end than at the beginning; less than 0: fewer."""
        return self.numbers[AFTER] - self.numbers[BEFORE] - self.numbers[OWN]

    @property
    def blocks(self) -> int | None:
        """As growth, in blocks. None: not kept."""
        if self.before is None or self.after is None:
            return None
        return sum(row.count_diff for row in differences(self.after, self.before, "lineno"))

    def peak_lines(self) -> list[Line]:
        return lines_more(self.at_peak, self.before)

    def peak_stacks(self) -> list[Stack]:
        return stacks_more(self.at_peak, self.before)

    def growth_lines(self) -> list[Line]:
        return lines_more(self.after, self.before)

    def growth_stacks(self) -> list[Stack]:
        return stacks_more(self.after, self.before)


def lines_more(newer: "Snapshot | None", older: "Snapshot | None") -> list[Line]:
    """The lines that have more bytes in the newer snapshot, those with most first. None: a snapshot that was not kept."""
    found = []
    for row in differences(newer, older, "lineno"):
        if row.size_diff > 0:
            frame = row.traceback[-1]
            found.append(Line(frame.filename, frame.lineno, frame.name or "", row.size_diff, row.count_diff))
    return sorted(found, key=lambda line: -line.size)


def stacks_more(newer: "Snapshot | None", older: "Snapshot | None") -> list[Stack]:
    """As lines_more, by call stack."""
    found = []
    for row in differences(newer, older, "traceback"):
        if row.size_diff > 0:
            traceback = row.traceback
            frames = tuple((frame.name or "???", frame.filename, frame.lineno) for frame in reversed(traceback))
            is_whole = traceback.total_nframe is None or traceback.total_nframe <= len(traceback)
            found.append(Stack(frames, row.size_diff, row.count_diff, is_whole))
    return sorted(found, key=lambda stack: -stack.size)


def differences(newer: "Snapshot | None", older: "Snapshot | None", key: str) -> "Iterator[StatisticDiff]":
    """The rows but for those of this package's own blocks."""
    if newer is not None and older is not None:
        for row in newer.compare_to(older, key):
            if not row.traceback[-1].filename.startswith(OWN_FOLDER):
                yield row


def is_from_elsewhere(one: object) -> bool:
    """Was the object allocated since tracing began, and not by this package?"""
    traceback = ctracemalloc.get_object_traceback(one)
    return traceback is not None and not traceback[-1].filename.startswith(OWN_FOLDER)


def collections_made() -> int:
    """By which objects may have become old."""
    return sum(int(generation["collections"]) for generation in gc.get_stats()[1:])


def is_of_the_test(stack: Stack) -> bool:
    """Was it allocated in the thread that ran the test? True, too, if frames that would tell are missing."""
    end, runner = RUNNER
    return not stack.is_whole or any(name == runner and filename.endswith(end) for name, filename, _line in stack.frames)
