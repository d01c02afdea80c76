"""Losses: what is not in the numbers.

Model: a snapshot, a black box and a recording carry a list of losses (docs/reference/python.md); the extension makes the
items. render/text/losses.py makes the lines that tell of them.
"""

from typing import NamedTuple, Protocol


class Loss(NamedTuple):
    """One fact about what is not in the numbers."""

    kind: str  # docs/reference/python.md, or of a later version
    detail: str  # one line
    count: int  # type: ignore[assignment]  # events; 0: not counted, it is a state


class HasLosses(Protocol):
    @property
    def losses(self) -> tuple[Loss, ...]: ...
