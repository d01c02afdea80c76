"""speedscope's own format: https://www.speedscope.app/file-format-schema.json

Model: a frame is a line of a function, a sample is a node of the call tree with its frames from the oldest on, its weight is
bytes. A file has a profile for each measure that the snapshot knows; the app shows one at a time and has a list of them.
"""

from collections.abc import Iterator, Sequence

from .._ctracemalloc import __version__
from ..model.figures import ALLOCATED, FREED, LIVE, PEAK
from .jsontext import array, dumps, encoded
from .selected import Selected

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
NAMES = {LIVE: "live", PEAK: "live at the peak", ALLOCATED: "allocated", FREED: "allocated and freed again"}


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """measure: of the profile that is shown first."""
    return encoded(texts(selected, measure))


def texts(selected: Selected, measure: str) -> Iterator[str]:
    measures = selected.measures()
    head = {"$schema": SCHEMA, "exporter": f"ctracemalloc {__version__}", "name": selected.title}
    yield dumps(head)[:-1] + f',"activeProfileIndex":{measures.index(measure)},"shared":{{"frames":'
    yield from array(frames_of(selected))
    yield '},"profiles":['
    for index, each in enumerate(measures):
        yield "," if index else ""
        yield from profile(selected, each)
    yield "]}\n"


def frames_of(selected: Selected) -> Iterator[str]:
    names = selected.function_names()
    for function, lineno in zip(selected.tree.frame_function, selected.tree.frame_lineno, strict=True):
        name, filename, _first = names[function]
        yield dumps({"name": name, "file": filename, **({"line": lineno} if lineno > 0 else {})})


def profile(selected: Selected, measure: str) -> Iterator[str]:
    weights = selected.sizes(measure)
    nodes = [node for node, weight in enumerate(weights) if weight > 0]
    end = sum(weights[node] for node in nodes)
    head = {"type": "sampled", "name": NAMES[measure], "unit": "bytes", "startValue": 0, "endValue": end}
    yield dumps(head)[:-1] + ',"samples":'
    numbers = [str(frame) for frame in range(len(selected.tree.frame_function))]
    yield from array(f"[{','.join([numbers[frame] for frame in reversed(selected.chain(node))])}]" for node in nodes)
    yield ',"weights":'
    yield from array(str(weights[node]) for node in nodes)
    yield "}"
