"""What IPython itself refers to: values and outputs that were displayed, and the last traceback; how much of a cell that is.

Model: a holder is an object that IPython keeps, with the names by which it does. From it the garbage collector's references
are followed, but not into modules, classes, functions and the notebook's variables. Of each object that is found the block's
traceback is known; if a cell has live blocks with that very traceback, the object is the cell's. With the tables of lists,
dicts and sets, and the data of numpy arrays, that is an estimate, which never is more than the cell has live. That IPython
refers to memory does not say that nothing else does: variables that are the same object are named as well.
"""

import gc
import re
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, NamedTuple

from .._ctracemalloc import Traceback, _get_block, _get_object_block
from .._words import printable
from ..guards.birth import NUMPY_DOMAIN, data_of

MOST_OBJECTS = 50_000  # that are followed from one holder
NOT_FOLLOWED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType)
TABLES = (list, dict, set, bytearray)  # have a second block, which is not theirs by its address
UNDERSCORES = ("_", "__", "___")
NUMBERED = re.compile(r"_{1,3}|_\d+")  # variables of IPython
OUTPUTS = ("outputs", "output_hist_reprs")  # of the shell's history: what cells have displayed, as text and in other forms
SHELL = ("IPython", "ipykernel")
LAST_ERROR = ("last_exc", "last_value", "last_traceback")  # of sys


class Holder(NamedTuple):
    text: str  # for example "Out[3], _3, _, also the variable rows"
    sizes: dict[Traceback, int]  # bytes of the objects that it refers to
    is_cut: bool  # there were too many objects


def holders_in(shell: Any) -> list[Holder]:
    names = shell.user_ns
    found = [holder_of(value, text, names) for value, text in displayed(shell)]
    outputs = [getattr(shell.history_manager, name, None) for name in OUTPUTS]
    found.append(holder_of(outputs, "what was displayed, in the history of this shell", names))
    errors = [getattr(sys, name, None) for name in LAST_ERROR]
    if any(error is not None for error in errors):
        found.append(holder_of(errors, "the last traceback, sys.last_traceback", names))
    return found


def references(one: object, names: dict[str, Any]) -> list[object]:
    """Of a frame its variables only, and not if it is IPython's or the cell's own: those are the notebook's."""
    if isinstance(one, FrameType):
        module = one.f_globals.get("__name__")
        is_shell = isinstance(module, str) and module.partition(".")[0] in SHELL
        return [] if is_shell or one.f_locals is names else list(one.f_locals.values())
    if isinstance(one, TracebackType):
        return [one.tb_frame, one.tb_next]
    return gc.get_referents(one)[:MOST_OBJECTS]


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


def holder_of(root: object, text: str, names: dict[str, Any]) -> Holder:
    sizes: dict[Traceback, int] = {}
    number = 0
    for number, one in enumerate(reached(root, names), 1):
        for size, traceback in blocks_of(one):
            sizes[traceback] = sizes.get(traceback, 0) + size
        if number == MOST_OBJECTS:
            break
    return Holder(text, sizes, number == MOST_OBJECTS)


def reached(root: object, names: dict[str, Any]) -> Iterator[object]:
    seen = {id(names)}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or issubclass(type(one), NOT_FOLLOWED):
            continue
        seen.add(id(one))
        yield one
        waiting += references(one, names)


def blocks_of(one: object) -> Iterator[tuple[int, Traceback]]:
    found = _get_object_block(one)
    if found is not None:
        kind = type(one)
        yield (max(found[0], kind.__sizeof__(one)) if kind in TABLES else found[0]), found[1]
    data = data_of(one)
    block = _get_block(NUMPY_DOMAIN, data.address) if data is not None else None
    if block is not None:
        yield block


def overlap(holder: Holder, live: Mapping[Traceback, int]) -> int:
    """Bytes of a cell that the holder refers to. live: bytes of the cell by traceback."""
    return sum(size for traceback, size in holder.sizes.items() if traceback in live)
