"""Snapshot.dump in the form of the standard module's own: a pickle.

Model: such a pickle holds one `tracemalloc.Snapshot`. Its state is a dict with a `tracemalloc._Traces`, whose state is a
list of raw traces, `(domain, size, ((filename, lineno), …), total_nframe)`. dump() writes the opcodes of those two objects
itself, because pickle would have to import `tracemalloc` to write its name; pickle writes the values between them. The core
reads such files (src/libctm/formats/stdlib_pickle.c).
"""

import io
import pickle
from collections.abc import Iterator
from typing import Any

from .._ctracemalloc import Snapshot
from .whole import Target, write_whole

MODULE = "tracemalloc"

# The newest protocol without frames: its pieces can be concatenated.
PROTOCOL = 3
GLOBAL = b"c%s\n%s\n"
NEW_OBJECT = b")\x81"  # EMPTY_TUPLE NEWOBJ: cls.__new__(cls)
BEGIN_STATE = b"}("  # EMPTY_DICT MARK
END_STATE = b"ub"  # SETITEMS BUILD
BEGIN_LIST = b"]("  # EMPTY_LIST MARK
END_LIST = b"e"  # APPENDS
STOP = b"."

ATOMS = (type(None), bool, int, float, str, bytes)


def is_plain(value: object, seen: set[int] | None = None) -> bool:
    """Does it consist of None, bool, int, float, str, bytes, list, tuple and dict alone?

    `seen` has the ids of containers that were already checked; the caller holds references to them.
    """
    waiting, seen = [value], set() if seen is None else seen
    while waiting:
        item = waiting.pop()
        if type(item) in ATOMS or id(item) in seen:
            continue
        seen.add(id(item))
        if type(item) in (list, tuple):
            waiting.extend(item)  # type: ignore[arg-type]
        elif type(item) is dict:
            waiting.extend(item.keys())
            waiting.extend(item.values())
        else:
            return False
    return True


class Pieces:
    """Pickled values that share one memo, without the opcodes of begin and end."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.pickler = pickle.Pickler(self.buffer, PROTOCOL)

    def encode(self, value: object) -> bytes:
        self.buffer.seek(0)
        self.buffer.truncate()
        self.pickler.dump(value)
        return self.buffer.getvalue()[2:-1]  # without PROTO and STOP


def dump(snapshot: Snapshot, path: Target) -> None:
    """Write `snapshot` so that the standard module's Snapshot.load reads it.

    `path` is anything that open() accepts, as in the standard module.

    ValueError if it is of a sample.
    TypeError with the name of the attribute if the snapshot has one that is not plain data; then nothing is written.
    The file at `path` is replaced only when the new one is complete.
    """
    if snapshot.sample_interval is not None:
        raise ValueError(
            "a sampled snapshot cannot be dumped in stdlib's format, which would take its blocks for all there are"
        )
    attributes = dict(vars(snapshot))
    attributes.pop("traces", None)
    for name, value in attributes.items():
        if not is_plain(value):
            raise TypeError(f"cannot dump attribute {name!r}: a {type(value).__name__} is not plain data")
    traces = list(snapshot.traces._traces)
    seen: set[int] = set()
    for index, trace in enumerate(traces):
        if not is_plain(trace, seen):
            raise TypeError(f"cannot dump trace {index}: it is not plain data")
    write_whole(path, encode_snapshot(traces, attributes))


def encode_snapshot(traces: list[Any], attributes: dict[str, Any]) -> Iterator[bytes]:
    pieces = Pieces()
    yield b"\x80%c" % PROTOCOL
    yield GLOBAL % (MODULE.encode(), b"Snapshot") + NEW_OBJECT + BEGIN_STATE
    yield pieces.encode("traces")
    yield GLOBAL % (MODULE.encode(), b"_Traces") + NEW_OBJECT + BEGIN_STATE
    yield pieces.encode("_traces")
    yield BEGIN_LIST
    for trace in traces:
        yield pieces.encode(trace)
    yield END_LIST + END_STATE
    for name, value in attributes.items():
        yield pieces.encode(name) + pieces.encode(value)
    yield END_STATE + STOP
