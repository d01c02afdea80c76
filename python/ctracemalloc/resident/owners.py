"""Whose anonymous memory is what neither Python nor libc explains?

Model: who made a mapping is not known, but who uses it can be seen: variables of a library point into it. So a mapping goes to
the library with the most such variables; a mapping that only another mapping points to goes to the same library as that one.
That is evidence and no proof, and the row says what it is: memory that a library points to.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from .elf import Library
from .memory import Memory
from .pages import Pages

HOPS = 4  # from mapping to mapping
MAX_BLOCK = 64 << 10  # bytes that are looked at of a block of libc's


def find_owners(
    ranges: Sequence[tuple[int, int]], libraries: Iterable[Library], memory: Memory, pages: Pages
) -> dict[tuple[int, int], str]:
    """{range: path of the library}; without the ranges that nobody points to."""
    starts = [start for start, _ in ranges]
    votes: dict[int, Counter[str]] = {}
    blocks: list[tuple[int, str]] = []
    for library in libraries:
        for start, end in library.data:
            for _, words in memory.resident_words(pages, start, end):
                vote(words, starts, ranges, library.path, votes)
                blocks += [(word, library.path) for word in words if word & 15 == 0 and 0x10000 < word < 1 << 47]
    owners = decide(votes)
    if len(owners) < len(ranges):
        owners = {**decide(votes_of_blocks(blocks, starts, ranges, memory)), **owners}
    new = dict(owners)
    for _ in range(HOPS):
        if len(owners) == len(ranges):
            break
        found = decide(votes_of_ranges(new, starts, ranges, memory, pages))
        new = {index: path for index, path in found.items() if index not in owners}
        owners.update(new)
    return {ranges[index]: path for index, path in owners.items()}


def vote(
    words: "array[int]", starts: Sequence[int], ranges: Sequence[tuple[int, int]], path: str, votes: dict[int, Counter[str]]
) -> None:
    if not ranges:
        return
    low, high = starts[0], ranges[-1][1]
    for word in [word for word in words if low <= word < high]:
        index = bisect_right(starts, word) - 1
        if word < ranges[index][1]:
            votes.setdefault(index, Counter())[path] += 1


def decide(votes: dict[int, Counter[str]]) -> dict[int, str]:
    return {index: max(counter, key=lambda path: counter[path]) for index, counter in votes.items()}


def votes_of_blocks(
    blocks: Sequence[tuple[int, str]], starts: Sequence[int], ranges: Sequence[tuple[int, int]], memory: Memory
) -> dict[int, Counter[str]]:
    """Votes of blocks of libc's that variables of a library point to."""
    votes: dict[int, Counter[str]] = {}
    for address, path in dict.fromkeys(blocks):
        field = memory.word(address - 8)
        size = (field & ~7) - 16
        if field & 2 == 0 and 16 <= size <= MAX_BLOCK:
            vote(memory.words(address, size // 8), starts, ranges, path, votes)
    return votes


def votes_of_ranges(
    owners: dict[int, str], starts: Sequence[int], ranges: Sequence[tuple[int, int]], memory: Memory, pages: Pages
) -> dict[int, Counter[str]]:
    """Votes of ranges that have an owner."""
    votes: dict[int, Counter[str]] = {}
    for index, path in owners.items():
        for _, words in memory.resident_words(pages, *ranges[index]):
            vote(words, starts, ranges, path, votes)
    return votes
