"""Limits of a test's memory: from markers, and what a measured test has done to them.

Model: limit_memory, limit_leaks and limit_leaked_objects have the meaning, options and units of pytest-memray, so that a
project changes the plugin without changing a test: K is 1024, and a size equal to the limit fails. Several limits of one test,
from its own markers and those of its class and module, hold all. limit_growth is of this plugin.

A limit is checked after a test that has passed. A Breach is a limit that does not hold: a sentence, and a text with what
broke it, the largest first.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from .._words import counted
from ..render.text.style import Style
from ..render.text.units import format_bytes
from .measure import STACK, Line, Scope, Stack, size_of_caches
from .objects import Objects, object_lines
from .text import line_lines, stack_lines

LIMIT_MEMORY, LIMIT_LEAKS, LIMIT_LEAKED_OBJECTS = ("limit_memory", "limit_leaks", "limit_leaked_objects")
LIMIT_GROWTH = "limit_growth"
SHOWN = 10  # lines or stacks of a breach, at most; all with -vv

SIZE = re.compile(r"(?P<number>\+?\d*\.\d+|\+?\d+)\s*(?P<unit>[KMGTP]?B)", re.IGNORECASE)
UNITS = {"B": 0, "KB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5}


class LimitError(ValueError):
    """A limit that cannot be understood; the text says which and why."""


@dataclass(frozen=True)
class StackFrame:
    """A frame of a Stack that a filter_fn gets; the names are pytest-memray's."""

    function: str
    filename: str
    lineno: int


@dataclass(frozen=True)
class FilteredStack:
    """What a filter_fn of limit_leaks gets. frames: the most recent first."""

    frames: tuple[StackFrame, ...]


class Limit(NamedTuple):
    """size: bytes; None: of a kind that has no size. origin: the setting that it is of, "": a marker.

    without_caches: those of abstract base classes do not count; see size_of_caches.
    """

    kind: str
    size: float | None
    origin: str = ""
    filter_fn: Callable[[Any], Any] | None = None
    current_thread_only: bool = False
    without_caches: bool = False

    @property
    def nframe(self) -> int:
        return frames_needed(self.kind)


class Breach(NamedTuple):
    kind: str
    sentence: str
    details: str


def frames_needed(kind: str) -> int:
    """How many frames of each traceback such a limit needs."""
    return STACK if kind == LIMIT_LEAKS else 1


def parse_size(text: object) -> float:
    """Bytes of a text like "24 MB"."""
    match = SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise LimitError(f"{text!r} is not a size: a number, and B, KB, MB, GB, TB or PB")
    return float(match["number"]) * 1024.0 ** UNITS[match["unit"].upper()]


# --- from markers ---


def limit_memory(limit: str, *, current_thread_only: bool = False) -> Limit:
    return Limit(LIMIT_MEMORY, parse_size(limit), current_thread_only=bool(current_thread_only))


def limit_leaks(
    location_limit: str, *, filter_fn: Callable[[Any], Any] | None = None, current_thread_only: bool = False
) -> Limit:
    return Limit(LIMIT_LEAKS, parse_size(location_limit), "", required_function(filter_fn), bool(current_thread_only))


def limit_leaked_objects(*, filter_fn: Callable[[Any], Any] | None = None) -> Limit:
    return Limit(LIMIT_LEAKED_OBJECTS, None, filter_fn=required_function(filter_fn))


def required_function(filter_fn: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if filter_fn is not None and not callable(filter_fn):
        raise LimitError(f"filter_fn is {filter_fn!r}, and not a function")
    return filter_fn


def limit_growth(limit: str) -> Limit:
    return Limit(LIMIT_GROWTH, parse_size(limit))


MAKERS: dict[str, Callable[..., Limit]] = {
    LIMIT_MEMORY: limit_memory,
    LIMIT_LEAKS: limit_leaks,
    LIMIT_LEAKED_OBJECTS: limit_leaked_objects,
    LIMIT_GROWTH: limit_growth,
}


def marked_limits(item: pytest.Item, kinds: Iterable[str]) -> list[Limit]:
    """Those of the test's markers, the closest first. LimitError: one cannot be understood."""
    return [limit_of(marker) for marker in item.iter_markers() if marker.name in kinds]


def limit_of(marker: pytest.Mark) -> Limit:
    try:
        return MAKERS[marker.name](*marker.args, **marker.kwargs)
    except LimitError as error:
        raise LimitError(f"{marker.name}: {error}") from None
    except TypeError as error:
        raise LimitError(f"the marker {error}") from None


# --- after the test ---


def breaches(
    limits: Iterable[Limit], scopes: Mapping[bool, Scope], objects: Objects | None, style: Style, shown: int | None
) -> list[Breach]:
    """scopes: by current_thread_only. shown: how many lines or stacks of each, at the most; None: all."""
    found = [CHECKS[limit.kind](limit, scopes[limit.current_thread_only], objects, style, shown) for limit in limits]
    return [breach for breach in found if breach is not None]


def check_memory(limit: Limit, scope: Scope, _objects: object, style: Style, shown: int | None) -> Breach | None:
    texts = "Test was limited to {} but allocated {}", "What was live at the peak:"
    return size_breach(limit, scope.peak, scope.peak_lines, texts, style, shown)


def size_breach(
    limit: Limit, size: int, lines_of: Callable[[], list[Line]], texts: tuple[str, str], style: Style, shown: int | None
) -> Breach | None:
    """texts: the sentence, with places for both sizes, and what the lines are."""
    assert limit.size is not None
    if size < limit.size:
        return None
    lines = lines_of()
    size -= size_of_caches(lines) if limit.without_caches else 0
    if size < limit.size:
        return None
    return breach_of(limit, texts[0].format(*apart(limit.size, size)), [texts[1], *line_lines(lines, style, shown)])


def check_leaks(limit: Limit, scope: Scope, _objects: object, style: Style, shown: int | None) -> Breach | None:
    assert limit.size is not None
    if scope.growth < limit.size:
        return None  # nor has a stack of it more
    stacks = [stack for stack in scope.growth_stacks() if stack.size >= limit.size and is_wanted(stack, limit)]
    if not stacks:
        return None
    sentence = f"Test was allowed to leak {format_bytes(limit.size)} per location but at least one location leaked more"
    return breach_of(limit, sentence, ["What was allocated and not freed:", *stack_lines(stacks, style, shown)])


def is_wanted(stack: Stack, limit: Limit) -> bool:
    if limit.filter_fn is None:
        return True
    return bool(limit.filter_fn(FilteredStack(tuple(StackFrame(*frame) for frame in stack.frames))))


def check_growth(limit: Limit, scope: Scope, _objects: object, style: Style, shown: int | None) -> Breach | None:
    texts = "Test was allowed to grow by {} but grew by {}", "What has grown:"
    return size_breach(limit, scope.growth, scope.growth_lines, texts, style, shown)


def check_leaked_objects(
    limit: Limit, _scope: Scope, objects: Objects | None, style: Style, shown: int | None
) -> Breach | None:
    leaked = [one for one in objects.leaked if limit.filter_fn is None or limit.filter_fn(one)] if objects else []
    if not leaked:
        return None
    return breach_of(limit, f"Test leaked {counted(len(leaked), 'object')}", object_lines(leaked, style, shown))


CHECKS: dict[str, Callable[[Limit, Scope, Objects | None, Style, int | None], Breach | None]] = {
    LIMIT_MEMORY: check_memory,
    LIMIT_LEAKS: check_leaks,
    LIMIT_GROWTH: check_growth,
    LIMIT_LEAKED_OBJECTS: check_leaked_objects,
}


def apart(allowed: float, found: int) -> tuple[str, str]:
    """Two sizes as texts, with all digits if they would look the same."""
    texts = format_bytes(allowed), format_bytes(found)
    return texts if texts[0] != texts[1] else (f"{allowed:,.10g} B", f"{found:,} B")


def breach_of(limit: Limit, sentence: str, lines: Iterable[str]) -> Breach:
    whose = f" ({limit.origin})" if limit.origin else ""
    return Breach(limit.kind, sentence + whose, "\n".join(lines))
