"""V8's sampling heap profile (.heapprofile), which Chrome's DevTools, VS Code and speedscope open.

Model: a tree of calls with the bytes of one measure that each allocated itself. A call frame is a line of a function: tools
tell calls apart by name, script and line. A script is a file; lines count from 0 there. Node 0 is "(root)".

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
    """Node 0 with all that have bytes below them."""
    own, total, frames = selected.sizes(measure), selected.total_sizes(measure), frames_of(selected)
    tree = selected.tree
    child, sibling, parent, frame = tree.first_child, tree.next_sibling, tree.parent, tree.frame
    node = 0
    while True:
        call = frames[frame[node]] if node else ROOT
        yield f'{{"callFrame":{call},"selfSize":{max(own[node], 0)},"id":{node + 1},"children":['
        following = next_with(total, sibling, child[node])
        while not following:
            yield "]}"
            if not node:
                return
            following = next_with(total, sibling, sibling[node])
            if following:
                yield ","
            else:
                node = parent[node]
        node = following


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


ROOT = dumps({"functionName": "(root)", "scriptId": "0", "url": "", "lineNumber": -1, "columnNumber": -1})
