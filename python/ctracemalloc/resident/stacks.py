"""The stacks of threads.

Model: glibc's description of a thread (`struct pthread`) is at the end of its stack. It begins with its own address, twice, and
has the thread's id and the beginning and size of the stack. It is looked for in what is left of the anonymous memory. A stack
whose thread has ended has the id 0: glibc keeps it for the next thread.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .memory import Memory
from .pages import PAGE, Pages
from .shares import Shares

LINE = 8  # words: a description begins at a multiple of 64 bytes
DESCRIPTION = 320  # words in which its fields are looked for
TID = range(0x280, 0x300, 4)  # bytes from its beginning where the id may be
LEAST, MOST = 16 << 10, 1 << 40  # bytes of a stack


class Stack(NamedTuple):
    start: int
    end: int
    thread: str  # the name of the thread; "": it has ended


def names_of_threads(pid: int) -> dict[int, str]:
    """{id: name}"""
    names = {}
    for name in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{name}/comm", encoding="utf-8", errors="surrogateescape") as comm:
                names[int(name)] = comm.read().rstrip("\n")
        except OSError:
            continue  # it has ended meanwhile
    return names


def take_stacks(threads: dict[int, str], memory: Memory, pages: Pages, shares: Shares) -> list[tuple[Stack, int]]:
    """Stacks with their resident bytes."""
    found = []
    for start, end in shares:
        for stack in stacks_in(start, end, threads, memory, pages):
            size = sum(pages.resident(*part) for part in shares.take(stack.start, stack.end))
            found.append((stack, size))
    return found


def stacks_in(start: int, end: int, threads: dict[int, str], memory: Memory, pages: Pages) -> Iterator[Stack]:
    for address, words in memory.resident_words(pages, start, end):
        for index, word in enumerate(words[::LINE]):
            if word == address + 8 * LINE * index and words[LINE * index + 2] == word:
                stack = read_description(word, threads, memory)
                if stack is not None and start <= stack.start and stack.end <= end + PAGE:
                    yield stack


def read_description(address: int, threads: dict[int, str], memory: Memory) -> Stack | None:
    words = memory.words(address, DESCRIPTION)
    for index in range(len(words) - 2):
        begin, size, guard = words[index : index + 3]
        whole = begin % PAGE == 0 and size % PAGE == 0 and guard % PAGE == 0 and LEAST <= size < MOST and guard < size
        if whole and begin < address < begin + size and begin + size - address < 1 << 20:
            return Stack(begin + guard, begin + size, thread_name(words, threads))
    return None


def thread_name(words: Iterable[int], threads: dict[int, str]) -> str:
    data = array("Q", words).tobytes()
    for offset in TID:
        name = threads.get(int.from_bytes(data[offset : offset + 4], "little"))
        if name is not None:
            return name or "?"
    return ""
