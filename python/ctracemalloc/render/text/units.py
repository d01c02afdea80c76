"""Numbers as text: sizes with their units, changes with their sign."""

from ..._ctracemalloc import _format_size
from ..._words import counted
from ...model.sums import Sums


def format_bytes(size: float) -> str:
    return _format_size(size, False)


def format_change(size: float) -> str:
    return _format_size(size, True)


def format_percent(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.1f}%"


def format_amount(sums: Sums) -> str:
    return f"{format_bytes(sums.size)} in {counted(sums.blocks, 'block')}"
