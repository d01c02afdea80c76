"""An assertion for tests: a function that is called again and again does not make the memory grow.

Model: after the warm-up the runs are divided in PARTS of about equal length, and a snapshot is taken before the first, between
them and after the last, each after a collection of garbage. A line that has more in each snapshot than in the one before keeps
what the function makes; what is stored once (a cache, an import, a free list that is filled) grows in one of them. Snapshots
are exact, so a leak of one block a run is in each part.

What is replaced by something larger or smaller at random may grow in each of a few parts by chance. So if a line grew, there
are as many runs again, up to ROUNDS in all, and only what grew in each part of all of them counts.

The interpreter's own caches are emptied before each count. Blocks that this package allocates have its own file as their most
recent frame, and are left out.
"""

import gc
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .. import (
    BaseFilter,
    get_sample_interval,
    get_traceback_limit,
    is_tracing,
    start,
    stop,
    take_snapshot,
)
from .._ctracemalloc import _tables_generation
from .._exempt import own_memory
from .._words import counted, printable
from ..model.growth import Lines, Step
from ..model.table import ALL, Table, View
from ..places.package import OWN_FILES
from ..places.patterns import Patterns
from ..render.text.growth import format_growth_of_runs, growth_text, limit_text
from ..render.text.style import Style

PARTS = 3  # of a round
ROUNDS = 3
# The cache of attributes of types keeps up to 4096 names: a program that makes one anew for each look-up fills it slowly.
CLEAR_CACHES = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
MOST_COLLECTIONS = 5  # finalizers may make new garbage
MOST_ROWS = 10


def assert_no_growth(
    function: Callable[[], object],
    *,
    warmup: int = 3,
    runs: int = 10,
    limit: float = 0,
    filters: Iterable[BaseFilter] = (),
) -> None:
    """Call a function again and again; AssertionError, which names the lines, if what it leaves grows with the calls.

    warmup: calls before it is measured, in which caches may fill up. runs: calls that are measured, at least 3; if something
    grew, it is called three times as often, to be sure. limit: bytes a call that the lines may grow by in all. filters: as in
    Snapshot.filter_traces, for a program with other threads. What the function returns is dropped, and garbage is collected.
    If tracing is off, it is on meanwhile. ValueError for a number that is too small, and while a sample is traced; RuntimeError
    if the function stops the tracing or clears the traces.
    """
    checked(function, warmup, runs, limit)
    with tracing():
        table, measured = growth_of(function, warmup, runs, list(filters))
    size = sum(row.change.size for row in table.rows)
    if table.rows and size > limit * measured:
        with own_memory():
            text = message(function, table, warmup, measured, limit)
        raise AssertionError(text)


def checked(function: Callable[[], object], warmup: int, runs: int, limit: float) -> None:
    if inspect.iscoroutinefunction(function):
        raise TypeError("the function is a coroutine function: give one that runs it, as lambda: asyncio.run(function())")
    for name, number, least in (("warmup", warmup, 0), ("runs", runs, PARTS), ("limit", limit, 0)):
        if not number >= least:
            raise ValueError(f"{name} must be at least {least}, not {number!r}")


@contextmanager
def tracing() -> Iterator[None]:
    """Every block is traced in the block; then tracing is as it was."""
    if is_tracing():
        if get_sample_interval() is not None:
            raise ValueError("a sample is traced, and growth is known of every block only: start() without sample_interval")
        yield
        return
    nframe, interval = get_traceback_limit(), get_sample_interval()
    start()
    try:
        yield
    finally:
        stop()
        if (nframe, interval) != (get_traceback_limit(), get_sample_interval()):
            start(nframe, sample_interval=interval)  # what these functions return is that of the last start
            stop()


def growth_of(function: Callable[[], object], warmup: int, runs: int, filters: list[BaseFilter]) -> tuple[Table, int]:
    """The lines that grew in each part, and in how many runs."""
    for _ in range(warmup):
        function()
    with own_memory():
        lines = Lines(Patterns((), (OWN_FILES,)))
    generation, steps, measured = _tables_generation(), [settled(lines, filters)], 0
    while True:
        for part in range(PARTS):
            for _ in range(part * runs // PARTS, (part + 1) * runs // PARTS):
                function()
            if not is_tracing() or generation != _tables_generation():
                raise RuntimeError("the function has stopped the tracing or cleared the traces: its growth is not known")
            steps.append(settled(lines, filters))
        measured += runs
        with own_memory():
            grown = lines.grown(steps)
            if not grown or measured == ROUNDS * runs:
                return lines.table(grown, steps, ALL), measured


def settled(lines: Lines, filters: list[BaseFilter]) -> Step:
    """What is live without garbage and caches of the interpreter. (A collection also empties free lists.)"""
    if CLEAR_CACHES is not None:
        CLEAR_CACHES()
    for _ in range(MOST_COLLECTIONS):
        if not gc.collect():
            break
    with own_memory():
        snapshot = take_snapshot()
        return lines.step((snapshot.filter_traces(filters) if filters else snapshot).call_tree(), 0.0)


def message(function: Callable[[], object], table: Table, warmup: int, runs: int, limit: float) -> str:
    growth = [row.change for row in table.rows]
    size, blocks = sum(change.size for change in growth), sum(change.blocks for change in growth)
    shown = table._replace(rows=table.rows[:MOST_ROWS])
    name = printable(str(getattr(function, "__qualname__", None) or type(function).__qualname__))
    head = f"{name}() grows by {growth_text(size, blocks, runs)} a run ({counted(runs, 'run')}, {limit_text(limit, warmup)})"
    return "\n".join([head, *format_growth_of_runs(shown, runs, View(limit=MOST_ROWS), Style(False))])
