"""The formats that `export` knows: their names, the endings of their files, and how an existing file is recognized.

Model: a format is a row of FORMATS. The module that makes its bytes is imported when it is used. The first bytes of a file tell
whether it is of a format; no program is run and no file read whole. Only what nobody writes by hand is recognized: of text each
whole line at the begin has to be one of the format, and a Parquet or Arrow file has to be marked as made here, as such files
are mostly tables of users.
"""

import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import BinaryIO, NamedTuple

from ..formats.kinds import kind_of as own_kind_of
from ..model.figures import ALLOCATED, FREED, LIVE, MEASURES, PEAK
from ..recording.reading import Recording
from .marks import is_our_arrow, is_our_parquet
from .rows import HEADER
from .selected import Selected

HEAD = 1 << 12  # bytes
Pieces = Callable[[Selected, str, Sequence[str]], Iterator[bytes]]


class Format(NamedTuple):
    name: str
    kind: str  # what a file of it is, for messages
    endings: tuple[str, ...]  # of file names; the first is that of a file whose name the command chooses
    module: str  # of this folder
    begins: (
        bytes  # a pattern of the first bytes of a file, or of what they decompress to; with `lines` of each whole line there
    )
    measures: tuple[str, ...] = ()  # of which a file has one; empty: it has all
    needs: tuple[str, ...] = ()  # measures that the snapshot must know
    is_text: bool = False  # a terminal can show it
    function: str = "pieces"  # of the module
    over_time: bool = False  # it is made of a recording, not of a snapshot
    lines: bool = False  # `begins` is of each line
    mark: Callable[[BinaryIO], bool] | None = None  # was a file that begins so made here?

    def pieces(self) -> Pieces:
        """Of a snapshot."""
        made: Pieces = getattr(import_module(f"{__package__}.{self.module}"), self.function)
        return made

    def pieces_over_time(self) -> Callable[[Recording, Sequence[str]], Iterator[bytes]]:
        made: Callable[[Recording, Sequence[str]], Iterator[bytes]] = getattr(
            import_module(f"{__package__}.{self.module}"), self.function
        )
        return made


# A line of collapsed stacks: its last frame is of a function in a file, or of no Python frame; or all are lines of files.
PLACE = rb"[^;\n]*[/.>][^;\n/.>]*:\d+"
FRAME = rb"[^;\n]+ \((?:" + PLACE + rb"|[/<][^;\n]*)\)|<unknown>|<ctracemalloc>"
STACK = rb"(?:[^;\n]+;)*(?:" + FRAME + rb") \d+|(?:" + PLACE + rb";)+" + PLACE + rb" \d+"
LONG_STACK = rb"(?:" + PLACE + rb"\)?;){3}.*"  # a line that is longer than the head
PPROF = rb"\x0a[\x01-\x20]\x08.*"  # a field of the type ValueType
FORMATS = {
    each.name: each
    for each in (
        Format("pprof", "pprof profile", (".pb.gz", ".pprof"), "pprof", PPROF),
        Format(
            "speedscope",
            "speedscope profile",
            (".speedscope.json",),
            "speedscope",
            rb'\{[^{}]*"\$schema": ?"https://www\.speedscope\.app/.*',
            (LIVE, PEAK, ALLOCATED, FREED),
            is_text=True,
        ),
        Format(
            "collapsed",
            "file of collapsed stacks",
            (".collapsed", ".folded"),
            "collapsed",
            STACK,
            MEASURES,
            is_text=True,
            lines=True,
        ),
        Format(
            "heapprofile",
            "V8 heap profile",
            (".heapprofile",),
            "heapprofile",
            rb'\{"head":\s*\{"callFrame".*',
            MEASURES,
            is_text=True,
        ),
        Format(
            "dhat",
            "DHAT profile",
            (".dhat.json", ".dhat"),
            "dhat",
            rb'\{\s*"dhatFileVersion".*',
            needs=(PEAK, ALLOCATED),
            is_text=True,
        ),
        Format(
            "gecko",
            "Firefox Profiler profile",
            (".gecko.json",),
            "gecko",
            rb'\{"meta":\{.*"preprocessedProfileVersion".*',
            is_text=True,
        ),
        Format(
            "perfetto",
            "Perfetto trace",
            (".perfetto-trace", ".pftrace"),
            "perfetto",
            rb"\x0a.{1,3}\xe2\x03.*",  # a packet with a track
            over_time=True,
        ),
        Format("csv", "CSV file of tracebacks", (".csv",), "rows", re.escape(HEADER.encode()) + rb"\n.*", is_text=True),
        Format("parquet", "Parquet file", (".parquet",), "arrow", rb"PAR1.*", function="parquet_pieces", mark=is_our_parquet),
        Format(
            "arrow", "Arrow file", (".arrow", ".feather"), "arrow", rb"ARROW1.*", function="arrow_pieces", mark=is_our_arrow
        ),
        Format(
            "stdlib",
            "tracemalloc file",
            (".pickle", ".tracemalloc"),
            "stdlib",
            rb"\x80[\x02-\x05](?:\x95.{8})?(?:ctracemalloc\n|\x8c\x0btracemalloc\x94\x8c\x08)Snapshot.*",
            (LIVE, PEAK),
            function="pickle_pieces",
        ),
        Format(
            "text",
            "text of statistics",
            (".txt",),
            "stdlib",
            rb"[^\n]+:\d+: size=-?[\d.]+ [KMGT]?i?B, count=\d+(?:, average=[\d.]+ [KMGT]?i?B)?",
            MEASURES,
            is_text=True,
            function="text_pieces",
            lines=True,
        ),
    )
}


def format_of_name(path: str) -> Format | None:
    """The format whose ending a file name has."""
    for each in FORMATS.values():
        if path.endswith(each.endings):
            return each
    return None


def kind_of(path: str) -> str | None:
    """The kind of an existing regular file: one of this package's, or of a format; None: neither."""
    own = own_kind_of(path)
    if own is not None or not stat.S_ISREG(os.stat(path).st_mode):
        return own
    with open(path, "rb") as file:
        head = decompressed(file.read(HEAD))
        for each in FORMATS.values():
            if matches(each, head) and (each.mark is None or each.mark(file)):
                return each.kind
    return None


def matches(form: Format, head: bytes) -> bool:
    if not form.lines:
        return re.fullmatch(form.begins, head, re.DOTALL) is not None
    *lines, rest = head.split(b"\n")
    if not lines:
        return form.begins is STACK and len(head) == HEAD and re.match(LONG_STACK, head) is not None
    is_cut = len(head) == HEAD
    return (is_cut or not rest) and all(re.fullmatch(form.begins, line) for line in lines)


def decompressed(head: bytes) -> bytes:
    """What the first bytes of a gzip stream begin with; of anything else the bytes themselves."""
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""
