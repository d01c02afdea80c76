"""Reading jemalloc's heap profiles (`prof.dump`, the text `heap_v2/INTERVAL`), of programs that are not Python as well.

Model: a record is `@ ADDRESS...` and the counts of all threads, `t*: blocks: bytes [blocks: bytes]`, of what is live and of
what was ever allocated. They are those of the sample; the estimates are made here, as jeprof does. Addresses have no names in
such a file: a frame is its address, in the file that is mapped there.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from math import expm1

from .tables import Place, Tables

HEAD = re.compile(rb"heap_v2/(\d{1,18})\s")
COUNTS = re.compile(r"\s+t\*: (\d{1,19}): (\d{1,19}) \[(\d{1,19}): (\d{1,19})\]")
MAPPED = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ..x. \S+ \S+ \S+\s+(/.*)")
LIBRARIES = "MAPPED_LIBRARIES:"


def is_jemalloc(head: bytes) -> bool:
    return head.startswith(b"heap_v2/")


def read(content: bytes) -> Tables:
    """ValueError: it is no such profile."""
    match = HEAD.match(content)
    if match is None:
        raise ValueError("the first line is not heap_v2/INTERVAL")
    interval = int(match[1])
    text = content.decode("utf-8", "surrogateescape")
    mapped = list(ranges(text))
    starts = [start for start, _end, _name in mapped]
    tables, number = Tables(), 0
    for addresses, counts in records(text):
        number += 1
        places = [tables.frame(place_of(address, mapped, starts)) for address in reversed(addresses)]
        traceback = tables.traceback(places)
        live, live_size = estimate(counts[0], counts[1], interval)
        ever, ever_size = estimate(counts[2], counts[3], interval)
        tables.add_blocks(traceback, live, live_size)
        if ever > live and ever_size >= live_size:
            tables.add_blocks(traceback, ever - live, ever_size - live_size, freed=True)
    if not number and "@" in text.partition(LIBRARIES)[0]:
        raise ValueError("its records have no counts of all threads (t*:)")
    tables.note = f"estimates: the jemalloc profile is of a sample, about one block in {interval:,} bytes"
    return tables


def records(text: str) -> Iterator[tuple[list[int], tuple[int, int, int, int]]]:
    """(addresses, the most recent first; live blocks, bytes, ever allocated blocks, bytes)"""
    addresses: list[int] | None = None
    for line in text.partition(LIBRARIES)[0].splitlines():
        if line.startswith("@"):
            try:
                addresses = [int(word, 16) for word in line[1:].split()]
            except ValueError:
                raise ValueError(f"not addresses: {line[:60]!r}") from None
        elif addresses is not None and (match := COUNTS.match(line)):
            yield addresses, (int(match[1]), int(match[2]), int(match[3]), int(match[4]))
            addresses = None


def ranges(text: str) -> Iterator[tuple[int, int, str]]:
    """(first address, address behind the last, file) of the mapped code."""
    found = [(int(m[1], 16), int(m[2], 16), m[3]) for m in map(MAPPED.match, text.partition(LIBRARIES)[2].splitlines()) if m]
    yield from sorted(found)


def place_of(address: int, mapped: list[tuple[int, int, str]], starts: list[int]) -> Place:
    at = bisect_right(starts, address) - 1
    inside = at >= 0 and address < mapped[at][1]
    return Place(f"0x{address:x}", mapped[at][2] if inside else "<unknown>")


def estimate(blocks: int, size: int, interval: int) -> tuple[int, int]:
    """(blocks, bytes) that the sample stands for."""
    if not blocks or not interval:
        return blocks, size
    scale = -1 / expm1(-(size / blocks) / interval) if size else 1.0
    return round(blocks * scale), round(size * scale)
