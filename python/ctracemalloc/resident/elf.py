"""The data of the program and of its libraries: which addresses are variables, and which of these have no file behind them.

Model: the program headers are read from the memory of the process, so it is no matter if the file was deleted or is in
another container; if they are not resident, from the file. The data of a library is its writable segments; its bss is the end
of that, behind what the file has.
"""

import os
import stat
import struct
from collections.abc import Iterable
from typing import NamedTuple

from .areas import Area
from .memory import Memory
from .pages import PAGE

HEADER = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOAD, WRITABLE = 1, 2
FIXED = 2  # the type of a program that is not relocated
MAX_SEGMENTS = 64


class Library(NamedTuple):
    path: str
    start: int  # address of its first mapping
    data: tuple[tuple[int, int], ...]  # ranges of its variables, with bss
    bss: tuple[tuple[int, int], ...]  # pages that no file is behind


def find_libraries(pid: int, areas: Iterable[Area], memory: Memory) -> list[Library]:
    found = []
    last = ""
    for area in areas:
        if area.is_file and area.name != last:
            library = read_library(area, read_head(pid, area, memory))
            if library is not None:
                found.append(library)
        if area.is_file:
            last = area.name
    return found


def read_head(pid: int, area: Area, memory: Memory) -> bytes:
    head = memory.read(area.start, PAGE)
    for path in (area.name, f"/proc/{pid}/root{area.name}"):
        if head:
            break
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_ino == area.inode:
                head = os.pread(descriptor, PAGE, 0)
        finally:
            os.close(descriptor)
    return head


def read_library(area: Area, head: bytes) -> Library | None:
    """None: the area is not the beginning of an ELF file."""
    if len(head) < HEADER.size or head[:6] != b"\x7fELF\x02\x01":
        return None
    fields = HEADER.unpack_from(head)
    kind, offset, size, number = fields[3], fields[7], fields[11], fields[12]
    if size != SEGMENT.size or number > MAX_SEGMENTS or offset + size * number > len(head):
        return None
    loads = [SEGMENT.unpack_from(head, offset + size * index) for index in range(number)]
    loads = [segment for segment in loads if segment[0] == LOAD]
    if not loads:
        return None
    base = 0 if kind == FIXED else area.start - loads[0][3] // PAGE * PAGE
    data, bss = [], []
    for _, flags, _, address, _, in_file, in_memory, _ in loads:
        if flags & WRITABLE:
            data.append(((base + address) & ~7, base + address + in_memory))
            low, high = pages_of(base + address + in_file, base + address + in_memory)
            if low < high:
                bss.append((low, high))
    return Library(area.name, area.start, tuple(data), tuple(bss))


def pages_of(start: int, end: int) -> tuple[int, int]:
    return -(-start // PAGE) * PAGE, -(-end // PAGE) * PAGE
