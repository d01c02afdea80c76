"""V8's sampling heap profile (.heapprofile), which Chrome's DevTools, VS Code and speedscope open.

Model: a tree of calls with the bytes of one measure that each allocated itself. A call frame is a line of a function: tools
tell calls apart by name, script and line. A script is a file; lines count from 0 there. "(root)" has no bytes of its own,
because tools show rows for its children only: blocks with an empty traceback are a child of it.

The tree is written from its columns, child by child, without recursion: a stack may have 65,535 frames.

https://chromedevtools.github.io/devtools-protocol/tot/HeapProfiler/#type-SamplingHeapProfile
"""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from .jsontext import dumps, encoded
from .selected import Selected


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    return encoded(texts(selected, measure))


def texts(selected: Selected, measure: str) -> Iterator[str]:
    yield '{"head":'
    yield from nodes_of(selected, measure)
    yield ',"samples":[]}\n'


def nodes_of(selected: Selected, measure: str) -> Iterator[str]:
    """The root with all nodes that have bytes, or have them below them."""
    own, total, frames = selected.sizes(measure), selected.total_sizes(measure), frames_of(selected)
    tree = selected.tree
    child, sibling, parent, frame = tree.first_child, tree.next_sibling, tree.parent, tree.frame
    yield opened(ROOT, 0, 0)
    node, following = 0, next_with(total, sibling, child[0])
    if own[0] > 0:
        yield opened(frames[frame[0]], own[0], len(own)) + CLOSED + ("," if following else "")
    while True:
        while not following:
            yield CLOSED
            if not node:
                return
            following = next_with(total, sibling, sibling[node])
            if following:
                yield ","
            else:
                node = parent[node]
        node = following
        yield opened(frames[frame[node]], max(own[node], 0), node)
        following = next_with(total, sibling, child[node])


def opened(call: str, size: int, number: int) -> str:
    """A node up to its children."""
    return f'{{"callFrame":{call},"selfSize":{size},"id":{number + 1},"children":['


def next_with(total: Sequence[int], sibling: Sequence[int], node: int) -> int:
    """The node, or the first of its siblings behind it, that has bytes; 0: none."""
    while node and total[node] <= 0:
        node = sibling[node]
    return node


def frames_of(selected: Selected) -> list[str]:
    """The callFrame of each frame."""
    functions = [
        dumps({"functionName": name, "scriptId": str(number), "url": url_of(filename)})[:-1]
        for number, (name, filename, _first) in enumerate(selected.function_names())
    ]
    return [
        f'{functions[function]},"lineNumber":{max(lineno - 1, -1)},"columnNumber":-1}}'
        for function, lineno in zip(selected.tree.frame_function, selected.tree.frame_lineno, strict=True)
    ]


def url_of(filename: str) -> str:
    """Of a whole path a URL, so that the tools open the file."""
    if not filename.startswith("/"):
        return filename
    return "file://" + quote(filename.encode("utf-8", "surrogatepass"))


CLOSED = "]}"
ROOT = dumps({"functionName": "(root)", "scriptId": "0", "url": "", "lineNumber": -1, "columnNumber": -1})
