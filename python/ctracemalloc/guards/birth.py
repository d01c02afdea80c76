"""Where an object was born: its block's traceback as text, or why it is not known.

Model: an object begins in a block of the object domain, behind its headers if it has any; the extension finds that block. What
the object has in other blocks (the items of a list, the table of a dict) is not asked for, but for the data of a numpy array,
which numpy announces in a domain of its own. The object is the program's: none of its methods and attributes are used.
"""

import sys
from typing import Any, NamedTuple

from .. import get_sample_interval, get_traceback_limit, is_tracing
from .._ctracemalloc import Traceback, _get_block, _get_object_block
from .._exempt import own_memory
from .._words import printable
from ..places.files import UNKNOWN_NAMES
from ..render.text.units import format_bytes

NUMPY_DOMAIN = 389047  # as numpy announces its arrays' data
ARRAYS = 64  # views of views that are followed
# Types whose data are in other blocks, each with the bytes of the object alone: an empty one has no data.
CONTAINERS = tuple((kind, sys.getsizeof(kind())) for kind in (bytearray, dict, list, set))


def where(obj: object, limit: int | None = None) -> str:
    """Text that says where an object was allocated: its traceback, the most recent call last, with lines of source.

    The size is that of the block in bytes, with the headers in front of the object; of a list, dict, set or bytearray also
    what it has in other blocks, if that is more; their place is not asked for. Of a numpy array also the block of its data.
    If the place is not known, the text says why. limit: of frames, as in Traceback.format().
    """
    with own_memory():
        found = _get_object_block(obj)
        lines = block_lines(named(obj), found, limit, others_of(obj)) or [f"{named(obj)}: {reason(obj)}"]
        return "\n".join(lines + data_lines(obj, limit))


def named(obj: object) -> str:
    kind = type(obj)
    module, name = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    shown = f"{module}.{name}" if type(module) is str and module not in ("builtins", "__main__") else name
    return printable(f"{shown} object")


def others_of(obj: object) -> int:
    """Bytes of the blocks in which a container has its data; 0 of another type. A class of the program's may have sizes of its
    own, and its metaclass a way to compare it, so only these types themselves are asked."""
    return next((sys.getsizeof(obj) - alone for kind, alone in CONTAINERS if type(obj) is kind), 0)


def block_lines(name: str, found: tuple[int, Traceback] | None, limit: int | None, others: int = 0) -> list[str]:
    if found is None:
        return []
    size, traceback = found
    sizes = format_bytes(size) + (f" and {format_bytes(others)} in other blocks" if others > size else "")
    if not len(traceback) or traceback[-1].filename in UNKNOWN_NAMES:
        return [f"{name}, {sizes}, allocated where there was no Python frame"]
    lines = [f"{name}, {sizes}, allocated at (most recent call last):"]
    lines += map(printable, traceback.format(limit))
    if get_traceback_limit() == len(traceback) == 1:
        lines.append("  (1 frame is kept of each traceback: start(25) keeps callers)")
    return lines


def reason(obj: object) -> str:
    """Why there is no traceback."""
    if not is_tracing():
        return "not known, because ctracemalloc is not tracing: start() makes known what is allocated later"
    file = file_around(id(obj))
    if file:
        return f"it has no block of its own: it is a part of {printable(file)}"
    interval = get_sample_interval()
    if interval is not None:
        return (
            "not known: it is not in the sample (start() without sample_interval traces every block), or its block was"
            " allocated before tracing began"
        )
    return (
        "not known: its block was allocated before tracing began or the traces were cleared (a free list keeps blocks for newer"
        " objects), or is an extension's own"
    )


def file_around(address: int) -> str:
    """The file whose mapping has the address: of objects that are variables of the interpreter or of a library. "": none."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            for line in maps:
                addresses, *_others, path = line.rstrip(b"\n").split(None, 5) if line.count(b"/") else (b"0-0", b"")
                begin, end = (int(part, 16) for part in addresses.split(b"-"))
                if begin <= address < end:
                    return path.decode("utf-8", "surrogateescape")
    except OSError:
        pass  # no /proc here: then the reason is one of the others
    return ""


# --- numpy ---


class Data(NamedTuple):
    """The data of a numpy array."""

    owner: object  # the array itself, or the one that it is a view of
    base: object  # of no array: what the data belong to; None: to the owner
    address: int


def data_of(obj: object) -> Data | None:
    """None: it is no array."""
    numpy = sys.modules.get("numpy")
    kind: Any = getattr(numpy, "ndarray", None)
    if not isinstance(kind, type) or not issubclass(type(obj), kind):  # isinstance() would ask for the object's __class__
        return None
    owner, base = obj, kind.base.__get__(obj)  # type: ignore[attr-defined]
    for _ in range(ARRAYS):
        if not issubclass(type(base), kind):
            break
        owner, base = base, kind.base.__get__(base)  # type: ignore[attr-defined]
    return Data(owner, base, kind.__array_interface__.__get__(owner)["data"][0])  # type: ignore[attr-defined]


def data_lines(obj: object, limit: int | None) -> list[str]:
    """Of the data of a numpy array, which may be another array's."""
    data = data_of(obj)
    if data is None:
        return []
    owner, base, address = data
    if base is not None:
        found = _get_object_block(base)
        return block_lines(f"its data, which belong to a {named(base)}", found, limit) or [
            f"its data belong to a {named(base)}: {reason(base)}"
        ]
    name = "its data" if owner is obj else "its data, which belong to another array"
    found = _get_block(NUMPY_DOMAIN, address)
    return block_lines(name, found, limit) or ([f"{name}: not known"] if is_tracing() else [])
