"""The metrics: what they are called, what they mean, and their values now.

Model: a family is a name, a kind, a unit and its samples, as Prometheus has them. exposition.py writes families as text,
collecting.py gives them to prometheus_client. Each family has the prefix `ctracemalloc_`. A counter begins at zero again when
the program empties the tables, which readers of counters expect.

The places are the only samples whose number depends on the program, and `top` bounds it. Two names that look alike once they
are printable are one place: a reader refuses a sample that occurs twice.
"""

from collections.abc import Mapping
from typing import NamedTuple

from .. import get_sample_interval, get_traceback_limit, get_tracemalloc_memory, is_tracing
from .._words import printable
from ..render.text.losses import MEANINGS, shown
from .snapshots import NotTracing, TimedSnapshot, peak_of, take_timed

GAUGE, COUNTER = "gauge", "counter"
BYTES, SECONDS = "bytes", "seconds"
PREFIX = "ctracemalloc_"


class Family(NamedTuple):
    name: str  # of a counter without "_total"
    kind: str
    unit: str  # "": none
    help: str
    labels: tuple[str, ...] = ()


class Metric(NamedTuple):
    """A family and its samples: values by the values of its labels."""

    family: Family
    samples: Mapping[tuple[str, ...], float]


TRACING = Family("tracing", GAUGE, "", "1 while memory is traced, else 0.")
LIVE = Family("live_bytes", GAUGE, BYTES, "Size of the live blocks.")
LIVE_BLOCKS = Family("live_blocks", GAUGE, "", "Number of live blocks.")
PEAK = Family("peak_bytes", GAUGE, BYTES, "Largest size of the live blocks so far, without what is allocated to show them.")
ALLOCATED = Family("allocated_bytes", COUNTER, BYTES, "Size of all blocks that were ever allocated.")
ALLOCATED_BLOCKS = Family("allocated_blocks", COUNTER, "", "Number of all blocks that were ever allocated.")
TRACER = Family("tracer_bytes", GAUGE, BYTES, "Memory that the tracer itself uses.")
INTERVAL = Family("sample_interval_bytes", GAUGE, BYTES, "Mean bytes from one traced block to the next; 0: all are traced.")
LIMIT = Family("traceback_limit", GAUGE, "", "How many frames of each traceback are kept.")
LOSSES = Family("losses", GAUGE, "", "Facts about what is missing from the numbers, by kind.", ("kind",))
PLACE = Family("place_live_bytes", GAUGE, BYTES, "Size of the live blocks of a line.", ("file", "line", "function"))
PLACE_BLOCKS = Family("place_live_blocks", GAUGE, "", "Number of live blocks of a line.", ("file", "line", "function"))
SNAPSHOT = Family("snapshot_seconds", GAUGE, SECONDS, "How long taking this snapshot took.")
FAMILIES = (
    *(TRACING, LIVE, LIVE_BLOCKS, PEAK, ALLOCATED, ALLOCATED_BLOCKS),
    *(TRACER, INTERVAL, LIMIT, LOSSES, PLACE, PLACE_BLOCKS, SNAPSHOT),
)


def metrics_now(top: int) -> list[Metric]:
    """Of what is live now; if nothing is traced, that only. The caller has its turn."""
    try:
        taken = take_timed()
    except NotTracing:
        return [one(TRACING, is_tracing()), one(TRACER, get_tracemalloc_memory())]
    return [one(TRACING, True), *totals(taken), *settings(), losses(taken), *places(taken, top), one(SNAPSHOT, taken.seconds)]


def one(family: Family, value: float) -> Metric:
    return Metric(family, {(): value})


def totals(taken: TimedSnapshot) -> list[Metric]:
    sums = taken.sums
    return [
        one(LIVE, sums.size),
        one(LIVE_BLOCKS, sums.blocks),
        one(PEAK, peak_of(taken)),
        one(ALLOCATED, sums.allocated_size or 0),
        one(ALLOCATED_BLOCKS, sums.blocks + (sums.freed_blocks or 0)),
    ]


def settings() -> list[Metric]:
    return [
        one(TRACER, get_tracemalloc_memory()),
        one(INTERVAL, get_sample_interval() or 0),
        one(LIMIT, get_traceback_limit()),
    ]


def losses(taken: TimedSnapshot) -> Metric:
    found: dict[tuple[str, ...], float] = {(kind,): 0.0 for kind in MEANINGS}
    for loss in shown(taken.snapshot):
        kind = (printable(loss.kind),)
        found[kind] = found.get(kind, 0.0) + 1
    return Metric(LOSSES, found)


def places(taken: TimedSnapshot, top: int) -> list[Metric]:
    """Of the lines with most, at most `top`."""
    sizes: dict[tuple[str, ...], float] = {}
    blocks: dict[tuple[str, ...], float] = {}
    for statistic in taken.snapshot.statistics("lineno")[:top] if top else ():
        frame = statistic.traceback[-1]
        labels = (printable(frame.filename), str(frame.lineno), printable(frame.name or ""))
        sizes[labels] = sizes.get(labels, 0.0) + statistic.size
        blocks[labels] = blocks.get(labels, 0.0) + statistic.count
    return [Metric(PLACE, sizes), Metric(PLACE_BLOCKS, blocks)]
