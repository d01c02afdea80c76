"""One data set of a page: a graph with its states, and what a reader has to know about them.

Model: a data set stands for one program, the difference of two snapshots, a recording, or all processes of a run together. Its
JSON has texts and few numbers; all that there is by node, frame, function, file and tick is in columns.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...model.figures import Figures
from ...model.graph import FIRST_FRAME, Graph
from ...places.files import ORIGINS
from ..documents import NAMES
from .packing import Packer
from .sources import Source

NO_FRAMES = [0] * FIRST_FRAME  # the root, and what was merged
OWN_FIGURE = "s{}.{}"  # of state and name


class State(NamedTuple):
    label: str
    time: float | None = None  # of a recording's moment, in seconds


class Ticks(NamedTuple):
    """Of a recording, in the order of time: seconds, and bytes."""

    times: Sequence[float]
    sizes: Sequence[int]
    peaks: Sequence[int]
    resident: Sequence[int]  # 0: not known
    events: Sequence[tuple[float, str]]
    ended: str


class Dataset(NamedTuple):
    graph: Graph
    states: Sequence[State]
    facts: Sequence[tuple[str, str]]
    losses: Sequence[str]
    estimated: bool = False
    is_diff: bool = False
    traceback_limit: int = 0  # frames of a traceback that were kept at most; 0: not known
    sources: Sequence[Source] = ()
    no_source: str = ""  # why there are none
    ticks: Ticks | None = None
    processes: Sequence[dict[str, Any]] | None = None


def packed(dataset: Dataset) -> bytes:
    packer, graph, strings = Packer(), dataset.graph, Strings()
    packer.add_parents(graph.parent)
    packer.add("frame", graph.frame)
    packer.add("merged_nodes", graph.merged)
    add_figures(packer, graph)
    packer.add("frame_function", [*NO_FRAMES, *(function for function, _lineno in graph.frames)])
    packer.add("frame_line", [*NO_FRAMES, *(lineno for _function, lineno in graph.frames)])
    packer.add("function_file", [function.file for function in graph.functions])
    packer.add("function_name", [strings.number(function.name) for function in graph.functions])
    packer.add("function_line", [function.first_lineno for function in graph.functions])
    packer.add("file_name", [strings.number(file.name) for file in graph.files])
    packer.add("file_module", [strings.number(file.code.module) for file in graph.files])
    packer.add("file_package", [strings.number(file.code.package) for file in graph.files])
    packer.add("file_origin", [ORIGINS.index(file.code.origin) for file in graph.files])
    timeline = None if dataset.ticks is None else add_ticks(packer, dataset.ticks)
    document = {
        "facts": [list(fact) for fact in dataset.facts],
        "losses": list(dataset.losses),
        "estimated": dataset.estimated,
        "peak_known": graph.peak_known,
        "churn_known": graph.churn_known,
        "is_diff": dataset.is_diff,
        "traceback_limit": dataset.traceback_limit,
        "states": [
            {**state._asdict(), "totals": totals_of(graph, total)}
            for state, total in zip(dataset.states, graph.totals, strict=True)
        ],
        "merged": {**graph.least._asdict(), "nodes": sum(graph.merged)},
        "strings": strings.texts,
        "origins": list(ORIGINS),
        "sources": [source._asdict() for source in dataset.sources],
        "no_source": dataset.no_source,
        "timeline": timeline,
        "processes": dataset.processes,
    }
    return packer.packed(document)


class Strings:
    """Each text once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        number = self.numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number


def add_figures(packer: Packer, graph: Graph) -> None:
    """A figure is nearly that of what is live, and what is live nearly that of the state before."""
    before: list[tuple[str, Sequence[int]]] = []
    for state, columns in enumerate(graph.own):
        now: list[tuple[str, Sequence[int]]] = []
        for index, (figure, column) in enumerate(zip(graph.figures, columns, strict=True)):
            name = OWN_FIGURE.format(state, NAMES[figure])
            base = now[figure % 2] if figure > 1 else before[index] if before else None
            packer.add(name, column, minus=base)
            now.append((name, column))
        before = now


def totals_of(graph: Graph, total: Sequence[int]) -> dict[str, int | None]:
    known = dict(zip(graph.figures, total, strict=True))
    return {NAMES[figure]: known.get(figure) for figure in range(len(Figures._fields))}


def add_ticks(packer: Packer, ticks: Ticks) -> dict[str, Any]:
    packer.add("tick_time", [round(1000 * time) for time in ticks.times])
    packer.add("tick_size", ticks.sizes)
    packer.add("tick_peak", ticks.peaks)
    packer.add("tick_resident", ticks.resident)
    return {"ended": ticks.ended, "events": [list(event) for event in ticks.events]}
