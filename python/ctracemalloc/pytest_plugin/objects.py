"""The objects that a test leaves: those that were made within it, and are alive at its end after a collection.

Model: gc.freeze() sets all objects aside that the garbage collector follows when the test begins; what it lists at the end was
made since. The others (numbers, strings, and dictionaries and tuples of these) are found as what any object refers to. Of these
the tracer knows which were allocated since it began. If that was before the test, those that were there then are known by
their addresses, and one that takes the address of a dead one is missed.
"""

import gc
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from types import FrameType

from .._words import counted
from ..render.text.style import Style
from .measure import is_from_elsewhere

TYPES = SAMPLES = 10
REPR = 100  # characters
PARTS_OF_CONTEXTS = "hamt"  # begins the names of their types
FORGET = getattr(sys, "_clear_internal_caches", getattr(sys, "_clear_type_cache", None))  # the first from 3.13 on


class Objects:
    """begin() and end() around a test; `leaked` holds them until forget()."""

    def __init__(self) -> None:
        self.leaked: list[object] = []
        self.froze_before = 0
        self.known: set[int] = set()

    def begin(self, traced_before: bool) -> None:
        """traced_before: tracing did not begin with this test."""
        gc.collect()
        if traced_before:
            self.known.update(map(id, not_followed(self.known)))
        self.froze_before = gc.get_freeze_count()
        gc.freeze()

    def end(self) -> None:
        """Whatever the program has frozen itself stays frozen; in that case so does what this has."""
        gc.collect()
        if FORGET is not None:
            FORGET()
        self.leaked = gc.get_objects()  # first of all: what this function makes is no object of the test's
        if not self.froze_before:
            gc.unfreeze()
        self.leaked = of_programs(self.leaked) + added_to(self.known)

    def forget(self) -> None:
        self.leaked, self.known = [], set()


def of_programs(objects: list[object]) -> list[object]:
    """Without frames, and without what a context is made of: each change of a variable replaces some of it."""
    return [one for one in objects if not isinstance(one, FrameType) and not type(one).__name__.startswith(PARTS_OF_CONTEXTS)]


def added_to(known: set[int]) -> list[object]:
    return [one for one in not_followed(known) if id(one) not in known and is_from_elsewhere(one)]


def not_followed(ignored: object = None) -> Iterator[object]:
    """The objects that the garbage collector does not follow, each once, as far as those that it follows lead to them.

    ignored: a container that is no part of the program.
    """
    holders: list[object] = gc.get_objects()
    seen: set[int] = set()  # made after the list, so that it is not in there
    while holders:
        holder = holders.pop()
        for one in () if holder is ignored else gc.get_referents(holder):
            if not gc.is_tracked(one) and id(one) not in seen:
                seen.add(id(one))
                holders.append(one)  # a tuple or dictionary of such objects is one itself
                yield one


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
