"""Reading pprof heap profiles: Go's, jemalloc's, Rust's, ours.

Model: a sample is a traceback with blocks and bytes: those that are live, and those that were ever allocated. If its numeric
label "bytes" is the size of each block, as in Go's profiles and ours, the sample is one site. Otherwise its blocks share its
bytes (tables.py). The peak is known only of profiles that have it, which are ours.
"""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

from .protobuf import fields, numbers, signed
from .tables import Counts, Place, Tables

GZIP, GZIP_BITS = b"\x1f\x8b", 31
PIECE, SPARE_SIZE, MAX_RATIO = 1 << 20, 64 << 20, 200  # as of compressed snapshots
SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING, TIME, PERIOD_TYPE, PERIOD = 1, 2, 3, 4, 5, 6, 9, 11, 12
DOMAIN, SIZE = "domain", "bytes"
NAMES = {  # of sample types
    "live": (("inuse_objects", "objects"), ("inuse_space", "space")),
    "allocated": (("alloc_objects",), ("alloc_space",)),
    "peak": (("peak_objects",), ("peak_space",)),
}


class Sample(NamedTuple):
    locations: list[int]  # ids, the most recent first
    values: list[int]
    labels: list[tuple[str, str, int]]  # (key, text, number)


def is_pprof(head: bytes) -> bool:
    """May a file that begins so be a profile? Any gzip stream may."""
    return head.startswith(GZIP) or (len(head) > 3 and head[0] == SAMPLE_TYPE << 3 | 2 and head[2] == 8)


def read(content: bytes) -> Tables:
    """ValueError: it is no heap profile in this format."""
    profile = Profile(decompressed(content))
    return profile.tables()


def decompressed(content: bytes) -> bytes:
    if not content.startswith(GZIP):
        return content
    decompressor = zlib.decompressobj(wbits=GZIP_BITS)
    limit, pieces, total = SPARE_SIZE + MAX_RATIO * len(content), [], 0
    try:
        while not decompressor.eof:
            pieces.append(decompressor.decompress(content, PIECE))
            content = decompressor.unconsumed_tail
            total += len(pieces[-1])
            if total > limit:
                raise ValueError("it decompresses to too much")
            if not pieces[-1] and not content:
                raise ValueError("the compressed data end too early")
    except zlib.error as error:
        raise ValueError(f"the compressed data are damaged: {error}") from None
    return b"".join(pieces)


class Profile:
    def __init__(self, content: bytes) -> None:
        found: dict[int, list[bytes]] = {}
        self.numbers: dict[int, int] = {}
        for field, number, inner in fields(content):
            found.setdefault(field, []).append(inner)
            self.numbers[field] = number
        self.strings = [text.decode("utf-8", "replace") for text in found.get(STRING, [])]
        self.types = [self.type_of(inner) for inner in found.get(SAMPLE_TYPE, [])]
        self.samples = found.get(SAMPLE, [])
        self.mappings = {row.get(1, 0): self.text(row.get(5, 0)) for row in map(numbers_of, found.get(MAPPING, []))}
        self.functions = {row.get(1, 0): row for row in map(numbers_of, found.get(FUNCTION, []))}
        self.locations = {}
        for inner in found.get(LOCATION, []):
            row = numbers_of(inner)
            lines = [numbers_of(line) for field, _number, line in fields(inner) if field == 4]
            self.locations[row.get(1, 0)] = row, lines
        self.frames: dict[int, list[int]] = {}  # of a location, the oldest first

    def text(self, index: int) -> str:
        if index >= max(len(self.strings), 1):
            raise ValueError(f"there is no string {index}")
        return self.strings[index] if self.strings else ""

    def type_of(self, inner: bytes) -> str:
        return self.text(numbers_of(inner).get(1, 0))

    # --- the tables ---

    def tables(self) -> Tables:
        live = self.columns("live")
        if live[1] is None:
            known = ", ".join(self.types) or "none"
            raise ValueError(f"it is no heap profile: it has no sample type inuse_space (it has {known[:200]})")
        tables = Tables()
        allocated, peak = self.columns("allocated"), self.columns("peak")
        exact = True
        for inner in self.samples:
            exact &= self.add(tables, self.sample(inner), live, allocated, peak)
        tables.peak_known = exact and None not in peak
        if not tables.peak_known:
            for counts in tables.sites.values():
                counts[2] = 0
        self.add_facts(tables)
        return tables

    def columns(self, name: str) -> tuple[int | None, int | None]:
        """(index of the blocks, index of the bytes) in the values of a sample."""
        found: list[int | None] = []
        for names in NAMES[name]:
            found.append(next((self.types.index(each) for each in names if each in self.types), None))
        return found[0], found[1]

    def sample(self, inner: bytes) -> Sample:
        sample = Sample([], [], [])
        for field, number, content in fields(inner):
            if field == 1:
                sample.locations.extend(numbers(number, content))
            elif field == 2:
                sample.values.extend(map(signed, numbers(number, content)))
            elif field == 3:
                row = numbers_of(content)
                sample.labels.append((self.text(row.get(1, 0)), self.text(row.get(2, 0)), row.get(3, 0)))
        return sample

    def add(
        self,
        tables: Tables,
        sample: Sample,
        live: tuple[int | None, int | None],
        allocated: tuple[int | None, int | None],
        peak: tuple[int | None, int | None],
    ) -> bool:
        """Whether the size of each block is known."""
        blocks, size = amount(sample, live)
        all_blocks, all_size = max(amount(sample, allocated)[0], blocks), max(amount(sample, allocated)[1], size)
        at_peak = amount(sample, peak)
        each = next((number for key, _text, number in sample.labels if key == SIZE), None)
        texts = {key: text for key, text, _number in sample.labels if text and key != DOMAIN}
        domain = next((int(text) for key, text, _n in sample.labels if key == DOMAIN and is_domain(text)), 0)
        traceback, labels = self.traceback(tables, sample.locations), tables.labels(texts)
        each = 0 if each is None and not (all_size or at_peak[1]) else each  # blocks of no bytes have no label
        if each is not None and all(one * each == other for one, other in ((blocks, size), (all_blocks, all_size), at_peak)):
            counts = Counts(all_blocks, all_blocks - blocks, min(at_peak[0], all_blocks))
            tables.add(traceback, each, counts, labels, domain)
            return True
        tables.add_blocks(traceback, blocks, size, labels=labels)
        tables.add_blocks(traceback, all_blocks - blocks, all_size - size, freed=True, labels=labels)
        return False

    def traceback(self, tables: Tables, locations: list[int]) -> int:
        known, frames = self.frames, []
        for location in reversed(locations):
            if location not in known:  # several frames if functions are inlined
                known[location] = [tables.frame(place) for place in reversed(self.places(location))]
            frames += known[location]
        return tables.traceback(frames)

    def places(self, location: int) -> list[Place]:
        """The most recent first."""
        if location not in self.locations:
            raise ValueError(f"there is no location {location}")
        row, lines = self.locations[location]
        if not lines:
            return [Place(f"0x{row.get(3, 0):x}", self.mappings.get(row.get(2, 0), ""))]
        return [self.place(line) for line in lines]

    def place(self, line: Mapping[int, int]) -> Place:
        function = self.functions.get(line.get(1, 0))
        if function is None:
            raise ValueError(f"there is no function {line.get(1, 0)}")
        name, filename = self.text(function.get(2, 0)), self.text(function.get(4, 0))
        # Without a name of its own our export gives a function that of its file.
        return Place(name if name != filename else "", filename or name, line.get(2, 0), function.get(5, 0))

    def add_facts(self, tables: Tables) -> None:
        taken = signed(self.numbers.get(TIME, 0))
        tables.taken = max(taken, 0)
        program = next(iter(self.mappings.values()), "")
        tables.command = [program] if program else []
        period = signed(self.numbers.get(PERIOD, 0))
        if period > 1:
            tables.note = f"estimates: the pprof profile is of a sample, about one block in {period:,} bytes"


def amount(sample: Sample, columns: tuple[int | None, int | None]) -> tuple[int, int]:
    """(blocks, bytes); what is not there, or negative, is 0."""
    found = []
    for index in columns:
        value = sample.values[index] if index is not None and index < len(sample.values) else 0
        found.append(max(value, 0))
    return found[0], found[1]


def is_domain(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11 and int(text) < 1 << 32


def numbers_of(content: bytes) -> dict[int, int]:
    """The fields of a message with numbers, each once."""
    return {field: number for field, number, inner in fields(content) if not inner}
