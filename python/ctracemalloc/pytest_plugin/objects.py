"""The objects that a test leaves: those of the garbage collector's that were made within it and are reachable at its end.

Model: gc.freeze() sets all objects aside that there are when the test begins. What the collector lists at the end was made
since. Objects that the collector does not follow (int, str, bytes, and tuples and dicts of these) are not listed; the memory
that they hold is.
"""

import gc
import sys
from collections import Counter
from collections.abc import Sequence
from types import FrameType

from .._words import counted
from ..render.text.style import Style

TYPES = SAMPLES = 10
REPR = 100  # characters
FORGET = getattr(sys, "_clear_internal_caches", getattr(sys, "_clear_type_cache", None))  # the first from 3.13 on


class Objects:
    """begin() and end() around a test; `leaked` holds them until forget()."""

    def __init__(self) -> None:
        self.leaked: list[object] = []
        self.froze_before = 0

    def begin(self) -> None:
        gc.collect()
        self.froze_before = gc.get_freeze_count()
        gc.freeze()

    def end(self) -> None:
        """Whatever the program has frozen itself stays frozen; in that case so does what this has."""
        gc.collect()
        if FORGET is not None:
            FORGET()
        self.leaked = [one for one in gc.get_objects() if not isinstance(one, FrameType)]
        if not self.froze_before:
            gc.unfreeze()

    def forget(self) -> None:
        self.leaked = []


def object_lines(leaked: Sequence[object], style: Style, shown: int | None) -> list[str]:
    """The types with most objects, and some of the objects."""
    types = Counter(type(one).__name__ for one in leaked)
    number = len(types) if shown is None else TYPES
    lines = [f"Object types that leaked ({counted(len(leaked), 'object')}):"]
    lines += (f"    {counted(count, 'instance')} of {style.name(name)}" for name, count in types.most_common(number))
    lines += more(len(types) - number, "type")
    number = len(leaked) if shown is None else SAMPLES
    lines.append("Some of them:" if len(leaked) > number else "They are:")
    lines += (f"    {style.name(type(one).__name__)}: {described(one, style)}" for one in leaked[:number])
    return lines + more(len(leaked) - number, "object")


def more(number: int, noun: str) -> list[str]:
    return [f"    ... and {number:,} more {noun}s" if number > 1 else f"    ... and 1 more {noun}"] if number > 0 else []


def described(one: object, style: Style) -> str:
    try:
        text = repr(one)
    except Exception:  # of the program's own method: the report does not have this one
        return "(its repr failed)"
    return style.name(text if len(text) <= REPR else text[: REPR - 3] + "...")
