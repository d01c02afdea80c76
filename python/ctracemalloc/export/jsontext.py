"""JSON in pieces: documents too large to be made of Python objects first.

Model: a text is ASCII, what else a name has is an escape; lone surrogates are escapes as well.
"""

import json
from collections.abc import Iterable, Iterator

SEPARATORS = (",", ":")
PIECE = 1 << 16  # characters


def dumps(value: object) -> str:
    return json.dumps(value, separators=SEPARATORS, allow_nan=False)


def array(items: Iterable[str]) -> Iterator[str]:
    """The items, texts of JSON, as an array."""
    between = "["
    for item in items:
        yield between + item
        between = ","
    yield "]" if between == "," else "[]"


def encoded(pieces: Iterable[str]) -> Iterator[bytes]:
    """The pieces joined to larger ones."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(waiting).encode("ascii")
            waiting.clear()
            size = 0
    yield "".join(waiting).encode("ascii")
