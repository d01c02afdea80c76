"""Reading memray's capture files, with its own reader.

Model: memray adds up the blocks of each traceback: those that are live at the end, or those that were live at the peak. A
record has their number and their bytes, so blocks share the bytes (tables.py). The package memray is imported when it is used.

memray counts what asks the C library for memory; Python's small objects are in it only if they were traced
(`--trace-python-allocators`), and the stacks of threads and arenas are there as well.
"""

import shlex
from importlib import import_module
from typing import Any

from .tables import Place, Tables

MAGICS = (b"\x04\x22\x4d\x18", b"memray\0")  # of an LZ4 frame, which captures are by default, and of one not compressed
NEEDS = "memray's files are read by memray: pip install memray"
WHOLE = 65_535  # frames


def is_memray(head: bytes) -> bool:
    return head.startswith(MAGICS)


def read(path: str, *, at_peak: bool = False) -> Tables:
    """ValueError: it is damaged; ImportError says what to install."""
    try:
        library = import_module("memray")
    except ImportError:
        raise ImportError(NEEDS) from None
    tables = Tables()
    try:
        with library.FileReader(path) as reader:
            records = reader.get_high_watermark_allocation_records if at_peak else reader.get_leaked_allocation_records
            for record in records(merge_threads=True):
                add(tables, record)
            add_facts(tables, reader.metadata, at_peak)
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"memray cannot read it: {error}") from None
    return tables


def add(tables: Tables, record: Any) -> None:
    frames = [tables.frame(Place(name, filename, lineno)) for name, filename, lineno in record.stack_trace(WHOLE)]
    tables.add_blocks(tables.traceback(reversed(frames)), record.n_allocations, record.size)


def add_facts(tables: Tables, metadata: Any, at_peak: bool) -> None:
    tables.pid = metadata.pid
    tables.command = words_of(metadata.command_line)
    tables.taken = round(metadata.end_time.timestamp() * 1e9)
    what = "what was live at the peak" if at_peak else "what was live at the end"
    tables.note = f"read from a memray capture: {what}, as memray counted it"


def words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]
