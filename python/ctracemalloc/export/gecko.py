"""The Firefox Profiler's processed format, version 57, which its later versions convert.

Model: a thread for each measure that the snapshot knows, because the page shows one thread or another. All threads have the
same tables, which are the columns of the call tree: a stack is a node, its prefix is its parent. A sample is a node with bytes
of its own, all at the time 0. The category of a frame, which is its colour, is whose code it is.

https://github.com/firefox-devtools/profiler/blob/main/docs-developer/CHANGELOG-formats.md
"""

from collections.abc import Iterable, Iterator, Sequence

from .._ctracemalloc import __version__
from ..places.files import IMPORTS, INSTALLED, OWN, STDLIB, TRACER, UNKNOWN
from .jsontext import array, dumps, encoded
from .selected import Selected
from .speedscope import NAMES

FORMAT, PROCESSED = 32, 57  # versions
CATEGORIES = {
    OWN: ("own code", "yellow"),
    INSTALLED: ("installed packages", "green"),
    STDLIB: ("standard library", "blue"),
    IMPORTS: ("import system", "purple"),
    TRACER: ("ctracemalloc", "lightblue"),
    UNKNOWN: ("no Python frame", "grey"),
}
ORDER = list(CATEGORIES)
NO_ADDRESS = -1


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    return encoded(texts(selected, comments))


def texts(selected: Selected, comments: Sequence[str]) -> Iterator[str]:
    strings: dict[str, int] = {}
    tables = "".join(Tables(selected, strings).texts())
    yield f'{{"meta":{dumps(meta_of(selected, comments))},"libs":[],"pages":[],"threads":['
    for number, measure in enumerate(selected.measures()):
        yield "," if number else ""
        yield dumps(thread_of(selected, measure, number))[:-1] + ',"samples":{'
        yield from samples(selected.sizes(measure))
        yield "}," + tables + "}"
    yield '],"shared":{"stringArray":'
    yield from array(map(dumps, strings))
    yield ',"sources":{"length":0,"uuid":[],"filename":[]}}}\n'


def meta_of(selected: Selected, comments: Sequence[str]) -> dict[str, object]:
    taken, _duration = selected.times
    return {
        "interval": 1,
        "startTime": taken / 1e6,
        "processType": 0,
        "product": selected.title,
        "stackwalk": 0,
        "version": FORMAT,
        "preprocessedProfileVersion": PROCESSED,
        "symbolicated": True,
        "markerSchema": [],
        "importedFrom": f"ctracemalloc {__version__}",
        "arguments": " ".join(selected.command),
        "extra": [facts_of(comments)] if comments else [],
        "categories": [{"name": name, "color": color, "subcategories": ["Other"]} for name, color in CATEGORIES.values()],
        "extensions": {"id": [], "name": [], "baseURL": [], "length": 0},
    }


def facts_of(comments: Sequence[str]) -> dict[str, object]:
    """A part of the page's description of the profile."""
    entries = [{"label": "note", "format": "string", "value": comment} for comment in comments]
    return {"label": "ctracemalloc", "entries": entries}


def thread_of(selected: Selected, measure: str, number: int) -> dict[str, object]:
    nothing: dict[str, object] = {"length": 0}
    return {
        "name": NAMES[measure],
        "isMainThread": number == 0,
        "processStartupTime": 0,
        "processShutdownTime": None,
        "registerTime": 0,
        "unregisterTime": None,
        "pausedRanges": [],
        "pid": str(selected.pid),
        "tid": number,
        "processType": "default",
        "processName": selected.title,
        "markers": nothing | {name: [] for name in ("data", "name", "startTime", "endTime", "phase", "category")},
        "resourceTable": nothing | {name: [] for name in ("lib", "name", "host", "type")},
        "nativeSymbols": nothing | {name: [] for name in ("libIndex", "address", "name", "functionSize")},
    }


def samples(weights: Sequence[int]) -> Iterator[str]:
    nodes = [node for node, weight in enumerate(weights) if weight > 0]
    yield from column("stack", (stack_of(node) for node in nodes))
    yield from column("weight", (str(weights[node]) for node in nodes))
    yield from column("time", ("0" for _node in nodes))
    yield from column("eventDelay", ("null" for _node in nodes))
    yield f'"weightType":"bytes","length":{len(nodes)}'


def column(name: str, values: Iterable[str]) -> Iterator[str]:
    yield f'"{name}":'
    yield from array(values)
    yield ","


def stack_of(node: int) -> str:
    """Node 0, which has no stack, is not in the table."""
    return str(node - 1) if node else "null"


class Tables:
    """The tables of stacks, frames and functions, as members of a thread."""

    def __init__(self, selected: Selected, strings: dict[str, int]) -> None:
        self.selected, self.strings = selected, strings

    def string(self, text: str) -> str:
        return str(self.strings.setdefault(text, len(self.strings)))

    def texts(self) -> Iterator[str]:
        yield from self.stacks()
        yield from self.frames()
        yield from self.functions()

    def stacks(self) -> Iterator[str]:
        tree = self.selected.tree
        category = self.categories()
        number = len(tree) - 1
        yield '"stackTable":{'
        yield from column("prefix", map(stack_of, tree.parent[1:]))
        yield from column("frame", map(str, tree.frame[1:]))
        yield from column("category", (category[frame] for frame in tree.frame[1:]))
        yield from column("subcategory", ("0" for _node in range(number)))
        yield f'"length":{number}}},'

    def categories(self) -> list[str]:
        """Of each frame."""
        of_function = [str(ORDER.index(code.origin)) for code in self.selected.frames.codes]
        return [of_function[function] for function in self.selected.tree.frame_function]

    def frames(self) -> Iterator[str]:
        tree = self.selected.tree
        number = len(tree.frame_function)
        yield '"frameTable":{'
        yield from column("func", map(str, tree.frame_function))
        yield from column("line", (str(lineno) if lineno > 0 else "null" for lineno in tree.frame_lineno))
        yield from column("category", self.categories())
        for name, value in (("address", str(NO_ADDRESS)), ("inlineDepth", "0"), ("subcategory", "0")):
            yield from column(name, (value for _frame in range(number)))
        for name in ("innerWindowID", "implementation", "optimizations", "column", "nativeSymbol"):
            yield from column(name, ("null" for _frame in range(number)))
        yield f'"length":{number}}},'

    def functions(self) -> Iterator[str]:
        functions = self.selected.function_names()
        yield '"funcTable":{'
        yield from column("name", [self.string(name) for name, _filename, _first in functions])
        yield from column("fileName", [self.string(filename) for _name, filename, _first in functions])
        yield from column("lineNumber", [str(first) if first > 0 else "null" for _name, _filename, first in functions])
        for name, value in (("isJS", "true"), ("relevantForJS", "true"), ("resource", "-1"), ("columnNumber", "null")):
            yield from column(name, (value for _function in functions))
        yield f'"length":{len(functions)}}}'
