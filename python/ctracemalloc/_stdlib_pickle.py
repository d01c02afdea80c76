"""Snapshots in the form that the standard module's Snapshot.dump writes: a pickle.

Model: such a pickle holds one `tracemalloc.Snapshot` whose state is a dict, with a
`tracemalloc._Traces` in it whose state is a list of raw traces,
`(domain, size, ((filename, lineno), …), total_nframe)`. Nothing else is needed, so nothing else is
admitted: load() maps the two names onto empty records, refuses every other global, checks each
value and only then makes a Snapshot of ours. No class or function that a file names is ever
looked up.

dump() writes the opcodes of those two objects by hand, because pickle would have to import
`tracemalloc` to write its name; pickle writes the values in between.
"""

import copyreg
import io
import os
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any, NoReturn, TypeAlias

from ._ctracemalloc import FileError, Snapshot

MODULE = "tracemalloc"
MAX_DOMAIN = 2**32 - 1
MAX_SIZE = 2**63 - 1
MAX_INT = 2**31 - 1

# The newest protocol without frames: its pieces can be put together.
PROTOCOL = 3
GLOBAL = b"c%s\n%s\n"
NEW_OBJECT = b")\x81"  # EMPTY_TUPLE NEWOBJ: cls.__new__(cls)
BEGIN_STATE = b"}("  # EMPTY_DICT MARK
END_STATE = b"ub"  # SETITEMS BUILD
BEGIN_LIST = b"]("  # EMPTY_LIST MARK
END_LIST = b"e"  # APPENDS
STOP = b"."

ATOMS = (type(None), bool, int, float, str, bytes)

Target: TypeAlias = int | str | bytes | os.PathLike[str] | os.PathLike[bytes]


# --- reading ---


class Restricted(pickle.Unpickler):
    """An unpickler that knows two names. Each instance has records of its own."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.snapshot_record = type("SnapshotRecord", (), {})
        self.traces_record = type("TracesRecord", (), {})

    def find_class(self, module: str, name: str) -> type:
        if (module, name) == (MODULE, "Snapshot"):
            return self.snapshot_record
        if (module, name) == (MODULE, "_Traces"):
            return self.traces_record
        fail(f"it refers to {module}.{name}, which no snapshot does")

    def persistent_load(self, pid: object) -> NoReturn:
        fail("it holds a persistent id, which no snapshot does")


def load(source: str | os.PathLike[str] | bytes) -> Snapshot:
    """Read what the standard module's Snapshot.dump wrote; `source` is a path or the content.

    OSError if the file cannot be read, FileError if it is not such a file.
    """
    if isinstance(source, bytes):
        content = source
    else:
        with open(source, "rb") as file:
            content = file.read()
    return build_snapshot(*unpickle(content))


def unpickle(content: bytes) -> tuple[Restricted, object]:
    if not content:
        fail("it is empty")
    if content[:1] != b"\x80":
        fail("it is neither a snapshot file nor a pickle")
    try:
        refuse_extension_codes(content)
        unpickler = Restricted(content)
        return unpickler, unpickler.load()
    except FileError:
        raise
    except EOFError:
        fail("the pickle is cut short")
    except Exception as error:  # whatever a damaged pickle makes the unpickler raise
        fail(f"the pickle is damaged: {error}")


def refuse_extension_codes(content: bytes) -> None:
    """An extension code this process has used is answered from a cache, past find_class."""
    if not copyreg._extension_cache:  # type: ignore[attr-defined]
        return
    for opcode, argument, _position in pickletools.genops(content):
        if opcode.name.startswith("EXT"):
            fail(f"it holds extension code {argument}, which no snapshot does")


def build_snapshot(unpickler: Restricted, root: object) -> Snapshot:
    if type(root) is not unpickler.snapshot_record:
        fail(f"the pickle holds a {type(root).__name__}, not a tracemalloc.Snapshot")
    state = dict(vars(root))
    if "traces" not in state or "traceback_limit" not in state:
        fail("traces or traceback_limit is missing")
    record, limit = state.pop("traces"), state.pop("traceback_limit")
    if type(record) is not unpickler.traces_record:
        fail(f"traces is a {type(record).__name__}, not a tracemalloc._Traces")
    if limit is not None and not is_int(limit, -MAX_INT, MAX_INT):
        fail("traceback_limit is not a number of frames")
    snapshot = Snapshot(check_traces(vars(record).get("_traces")), limit)
    for name, value in state.items():
        if not isinstance(name, str) or not is_plain(value):
            fail(f"attribute {name!r} is not plain data")
    vars(snapshot).update(state)  # not setattr: a name may be that of a slot or a property
    return snapshot


def check_traces(traces: object) -> list[Any]:
    """Return `traces`, which are what a Snapshot is made of, or raise FileError."""
    if type(traces) is not list:
        fail(f"the traces are a {type(traces).__name__}, not a list")
    checked: set[int] = set()  # ids of tracebacks, which many traces share
    for index, trace in enumerate(traces):
        if type(trace) is not tuple or len(trace) != 4:
            fail(f"trace {index} is not a tuple of 4")
        domain, size, frames, total_nframe = trace
        if not is_int(domain, 0, MAX_DOMAIN):
            fail(f"trace {index}: the domain is not a number in range")
        if not is_int(size, 0, MAX_SIZE):
            fail(f"trace {index}: the size is not a number in range")
        if not is_int(total_nframe, -MAX_INT, MAX_INT):
            fail(f"trace {index}: total_nframe is not a number in range")
        if id(frames) not in checked:
            check_frames(index, frames)
            checked.add(id(frames))
    return traces


def check_frames(index: int, frames: object) -> None:
    if type(frames) is not tuple or not frames:
        fail(f"trace {index}: the traceback is not a tuple of frames")
    for frame in frames:
        if type(frame) is not tuple or len(frame) != 2:
            fail(f"trace {index}: a frame is not a tuple of 2")
        if type(frame[0]) is not str or not is_int(frame[1], 0, MAX_INT):
            fail(f"trace {index}: a frame is not a file name and a line number")


def is_int(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def is_plain(value: object, seen: set[int] | None = None) -> bool:
    """Made of None, bool, int, float, str, bytes, list, tuple and dict alone?

    `seen` holds the ids of containers that need no second look; the caller keeps them alive.
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


def fail(reason: str) -> NoReturn:
    error = FileError(f"not a snapshot: {reason}")
    error.reason = reason
    raise error from None


# --- writing ---


class Pieces:
    """Values as pickle writes them, sharing one memo, without the marks of begin and end."""

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

    `path` is anything that open() takes, as in the standard module.

    ValueError if it is of a sample;
    TypeError naming the attribute if the snapshot carries one that is not plain data; then
    nothing is written. The file at `path` is replaced only when the new one is whole.
    """
    if snapshot.sample_interval is not None:
        raise ValueError(
            "a sampled snapshot cannot be dumped in stdlib's format, which would take its blocks for all there are"
        )
    attributes = dict(vars(snapshot))
    attributes.pop("traces", None)
    for name, value in attributes.items():
        if not is_plain(value):
            raise TypeError(
                f"cannot dump attribute {name!r}: a {type(value).__name__} is not plain data"
            )
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


def write_whole(path: Target, chunks: Iterator[bytes]) -> None:
    if isinstance(path, int):
        target: int | str = path  # a file descriptor, which open() closes
    else:
        target = os.path.realpath(os.fsdecode(path))
    if isinstance(target, int) or (os.path.exists(target) and not os.path.isfile(target)):
        with open(target, "wb") as file:  # a device or a pipe; a directory is an error here
            file.writelines(chunks)
        return
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.writelines(chunks)
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
