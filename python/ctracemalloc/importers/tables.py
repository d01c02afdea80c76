"""Making a snapshot of sites that another tool has counted.

Model: rows are added and interned in Python, and then written as a snapshot file, in the form that docs/formats/snapshot.md
describes, which `Snapshot.load` reads and checks. So no Python object is made for a block, and the numbers of a site may be of
any size.

A tool may count the blocks and the bytes of a traceback, but not the size of each block. Then as many blocks as needed get one
byte more than the others, so that both sums stay exact.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .._ctracemalloc import Snapshot

MAGIC, ORDER, MAJOR, MINOR = b"\x89CTM\r\n\x1a\n", 0x01020304, 1, 2
HEADER_SIZE, ROW_SIZE, ALIGNMENT = 64, 40, 8
REQUIRED = 1
INFO, OFFSETS, BYTES, FUNCTIONS, FRAMES, TRACEBACKS, SITES, LABEL_SETS, LOSSES = 1, 2, 3, 4, 5, 6, 7, 9, 10
PEAK_KNOWN = 1
MAX_FRAMES, MAX_LINE, MAX_NUMBER = 65_535, (1 << 31) - 1, (1 << 63) - 1
MAX_LABELS, MAX_KEY, MAX_DETAIL = 255, 255, 471  # pairs, bytes, bytes
LABELS_CUT = f"labels were left out: a traceback has more than {MAX_LABELS}, or a key is longer than {MAX_KEY} bytes or empty"
POLYNOMIAL, PAIR = 0x82F63B78, struct.Struct("<H")
TABLE: list[int] = []  # checksums(), once they are needed


class Place(NamedTuple):
    """A frame."""

    name: str  # "": not known
    filename: str
    lineno: int = 0  # 0: not known
    first_lineno: int = 0  # the same


NO_FRAME = Place("", "<unknown>")  # as the tracer's


class Counts(NamedTuple):
    """Of one site."""

    allocated: int  # blocks ever allocated
    freed: int  # of these
    at_peak: int = 0  # blocks that were live at the peak


class Tables:
    """Sites, with what their tracebacks are made of. Row 0 of each table is none."""

    def __init__(self) -> None:
        self.strings = {"": 0}
        self.functions: dict[tuple[int, int, int], int] = {(0, 0, 0): 0}
        self.frames: dict[tuple[int, int], int] = {(0, 0): 0}
        self.tracebacks: dict[tuple[int, int, int], int] = {(0, 0, 0): 0}
        self.label_sets: dict[tuple[int, int, int], int] = {(0, 0, 0): 0}
        self.sites: dict[tuple[int, int, int, int], list[int]] = {}
        self.peak_known = False
        self.taken = 0  # UNIX time in nanoseconds; 0: not known
        self.pid = 0  # 0: not known
        self.command: list[str] = []
        self.note = ""  # what a reader of the numbers should know; one line
        self.labels_cut = False  # labels were left out

    # --- rows ---

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def frame(self, place: Place) -> int:
        function = self.string(place.filename), self.string(place.name), line_of(place.first_lineno)
        if function == (0, 0, 0):  # row 0 is no function
            function = self.string("<unknown>"), 0, 0
        frame = self.functions.setdefault(function, len(self.functions)), line_of(place.lineno)
        return self.frames.setdefault(frame, len(self.frames))

    def traceback(self, frames: Iterable[int], missing: int = 0) -> int:
        """frames: the oldest first; none are the frame that stands for no Python frame. missing: how many older ones there are.

        The most recent MAX_FRAMES are kept, with the number of all.
        """
        found = list(frames) or [self.frame(NO_FRAME)]
        kept = found[-MAX_FRAMES:]
        missing += len(found) - len(kept)
        row, rows = 0, self.tracebacks
        for total, frame in enumerate(kept, 1 + min(missing, MAX_LINE - len(kept))):
            row = rows.setdefault((row, frame, total), len(rows))
        return row

    def labels(self, labels: Mapping[str, str]) -> int:
        """Those with a key that is too long, and those above MAX_LABELS, are left out."""
        row = 0
        keys = sorted((key for key in labels if 0 < len(encoded(key)) <= MAX_KEY), key=encoded)
        self.labels_cut |= min(len(keys), MAX_LABELS) < len(labels)
        for key in keys[:MAX_LABELS]:
            pair = row, self.string(key), self.string(labels[key])
            row = self.label_sets.setdefault(pair, len(self.label_sets))
        return row

    # --- sites ---

    def add(self, traceback: int, block_size: int, counts: Counts, labels: int = 0, domain: int = 0) -> None:
        site = self.sites.setdefault((block_size, domain, traceback, labels), [0, 0, 0])
        for index, number in enumerate(counts):
            site[index] += number

    def add_blocks(self, traceback: int, blocks: int, size: int, *, freed: bool = False, labels: int = 0) -> None:
        """Blocks of which only the sum of the bytes is known. No blocks with bytes are one block."""
        blocks = blocks or (1 if size else 0)
        if not blocks:
            return
        each, larger = divmod(size, blocks)
        for block_size, number in ((each, blocks - larger), (each + 1, larger)):
            if number:
                self.add(traceback, block_size, Counts(number, number if freed else 0), labels)

    # --- the file ---

    def snapshot(self) -> Snapshot:
        """ValueError if the numbers are too large for a snapshot."""
        descriptor = os.memfd_create("ctracemalloc", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines(self.written())
            os.lseek(descriptor, 0, os.SEEK_SET)
            snapshot = Snapshot.load(os.dup(descriptor))  # which load() closes
        finally:
            os.close(descriptor)
        run = {"command": self.command, "pid": self.pid}
        if self.command or self.pid:
            snapshot.run = {name: value for name, value in run.items() if value}
        return snapshot

    def written(self) -> Iterator[bytes]:
        """Header, directory, sections."""
        sections = list(self.sections())
        rows, offset = [], HEADER_SIZE + ROW_SIZE * len(sections)
        for kind, row_size, content in sections:
            checksum = crc32c(content)
            flags = REQUIRED if kind != LOSSES else 0
            number = len(content) // row_size
            rows.append(struct.pack("<IIQQQII", kind, flags, offset, len(content), number, row_size, checksum))
            offset += padded(len(content))
        directory = b"".join(rows)
        last = padded(len(sections[-1][2])) - len(sections[-1][2])
        versions = struct.pack("<IHHI", ORDER, MAJOR, MINOR, HEADER_SIZE)
        head = MAGIC + versions + struct.pack("<IQQIIQ", len(rows), offset - last, HEADER_SIZE, ROW_SIZE, 0, 0)
        head += struct.pack("<I", crc32c(directory))
        yield head + struct.pack("<I", crc32c(head)) + directory
        for _kind, _row_size, content in sections[:-1]:
            yield content + bytes(padded(len(content)) - len(content))
        yield sections[-1][2]

    def sections(self) -> Iterator[tuple[int, int, bytes]]:
        """(kind, bytes of a row, content)"""
        command = self.string(" ".join(self.command))
        strings = [encoded(text) for text in self.strings]
        yield INFO, 80, self.info(command)
        offsets = [0]
        for text in strings:
            offsets.append(offsets[-1] + len(text) + 1)
        yield OFFSETS, 8, struct.pack(f"<{len(offsets)}Q", *offsets)
        yield BYTES, 1, b"\0".join([*strings, b""])
        yield FUNCTIONS, 12, packed("<IIi", self.functions)
        yield FRAMES, 8, packed("<Ii", self.frames)
        yield TRACEBACKS, 12, packed("<IIi", self.tracebacks)
        sites = ((key[0], *counts[:2], key[1], key[2], key[3], 0, counts[2]) for key, counts in self.sites.items())
        yield SITES, 48, bytes(48) + packed("<QQQIIIIQ", sites)
        if len(self.label_sets) > 1:
            yield LABEL_SETS, 12, packed("<III", self.label_sets)
        notes = [self.note, LABELS_CUT if self.labels_cut else ""]
        if any(notes):
            detail = "; ".join(filter(None, notes)).encode("utf-8", "backslashreplace")[:MAX_DETAIL].decode("utf-8", "ignore")
            yield LOSSES, 512, struct.pack("<Q32s472s", 0, b"file", detail.encode())

    def info(self, command: int) -> bytes:
        live = [(key[0], counts[0] - counts[1]) for key, counts in self.sites.items()]
        blocks, size = sum(number for _size, number in live), sum(each * number for each, number in live)
        peak = sum(key[0] * counts[2] for key, counts in self.sites.items())
        allocated = sum(key[0] * counts[0] for key, counts in self.sites.items())
        if max(blocks, size, peak, allocated, self.taken) > MAX_NUMBER:
            raise ValueError("the numbers are too large: more than 2^63 bytes or blocks")
        longest = min(max((total for _parent, _frame, total in self.tracebacks), default=0), MAX_FRAMES)
        facts = PEAK_KNOWN if self.peak_known else 0
        peak_size = max(peak, size) if self.peak_known else 0
        return struct.pack(
            "<IIQQQQQQQIIII", longest, 0, blocks, size, peak_size, 0, 0, self.taken, 0, self.pid, command, facts, 0
        )


def packed(form: str, rows: Iterable[tuple[int, ...]]) -> bytes:
    pack = struct.Struct(form).pack
    try:
        return b"".join([pack(*row) for row in rows])
    except struct.error:
        raise ValueError("a number is too large") from None


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def line_of(number: int) -> int:
    return number if 0 < number <= MAX_LINE else 0


def padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def crc32c(content: bytes) -> int:
    """Two bytes at a time."""
    if not TABLE:
        TABLE.extend(checksums())
    table, value = TABLE, 0xFFFFFFFF
    even = len(content) & ~1
    for (pair,) in PAIR.iter_unpack(memoryview(content)[:even]):
        value = table[(value ^ pair) & 0xFFFF] ^ (value >> 16)
    for byte in content[even:]:
        value = table[((value ^ byte) & 255) << 8] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def checksums() -> list[int]:
    """Of each pair of bytes."""
    of_byte = list(range(256))
    for _bit in range(8):
        of_byte = [(value >> 1) ^ (POLYNOMIAL if value & 1 else 0) for value in of_byte]
    after_first = [of_byte[pair & 255] ^ (pair >> 8) for pair in range(1 << 16)]
    return [of_byte[value & 255] ^ (value >> 8) for value in after_first]
