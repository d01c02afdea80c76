"""Who has which range of addresses.

Model: `Shares` begins with the anonymous areas of a process, which belong to nobody. Areas without a gap between them are one
range, since one owner's memory may be in several areas: madvise() and mprotect() split them. Each range that is found to be
somebody's is taken out of them, once. What is left at the end is unexplained.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Shares:
    def __init__(self, areas: Iterable[tuple[int, int]]) -> None:
        """areas: in the order of their addresses."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in areas:
            if self._ends and self._ends[-1] == start:
                self._ends[-1] = end
                continue
            self._starts.append(start)
            self._ends.append(end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges that belong to nobody."""
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def range_of(self, address: int) -> tuple[int, int] | None:
        """The free range that contains the address."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._ends[index]:
            return self._starts[index], self._ends[index]
        return None

    def contains(self, start: int, end: int) -> bool:
        found = self.range_of(start)
        return found is not None and start < end <= found[1]

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """What of a range belongs to nobody."""
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self._starts) and self._starts[index] < end:
            low, high = max(self._starts[index], start), min(self._ends[index], end)
            if low < high:
                yield low, high
            index += 1

    def take(self, start: int, end: int) -> list[tuple[int, int]]:
        """Takes what is free of a range, and returns it."""
        taken: list[tuple[int, int]] = []
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self._starts) and self._starts[index] < end:
            low, high = self._starts[index], self._ends[index]
            cut_low, cut_high = max(low, start), min(high, end)
            if cut_low >= cut_high:
                index += 1
                continue
            taken.append((cut_low, cut_high))
            rest = [(a, b) for a, b in ((low, cut_low), (cut_high, high)) if a < b]
            self._starts[index : index + 1] = [a for a, _ in rest]
            self._ends[index : index + 1] = [b for _, b in rest]
            index += len(rest)
        return taken
