"""DHAT's JSON, which valgrind's dh_view.html and the Firefox Profiler open.

Model: a program point is a node of the call tree. Its three pairs of figures are exactly those of a snapshot: total is what
was ever allocated, t-gmax the moment of the peak, t-end what is live. DHAT also has two figures of each point that the tables
do not have. Its own maximum is written as the larger of its figures at t-gmax and at t-end, a lower bound, and the sum of its
blocks' lifetimes as 0.

https://valgrind.org/docs/manual/dh-manual.html
"""

from collections.abc import Iterator, Sequence

from .._words import printable
from ..model.figures import Figures
from .jsontext import array, dumps, encoded
from .selected import Selected

VERSION = 2
NS_PER_MS = 1_000_000
THRESHOLD_MS = 10  # of short lifetimes, which are not known


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """The snapshot knows what was ever allocated, and the peak."""
    return encoded(texts(selected))


def texts(selected: Selected) -> Iterator[str]:
    yield dumps(head_of(selected))[:-1] + ',"pps":'
    yield from array(points(selected))
    yield ',"ftbl":'
    yield from array(['"[root]"', *table(selected)])
    yield "}\n"


def head_of(selected: Selected) -> dict[str, object]:
    milliseconds = selected.times[1] // NS_PER_MS
    return {
        "dhatFileVersion": VERSION,
        "mode": "heap",
        "verb": "Allocated",
        "bklt": True,
        "bkacc": False,
        "bu": "byte",
        "bsu": "bytes",
        "bksu": "blocks",
        "tu": "ms",
        "Mtu": "s",
        "tuth": THRESHOLD_MS,
        "cmd": " ".join(selected.command) or "python",
        "pid": selected.pid,
        "te": milliseconds,
        "tg": 0,  # when the peak was is not in a snapshot
    }


def points(selected: Selected) -> Iterator[str]:
    for node, row in enumerate(zip(*selected.own(), strict=True)):
        if any(row):
            size, blocks, peak_size, peak_blocks, allocated_size, allocated_blocks = Figures(*row)
            # Frame 0 of the table is the root, so the others are one further on: row 0 of the tree's frames is none.
            frames = ",".join([str(frame + 1) for frame in selected.chain(node)])
            yield (
                f'{{"tb":{allocated_size},"tbk":{allocated_blocks},"tl":0,'
                f'"mb":{max(peak_size, size)},"mbk":{max(peak_blocks, blocks)},'
                f'"gb":{peak_size},"gbk":{peak_blocks},"eb":{size},"ebk":{blocks},"fs":[{frames}]}}'
            )


def table(selected: Selected) -> Iterator[str]:
    """Frames, in the form in which valgrind writes them. They have no address: their number takes its place."""
    functions = [(printable(name), printable(filename)) for name, filename, _first in selected.function_names()]
    columns = selected.tree.frame_function, selected.tree.frame_lineno
    for number, (function, lineno) in enumerate(zip(*columns, strict=True)):
        name, filename = functions[function]
        place = f"{filename}:{lineno}" if lineno > 0 else f"in {filename}"
        yield dumps(f"0x{number:X}: {name} ({place})")
