"""The profile of a snapshot as a service sends it, again and again.

Model: the message and the sample types are those of export/pprof.py, and the samples are tracebacks: blocks of different sizes
are one sample, which is a fraction of the work. Only frames and functions that a sample has are written, so what has hardly
changed is a small profile. No list as long as the tree is made: what the profile takes itself would be a part of the program's
peak.

Threads of the program that want the interpreter meanwhile would wait for CPython's switch interval each time, 5 ms. So the work
is done in short pieces with a pause after each: the profile takes longer, and the program's requests hardly do.
"""

import time
from collections.abc import Iterable, Iterator, Sequence

from .._ctracemalloc import CallTree
from ..export.pprof import (
    ALLOCATED,
    COMMENT,
    DEFAULT_SAMPLE_TYPE,
    DURATION_NANOS,
    FILENAME,
    FUNCTION,
    FUNCTION_ID,
    HAS_FILENAMES,
    HAS_FUNCTIONS,
    HAS_LINE_NUMBERS,
    ID,
    LINE,
    LINENO,
    LIVE,
    LOCATION,
    LOCATION_ID,
    MAPPING,
    MAPPING_FILENAME,
    MAPPING_ID,
    NAME,
    PEAK,
    PERIOD,
    PERIOD_TYPE,
    SAMPLE,
    SAMPLE_TYPE,
    START_LINE,
    STRING,
    THE_MAPPING,
    TIME_NANOS,
    TYPE,
    UNIT,
    VALUE,
    compressed,
)
from ..export.protobuf import message, number, packed, text, varint
from ..export.selected import UNKNOWN
from ..render.text import losses
from .program import command
from .snapshots import TimedSnapshot

BY_ALLOCATED, BY_LIVE = "alloc_space", "inuse_space"
MOST_CALLERS = 20_000  # whose locations are kept for the next sample
WORK, PAUSE = 0.001, 0.0005  # seconds
ROWS = 256  # after which a loop that writes nothing lets others have their turn


def profile_of(taken: TimedSnapshot, base: TimedSnapshot | None = None, default: str = BY_LIVE, growth: bool = False) -> bytes:
    """The bytes of a .pb.gz file.

    With `base`, what was allocated since then, and what is live now; with `growth`, how that has changed since then. default:
    the sample type that tools show first.
    """
    tree = taken.snapshot.call_tree(*([] if base is None else [base.snapshot]))
    return b"".join(compressed(paced(Served(tree, growth).pieces(taken, base, default))))


def paced(pieces: Iterable[bytes]) -> Iterator[bytes]:
    end = time.perf_counter() + WORK
    for piece in pieces:
        yield piece
        if time.perf_counter() > end:
            time.sleep(PAUSE)
            end = time.perf_counter() + WORK


class Strings(dict[str, int]):
    """The texts of a message, each with its number."""

    def __init__(self) -> None:
        super().__init__({"": 0})

    def number(self, text: str) -> int:
        return self.setdefault(text, len(self))

    def value_type(self, name: str, unit: str) -> bytes:
        return number(TYPE, self.number(name)) + number(UNIT, self.number(unit))


class Served:
    """The message Profile, made in pieces. tree: of a difference, if only what was allocated since then counts."""

    def __init__(self, tree: CallTree, growth: bool) -> None:
        self.tree, self.strings = tree, Strings()
        now = tree if growth or tree.newer is None else tree.newer
        self.types, self.columns = [*LIVE], [now.own_count, now.own_size]
        if tree.churn_known:
            self.types[:0], self.columns[:0] = ALLOCATED, (tree.own_allocated_count, tree.own_allocated_size)
        if now.peak_known and not growth:
            self.types += PEAK
            self.columns += (now.own_peak_count, now.own_peak_size)
        self.used = bytearray(len(tree.frame_function))  # by frame: is it in a sample?

    def pieces(self, taken: TimedSnapshot, base: TimedSnapshot | None, default: str) -> Iterator[bytes]:
        for name, unit in self.types:
            yield message(SAMPLE_TYPE, self.strings.value_type(name, unit))
        yield from self.samples()
        yield from self.places()
        yield from self.facts(taken, base, default)
        for string in self.strings:
            yield text(STRING, string)

    def samples(self) -> Iterator[bytes]:
        """A node's locations are its own and those of its caller, which other nodes have, too."""
        parent, frame, used = self.tree.parent, self.tree.frame, self.used
        callers: dict[int, bytes] = {0: b""}
        for node, values in enumerate(zip(*self.columns, strict=True)):
            if any(values):
                caller = parent[node]
                if caller not in callers:
                    if len(callers) >= MOST_CALLERS:
                        callers = {0: b""}
                    callers[caller] = self.locations(caller)
                used[frame[node]] = 1
                locations = varint(frame[node] + 1) + callers[caller]
                yield message(SAMPLE, message(LOCATION_ID, locations) + packed(VALUE, values))
            elif not node % ROWS:
                yield b""

    def locations(self, node: int) -> bytes:
        """The ids of the frames of a node, the most recent first."""
        parent, frame, used = self.tree.parent, self.tree.frame, self.used
        found = []
        while node:
            used[frame[node]] = 1
            found.append(varint(frame[node] + 1))
            node = parent[node]
        return b"".join(found)

    def places(self) -> Iterator[bytes]:
        """Those of the samples, which have been made before."""
        tree, strings = self.tree, self.strings
        mapping = number(ID, THE_MAPPING) + number(MAPPING_FILENAME, strings.number(command()[0]))
        has = (HAS_FUNCTIONS, HAS_FILENAMES, HAS_LINE_NUMBERS)
        yield message(MAPPING, mapping + b"".join(number(field, True) for field in has))
        functions = bytearray(len(tree.function_name))
        for frame, used in enumerate(self.used):
            if used:
                function = tree.frame_function[frame]
                functions[function] = 1
                line = number(FUNCTION_ID, function + 1) + number(LINENO, tree.frame_lineno[frame])
                yield message(LOCATION, number(ID, frame + 1) + number(MAPPING_ID, THE_MAPPING) + message(LINE, line))
            elif not frame % ROWS:
                yield b""
        for function, used in enumerate(functions):
            if used:
                yield message(FUNCTION, self.function(function))

    def function(self, function: int) -> bytes:
        tree, texts = self.tree, self.tree.strings
        name = texts[tree.function_name[function]] if function else ""
        filename = texts[tree.function_filename[function]] if function else ""
        names = number(NAME, self.strings.number(name or UNKNOWN)) + number(FILENAME, self.strings.number(filename or UNKNOWN))
        return number(ID, function + 1) + names + number(START_LINE, tree.function_first_lineno[function])

    def facts(self, taken: TimedSnapshot, base: TimedSnapshot | None, default: str) -> Iterator[bytes]:
        duration = 0 if base is None else max(taken.time - base.time, 0.0)
        yield number(TIME_NANOS, int(taken.time * 1e9)) + number(DURATION_NANOS, int(duration * 1e9))
        yield message(PERIOD_TYPE, self.strings.value_type("space", "bytes"))
        yield number(PERIOD, taken.snapshot.sample_interval or 1)
        for comment in self.comments(taken):
            yield number(COMMENT, self.strings.number(comment))
        yield number(DEFAULT_SAMPLE_TYPE, self.strings.number(default))

    def comments(self, taken: TimedSnapshot) -> Sequence[str]:
        return losses.texts(losses.shown(taken.snapshot))
