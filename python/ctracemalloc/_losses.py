"""Losses: facts about what is missing from the numbers.

Model: a snapshot, a black box and a recording each have a list of losses (docs/reference/python.md). The extension makes
the items, render/text/losses.py turns them into lines of text.
"""

from typing import NamedTuple, Protocol


class Loss(NamedTuple):
    """One fact about what is missing from the numbers."""

    kind: str  # one of docs/reference/python.md, or of a later version
    detail: str  # one line
    count: int  # type: ignore[assignment]  # events; 0: the loss is a state and has no count


class HasLosses(Protocol):
    @property
    def losses(self) -> tuple[Loss, ...]: ...
