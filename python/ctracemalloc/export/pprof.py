"""pprof: gzip-compressed profile.proto, which `go tool pprof`, Pyroscope, Parca, Perfetto and others read.

Model: the sample types are those of Go's heap profiles, in their order, then those of the peak: what was ever allocated, what
is live, what was live at the peak, in blocks and in bytes. A sample is a site: its frames, the most recent first, and labels.
Its block size ("bytes") and its domain ("domain"), if that is not Python's, are labels with a number; those of its label set
have a text, so that a label of the user's own with one of these names stays apart. A location is a line of a function. The
messages are written by profile_proto.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._ctracemalloc import Snapshot
from ..places.patterns import Patterns
from .profile_proto import ALLOCATED, LIVE, PEAK, ProfileWriter, compressed, location, sample
from .protobuf import varint
from .selected import ALL_CODE, Selected

DEFAULT = "inuse_space"


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


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """For the command line; a profile has all measures."""
    return compressed(Profile(selected, comments).pieces())


class Profile:
    """The message Profile, made in pieces."""

    def __init__(self, selected: Selected, comments: Iterable[str]) -> None:
        self.selected, self.comments, self.writer = selected, list(comments), ProfileWriter()
        tree = selected.tree
        self.types = [*(ALLOCATED if tree.churn_known else ()), *LIVE, *(PEAK if tree.peak_known else ())]

    def pieces(self) -> Iterator[bytes]:
        yield from self.writer.sample_types(self.types)
        yield from self.samples()
        yield from self.places()
        taken, duration = self.selected.times
        period = self.selected.snapshot.sample_interval or 1
        yield from self.writer.facts(time=taken, duration=duration, period=period, comments=self.comments, default=DEFAULT)
        yield from self.writer.string_table()

    def samples(self) -> Iterator[bytes]:
        tree = self.selected.tree
        amounts = Amounts(tree.churn_known, tree.peak_known)
        locations, labels = Locations(self.selected), Labels(self.writer, self.selected.sites.labels)
        for site in self.selected.selected_sites():
            values = amounts(site.block_size, site.allocated, site.blocks, site.peak_blocks)
            if any(values):
                label = labels.of(site.block_size, site.domain, site.labels)
                yield sample(locations.of(site.node), values, label)

    def places(self) -> Iterator[bytes]:
        tree = self.selected.tree
        yield self.writer.mapping(self.selected.program)
        for frame, (function, lineno) in enumerate(zip(tree.frame_function, tree.frame_lineno, strict=True)):
            yield location(frame, function, lineno)
        for function, names in enumerate(self.selected.function_names()):
            yield self.writer.function(function, *names)


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
    """The ids of the frames of each node, the most recent first."""

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
        return b"".join([ids[frame] for frame in self.selected.chain(node)])


class Labels:
    """The field label of each block size, domain and label set."""

    def __init__(self, writer: ProfileWriter, sets: Sequence[Mapping[str, str]]) -> None:
        self.writer, self.sets = writer, sets
        self.known: dict[tuple[int, int, int], bytes] = {}

    def of(self, block_size: int, domain: int, labels: int) -> bytes:
        key = block_size, domain, labels
        if key not in self.known:
            self.known[key] = self.made(*key)
        return self.known[key]

    def made(self, block_size: int, domain: int, labels: int) -> bytes:
        writer = self.writer
        found = [writer.number_label("bytes", block_size, "bytes")] if block_size else []
        if domain:
            found.append(writer.number_label("domain", domain, "count"))
        found += [writer.label(key, value) for key, value in self.sets[labels].items()]
        return b"".join(found)
