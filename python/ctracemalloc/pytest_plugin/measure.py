"""Measuring: what is allocated between two moments, how much of it at a time, what stays, and which lines and stacks did it.

Model: a Scope is a scope of the package (scopes.py there) around one call: of all threads, or of the thread or task that makes
the call. Its figures are those of the blocks that are allocated within, so what was there before, and what is freed of it, is
in none.

Figures are asked for when the scope has ended, so that neither what this takes nor a collection of garbage is in the peak. The
growth is what is live of the blocks at the last read(): without garbage, if that was collected before. Garbage that is older
than the scope is none of its blocks, so it need not be collected.
"""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import ctracemalloc

from ..scopes import scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctracemalloc import Snapshot, Statistic

OWN_FOLDER = os.path.dirname(os.path.abspath(ctracemalloc.__file__)) + os.sep
RUNNER = (os.path.join("_pytest", "runner.py"), "pytest_runtest_call")  # the end of a file's path, a function
STACK = 20  # frames: of a call stack that people read
# Methods whose memory is that of the caches which each abstract base class has of the classes that it was asked about.
CACHES = {"ABCMeta.__instancecheck__", "ABCMeta.__subclasscheck__"}


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


class Scope:
    """From begin() to end(). What begins it begins it last, and ends it first: then nothing else is in it. After read():

    peak, growth: bytes; blocks: as growth. is_known: False: tracing was stopped, or traces were cleared, since the beginning.
    """

    def __init__(self, *, current_thread_only: bool = False) -> None:
        """current_thread_only: what is allocated in this thread or task, and not in others; a scope begins and ends in one."""
        self.scope = scope(whole_process=not current_thread_only)
        self.peak = self.growth = self.blocks = 0
        self.has_begun = self.is_known = False
        self.after: Snapshot | None = None

    def begin(self) -> None:
        """If tracing is off it stays off, and nothing is known."""
        self.has_begun = ctracemalloc.is_tracing()
        if self.has_begun:
            self.scope.__enter__()

    def end(self) -> None:
        if self.has_begun:
            self.scope.__exit__(None, None, None)

    def read(self) -> None:
        """After the end. The growth is from now on that of this moment."""
        try:
            self.peak, self.growth, self.blocks = self.scope._now()
            self.is_known = True
        except RuntimeError:  # it has not begun, tracing was stopped, or traces were cleared
            self.is_known = False

    def keep_end(self) -> None:
        """growth_lines() and growth_stacks() are from now on those of this moment."""
        self.after = self.scope.live_snapshot()

    def end_snapshot(self) -> "Snapshot":
        """The blocks that were live at its end, with those at its peak. RuntimeError: not known."""
        return self.scope.end_snapshot()

    def peak_lines(self) -> list[Line]:
        return lines_of(self.scope.peak_snapshot() if self.after is None else self.after.at_peak)

    def growth_lines(self) -> list[Line]:
        return lines_of(self.after)

    def growth_stacks(self) -> list[Stack]:
        return stacks_of(self.after)


def lines_of(snapshot: "Snapshot | None") -> list[Line]:
    """Those with most bytes first. None: a snapshot that was not kept."""
    found = []
    for row in rows_of(snapshot, "lineno"):
        frame = row.traceback[-1]
        found.append(Line(frame.filename, frame.lineno, frame.name or "", row.size, row.count))
    return found


def stacks_of(snapshot: "Snapshot | None") -> list[Stack]:
    """As lines_of, by call stack."""
    found = []
    for row in rows_of(snapshot, "traceback"):
        frames = tuple((frame.name or "???", frame.filename, frame.lineno) for frame in reversed(row.traceback))
        found.append(Stack(frames, row.size, row.count))
    return found


def rows_of(snapshot: "Snapshot | None", key: str) -> "Iterator[Statistic]":
    """The largest first, but for those of this package's own blocks."""
    if snapshot is not None:
        for row in snapshot.statistics(key):
            if row.size > 0 and not row.traceback[-1].filename.startswith(OWN_FOLDER):
                yield row


def size_of_caches(lines: Iterable[Line]) -> int:
    """Bytes of the caches of abstract base classes: sets of classes, whose hashes are addresses. So when such a set grows, by
    kilobytes, is another test in each run."""
    return sum(line.size for line in lines if line.function in CACHES)


def is_from_elsewhere(one: object) -> bool:
    """Was the object allocated since tracing began, and not by this package?"""
    traceback = ctracemalloc.get_object_traceback(one)
    return traceback is not None and not traceback[-1].filename.startswith(OWN_FOLDER)
