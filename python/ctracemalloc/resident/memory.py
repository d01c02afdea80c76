"""Reads the words of a process from /proc/PID/mem.

Model: of another process only resident pages are read. Reading any other would make it resident, or bring it back from swap,
and so change what is measured. This process changes while it reads itself, so there the list of its pages is not asked.

A read can fail at any time, since the process goes on; then the answer is short. Nothing read is trusted: what looks like a
pointer or a size is checked by those who follow it.
"""

import os
from array import array
from collections.abc import Iterator

from .pages import Pages

BLOCK = 1 << 20


class Memory:
    def __init__(self, pid: int, pages: Pages) -> None:
        """PermissionError: the memory of the process cannot be read."""
        self.pages = pages
        self.is_own = pid == os.getpid()
        self.descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.descriptor)

    def read(self, address: int, size: int) -> bytes:
        """b"" or a shorter answer: the rest cannot be read, or is not resident."""
        if not self.is_own:
            size = min(size, self.pages.end_of_run(address) - address)
        try:
            return os.pread(self.descriptor, size, address) if size > 0 else b""
        except (OSError, OverflowError, ValueError):
            return b""

    def words(self, address: int, number: int) -> "array[int]":
        data = self.read(address, 8 * number)
        return array("Q", data[: len(data) & ~7])

    def fields(self, address: int, number: int) -> list[int]:
        """So many words; those that cannot be read are 0."""
        found = self.words(address, number).tolist()
        return found + [0] * (number - len(found))

    def word(self, address: int) -> int:
        """0: it cannot be read, or is 0."""
        return self.fields(address, 1)[0]

    def resident_words(self, pages: Pages, start: int, end: int) -> Iterator[tuple[int, "array[int]"]]:
        """(address, words) of the resident parts of a range of whole words."""
        for low, high in pages.runs(start, end):
            for address in range(low, high, BLOCK):
                words = self.words(address, (min(BLOCK, high - address)) // 8)
                if words:
                    yield address, words
