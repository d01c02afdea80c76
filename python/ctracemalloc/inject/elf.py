"""Addresses of exported functions in another process.

Model: what is read is the process's memory (/proc/PID/mem), not its files: that is right also for files that were replaced
since, and in other mount namespaces. A mapped file is an object; its dynamic symbols are found through its GNU hash table,
which a stripped file has too. Everything is x86-64 and little-endian; what is not so has no symbols.
"""

import bisect
import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
SYMBOL = struct.Struct("<IBBHQQ")
MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
MACHINE = 62  # x86-64
PT_LOAD, PT_DYNAMIC, PT_GNU_EH_FRAME = 1, 2, 0x6474E550
EH_FRAME_HEADER = bytes(
    (1, 0x1B, 0x03, 0x3B)
)  # version 1; the encodings that all linkers use: a sorted table of 32-bit distances
STT_FUNC = 2
DT_STRTAB, DT_SYMTAB, DT_GNU_HASH = 5, 6, 0x6FFFFEF5
MOST = 1 << 20  # of anything that is counted: a damaged table must not keep us busy


class Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    path: str


def mappings(pid: int) -> list[Mapping]:
    """The mapped files of a process."""
    found = []
    with open(f"/proc/{pid}/maps", "rb") as maps:
        for line in maps:
            fields = line.rstrip(b"\n").split(maxsplit=5)
            if len(fields) == 6 and fields[5][:1] == b"/":
                start, end = (int(number, 16) for number in fields[0].split(b"-"))
                found.append(Mapping(start, end, int(fields[2], 16), os.fsdecode(fields[5])))
    return found


class Memory:
    """A process's memory. OSError: there is none at that address; PermissionError when it is opened: no right to."""

    def __init__(self, pid: int) -> None:
        self.file = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.file)

    def read(self, address: int, size: int) -> bytes:
        data = os.pread(self.file, size, address)
        if len(data) != size:
            raise OSError(f"no memory at {address:#x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        try:
            written = os.pwrite(self.file, data, address)
        except OSError as error:
            raise OSError(f"the process's memory cannot be written to: {error.strerror}") from None
        if written != len(data):
            raise OSError(f"no memory at {address:#x}")

    def number(self, address: int, size: int = 8) -> int:
        return int.from_bytes(self.read(address, size), "little")


class Object:
    """A mapped file with dynamic symbols, at `base`."""

    def __init__(self, memory: Memory, base: int, path: str) -> None:
        self.memory, self.path = memory, path
        magic, _, machine, _, _, table, _, _, _, size, count, *_ = HEADER.unpack(memory.read(base, HEADER.size))
        if not magic.startswith(MAGIC) or machine != MACHINE or size != PROGRAM_HEADER.size:
            raise OSError("not an object for x86-64")
        headers = list(PROGRAM_HEADER.iter_unpack(memory.read(base + table, size * count)))
        first = min((header[3] for header in headers if header[0] == PT_LOAD), default=0)
        self.bias = base - (first & ~0xFFF)
        self.tags = dict(self.dynamic(headers))
        self.unwinding = next((self.bias + header[3] for header in headers if header[0] == PT_GNU_EH_FRAME), None)

    def dynamic(self, headers: list[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
        for kind, _, _, address, _, _, size, _ in headers:
            if kind == PT_DYNAMIC:
                yield from struct.iter_unpack("<qQ", self.memory.read(self.bias + address, min(size, MOST) & ~15))

    def table(self, tag: int) -> int:
        """The address of a table. glibc has added the bias to what the file says, musl has not."""
        address = self.tags[tag]
        return address if address >= self.bias else address + self.bias

    def symbol(self, name: str) -> int | None:
        """The address of an exported function or variable."""
        try:
            return self.find(name.encode())
        except (KeyError, OSError, struct.error, ZeroDivisionError):
            return None

    def functions(self) -> list[tuple[int, int]]:
        """The first address of each exported function, with the address after its last one; sorted."""
        data = self.memory.read(self.table(DT_SYMTAB), SYMBOL.size * self.count())
        found = set()
        for _, info, _, section, value, size in SYMBOL.iter_unpack(data):
            if section and info & 15 == STT_FUNC and size:
                found.add((self.bias + value, self.bias + value + size))
        return sorted(found)

    def count(self) -> int:
        """How many dynamic symbols there are: the GNU hash table knows the last one."""
        memory, table = self.memory, self.table(DT_GNU_HASH)
        buckets, first, words, _ = struct.unpack("<IIII", memory.read(table, 16))
        bucket_table = table + 16 + 8 * words
        index = max(struct.unpack(f"<{buckets}I", memory.read(bucket_table, 4 * buckets)))
        while first <= index < MOST and not memory.number(bucket_table + 4 * buckets + 4 * (index - first), 4) & 1:
            index += 1
        return int(index + 1)

    def extent(self, address: int) -> tuple[int, int] | None:
        """Begin and end of the function, or of the part of one, at the address: from the table for unwinding the stack."""
        table, memory = self.unwinding, self.memory
        if table is None or memory.read(table, 4) != EH_FRAME_HEADER:
            return None
        rows = list(struct.iter_unpack("<ii", memory.read(table + 12, 8 * memory.number(table + 8, 4))))
        index = bisect.bisect_right(rows, address - table, key=lambda row: row[0]) - 1
        if index < 0:
            return None
        start, entry = table + rows[index][0], table + rows[index][1]
        end = start + memory.number(entry + 12, 4)
        return (start, end) if address < end else None

    def find(self, name: bytes) -> int | None:
        number, memory = gnu_hash(name), self.memory
        table = self.table(DT_GNU_HASH)
        buckets, first, words, _ = struct.unpack("<IIII", memory.read(table, 16))
        bucket_table = table + 16 + 8 * words
        index = memory.number(bucket_table + 4 * (number % buckets), 4)
        while first <= index < MOST:
            found = memory.number(bucket_table + 4 * buckets + 4 * (index - first), 4)
            if found | 1 == number | 1:
                text, _, _, section, value, _ = SYMBOL.unpack(
                    memory.read(self.table(DT_SYMTAB) + SYMBOL.size * index, SYMBOL.size)
                )
                if section and memory.read(self.table(DT_STRTAB) + text, len(name) + 1) == name + b"\0":
                    return int(self.bias + value)
            if found & 1:
                return None
            index += 1
        return None


def gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def objects(memory: Memory, files: Sequence[Mapping]) -> Iterator[Object]:
    for mapping in files:
        if mapping.offset == 0:
            try:
                yield Object(memory, mapping.start, mapping.path)
            except (OSError, struct.error):
                continue
