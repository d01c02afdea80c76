"""The result: numbers and codes. render/text/resident.py has the words for them."""

from collections.abc import Mapping
from typing import NamedTuple


class ResidentRow(NamedTuple):
    """One part of the resident memory. Each resident byte is in exactly one row."""

    kind: str  # a code, of KINDS
    name: str  # the file, thread, arena or library; "": the kind has only one row
    size: int  # bytes that are resident
    detail: Mapping[str, int]  # more numbers, by code; {}: none
    advice: str  # a code: what helps; "": nothing


class TracedMemory(NamedTuple):
    """What the tracer of the process counts: blocks as they were requested, resident or not."""

    size: int  # bytes live
    peak: int  # bytes
    announced: int  # bytes of `size` that extensions announced (domains other than 0)
    tracer: int | None  # bytes of the tracer itself; None: not known of another process


class ResidentMemory(NamedTuple):
    """What the resident memory of a process consists of. Sizes are in bytes."""

    pid: int
    total: int  # the sum of the rows: the resident pages that were found
    status: int  # the kernel's own count at that time (VmRSS)
    swap: int  # bytes in swap, which are not in total
    hugetlb: int  # bytes in reserved huge pages, which the kernel does not count in RSS
    unexplained: int  # bytes that belong to nothing known; a row as well
    rows: tuple[ResidentRow, ...]  # the largest first
    unknown: tuple[str, ...]  # codes: what could not be looked into, and so is in rows of its own or unexplained
    traced: TracedMemory | None  # None: no tracer, or it cannot be asked from here


# The kinds of rows. The last column is the code of the advice that a row of it carries.
KINDS = {
    "file": "shared_by_processes",
    "file_private": "relocated",
    "bss": "static_data",
    "stack": "stack",
    "stack_cached": "stack_cached",
    "pymalloc_in_use": "objects",
    "pymalloc_free_blocks": "fragmentation",
    "pymalloc_free_pools": "free_pools",
    "pymalloc_overhead": "rounding",
    "libc_in_use": "raw_blocks",
    "libc_large": "large_blocks",
    "libc_free": "trim",
    "libc_other": "heap_not_read",
    "anonymous": "points_to",
    "named": "named",
    "shared_memory": "shared_memory",
    "kernel": "",
    "tracer": "tracer",
    "not_read": "permission",
    "unexplained": "unexplained",
}
