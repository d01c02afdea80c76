"""Collapsed stacks, the text that flamegraph.pl, speedscope, inferno and others read.

Model: a line is a node of the call tree: its frames from the oldest on, `function (file:line)` joined by semicolons, a space,
and bytes of one measure. Frames of names with a semicolon or an end of line are escaped, so that a line stays one node.
"""

from collections.abc import Iterator, Sequence

from .._words import printable
from .selected import Selected

SEPARATOR, ESCAPED = ";", r"\x3b"


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    names = frame_texts(selected)
    weights = selected.sizes(measure)
    for node, weight in enumerate(weights):
        if weight > 0:
            stack = SEPARATOR.join([names[frame] for frame in reversed(selected.chain(node))])
            yield f"{stack} {weight}\n".encode()


def frame_texts(selected: Selected) -> list[str]:
    """Of each frame, without semicolons and on one line: `function (file:line)`, or `file:line` of a function not known."""
    functions = [(escaped(name), escaped(filename)) for name, filename, _first in selected.function_names()]
    found = []
    for function, lineno in zip(selected.tree.frame_function, selected.tree.frame_lineno, strict=True):
        name, filename = functions[function]
        place = f"{filename}:{lineno}" if lineno > 0 else filename
        found.append(f"{name} ({place})" if name != filename else place)
    return found


def escaped(name: str) -> str:
    return printable(name).replace(SEPARATOR, ESCAPED)
