"""What IPython itself refers to: values and outputs that were displayed, and the last traceback; how much of a cell that is.

Model: a holder is an object that IPython keeps, with the names by which it does. If a cell has live blocks with the very
traceback of a block that is reached from it (reach.py), the block is the cell's. That is an estimate, which never is more than
what the cell has live. That IPython refers to memory does not say that nothing else does: variables that are the same object
are named as well.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .._ctracemalloc import Traceback
from .._words import printable
from .reach import MOST_OBJECTS, Reached, reach

MOST_IN_ALL = 60_000  # objects that are looked at
UNDERSCORES = ("_", "__", "___")
NUMBERED = re.compile(r"_{1,3}|_\d+")  # variables of IPython
OUTPUTS = ("outputs", "output_hist_reprs")  # of the shell's history: what cells have displayed, as text and in other forms
LAST_ERROR = ("last_exc", "last_value", "last_traceback")  # of sys


class Holder(NamedTuple):
    text: str  # for example "Out[3], _3, _, also the variable rows"
    reached: Reached


def holders_in(shell: Any) -> tuple[list[Holder], bool]:
    """And whether all of them were looked at."""
    found: list[Holder] = []
    left = MOST_IN_ALL
    for root, text in roots_in(shell):
        if left <= 0:
            return found, False
        found.append(Holder(text, reach(root, shell.user_ns, min(left, MOST_OBJECTS))))
        left -= found[-1].reached.number
    return found, True


def roots_in(shell: Any) -> Iterator[tuple[object, str]]:
    errors = [getattr(sys, name, None) for name in LAST_ERROR]
    if any(error is not None for error in errors):
        yield errors, "the last traceback, sys.last_traceback"
    yield [getattr(shell.history_manager, name, None) for name in OUTPUTS], "what was displayed, in the history of this shell"
    yield from displayed(shell)


def displayed(shell: Any) -> Iterator[tuple[object, str]]:
    """Each value that was displayed and is kept, with all the names that it has."""
    values: dict[int, tuple[object, list[str]]] = {}
    for name, value in kept_values(shell):
        values.setdefault(id(value), (value, []))[1].append(name)
    for value, known in values.values():
        if type(value) is str and not value:  # as they are before there are values
            continue
        text = ", ".join(known)
        variables = [name for name, other in shell.user_ns.items() if other is value and not NUMBERED.fullmatch(name)]
        if variables:
            text += f", also the variable{'s' if len(variables) > 1 else ''} {', '.join(variables)}"
        yield value, printable(text)


def kept_values(shell: Any) -> Iterator[tuple[str, object]]:
    """By their names: of Out, as variables, and where IPython keeps them beside the variables, also if these are deleted."""
    names, hook = shell.user_ns, shell.displayhook
    out = names.get("_oh")
    if isinstance(out, dict):
        yield from ((f"Out[{number}]", value) for number, value in out.items())
    kept = {name: value for name, value in names.items() if NUMBERED.fullmatch(name)}
    yield from kept.items()
    hidden = [(name, value, f"user_ns_hidden[{name!r}]") for name, value in shell.user_ns_hidden.items()]
    hidden += [(name, getattr(hook, name, None), f"displayhook.{name}") for name in UNDERSCORES]
    for name, value, text in hidden:
        if NUMBERED.fullmatch(name) and value is not None and kept.get(name) is not value:
            yield f"get_ipython().{text}", value


def overlap(holder: Holder, live: Mapping[Traceback, int]) -> int:
    """Bytes of a cell that the holder refers to. live: bytes of the cell by traceback."""
    return round(sum(min(size, live[traceback]) for traceback, size in holder.reached.sizes.items() if traceback in live))
