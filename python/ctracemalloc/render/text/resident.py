"""What the resident memory of a process consists of, as text: a row for each kind, with what it means and what helps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..._words import counted
from ...resident.result import ResidentMemory, ResidentRow, TracedMemory
from .columns import pad
from .style import Style
from .tables import fact_lines
from .units import format_bytes, format_percent

TITLES = {
    "file": "mapped files, unchanged pages",
    "file_private": "mapped files, changed pages",
    "bss": "variables of the program and its libraries (bss)",
    "stack": "stacks of threads",
    "stack_cached": "stacks of threads that ended",
    "pymalloc_in_use": "pymalloc (blocks of up to 512 bytes): in use",
    "pymalloc_free_blocks": "pymalloc: free blocks in pools in use",
    "pymalloc_free_pools": "pymalloc: free pools",
    "pymalloc_overhead": "pymalloc: headers and rounding",
    "libc_in_use": "libc's heap: in use",
    "libc_large": "libc's large blocks, each a mapping",
    "libc_free": "libc's heap: free",
    "libc_other": "heap: not known how much of it is in use",
    "anonymous": "anonymous memory that libraries point to",
    "named": "anonymous memory with a name",
    "shared_memory": "shared memory",
    "kernel": "pages of the kernel",
    "tracer": "tables of the tracer",
    "not_read": "anonymous memory that may not be read",
    "unexplained": "unexplained",
}
ADVICE = {
    "shared_by_processes": "Code and files. Processes share these pages, and the system takes them when memory is short.",
    "relocated": "Pages that the loader or the program has written to: a copy for each process. Fewer imports help.",
    "static_data": "Fixed by the program and its libraries.",
    "stack": "What the deepest call of a thread has touched stays resident. Fewer threads help.",
    "stack_cached": "libc keeps up to 40 MiB of them for the next threads.",
    "objects": "Live Python objects. Trace the program to see who holds them.",
    "fragmentation": "Fragmentation: a pool of 16 KiB is free only when all its blocks are. New objects fill them first.",
    "free_pools": "Other pools of the same arenas are in use, so the arenas stay. New objects fill them.",
    "rounding": "The price of pymalloc; it grows with the number of pools.",
    "raw_blocks": "Blocks of Python of more than 512 bytes or of its raw domain, and blocks of libraries. Free blocks that"
    " libc keeps in the caches of threads are in it.",
    "large_blocks": "Arrays, buffers and long strings. Each goes back to the system when it is freed.",
    "trim": "Freed, but libc keeps it: ctypes.CDLL(None).malloc_trim(0) returns most of it."
    " With many threads MALLOC_ARENA_MAX=2 keeps less.",
    "heap_not_read": "It changed while it was read, or another allocator than glibc's has it.",
    "points_to": "Evidence, no proof: variables of the library point into it. Mostly an allocator or a cache of its own.",
    "named": "The program or a library has given it this name.",
    "shared_memory": "Each process that has touched it counts it.",
    "tracer": "It ends with the tracing.",
    "permission": "Run this as root, or allow it: sysctl kernel.yama.ptrace_scope=0.",
    "unexplained": "Nothing that is known points to it.",
}
UNKNOWN = {
    "memory": "what is in the anonymous memory: the system does not let this process read it",
    "pymalloc": "pymalloc's arenas: none were found (PYTHONMALLOC=malloc has none)",
    "libc": "how much of the heap is in use: the process has no glibc, or one of an unknown form",
    "heap": "how much of the heap is in use: it changed while it was read, or another allocator has it",
    "large_blocks": "which mappings are libc's blocks: they do not agree with libc's own count",
}
PARTS = 3  # in the line of a report
NAME_INDENT = 4  # columns of a name below its row


class Group(NamedTuple):
    kind: str
    size: int
    rows: list[ResidentRow]


def resident_facts(result: ResidentMemory) -> list[tuple[str, str]]:
    """One fact for the report of a program that runs: the whole and its largest parts."""
    parts = [f"{TITLES.get(group.kind, group.kind)} {format_bytes(group.size)}" for group in groups_of(result.rows)[:PARTS]]
    return [("resident", f"{format_bytes(result.total)}: {'; '.join(parts)}; ... (`ctracemalloc rss {result.pid}` has all)")]


def format_resident(result: ResidentMemory, limit: int, style: Style) -> list[str]:
    """limit: names below each row."""
    groups = groups_of(result.rows)
    table = [(format_bytes(group.size), percent(group.size, result.total)) for group in groups]
    widths = [max(len(cells[index]) for cells in [*table, ("size", "%")]) for index in (0, 1)]
    lines = [*title(result, style), *fact_lines(facts_of(result), style), ""]
    lines.append(f"{pad('size', widths[0], '>')}  {pad('%', widths[1], '>')}  what")
    for group, cells in zip(groups, table, strict=True):
        numbers = "  ".join(pad(cell, width, ">") for cell, width in zip(cells, widths, strict=True))
        lines += format_group(group, numbers, limit, style)
    return lines


def groups_of(rows: Sequence[ResidentRow]) -> list[Group]:
    """The rows by kind, the largest kind first."""
    kinds: dict[str, list[ResidentRow]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    groups = [Group(kind, sum(row.size for row in members), members) for kind, members in kinds.items()]
    return sorted(groups, key=lambda group: -group.size)


def percent(size: int, total: int) -> str:
    return format_percent(100 * size / total if total else 0.0)


def title(result: ResidentMemory, style: Style) -> list[str]:
    text = f"process {result.pid}: {format_bytes(result.total)} resident, {format_bytes(result.unexplained)} of it unexplained"
    return [style.bold(line) for line in style.prose(text)]


def facts_of(result: ResidentMemory) -> list[tuple[str, str]]:
    facts = []
    if result.traced is not None:
        facts.append(("traced", traced_text(result.traced)))
    if result.swap:
        facts.append(("swap", f"{format_bytes(result.swap)} more are in swap"))
    if result.hugetlb:
        facts.append(("huge", f"{format_bytes(result.hugetlb)} more are in reserved huge pages, which RSS does not count"))
    difference = result.status - result.total
    if abs(difference) * 100 > result.total:
        facts.append(("changed", f"the kernel counts {format_bytes(result.status)}: the process changed while it was read"))
    return facts + [("unknown", UNKNOWN[code]) for code in result.unknown]


def traced_text(traced: TracedMemory) -> str:
    text = f"{format_bytes(traced.size)} live, as requested, resident or not; peak {format_bytes(traced.peak)}"
    if traced.announced:
        text += f"; {format_bytes(traced.announced)} of it announced by extensions"
    if traced.tracer is not None:
        text += f"; the tracer itself uses {format_bytes(traced.tracer)}"
    return text


def format_group(group: Group, numbers: str, limit: int, style: Style) -> list[str]:
    indent = len(numbers) + 2
    first, *rest = style.prose(TITLES[group.kind] + details(group), indent)
    lines = [f"{numbers}  {style.bold(first)}", *(" " * indent + style.bold(line) for line in rest)]
    advice = ADVICE.get(group.rows[0].advice, "")
    lines += (" " * indent + style.dim(line) for line in (style.prose(advice, indent) if advice else []))
    named = [row for row in group.rows if row.name]
    return lines + (format_names(named, indent, limit, style) if len(named) > 1 or group.kind in WITH_NAME else [])


WITH_NAME = ("anonymous", "named", "shared_memory")  # kinds whose only name is shown as well


def format_names(rows: Sequence[ResidentRow], indent: int, limit: int, style: Style) -> list[str]:
    sizes = [format_bytes(row.size) for row in rows[:limit]]
    width = max(map(len, sizes), default=0)
    lines = []
    for row, size in zip(rows, sizes, strict=False):
        start = " " * (indent + NAME_INDENT) + pad(size, width, ">") + "  "
        lines.append(start + style.location(style.path(row.name), name_details(row), len(start)))
    if len(rows) > limit:
        rest = sum(row.size for row in rows[limit:])
        lines.append(" " * (indent + NAME_INDENT) + f"{format_bytes(rest)} in {len(rows) - limit} more")
    return lines


# --- what the numbers of a row say ---


def details(group: Group) -> str:
    sums: dict[str, int] = {}
    for row in group.rows:
        for key, value in row.detail.items():
            sums[key] = sums.get(key, 0) + value
    return texts_of(group.kind, sums)


def name_details(row: ResidentRow) -> str:
    return texts_of(row.kind, row.detail) if row.kind != "anonymous" else ""


def texts_of(kind: str, numbers: Mapping[str, int]) -> str:
    texts = []
    if "blocks" in numbers:
        texts.append(counted(numbers["blocks"], "block"))
    if "chunks" in numbers and kind == "libc_in_use":
        texts.append(counted(numbers["chunks"], "chunk"))
    if "arenas" in numbers:
        texts.append(f"in {counted(numbers['arenas'], 'arena')}")
    if "threads" in numbers:
        texts.append(counted(numbers["threads"], "thread"))
    return f" ({', '.join(texts)})" if texts else ""
