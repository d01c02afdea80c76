"""Reading pprof heap profiles: Go's, jemalloc's, Rust's, ours.

Model: a sample is a traceback with blocks and bytes: those that are live, and those that were ever allocated. If its numeric
label "bytes" is the size of each block, as in Go's profiles and ours, the sample is one site. Otherwise its blocks share its
bytes (tables.py). The peak is known only of profiles that have it, which are ours.

A few bytes may stand for very much: they may be compressed, a function may be said to be inlined into itself many times, and
many samples may name it. So there are limits that depend on the size of the file, far above what programs make (Limits).
Of a sample with more labels than a label set has, some are left out, and the snapshot says so.
"""

import zlib
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from .protobuf import fields, numbers, signed
from .tables import MAX_FRAMES, MAX_LABELS, Counts, Place, Tables

GZIP, GZIP_BITS = b"\x1f\x8b", 31
PIECE, SPARE_SIZE, MAX_RATIO = 1 << 20, 64 << 20, 200  # as of compressed snapshots
SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING, TIME, PERIOD_TYPE, PERIOD = 1, 2, 3, 4, 5, 6, 9, 11, 12
TABLES = {
    SAMPLE_TYPE: "sample types",
    SAMPLE: "samples",
    MAPPING: "mappings",
    LOCATION: "locations",
    FUNCTION: "functions",
    STRING: "strings",
}
LINE = 4  # of a location
SPARE_ROWS, ROWS = 1 << 19, 1
SPARE_FRAMES, FRAMES = 1 << 21, 64
SPARE_LABELS, LABELS = 1 << 19, 2
OWN_LABELS = 2  # of a sample that was exported here: the block size and the domain
MAX_TYPES = 64
CONTINUED = bytes(range(128, 256))  # bytes of a number that are not its last
DOMAIN, SIZE = "domain", "bytes"  # labels with a number; one with a text is the user's
MAX_DOMAIN = (1 << 32) - 1
NAMES = {  # of sample types
    "live": (("inuse_objects", "objects"), ("inuse_space", "space")),
    "allocated": (("alloc_objects",), ("alloc_space",)),
    "peak": (("peak_objects",), ("peak_space",)),
}


class Limits:
    """What is read of a file of `size` bytes, compressed or not; more is a ValueError."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows = SPARE_ROWS + ROWS * size  # of each table: samples, locations, functions ...; and of the tracebacks
        self.frames = SPARE_FRAMES + FRAMES * size  # of different tracebacks, together
        self.labels = SPARE_LABELS + LABELS * size  # of all samples

    def check(self, number: int, limit: int, what: str) -> None:
        if number > limit:
            raise ValueError(f"it has more than {limit:,} {what}, too many for {self.size:,} bytes")


class Sample(NamedTuple):
    locations: list[int]  # ids, the most recent first; MAX_FRAMES of them
    values: list[int]
    labels: list[tuple[str, str, int]]  # (key, text, number); of a number the text is empty
    missing: int  # locations that are not in the list


def is_pprof(head: bytes) -> bool:
    """May a file that begins so be a profile? Any gzip stream may."""
    return head.startswith(GZIP) or (len(head) > 3 and head[0] == SAMPLE_TYPE << 3 | 2 and head[2] == 8)


def read(content: bytes) -> Tables:
    """ValueError: it is no heap profile in this format."""
    profile = Profile(decompressed(content), Limits(len(content)))
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
    def __init__(self, content: bytes, limits: Limits) -> None:
        self.limits = limits
        found: dict[int, list[bytes]] = {field: [] for field in TABLES}
        self.numbers: dict[int, int] = {}
        for field, number, inner in fields(content):
            if field in found:
                rows = found[field]
                rows.append(inner or b"")
                limits.check(len(rows), limits.rows, TABLES[field])
            else:
                self.numbers[field] = number
        self.strings = [text.decode("utf-8", "replace") for text in found[STRING]]
        self.types = [self.type_of(inner) for inner in found[SAMPLE_TYPE][:MAX_TYPES]]
        self.samples = found[SAMPLE]
        self.mappings = {row.get(1, 0): self.text(row.get(5, 0)) for row in map(numbers_of, found[MAPPING])}
        self.functions = {numbers_of(inner).get(1, 0): inner for inner in found[FUNCTION]}
        self.locations = {numbers_of(inner).get(1, 0): inner for inner in found[LOCATION]}
        self.frames: dict[int, list[int]] = {}  # of a location, the most recent first
        self.tracebacks: dict[tuple[int, ...], int] = {}  # of locations
        self.read_frames = self.read_labels = 0
        self.labels_cut = False  # a sample had more of them than were read

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
        locations: list[int] = []
        values: list[int] = []
        labels: list[tuple[str, str, int]] = []
        missing = number_of_labels = 0
        for field, number, content in fields(inner):
            if field == 1:
                locations += numbers(number, content, MAX_FRAMES - len(locations) + 1)
                missing += 1 if content is None else len(content.translate(None, CONTINUED))
            elif field == 2:
                values += map(signed, numbers(number, content, MAX_TYPES - len(values)))
            elif field == 3:
                number_of_labels += 1
                if number_of_labels <= MAX_LABELS + OWN_LABELS:
                    row = numbers_of(content or b"")
                    labels.append((self.text(row.get(1, 0)), self.text(row.get(2, 0)), row.get(3, 0)))
        del locations[MAX_FRAMES:]
        self.count_labels(number_of_labels)
        return Sample(locations, values, labels, missing - len(locations))

    def count_labels(self, number: int) -> None:
        self.labels_cut |= number > MAX_LABELS + OWN_LABELS
        self.read_labels += number
        self.limits.check(self.read_labels, self.limits.labels, "labels")

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
        of_numbers = {key: number for key, text, number in reversed(sample.labels) if not text}
        texts = {key: text for key, text, _number in sample.labels if text}
        each, domain = of_numbers.get(SIZE), of_numbers.get(DOMAIN, 0)
        domain = domain if domain <= MAX_DOMAIN else 0
        traceback, labels = self.traceback(tables, sample), tables.labels(texts)
        each = 0 if each is None and not (all_size or at_peak[1]) else each  # blocks of no bytes have no label
        if each is not None and all(one * each == other for one, other in ((blocks, size), (all_blocks, all_size), at_peak)):
            counts = Counts(all_blocks, all_blocks - blocks, min(at_peak[0], all_blocks))
            tables.add(traceback, each, counts, labels, domain)
            return True
        tables.add_blocks(traceback, blocks, size, labels=labels)
        tables.add_blocks(traceback, all_blocks - blocks, all_size - size, freed=True, labels=labels)
        return False

    def traceback(self, tables: Tables, sample: Sample) -> int:
        key = *sample.locations, -sample.missing
        if key not in self.tracebacks:
            frames, missing = self.frames_of(tables, sample)
            self.tracebacks[key] = tables.traceback(reversed(frames), missing)
            self.limits.check(len(tables.tracebacks), self.limits.rows, "frames of different tracebacks")
        return self.tracebacks[key]

    def frames_of(self, tables: Tables, sample: Sample) -> tuple[list[int], int]:
        """(the most recent first, MAX_FRAMES of them; how many older ones there are at least)"""
        known, frames, missing = self.frames, [], sample.missing
        for index, location in enumerate(sample.locations):
            if location not in known:  # several frames if functions are inlined
                known[location] = [tables.frame(place) for place in self.places(location)]
                self.count_frames(len(known[location]))
            frames += known[location]
            if len(frames) >= MAX_FRAMES:
                missing += len(frames) - MAX_FRAMES + len(sample.locations) - index - 1
                del frames[MAX_FRAMES:]
                break
        self.count_frames(len(frames))
        return frames, missing

    def count_frames(self, number: int) -> None:
        self.read_frames += number
        self.limits.check(self.read_frames, self.limits.frames, "frames")

    def places(self, location: int) -> Iterator[Place]:
        """The most recent first, MAX_FRAMES of them."""
        inner = self.locations.get(location)
        if inner is None:
            raise ValueError(f"there is no location {location}")
        lines = (line or b"" for field, _number, line in fields(inner) if field == LINE)
        first = next(lines, None)
        if first is None:
            row = numbers_of(inner)
            yield Place(f"0x{row.get(3, 0):x}", self.mappings.get(row.get(2, 0), ""))
            return
        for line in islice(chain([first], lines), MAX_FRAMES):
            yield self.place(numbers_of(line))

    def place(self, line: Mapping[int, int]) -> Place:
        inner = self.functions.get(line.get(1, 0))
        if inner is None:
            raise ValueError(f"there is no function {line.get(1, 0)}")
        function = numbers_of(inner)
        name, filename = self.text(function.get(2, 0)), self.text(function.get(4, 0))
        # Without a name of its own our export gives a function that of its file.
        return Place(name if name != filename else "", filename or name, line.get(2, 0), function.get(5, 0))

    def add_facts(self, tables: Tables) -> None:
        taken = signed(self.numbers.get(TIME, 0))
        tables.taken = max(taken, 0)
        program = next(iter(self.mappings.values()), "")
        tables.command = [program] if program else []
        period = signed(self.numbers.get(PERIOD, 0))
        tables.labels_cut |= self.labels_cut
        if period > 1:
            tables.note = f"estimates: the pprof profile is of a sample, about one block in {period:,} bytes"


def amount(sample: Sample, columns: tuple[int | None, int | None]) -> tuple[int, int]:
    """(blocks, bytes); what is not there, or negative, is 0."""
    found = []
    for index in columns:
        value = sample.values[index] if index is not None and index < len(sample.values) else 0
        found.append(max(value, 0))
    return found[0], found[1]


def numbers_of(content: bytes) -> dict[int, int]:
    """The fields of a message with numbers, each once."""
    return {field: number for field, number, inner in fields(content) if inner is None}
