"""A data set as bytes: JSON, then columns of integers, deflated.

Model: a column has as many low bytes of each integer (two's complement, little-endian) as its values need: first the lowest
bytes of all of them, then the next ones, so that bytes which are alike are side by side. A column may be stored as its
difference from another one. The last byte has the sign. Deflate does the rest.
"""

import json
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import sub
from typing import Any

MOST_PLANES = 8  # bytes of an integer
LEVEL = 6  # of zlib: 9 takes three times as long for 2 % less


class Packer:
    def __init__(self) -> None:
        self.columns: dict[str, dict[str, Any]] = {}
        self.chunks: list[bytes] = []
        self.size = 0  # of all chunks, in bytes

    def add(self, name: str, values: Sequence[int], *, minus: tuple[str, Sequence[int]] | None = None) -> None:
        """minus: (name, values) of a column that this one is nearly equal to."""
        stored = array("q", values if minus is None else map(sub, values, minus[1]))
        planes = planes_of(stored)
        self.columns[name] = {
            "at": self.size,
            "length": len(stored),
            "planes": planes,
            "minus": None if minus is None else minus[0],
        }
        raw = stored.tobytes()
        for plane in range(planes):
            self.chunks.append(raw[plane::8])
            self.size += len(stored)

    def add_parents(self, parents: Iterable[int]) -> None:
        """Stored as the distance of each node from its parent."""
        self.add("parent", [node - parent for node, parent in enumerate(parents)])

    def packed(self, document: Mapping[str, Any]) -> bytes:
        """With the document in front, which may have lone surrogates in its texts."""
        head = json.dumps({**document, "columns": self.columns}, ensure_ascii=True, allow_nan=False).encode("ascii")
        packer = zlib.compressobj(LEVEL)
        parts = [packer.compress(chunk) for chunk in (len(head).to_bytes(4, "little"), head, *self.chunks)]
        return b"".join([*parts, packer.flush()])


def planes_of(values: Sequence[int]) -> int:
    """How many bytes each value needs, with its sign."""
    least, most = min(values, default=0), max(values, default=0)
    return next(n for n in range(MOST_PLANES + 1) if -(1 << 8 * n) // 2 <= least and most <= max((1 << 8 * n) // 2 - 1, 0))
