"""pprof: gzip-compressed profile.proto, which `go tool pprof`, Pyroscope, Parca, Perfetto and others read.

Model: the sample types are those of Go's heap profiles, in their order, then those of the peak: what was ever allocated, what
is live, what was live at the peak, in blocks and in bytes. A sample is a site: its frames, the most recent first, and as labels
its block size ("bytes"), its domain if that is not Python's, and the labels of its label set. A location is a line of a
function. There is one mapping, the program, whose functions, files and lines are known, so that no tool looks for symbols.

`Function.system_name` stays unset: tools would take a name that equals it for a mangled one of C++, and show `<module>` as
`<unknown>`.

The format is written by protobuf.py: a service that shows its own profile must not need a package of others for it.

https://github.com/google/pprof/blob/main/proto/profile.proto
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._ctracemalloc import Snapshot
from ..places.patterns import Patterns
from .protobuf import message, number, packed, text, varint
from .selected import ALL_CODE, Selected

# Fields of the messages.
SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING = range(1, 7)
TIME_NANOS, DURATION_NANOS, PERIOD_TYPE, PERIOD, COMMENT, DEFAULT_SAMPLE_TYPE = range(9, 15)
TYPE, UNIT = 1, 2
LOCATION_ID, VALUE, LABEL = 1, 2, 3
KEY, STR, NUM, NUM_UNIT = 1, 2, 3, 4
ID, MAPPING_ID, LINE = 1, 2, 4  # of a location
FUNCTION_ID, LINENO = 1, 2  # of a line
NAME, FILENAME, START_LINE = 2, 4, 5  # of a function
MAPPING_FILENAME, HAS_FUNCTIONS, HAS_FILENAMES, HAS_LINE_NUMBERS = 5, 7, 8, 9

THE_MAPPING = 1
ALLOCATED = (("alloc_objects", "count"), ("alloc_space", "bytes"))
LIVE = (("inuse_objects", "count"), ("inuse_space", "bytes"))
PEAK = (("peak_objects", "count"), ("peak_space", "bytes"))
DEFAULT = "inuse_space"
PIECE = 1 << 16  # bytes
LEVEL = 6  # of zlib
GZIP = 31  # window bits of a gzip stream


def pprof_of(
    snapshot: Snapshot,
    *,
    run: Mapping[str, Any] | None = None,
    comments: Iterable[str] = (),
    patterns: Patterns = ALL_CODE,
    any_frame: bool = False,
) -> bytes:
    """The profile of a snapshot, as bytes of a .pb.gz file.

    run: facts about the program, as in `Snapshot.run`; None: the snapshot's own.
    comments: lines that `go tool pprof -comments` prints, such as what is lost.
    patterns, any_frame: as --include, --exclude and --all-frames of the command line.
    """
    selected = Selected(snapshot, run=run, patterns=patterns, any_frame=any_frame)
    return b"".join(compressed(Profile(selected, comments).pieces()))


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """In the form of gzip, without a time, so that equal profiles are equal files."""
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE:
            yield compressor.compress(waiting)
            waiting.clear()
    yield compressor.compress(waiting) + compressor.flush()


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """For the command line; a profile has all measures."""
    return compressed(Profile(selected, comments).pieces())


class Profile:
    """The message Profile, made in pieces."""

    def __init__(self, selected: Selected, comments: Iterable[str]) -> None:
        self.selected, self.comments = selected, comments
        self.strings = {"": 0}
        tree = selected.tree
        self.types = [*(ALLOCATED if tree.churn_known else ()), *LIVE, *(PEAK if tree.peak_known else ())]

    def pieces(self) -> Iterator[bytes]:
        for name, unit in self.types:
            yield message(SAMPLE_TYPE, self.value_type(name, unit))
        yield from self.samples()
        yield from self.places()
        yield from self.facts()
        for string in self.strings:
            yield text(STRING, string)

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def value_type(self, name: str, unit: str) -> bytes:
        return number(TYPE, self.string(name)) + number(UNIT, self.string(unit))

    # --- samples ---

    def samples(self) -> Iterator[bytes]:
        amounts, locations, labels = self.amounts(), Locations(self.selected), Labels(self)
        for site in self.selected.selected_sites():
            values = amounts(site.block_size, site.allocated, site.blocks, site.peak_blocks)
            if any(values):
                label = labels.of(site.block_size, site.domain, site.labels)
                yield message(SAMPLE, locations.of(site.node) + packed(VALUE, values) + label)

    def amounts(self) -> "Amounts":
        tree = self.selected.tree
        return Amounts(tree.churn_known, tree.peak_known)

    # --- places, facts ---

    def places(self) -> Iterator[bytes]:
        mapping = number(ID, THE_MAPPING) + number(MAPPING_FILENAME, self.string(self.selected.program))
        has = (HAS_FUNCTIONS, HAS_FILENAMES, HAS_LINE_NUMBERS)
        yield message(MAPPING, mapping + b"".join(number(field, True) for field in has))
        tree = self.selected.tree
        for frame, (function, lineno) in enumerate(zip(tree.frame_function, tree.frame_lineno, strict=True)):
            line = number(FUNCTION_ID, function + 1) + number(LINENO, lineno)
            yield message(LOCATION, number(ID, frame + 1) + number(MAPPING_ID, THE_MAPPING) + message(LINE, line))
        for function, (name, filename, first) in enumerate(self.selected.function_names()):
            names = number(NAME, self.string(name)) + number(FILENAME, self.string(filename))
            yield message(FUNCTION, number(ID, function + 1) + names + number(START_LINE, first))

    def facts(self) -> Iterator[bytes]:
        taken, duration = self.selected.times
        yield number(TIME_NANOS, taken) + number(DURATION_NANOS, duration)
        yield message(PERIOD_TYPE, self.value_type("space", "bytes"))
        yield number(PERIOD, self.selected.snapshot.sample_interval or 1)
        for comment in self.comments:
            yield number(COMMENT, self.string(comment))
        yield number(DEFAULT_SAMPLE_TYPE, self.string(DEFAULT))


class Amounts:
    """The values of a sample, in the order of the types.

    In a sample the blocks of a site are an estimate: what rounding leaves goes to the next site, so that sums are right.
    """

    def __init__(self, churn_known: bool, peak_known: bool) -> None:
        self.churn_known, self.peak_known = churn_known, peak_known
        self.rest = [0.0] * 6

    def __call__(self, block_size: int, allocated: float, live: float, peak: float) -> Sequence[int]:
        counts = [*([allocated] if self.churn_known else []), live, *([peak] if self.peak_known else [])]
        values = [value for count in counts for value in (count, count * block_size)]
        return values if type(live) is int else self.rounded(values)  # type: ignore[return-value]

    def rounded(self, values: Sequence[float]) -> list[int]:
        found = []
        for index, value in enumerate(values):
            exact = value + self.rest[index]
            found.append(max(round(exact), 0))
            self.rest[index] = exact - found[-1]
        return found


class Locations:
    """The field location_id of each node, the most recent frame first."""

    def __init__(self, selected: Selected) -> None:
        self.selected = selected
        self.ids = [varint(frame + 1) for frame in range(len(selected.tree.frame_function))]
        self.last = (0, self.made(0))  # sites of one traceback often follow each other

    def of(self, node: int) -> bytes:
        if self.last[0] != node:
            self.last = (node, self.made(node))
        return self.last[1]

    def made(self, node: int) -> bytes:
        ids = self.ids
        return message(LOCATION_ID, b"".join([ids[frame] for frame in self.selected.chain(node)]))


class Labels:
    """The field label of each block size, domain and label set, in Profile's strings."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.sets = profile, profile.selected.sites.labels
        self.known: dict[tuple[int, int, int], bytes] = {}

    def of(self, block_size: int, domain: int, labels: int) -> bytes:
        key = block_size, domain, labels
        if key not in self.known:
            self.known[key] = self.made(*key)
        return self.known[key]

    def made(self, block_size: int, domain: int, labels: int) -> bytes:
        string = self.profile.string
        size = number(KEY, string("bytes")) + number(NUM, block_size) + number(NUM_UNIT, string("bytes"))
        found = [size] if block_size else []
        if domain:
            found.append(number(KEY, string("domain")) + number(STR, string(str(domain))))
        for key, value in self.sets[labels].items():
            found.append(number(KEY, string(key)) + number(STR, string(value)))
        return b"".join(message(LABEL, label) for label in found)
