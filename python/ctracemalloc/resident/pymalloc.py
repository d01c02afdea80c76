"""The arenas of pymalloc, which has all blocks of up to 512 bytes.

Model: CPython keeps a table of its arenas (`arenas`, in libc's memory), and a pointer to it among its variables. The pointer
is found by what it points to (sub-interpreters have a table each), so neither symbols nor one version's layout are needed:
the table is a row of 16, 32, 64 ... entries, and of each the beginning, the number of pools and the next unused pool must
agree. An arena is a row of pools of 16 KiB, and each pool in use says how many blocks of which size it has.

A pool's resident bytes are, in this order: its header and what is left over at its end (overhead), its blocks in use, and the
rest, which are free blocks. Pages that were never used or are in swap are missing from the last first.
"""

import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from .elf import Library
from .memory import Memory
from .pages import PAGE, Pages
from .shares import Shares

POOL = 16 << 10
ARENAS = {63: 1 << 20, 64: 1 << 20, 127: 2 << 20, 128: 2 << 20}  # bytes by number of pools
ENTRY = struct.Struct("<QQIIQQQ")  # struct arena_object
HEADER = struct.Struct("<IIQQQIIII")  # struct pool_header
ALIGNMENT = 16
CLASSES = 32  # sizes of blocks
FIRST_ENTRIES = 16
MAX_ENTRIES = 1 << 22
DEBUG = 16  # bytes that PYTHONMALLOC=debug puts before a block
LEAST_STATE, MOST_STATE = 256 << 10, 4 << 20  # bytes: a sub-interpreter's state has a map of 256 KiB


class Arenas(NamedTuple):
    """Sums over all arenas; resident bytes, but for the numbers."""

    number: int
    in_use: int
    free_blocks: int
    free_pools: int
    overhead: int
    blocks: int  # number of blocks in use


class Pools(NamedTuple):
    """The same of one arena."""

    in_use: int
    free_blocks: int
    free_pools: int
    overhead: int
    blocks: int


class Table(NamedTuple):
    """A table of arenas: (address, bytes, first pool that was never used) of each arena."""

    address: int
    arenas: tuple[tuple[int, int, int], ...]


def find_tables(libraries: Iterable[Library], memory: Memory, pages: Pages, shares: Shares) -> list[Table]:
    """Tables of arenas that variables of the libraries point to."""
    found: dict[int, Table] = {}
    for library in libraries:
        for start, end in library.data:
            for _, words in memory.resident_words(pages, start, end):
                for word, behind in pairwise(words):
                    if word and word % 16 == 0 and shares.range_of(word) is not None:
                        number = behind & 0xFFFFFFFF  # 3.12 and later
                        for guess in {number, number_by_chunk(word, 0, memory), number_by_chunk(word, DEBUG, memory)}:
                            add_table(read_table(word, guess, memory), found)
    return list(found.values())


def find_other_tables(blocks: Iterable[tuple[int, int]], memory: Memory, pages: Pages) -> list[Table]:
    """Tables of sub-interpreters (3.12 and later), whose state is in a large block of libc's: a pointer, and the number."""
    found: dict[int, Table] = {}
    for start, end in blocks:
        if LEAST_STATE <= end - start <= MOST_STATE:
            for _, words in memory.resident_words(pages, start, end):
                for word, number in pairwise(words):
                    if number <= MAX_ENTRIES and is_number(number) and word and word % 16 == 0:
                        add_table(read_table(word, number, memory), found)
    return list(found.values())


def add_table(table: Table | None, found: dict[int, Table]) -> None:
    if table is not None:
        found[table.address] = table


def is_number(number: int) -> bool:
    return FIRST_ENTRIES <= number <= MAX_ENTRIES and number & (number - 1) == 0


def number_by_chunk(address: int, before: int, memory: Memory) -> int:
    """How many entries fit into a block of libc's, `before` bytes behind its beginning; 0: there is no such block."""
    size = (memory.word(address - before - 8) & ~7) - 8 - before
    number = size // ENTRY.size
    return 1 << (number.bit_length() - 1) if FIRST_ENTRIES <= number <= MAX_ENTRIES else 0


def read_table(address: int, number: int, memory: Memory) -> Table | None:
    if not is_number(number) or not is_entry(memory.read(address, ENTRY.size)):
        return None
    data = memory.read(address, ENTRY.size * number)
    if len(data) != ENTRY.size * number:
        return None
    arenas = []
    for offset in range(0, len(data), ENTRY.size):
        entry = data[offset : offset + ENTRY.size]
        if not is_entry(entry):
            return None
        start, unused, _, pools, _, _, _ = ENTRY.unpack(entry)
        if start:
            arenas.append((start, ARENAS[pools], unused))
    return Table(address, tuple(arenas)) if arenas else None


def is_entry(entry: bytes) -> bool:
    """Can it be an entry: one without an arena, or of an arena whose numbers agree?"""
    if len(entry) != ENTRY.size:
        return False
    start, unused, free, pools, _, _, _ = ENTRY.unpack(entry)
    if not start:
        return True
    size = ARENAS.get(pools, 0)
    return bool(size) and start % PAGE == 0 and start <= unused <= start + size and unused % POOL == 0 and free <= pools


def take_arenas(tables: Iterable[Table], memory: Memory, pages: Pages, shares: Shares) -> Arenas:
    sums = [0, 0, 0, 0, 0, 0]
    for table in tables:
        for start, size, unused in table.arenas:
            if not shares.contains(start, start + size):
                continue  # it has been freed meanwhile
            shares.take(start, start + size)
            pools = read_arena(start, size, unused, memory, pages)
            sums = [a + b for a, b in zip(sums, (1, *pools), strict=True)]
    return Arenas(*sums)


def read_arena(start: int, size: int, unused: int, memory: Memory, pages: Pages) -> Pools:
    in_use = free_blocks = blocks = 0
    first = -(-start // POOL) * POOL
    overhead = pages.resident(start, first)  # what is before the first pool: the arena begins between two
    for pool in range(first, min(unused, start + size - POOL + 1), POOL):
        count, _, _, _, _, _, index, _, _ = read_header(pool, memory)
        if not count:
            continue
        part = pages.resident(pool, pool + POOL)
        block = (index + 1) * ALIGNMENT
        capacity = (POOL - HEADER.size) // block
        lost = min(part, POOL - capacity * block)
        used = min(part - lost, min(count, capacity) * block)
        overhead += lost
        in_use += used
        free_blocks += part - lost - used
        blocks += min(count, capacity)
    free_pools = pages.resident(start, start + size) - overhead - in_use - free_blocks
    return Pools(in_use, free_blocks, free_pools, overhead, blocks)


def read_header(pool: int, memory: Memory) -> tuple[int, ...]:
    data = memory.read(pool, HEADER.size)
    if len(data) != HEADER.size:
        return (0,) * 9
    fields = HEADER.unpack(data)
    return fields if fields[6] < CLASSES else (0,) * 9
