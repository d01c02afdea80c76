"""The profile of a snapshot as a service sends it, again and again.

Model: the messages and the sample types are those of a file that is exported, and the samples are tracebacks: blocks of
different sizes are one sample, which is a fraction of the work. Only frames and functions that a sample has are written, so
what has hardly changed is a small profile. No list as long as the tree is made: what the profile takes itself would be a part
of the program's peak.

Threads of the program that want the interpreter meanwhile would wait for CPython's switch interval each time, 5 ms. So the work
is done in short pieces with a pause after each: the profile takes longer, and the program's requests hardly do.
"""

import time
from collections.abc import Iterable, Iterator

from .._ctracemalloc import CallTree
from ..export.profile_proto import ALLOCATED, LIVE, PEAK, ProfileWriter, compressed, location, sample
from ..export.protobuf import varint
from ..export.selected import UNKNOWN
from ..render.text import losses
from .program import command
from .snapshots import TimedSnapshot

BY_ALLOCATED, BY_LIVE = "alloc_space", "inuse_space"
MOST_CALLERS = 4 << 20  # bytes of the locations of callers that are kept for the next samples
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


class Callers:
    """The locations of nodes, kept for other nodes below them: of a deep recursion each node has the next one's callers and one
    more, so that finding them anew each time would take the square of its depth. Bounded in bytes for the same reason.
    """

    def __init__(self, tree: CallTree, used: bytearray) -> None:
        self.tree, self.used = tree, used
        self.empty()

    def empty(self) -> None:
        self.kept: dict[int, bytes] = {0: b""}
        self.size = 0

    def locations(self, node: int) -> bytes:
        """The ids of the frames of a node, the most recent first."""
        if node not in self.kept:
            found = self.found(node)
            if self.size + len(found) > MOST_CALLERS:
                self.empty()
            self.kept[node] = found
            self.size += len(found)
        return self.kept[node]

    def found(self, node: int) -> bytes:
        parent, frame = self.tree.parent, self.tree.frame
        ids = []
        while node not in self.kept:
            self.used[frame[node]] = 1
            ids.append(varint(frame[node] + 1))
            node = parent[node]
        return b"".join((*ids, self.kept[node]))


class Served:
    """The message Profile, made in pieces. tree: of a difference, if only what was allocated since then counts."""

    def __init__(self, tree: CallTree, growth: bool) -> None:
        self.tree, self.writer = tree, ProfileWriter()
        now = tree if growth or tree.newer is None else tree.newer
        self.types, self.columns = [*LIVE], [now.own_count, now.own_size]
        if tree.churn_known:
            self.types[:0], self.columns[:0] = ALLOCATED, (tree.own_allocated_count, tree.own_allocated_size)
        if now.peak_known and not growth:
            self.types += PEAK
            self.columns += (now.own_peak_count, now.own_peak_size)
        self.used = bytearray(len(tree.frame_function))  # by frame: is it in a sample?

    def pieces(self, taken: TimedSnapshot, base: TimedSnapshot | None, default: str) -> Iterator[bytes]:
        yield from self.writer.sample_types(self.types)
        yield from self.samples()
        yield from self.places()
        yield from self.facts(taken, base, default)
        yield from self.writer.string_table()

    def samples(self) -> Iterator[bytes]:
        """A node's locations are its own and those of its caller, which other nodes have, too."""
        parent, frame, used = self.tree.parent, self.tree.frame, self.used
        callers = Callers(self.tree, used)
        for node, values in enumerate(zip(*self.columns, strict=True)):
            if any(values):
                used[frame[node]] = 1
                locations = varint(frame[node] + 1) + callers.locations(parent[node])
                yield sample(locations, values)
            elif not node % ROWS:
                yield b""

    def places(self) -> Iterator[bytes]:
        """Those of the samples, which have been made before."""
        tree = self.tree
        yield self.writer.mapping(command()[0])
        functions = bytearray(len(tree.function_name))
        for frame, used in enumerate(self.used):
            if used:
                function = tree.frame_function[frame]
                functions[function] = 1
                yield location(frame, function, tree.frame_lineno[frame])
            elif not frame % ROWS:
                yield b""
        for function, used in enumerate(functions):
            if used:
                yield self.function(function)

    def function(self, function: int) -> bytes:
        tree, texts = self.tree, self.tree.strings
        name = texts[tree.function_name[function]] if function else ""
        filename = texts[tree.function_filename[function]] if function else ""
        return self.writer.function(function, name or UNKNOWN, filename or UNKNOWN, tree.function_first_lineno[function])

    def facts(self, taken: TimedSnapshot, base: TimedSnapshot | None, default: str) -> Iterator[bytes]:
        duration = 0 if base is None else max(taken.time - base.time, 0.0)
        return self.writer.facts(
            time=int(taken.time * 1e9),
            duration=int(duration * 1e9),
            period=taken.snapshot.sample_interval or 1,
            comments=losses.texts(losses.shown(taken.snapshot)),
            default=default,
        )
