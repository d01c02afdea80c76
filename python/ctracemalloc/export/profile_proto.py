"""The messages of profile.proto, gzip-compressed, as `go tool pprof`, Pyroscope, Parca, Perfetto and others read them.

Model: a Profile is written in pieces, in the order of its methods: sample types, samples, places, facts, and at last the table
of the texts that all of these named. What is a sample is the caller's: pprof.py writes one for each site of a snapshot, the web
component one for each traceback. Frames and functions have the indexes of a call tree; their ids count from 1. There is one
mapping, the program, whose functions, files and lines are known, so that no tool looks for symbols.

`Function.system_name` stays unset: tools would take a name that equals it for a mangled one of C++, and show `<module>` as
`<unknown>`.

The format is written by protobuf.py: a service that shows its own profile must not need a package of others for it.

https://github.com/google/pprof/blob/main/proto/profile.proto
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence

from .protobuf import message, number, packed, text

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
SPACE = ("space", "bytes")  # the period type of memory profiles
PIECE = 1 << 16  # bytes
LEVEL = 6  # of zlib
GZIP = 31  # window bits of a gzip stream


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


def sample(locations: bytes, values: Iterable[int], labels: bytes = b"") -> bytes:
    """locations: the ids of the frames, the most recent first, as varints."""
    return message(SAMPLE, message(LOCATION_ID, locations) + packed(VALUE, values) + labels)


def location(frame: int, function: int, lineno: int) -> bytes:
    line = number(FUNCTION_ID, function + 1) + number(LINENO, lineno)
    return message(LOCATION, number(ID, frame + 1) + number(MAPPING_ID, THE_MAPPING) + message(LINE, line))


class ProfileWriter:
    """What of a message Profile has texts: they are numbers in its table."""

    def __init__(self) -> None:
        self.strings = {"": 0}

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def value_type(self, name: str, unit: str) -> bytes:
        return number(TYPE, self.string(name)) + number(UNIT, self.string(unit))

    def sample_types(self, types: Iterable[tuple[str, str]]) -> Iterator[bytes]:
        """types: of the values of each sample, a name and a unit."""
        for name, unit in types:
            yield message(SAMPLE_TYPE, self.value_type(name, unit))

    def label(self, key: str, value: str) -> bytes:
        return message(LABEL, number(KEY, self.string(key)) + number(STR, self.string(value)))

    def number_label(self, key: str, value: int, unit: str) -> bytes:
        names = number(KEY, self.string(key)), number(NUM_UNIT, self.string(unit))
        return message(LABEL, names[0] + number(NUM, value) + names[1])

    def mapping(self, program: str) -> bytes:
        has = b"".join(number(field, True) for field in (HAS_FUNCTIONS, HAS_FILENAMES, HAS_LINE_NUMBERS))
        return message(MAPPING, number(ID, THE_MAPPING) + number(MAPPING_FILENAME, self.string(program)) + has)

    def function(self, index: int, name: str, filename: str, first_lineno: int) -> bytes:
        names = number(NAME, self.string(name)) + number(FILENAME, self.string(filename))
        return message(FUNCTION, number(ID, index + 1) + names + number(START_LINE, first_lineno))

    def facts(
        self,
        *,
        time: int,
        duration: int = 0,
        period: int = 1,
        period_type: tuple[str, str] = SPACE,
        comments: Sequence[str] = (),
        default: str = "",
    ) -> Iterator[bytes]:
        """time: UNIX time, in nanoseconds. duration: in nanoseconds. default: the sample type that tools show first."""
        yield number(TIME_NANOS, time) + number(DURATION_NANOS, duration)
        yield message(PERIOD_TYPE, self.value_type(*period_type))
        yield number(PERIOD, period)
        for comment in comments:
            yield number(COMMENT, self.string(comment))
        yield number(DEFAULT_SAMPLE_TYPE, self.string(default))

    def string_table(self) -> Iterator[bytes]:
        """After all that names a text."""
        for string in self.strings:
            yield text(STRING, string)
