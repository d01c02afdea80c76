"""Assertions on memory for tests of unittest, and what benchmarks measure.

Model: an assertion is a block in a scope of its own. When the block has ended without an exception, a figure of the scope is
compared, and what the failure says is the scope's lines. The module imports nothing of unittest: it is a mixin for its classes.
A benchmark is a call in such a scope.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, ParamSpec

from . import Statistic, is_tracing, start, stop
from ._words import counted
from .guards.growth import assert_no_growth
from .render.text.locations import source_text
from .render.text.style import Style
from .render.text.units import format_bytes
from .scopes import scope

P = ParamSpec("P")

CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200  # of a code's flags; inspect takes long to import
MOST_LINES = 10
INDENT = 4


class MemoryAssertions:
    """A mixin: class SomeTests(MemoryAssertions, unittest.TestCase).

    Each assertion is about the blocks that are allocated in its `with` block, by this thread or task; whole_process=True: by
    all threads. Sizes are in bytes. If tracing is off, it is on in the block. The scope is what `as` gives.
    """

    failureException: type[BaseException] = AssertionError

    @contextmanager
    def assertPeakBelow(self, size: float, *, whole_process: bool = False) -> Iterator[scope]:
        """Fail if so many bytes, or more, are live at a time."""
        with tracing():
            with scope(whole_process=whole_process) as own:
                yield own
            if own.peak >= size:
                self._fail("the peak", own.peak, size, own.top(MOST_LINES))

    @contextmanager
    def assertGrowthBelow(self, size: float, *, whole_process: bool = False) -> Iterator[scope]:
        """Fail if so many bytes, or more, are live at the end of the block, after a collection of garbage."""
        with tracing():
            with scope(whole_process=whole_process) as own:
                yield own
            if own.growth >= size:
                gc.collect()
            if own.live >= size:
                self._fail("the growth", own.live, size, own.live_snapshot().statistics("lineno")[:MOST_LINES])

    def assertNoGrowth(self, function: Callable[[], object], **options: Any) -> None:
        """Fail if what a function leaves grows from call to call: assert_no_growth(function, **options)."""
        assert_no_growth(function, **options)

    def _fail(self, figure: str, found: int, size: float, rows: Iterable[Statistic]) -> None:
        head = f"{figure} is {format_bytes(found)}, and not below {format_bytes(size)}"
        raise self.failureException("\n".join([head, *(text for row in rows for text in lines_of(row))]))


def lines_of(row: Statistic) -> Iterator[str]:
    """Amount and place of a row, and its source."""
    frame, style = row.traceback[-1], Style(False)
    name = f" in {style.name(frame.name)}" if frame.name else ""
    amount = f"{format_bytes(row.size)} in {counted(row.count, 'block')}"
    yield f"{'':{INDENT}}{amount}  {style.path(frame.filename)}:{frame.lineno}{name}"
    text = source_text(frame, style, 2 * INDENT)
    if text:
        yield " " * INDENT * 2 + text


@contextmanager
def tracing() -> Iterator[None]:
    """Tracing is on in the block, and then is as it was."""
    was_on = is_tracing()
    if not was_on:
        start()
    try:
        yield
    finally:
        if not was_on:
            stop()


# --- benchmarks ---


class CallMemory(NamedTuple):
    """What one call of a function took, in this thread or task."""

    peak_bytes: int  # the most that were live at a time
    growth_bytes: int  # live after it and a collection of garbage, its result not
    allocated_bytes: int
    allocated_blocks: int


def memory_of_call(function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> CallMemory:
    """Call a function, and return what that took. Its result is dropped.

    Keywords are passed on in a dict, which is in the figures.
    TypeError: the call would only make a coroutine or generator. RuntimeError: the function has stopped tracing.
    """
    _require_body(function)
    with tracing():
        with scope() as own:
            function(*args, **kwargs)
        if own.growth:
            gc.collect()
        return CallMemory(own.peak, own.live, own.allocated, own.allocated_blocks)


def _require_body(function: Callable[..., object]) -> None:
    """A call of the function runs its body."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR):
        name = getattr(function, "__qualname__", function)
        raise TypeError(f"a call of {name} runs nothing: it makes a coroutine or generator, which another function must run")


def tracked_peak(function: Callable[P, object]) -> Callable[P, int]:
    """A decorator for asv, of functions whose names begin with `track_`: the most bytes that a call has live at a time."""
    return _tracked(function, lambda memory: memory.peak_bytes)


def tracked_growth(function: Callable[P, object]) -> Callable[P, int]:
    """The same: the bytes that are live after a call and a collection of garbage, and were not before; not of its result."""
    return _tracked(function, lambda memory: memory.growth_bytes)


def _tracked(function: Callable[P, object], figure: Callable[[CallMemory], int]) -> Callable[P, int]:
    _require_body(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> int:
        return figure(memory_of_call(function, *args, **kwargs))

    call.unit = "bytes"  # type: ignore[attr-defined] # asv shows it
    return call
