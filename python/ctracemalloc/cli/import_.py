"""`import`: makes a snapshot of another tool's file, so that all commands take it."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .._ctracemalloc import FileError, Snapshot
from .._words import counted
from ..formats import compression, kinds, output
from ..importers import jemalloc, memray, pprof
from ..importers.tables import Tables
from ..model.sums import sums_of
from ..render.text import losses
from ..render.text.style import Style
from ..render.text.tables import fact_lines
from ..render.text.units import format_amount
from . import sources
from .arguments import Commands, Parser, UsageError, add_output_options
from .progress import working

FORM = "where to? import writes a snapshot into the file of -o: import FILE -o OUT.ctm"
HEAD = 64  # bytes
UNKNOWN = "it is neither a pprof heap profile nor one of jemalloc, no memray capture and no tracemalloc file"


class Reader(NamedTuple):
    what: str  # the kind of file
    begins: Callable[[bytes], bool]  # may a file of the kind begin so?
    read: Callable[[str, bool], Tables]  # the path, and whether what was live at the peak is wanted


def add(commands: Commands) -> Parser:
    parser = commands.add_parser("import", help="make a snapshot of a file of pprof, memray, jemalloc or tracemalloc")
    files = "a heap profile of pprof or jemalloc, a capture of memray, or a file of tracemalloc; - is standard input"
    parser.add_argument("file", metavar="FILE", help=files)
    parser.add_argument("--at-peak", action="store_true", help="of a memray capture what was live at the peak, not at the end")
    add_output_options(parser, "where the snapshot goes")
    return parser


def execute(parsed: argparse.Namespace) -> int:
    if parsed.output is None:
        parsed.parser.error(FORM)
    output.check(parsed.output, kinds.SNAPSHOT, inputs=[parsed.file], force=parsed.force)
    with readable(parsed.file) as (real, reader):
        if parsed.at_peak and reader is not MEMRAY:
            raise UsageError("--at-peak is for memray captures; of other files all figures are imported")
        snapshot = imported(parsed.file, real, reader, parsed.at_peak)
    output.save(snapshot, parsed.output, compression.of_name(parsed.output))
    print_imported(snapshot, reader.what if reader else "tracemalloc file", parsed)
    return 0


@contextlib.contextmanager
def readable(path: str) -> Iterator[tuple[str, Reader | None]]:
    """A path that can be read several times, and the reader of its format. FileError, OSError.

    What is no regular file, a pipe, is opened once and copied into a file without a name; its head is checked before.
    """
    with contextlib.nullcontext(sources.standard_input()) if path == sources.STDIN else open(path, "rb") as file:
        head = file.read(HEAD)
        reader = reader_of(path, head)
        if path != sources.STDIN and os.path.isfile(path):
            yield path, reader
            return
        with tempfile.TemporaryFile() as copy:
            copy.write(head)
            shutil.copyfileobj(file, copy)
            copy.flush()
            yield f"/proc/self/fd/{copy.fileno()}", reader


def reader_of(path: str, head: bytes) -> Reader | None:
    """None: a file that Snapshot.load reads. FileError."""
    for reader in READERS:
        if reader.begins(head):
            return reader
    if kinds.may_begin(head[: kinds.MAGIC_SIZE]):
        return None
    raise FileError(f"{path}: {UNKNOWN}")


def imported(path: str, real: str, reader: Reader | None, at_peak: bool) -> Snapshot:
    """real: the path to read."""
    with working(f"reading {path}"):
        try:
            return read(path, real, reader, at_peak)
        except MemoryError:
            pass  # what was read is given back before the message is made
    raise FileError(f"{path}: there is not enough memory to read it")


def read(path: str, real: str, reader: Reader | None, at_peak: bool) -> Snapshot:
    if reader is None:
        sources.expect(path, kinds.SNAPSHOT, real=real)
        with sources.naming(path, real=real):
            return Snapshot.load(real)
    try:
        return reader.read(real, at_peak).snapshot()
    except ValueError as error:
        raise FileError(f"{path}: not a valid {reader.what}: {error}") from None


def whole(read: Callable[[bytes], Tables]) -> Callable[[str, bool], Tables]:
    """The reader of a format whose files are read whole."""

    def read_path(path: str, at_peak: bool) -> Tables:
        with open(path, "rb") as file:
            return read(file.read())

    return read_path


def print_imported(snapshot: Snapshot, what: str, parsed: argparse.Namespace) -> None:
    out = sys.stderr if output.is_stream(parsed.output, 1) else sys.stdout
    style = Style.for_stream(out, refused=True)
    sites = counted(len(snapshot.statistics("traceback")), "traceback")
    amount = format_amount(sums_of(snapshot))
    print(style.name(f"{parsed.output}: {amount} of {sites}, from the {what} {os.fspath(parsed.file)}"), file=out)
    for line in fact_lines(losses.facts(snapshot), style):
        print(line, file=out)


MEMRAY = Reader("memray capture", memray.is_memray, lambda path, at_peak: memray.read(path, at_peak=at_peak))
READERS = (
    MEMRAY,
    Reader("jemalloc heap profile", jemalloc.is_jemalloc, whole(jemalloc.read)),
    Reader("pprof profile", pprof.is_pprof, whole(pprof.read)),
)
