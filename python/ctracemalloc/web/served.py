"""The profile of a snapshot as a service sends it, again and again.

Model: the messages and the sample types are those of a file that is exported, and the samples are tracebacks: blocks of
different sizes are one sample, which is a fraction of the work. Only frames and functions that a sample has are written, so
what has hardly changed is a small profile.

The extension encodes the samples, the places and their texts, piece by piece, and zlib packs them; both let the program's
threads run meanwhile. No list as long as the tree is made in Python.
"""

from collections.abc import Iterator

from .._program import command
from ..export.profile_proto import ALLOCATED, LIVE, PEAK, THE_MAPPING, ProfileWriter, compressed
from ..export.selected import UNKNOWN
from ..render.text import losses
from .snapshots import TimedSnapshot

BY_ALLOCATED, BY_LIVE = "alloc_space", "inuse_space"


def profile_of(taken: TimedSnapshot, base: TimedSnapshot | None = None, default: str = BY_LIVE, growth: bool = False) -> bytes:
    """The bytes of a .pb.gz file.

    With `base`, what was allocated since then, and what is live now; with `growth`, how that has changed since then. default:
    the sample type that tools show first.
    """
    return b"".join(compressed(pieces_of(taken, base, default, growth)))


def pieces_of(taken: TimedSnapshot, base: TimedSnapshot | None, default: str, growth: bool) -> Iterator[bytes]:
    """The message Profile. The texts of the facts come first in its table, so the facts do, too."""
    tree, writer = taken.snapshot.call_tree(*([] if base is None else [base.snapshot])), ProfileWriter()
    now = tree if growth or tree.newer is None else tree.newer
    types, columns = [*LIVE], [now.own_count, now.own_size]
    if tree.churn_known:
        types[:0], columns[:0] = ALLOCATED, (tree.own_allocated_count, tree.own_allocated_size)
    if now.peak_known and not growth:
        types += PEAK
        columns += (now.own_peak_count, now.own_peak_size)
    yield from writer.sample_types(types)
    yield writer.mapping(command()[0])
    yield from writer.facts(
        time=int(taken.time * 1e9),
        duration=0 if base is None else int(max(taken.time - base.time, 0.0) * 1e9),
        period=taken.snapshot.sample_interval or 1,
        comments=losses.texts(losses.shown(taken.snapshot)),
        default=default,
    )
    no_name = writer.string(UNKNOWN)
    yield from writer.string_table()
    yield from tree._pprof_pieces(tuple(columns), len(writer.strings), THE_MAPPING, no_name)
