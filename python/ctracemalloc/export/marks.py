"""The mark of Parquet and Arrow files that were made here: a key of the schema's metadata, with its value.

Model: Parquet has its metadata at the end of the file, Arrow at its begin, each after or before their length. They are searched
for the key and its value as the format writes them, with their lengths, so no library is needed. A file may contain anything.
"""

import os
from typing import BinaryIO

KEY = "ctracemalloc"
VALUE = "written by ctracemalloc export"
IN_PARQUET = b"\x18\x0c" + KEY.encode() + b"\x18" + bytes([len(VALUE)]) + VALUE.encode()
IN_ARROW = len(VALUE).to_bytes(4, "little") + VALUE.encode() + b"\0"  # a key and its value are not side by side
MAX_SIZE = 1 << 24  # bytes of metadata
CONTINUATION = b"\xff\xff\xff\xff"


def is_our_parquet(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 8, 0))
    length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic != b"PAR1" or length > min(size - 8, MAX_SIZE):
        return False
    file.seek(size - 8 - length)
    return IN_PARQUET in file.read(length)


def is_our_arrow(file: BinaryIO) -> bool:
    file.seek(8)  # behind the magic
    continuation, length = file.read(4), int.from_bytes(file.read(4), "little")
    if continuation != CONTINUATION or length > MAX_SIZE:
        return False
    metadata = file.read(length)
    return len(metadata) == length and IN_ARROW in metadata
