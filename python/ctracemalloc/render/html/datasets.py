"""From snapshots, recordings and processes to the data sets of a page.

Model: each function makes the states of one subject, and the facts that a report of it would print. What is shown of them is up
to the reader of the page, so a data set has every figure that the file has; only patterns and small nodes leave something out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..._ctracemalloc import CallTree, Snapshot
from ...formats.sources import stored_in
from ...model.graph import FIRST_FRAME, Graph, Least, graph_of
from ...model.origin import number_in, paths_of, run_of
from ...model.processes import Processes
from ...places.files import OWN
from ...places.patterns import Patterns
from ...recording.reading import Moment, Recording
from ...recording.ticks import Ticks as TickTimes
from ..text import losses
from ..text.origin import recording_end
from ..text.processes import end_of, facts_of, what
from ..text.recording import clock_of
from ..text.recording import head_facts as facts_of_recording
from ..text.snapshot import head_facts
from ..text.style import Style
from ..text.units import SELECTED, share_text
from .dataset import Dataset, State, Ticks
from .sources import Sources, left_out_texts, sources_of

LOST = "lost"  # the name of a fact about losses
MOST_STATES = 24  # of a recording
MOST_TICKS = 4000
# Above these, small nodes are merged. A page of so many has some megabytes, and none of its figures leaves anything out.
MOST_NODES = 1_000_000
MOST_FIGURES = 4_000_000  # nodes times states
NOT_WANTED = "--no-source leaves the lines of source out"
NO_OWN_FILE = "no file of the program's own code is on this machine"
ALL_LEFT_OUT = "no file of the program's own code is on this machine but what was left out: {}"
LEFT_OUT = "source left out"  # the name of a fact
SEVERAL = "the lines of source are in the pages of single processes"


class Choice(NamedTuple):
    """What a page is to have."""

    patterns: Patterns = Patterns((), ())
    any_frame: bool = False  # patterns decide by any frame of a traceback
    least: Least | None = None  # None: nothing is merged unless there are too many nodes
    with_source: bool = True
    share: float = 1.0  # of the page's room, if it has several data sets


def of_snapshot(snapshot: Snapshot, run: dict[str, Any], choice: Choice, label: str = "") -> Dataset:
    """run: facts about the program."""
    facts = head_facts(snapshot, snapshot.at_peak, plain_style(), "", run)
    tree = snapshot.call_tree()
    return dataset_of([tree], [State(label)], [snapshot], facts, choice, [run])


def of_difference(
    older: Snapshot, newer: Snapshot, labels: tuple[str, str], runs: Sequence[dict[str, Any]], choice: Choice
) -> Dataset:
    """labels: the names of the two files."""
    tree = newer.call_tree(older)
    assert tree.older is not None
    assert tree.newer is not None
    facts = []
    for snapshot, label, run in zip((older, newer), ("base", "newer"), runs, strict=True):
        facts += [(f"{label}: {name}", text) for name, text in head_facts(snapshot, snapshot.at_peak, plain_style(), "", run)]
    states = [State(f"base: {labels[0]}"), State(labels[1])]
    return dataset_of([tree.older, tree.newer], states, [older, newer], facts, choice, runs)._replace(is_diff=True)


def of_recording(recording: Recording, choice: Choice) -> Dataset:
    """ValueError: it has no moments."""
    times = TickTimes(recording.times, recording.interval)
    times.index(None)
    moments = recording.totals()
    chosen = chosen_ticks(moments)
    snapshots = [recording.snapshot(moments[index].time) for index in chosen]
    states = [State(clock_of(times, index), moments[index].time) for index in chosen]
    facts = facts_of_recording(recording, times, plain_style())
    dataset = dataset_of(
        [snapshot.call_tree() for snapshot in snapshots], states, snapshots, facts, choice, [{"began": recording.started}]
    )
    return dataset._replace(ticks=ticks_of(recording, moments))


def of_processes(found: Processes, merged: Snapshot, choice: Choice) -> Dataset:
    """All processes of a run as one. merged: the snapshot of all of them."""
    dataset = of_snapshot(merged, run_of(merged), choice._replace(with_source=False), "all processes")
    facts = [*facts_of(found.totals()), *(fact for fact in dataset.facts if fact[0] not in ("live", "peak", LOST))]
    return dataset._replace(facts=facts, no_source=SEVERAL)


def rows_of_processes(found: Processes, number_of: dict[int, int]) -> list[dict[str, Any]]:
    """number_of: the data set of a process, by the process's index."""
    return [
        {
            "dataset": number_of.get(index),
            "pid": process.pid,
            "name": what(process),
            "command": " ".join(process.command),
            "end": end_of(process),
            "size": None if process.numbers is None else process.numbers.size,
            "peak": None if process.numbers is None else process.numbers.peak,
            "depth": process.depth,
        }
        for index, process in enumerate(found.processes)
    ]


def dataset_of(
    trees: Sequence[CallTree],
    states: Sequence[State],
    snapshots: Sequence[Snapshot],
    facts: Sequence[tuple[str, str]],
    choice: Choice,
    runs: Sequence[dict[str, Any]],
) -> Dataset:
    """runs: facts about the programs."""
    paths = paths_of(snapshots)
    most = int(choice.share * min(MOST_NODES, MOST_FIGURES / len(trees)))
    graph = graph_of(trees, paths, choice.patterns, any_frame=choice.any_frame, least=choice.least, most=most)
    sources = source_files(graph, snapshots, runs) if choice.with_source else Sources([], {})
    left_out = left_out_texts(sources.left_out)
    lost = losses.merge_texts(LOST, [losses.texts(losses.shown(snapshot)) for snapshot in snapshots])
    return Dataset(
        graph,
        states,
        [
            *(fact for fact in facts if fact[0] != LOST),
            *selection_facts(graph, trees, choice),
            *((LEFT_OUT, text) for text in left_out),
        ],
        [text for _name, text in lost],
        any(tree.estimated for tree in trees),
        traceback_limit=max(snapshot.traceback_limit for snapshot in snapshots),
        sources=sources.found,
        no_source="" if sources.found else why_no_source(choice, left_out),
    )


def why_no_source(choice: Choice, left_out: Sequence[str]) -> str:
    if not choice.with_source:
        return NOT_WANTED
    return ALL_LEFT_OUT.format("; ".join(left_out)) if left_out else NO_OWN_FILE


def selection_facts(graph: Graph, trees: Sequence[CallTree], choice: Choice) -> list[tuple[str, str]]:
    """How much of the whole the patterns left."""
    if not choice.patterns:
        return []
    return [(SELECTED, f"{share_text(graph.totals[-1][0], trees[-1].total_size[0])}: all figures are of these blocks")]


def plain_style() -> Style:
    return Style(False)


def source_files(graph: Graph, snapshots: Sequence[Snapshot], runs: Sequence[dict[str, Any]]) -> Sources:
    """Of the program's own code, the files with most memory first."""
    sizes = [0] * len(graph.files)
    for columns in graph.own:
        for node, size in enumerate(columns[0]):
            frame = graph.frame[node] - FIRST_FRAME
            if size > 0 and frame >= 0:
                sizes[graph.functions[graph.frames[frame][0]].file] += size
    ranked = sorted(range(len(sizes)), key=lambda file: -sizes[file])
    digests: dict[str, int] = {}
    for snapshot in snapshots:
        digests |= stored_in(run_of(snapshot))
    began = [time for run in runs if (time := number_in(run, "began"))]
    own = [(file, graph.files[file].name) for file in ranked if graph.files[file].code.origin == OWN]
    return sources_of(own, digests, min(began, default=None))


# --- recordings ---


def chosen_ticks(moments: Sequence[Moment]) -> list[int]:
    """The first, the last, the one with most, and others evenly between them."""
    last = len(moments) - 1
    count = min(last, MOST_STATES - 2)
    even = {last * step // count for step in range(count + 1)} if count else {0}
    return sorted(even | {max(range(len(moments)), key=lambda index: moments[index].size)})


def ticks_of(recording: Recording, moments: Sequence[Moment]) -> Ticks:
    shown = [moments[index] for index in thinned([moment.size for moment in moments])]
    return Ticks(
        [moment.time for moment in shown],
        [moment.size for moment in shown],
        [moment.peak for moment in shown],
        [moment.resident for moment in shown],
        [(event.time, event.what) for event in recording.events],
        recording_end(recording),
    )


def thinned(sizes: Sequence[int]) -> list[int]:
    """Indexes of at most MOST_TICKS ticks: of each stretch the highest and the last."""
    step = -(-2 * len(sizes) // MOST_TICKS)
    if step <= 2:
        return list(range(len(sizes)))
    found: set[int] = {0}
    for begin in range(0, len(sizes), step):
        stretch = range(begin, min(begin + step, len(sizes)))
        found |= {max(stretch, key=lambda index: sizes[index]), stretch[-1]}
    return sorted(found)
