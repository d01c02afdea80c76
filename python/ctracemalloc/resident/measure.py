"""resident_memory(): all parts of a process's resident memory.

Model: files, shared memory and the kernel's own pages are told by their mapping, page by page. The anonymous areas are shared
out in an order that goes from what is certain to what is evidence: variables of libraries, the main stack, pymalloc's arenas,
libc's heap, stacks of threads, memory that libraries point to. Neighbours merge into one mapping, so no step takes a mapping
for a unit. What is left is unexplained.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Sequence

from .. import _ctracemalloc
from .._ctracemalloc import DomainFilter, FileError, Snapshot
from ..blackbox import finding
from ..blackbox.reading import BlackBox
from . import glibc, owners, pymalloc, stacks
from .areas import Area, read_areas, status_size
from .elf import Library, find_libraries
from .memory import Memory
from .pages import Pages, read_pages
from .result import KINDS, ResidentMemory, ResidentRow, TracedMemory
from .shares import Shares

TRIES = 3
CHANGED = frozenset(("heap", "large_blocks"))  # what is not known where the process changed while it was read
TRACER = "_ctracemalloc."  # begins the name of the extension's file


class Rows:
    """Sums by kind and name."""

    def __init__(self) -> None:
        self.sizes: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.details: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)

    def add(self, kind: str, name: str, size: int, **detail: int) -> None:
        if not size:
            return
        self.sizes[kind, name] += size
        numbers = self.details[kind, name]
        for key, value in detail.items():
            numbers[key] = numbers.get(key, 0) + value

    def result(self) -> tuple[ResidentRow, ...]:
        ordered = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        return tuple(ResidentRow(*key, size, self.details[key], KINDS[key[0]]) for key, size in ordered)


def resident_memory(pid: int | None = None) -> ResidentMemory:
    """What the resident memory of a process consists of: of this one, or of the one with that id.

    The process is neither stopped nor changed. ProcessLookupError: there is none. PermissionError: it may not be read.
    """
    if sys.platform != "linux":
        raise OSError("the parts of resident memory are read from /proc, which only Linux has")
    number = os.getpid() if pid is None else pid
    try:
        for _ in range(TRIES - 1):
            result = measure(number)
            if not has_changed(result):
                return result
        return measure(number)
    except (FileNotFoundError, ProcessLookupError):
        if not os.path.exists("/proc/self/smaps"):
            raise OSError("the parts of resident memory are read from /proc, which is not there") from None
        if os.path.exists(f"/proc/{number}"):
            raise ProcessLookupError(f"process {number} has no memory: it has ended, or is the kernel's") from None
        raise ProcessLookupError(f"there is no process {number}") from None
    except PermissionError:
        raise PermissionError(
            f"process {number} belongs to another user, or may not be read: run this as its user or as root"
        ) from None


def has_changed(result: ResidentMemory) -> bool:
    """Has the process changed while it was read, so that another try may be better?"""
    return abs(result.total - result.status) * 100 > result.total or bool(CHANGED.intersection(result.unknown))


def measure(pid: int, scan: bool = True) -> ResidentMemory:
    box = finding.find(pid)
    areas = read_areas(pid)
    pages = read_pages(pid, areas, scan)
    status = status_size(pid)
    if not areas:
        raise ProcessLookupError
    rows = Rows()
    shares = Shares((area.start, area.end) for area in areas if area.is_anonymous)
    add_mapped(areas, pages, rows, box)
    unknown = find_parts(pid, areas, pages, shares, rows)
    rest = sum(pages.resident(*part) for part in shares)
    rows.add("not_read" if "memory" in unknown else "unexplained", "", rest)
    rows.sizes["unexplained", ""] += pages.unplaced  # a row even if nothing is in it
    parts = rows.result()
    return ResidentMemory(
        pid=pid,
        total=sum(row.size for row in parts),
        status=status,
        swap=sum(area.swap for area in areas),
        hugetlb=sum(area.hugetlb for area in areas),
        unexplained=sum(row.size for row in parts if row.kind == "unexplained"),
        rows=parts,
        unknown=tuple(unknown),
        traced=traced_memory(pid, box),
    )


def add_mapped(areas: Sequence[Area], pages: Pages, rows: Rows, box: str | None) -> None:
    """The areas that tell by themselves what they are."""
    inode = inode_of(box)
    for area in areas:
        size = pages.resident(area.start, area.end)
        if area.is_anonymous or not size:
            continue
        if area.is_shared_memory:
            rows.add("shared_memory", area.name, size)
        elif area.is_file:
            clean = pages.resident_of_file(area.start, area.end)
            is_box = inode is not None and area.inode == inode and area.permissions[3] == "s"
            rows.add("tracer" if is_box else "file", area.name, clean)
            rows.add("file_private", area.name, size - clean)
        else:
            rows.add("named" if area.name.startswith("[anon:") else "kernel", area.name, size)


def inode_of(path: str | None) -> int | None:
    try:
        return None if path is None else os.stat(path).st_ino
    except OSError:
        return None


def find_parts(pid: int, areas: Sequence[Area], pages: Pages, shares: Shares, rows: Rows) -> list[str]:
    """Shares out the anonymous areas. Codes of what is not known."""
    take_main_stack(areas, pages, shares, rows)
    try:
        memory = Memory(pid, pages)
    except PermissionError:
        return ["memory"]
    try:
        if pages.starts and not memory.read(pages.starts[0], 8):
            return ["memory"]
        libraries = find_libraries(pid, areas, memory)
        for library in libraries:
            for part in library.bss:
                rows.add("bss", library.path, taken(part, pages, shares))
        return find_heaps(pid, areas, libraries, memory, pages, shares, rows)
    finally:
        memory.close()


def taken(part: tuple[int, int], pages: Pages, shares: Shares) -> int:
    return sum(pages.resident(*piece) for piece in shares.take(*part))


def take_main_stack(areas: Sequence[Area], pages: Pages, shares: Shares, rows: Rows) -> None:
    for area in areas:
        if area.name == "[stack]":
            rows.add("stack", "[stack]", taken((area.start, area.end), pages, shares), threads=1)


def find_heaps(
    pid: int,
    areas: Sequence[Area],
    libraries: Sequence[Library],
    memory: Memory,
    pages: Pages,
    shares: Shares,
    rows: Rows,
) -> list[str]:
    unknown = []
    tables = pymalloc.find_tables(interpreters(libraries), memory, pages, shares)
    if not tables:
        unknown.append("pymalloc")
    add_arenas(pymalloc.take_arenas(tables, memory, pages, shares), rows)
    heap = find_libc(areas, libraries, memory, pages, shares)
    unknown += add_heap(heap, areas, pages, shares, rows)
    if heap is not None:
        others = pymalloc.find_other_tables(heap.large, memory, pages)
        add_arenas(pymalloc.take_arenas(others, memory, pages, shares), rows)
    for stack, size in stacks.take_stacks(stacks.names_of_threads(pid), memory, pages, shares):
        rows.add("stack" if stack.thread else "stack_cached", stack.thread, size, threads=1)
    find_users(areas, libraries, memory, pages, shares, rows)
    return unknown


def interpreters(libraries: Sequence[Library]) -> list[Library]:
    """The files that the interpreter may be in: the program and libpython."""
    named = [library for library in libraries[1:] if os.path.basename(library.path).startswith("libpython")]
    return [*libraries[:1], *named]


def add_arenas(arenas: pymalloc.Arenas, rows: Rows) -> None:
    rows.add("pymalloc_in_use", "", arenas.in_use, arenas=arenas.number, blocks=arenas.blocks)
    rows.add("pymalloc_free_blocks", "", arenas.free_blocks)
    rows.add("pymalloc_free_pools", "", arenas.free_pools)
    rows.add("pymalloc_overhead", "", arenas.overhead)


def find_libc(
    areas: Sequence[Area], libraries: Sequence[Library], memory: Memory, pages: Pages, shares: Shares
) -> glibc.Heap | None:
    for library in libraries:
        if os.path.basename(library.path).startswith(("libc.so", "libc-2.")):
            return glibc.Glibc(memory, pages, shares).find(library, areas)
    return None


def add_heap(heap: glibc.Heap | None, areas: Sequence[Area], pages: Pages, shares: Shares, rows: Rows) -> list[str]:
    """Codes of what is not known."""
    unknown = []
    if heap is None:
        unknown.append("libc")
    else:
        add_parts(heap, pages, rows)
        if not heap.large_verified:
            unknown.append("large_blocks")
    changed = heap is not None and not heap.main_verified
    # What is left of [heap] was not understood: another allocator's, or it changed at each try.
    for area in areas:
        if area.name == "[heap]":
            size = taken((area.start, area.end), pages, shares)
            rows.add("libc_other", area.name, size)
            changed |= bool(size)
    return [*unknown, "heap"] if changed and heap is not None else unknown


def add_parts(heap: glibc.Heap, pages: Pages, rows: Rows) -> None:
    for part in heap.parts:
        name = "main" if part.main else "threads"
        rows.add("libc_in_use", name, part.in_use, chunks=part.chunks)
        rows.add("libc_free", name, part.free, top=part.top)
    for start, end in heap.large:
        rows.add("libc_large", "", pages.resident(start, end), blocks=1, mapped=end - start)


def find_users(
    areas: Sequence[Area], libraries: Sequence[Library], memory: Memory, pages: Pages, shares: Shares, rows: Rows
) -> None:
    parts = [part for area in areas for part in shares.parts(area.start, area.end)]
    ranges = [part for part in parts if pages.resident(*part)]
    for (start, end), path in owners.find_owners(ranges, libraries, memory, pages).items():
        is_tracer = os.path.basename(path).startswith(TRACER)
        rows.add("tracer" if is_tracer else "anonymous", path, taken((start, end), pages, shares), mapped=end - start)


# --- the tracer's own numbers ---


def traced_memory(pid: int, box: str | None) -> TracedMemory | None:
    if box is not None:
        try:
            with BlackBox(box) as opened:
                snapshot, peak = opened.snapshot(), sum(item.size for item in opened.peak().statistics("filename"))
        except (OSError, FileError):
            return None
        return TracedMemory(total_size(snapshot), peak, announced_size(snapshot), own_size(pid))
    if pid != os.getpid() or not _ctracemalloc.is_tracing():
        return None
    size, peak = _ctracemalloc.get_traced_memory()
    return TracedMemory(size, peak, announced_size(_ctracemalloc.take_snapshot()), own_size(pid))


def own_size(pid: int) -> int | None:
    return _ctracemalloc.get_tracemalloc_memory() if pid == os.getpid() else None


def total_size(snapshot: Snapshot) -> int:
    return sum(item.size for item in snapshot.statistics("filename"))


def announced_size(snapshot: Snapshot) -> int:
    return total_size(snapshot.filter_traces([DomainFilter(False, 0)]))
