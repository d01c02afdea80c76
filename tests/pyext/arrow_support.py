"""A consumer of Arrow's C stream interface in plain Python: ctypes, and what the specification says.

Model: the stream is moved out of its capsule, as a consumer in C would do. Every batch is read into rows of Python values and
released. Everything is checked: lengths, offsets, null counts and text.
"""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast, memmove, sizeof


class ArrowSchema(Structure):
    pass


class ArrowArray(Structure):
    pass


class ArrowArrayStream(Structure):
    pass


ArrowSchema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(ArrowSchema))),
    ("dictionary", POINTER(ArrowSchema)),
    ("release", CFUNCTYPE(None, POINTER(ArrowSchema))),
    ("private_data", c_void_p),
]
ArrowArray._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(ArrowArray))),
    ("dictionary", POINTER(ArrowArray)),
    ("release", CFUNCTYPE(None, POINTER(ArrowArray))),
    ("private_data", c_void_p),
]
ArrowArrayStream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(ArrowArrayStream), POINTER(ArrowSchema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(ArrowArrayStream), POINTER(ArrowArray))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(ArrowArrayStream))),
    ("release", CFUNCTYPE(None, POINTER(ArrowArrayStream))),
    ("private_data", c_void_p),
]

NUMBERS = {b"i": ctypes.c_int32, b"I": ctypes.c_uint32, b"l": ctypes.c_int64, b"g": ctypes.c_double}
STREAM = b"arrow_array_stream"
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]


def move(source, target):
    """The specification's move: the source is marked released, and its callback is not called."""
    memmove(byref(target), byref(source), sizeof(target))
    ctypes.memset(ctypes.addressof(source) + type(source).release.offset, 0, sizeof(c_void_p))


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def open_stream(exporter):
    """The stream of an object, moved out of its capsule."""
    capsule = exporter.__arrow_c_stream__()
    stream = ArrowArrayStream()
    move(ArrowArrayStream.from_address(capsule_pointer(capsule, STREAM)), stream)
    return stream


def describe(schema):
    """(name, format, nullable, dictionary's format or None, children)"""
    value = schema.dictionary[0].format.decode() if schema.dictionary else None
    children = [describe(schema.children[i][0]) for i in range(schema.n_children)]
    return (schema.name.decode(), schema.format.decode(), bool(schema.flags & 2), value, children)


def numbers(array, buffer, kind, count):
    address = array.buffers[buffer]
    check(address and address % sizeof(kind) == 0, "a buffer is missing or not aligned")
    return cast(address, POINTER(kind))[:count]


def texts(array):
    offsets = numbers(array, 1, ctypes.c_int32, array.length + 1)
    check(offsets[0] == 0 and sorted(offsets) == offsets, "offsets fall")
    data = ctypes.string_at(array.buffers[2], offsets[-1])
    return [data[a:b].decode("utf-8", "strict") for a, b in zip(offsets, offsets[1:])]


def nested(schema, array):
    offsets = numbers(array, 1, ctypes.c_int32, array.length + 1)
    check(offsets[0] == 0 and sorted(offsets) == offsets, "offsets fall")
    items = values(schema.children[0][0], array.children[0][0])
    check(len(items) == offsets[-1], "a list's child has another length")
    return [items[a:b] for a, b in zip(offsets, offsets[1:])]


def structs(schema, array):
    names = [schema.children[i][0].name.decode() for i in range(schema.n_children)]
    columns = [values(schema.children[i][0], array.children[i][0]) for i in range(schema.n_children)]
    check(all(len(column) == array.length for column in columns), "a column has another length")
    return [dict(zip(names, row)) for row in zip(*columns)] if array.length else []


def without_nulls(schema, array):
    if schema.format == b"+s":
        return structs(schema, array)
    if schema.format == b"+l":
        return nested(schema, array)
    if schema.format == b"+m":
        return [[(pair["key"], pair["value"]) for pair in row] for row in nested(schema, array)]
    if schema.format == b"u":
        return texts(array)
    return numbers(array, 1, NUMBERS[schema.format], array.length)


def values(schema, array):
    check(array.release, "an array is released already")
    check(array.offset == 0 and array.n_children == schema.n_children, "unexpected shape")
    row = without_nulls(schema, array)
    valid = [True] * array.length
    if array.buffers[0]:
        bitmap = ctypes.string_at(array.buffers[0], (array.length + 7) // 8)
        valid = [bool(bitmap[i // 8] >> i % 8 & 1) for i in range(array.length)]
    check(valid.count(False) == array.null_count, "null_count is wrong")
    check(all(valid) or schema.flags & 2, "null in a column that is not nullable")
    if schema.dictionary:
        names = values(schema.dictionary[0], array.dictionary[0])
        check(len(set(names)) == len(names) or any("\ufffd" in name for name in names), "a name twice")
        row = [names[i] if ok else None for i, ok in zip(row, valid)]
    return [value if ok else None for value, ok in zip(row, valid)]


def read(exporter):
    """(schema as `describe` gives it, list of batches: lists of dicts)"""
    stream, schema, batches = open_stream(exporter), ArrowSchema(), []
    check(stream.get_schema(byref(stream), byref(schema)) == 0, "get_schema failed")
    while True:
        array = ArrowArray()
        check(stream.get_next(byref(stream), byref(array)) == 0, stream.get_last_error(byref(stream)))
        if not array.release:
            break
        batches.append(values(schema, array))
        array.release(byref(array))
        check(not array.release, "release leaves its callback")
    described = describe(schema)
    schema.release(byref(schema))
    stream.release(byref(stream))
    check(not schema.release and not stream.release, "release leaves its callback")
    return described, batches


def read_rows(exporter):
    return [row for batch in read(exporter)[1] for row in batch]
