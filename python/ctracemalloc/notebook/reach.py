"""The blocks of objects that an object refers to, over any number of references.

Model: the garbage collector's references are followed, but not into modules, classes, functions, and not into the notebook's
variables; of a frame its variables are followed. Of an object's blocks there is its own, with its traceback; the table of a
list, dict or set counts as if it were a part of that, and the data of a numpy array have a block of their own. Of an object
with very many references a sample is followed, in which each stands for several: a traceback takes some 20 µs.
"""

import gc
import sys
from collections.abc import Iterator
from random import Random
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, NamedTuple

from .._ctracemalloc import Traceback, _get_block, _get_object_block
from ..guards.birth import NUMPY_DOMAIN, data_of

SAMPLE = 1000  # references of one object
MOST_OBJECTS = 10_000  # from one root
NOT_FOLLOWED: tuple[type, ...] = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType)
TABLES: tuple[type, ...] = (list, dict, set, bytearray)  # have a second block, which is not found by its address
SHELL = ("IPython", "ipykernel", "ctracemalloc")  # packages of frames whose variables are not followed: they have the shell


class Reached(NamedTuple):
    sizes: dict[Traceback, float]  # bytes
    number: int  # of objects that were looked at
    is_sample: bool
    is_cut: bool  # there were more objects


def reach(root: object, names: dict[str, Any], most: int = MOST_OBJECTS) -> Reached:
    """names: the notebook's variables. most: objects that are looked at."""
    sizes: dict[Traceback, float] = {}
    seen = {id(names)}
    waiting = [(root, 1.0)]
    number, is_sample = 0, False
    while waiting and number < most:
        one, weight = waiting.pop()
        if id(one) in seen or issubclass(type(one), NOT_FOLLOWED):
            continue
        seen.add(id(one))
        number += 1
        for size, traceback in blocks_of(one):
            sizes[traceback] = sizes.get(traceback, 0) + weight * size
        found = references(one, names)
        if len(found) > SAMPLE:
            weight *= len(found) / SAMPLE
            found, is_sample = [found[index] for index in Random(0).sample(range(len(found)), SAMPLE)], True
        waiting += [(other, weight) for other in found]
    return Reached(sizes, number, is_sample, bool(waiting))


def references(one: object, names: dict[str, Any]) -> Any:
    """What has a length and indexes. Of a frame its variables only, and not if it is of SHELL or the cell's own: those are the
    notebook's."""
    if type(one) is FrameType:
        module = one.f_globals.get("__name__")
        is_shell = isinstance(module, str) and module.partition(".")[0] in SHELL
        return [] if is_shell or one.f_locals is names else list(one.f_locals.values())
    if type(one) is TracebackType:
        return [one.tb_frame, one.tb_next]
    data = data_of(one)
    if data is not None:  # the collector does not know an array's objects
        array: Any = sys.modules["numpy"].ndarray
        return array.flat.__get__(data.owner) if array.dtype.__get__(data.owner).char == "O" else []
    return gc.get_referents(one)


def blocks_of(one: object) -> Iterator[tuple[int, Traceback]]:
    found = _get_object_block(one)
    if found is not None:
        size, traceback = found
        kind = type(one)
        yield (size + kind.__sizeof__(one) - kind.__basicsize__ if kind in TABLES else size), traceback
    data = data_of(one)
    block = _get_block(NUMPY_DOMAIN, data.address) if data is not None else None
    if block is not None:
        yield block
