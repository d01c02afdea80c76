"""Numbers as text: sizes with their units, changes with their sign."""

from ..._ctracemalloc import _format_size
from ..._words import counted
from ...model.sums import Sums

SELECTED = "selected"  # the name of a fact: how much of the whole the patterns left


def format_bytes(size: float) -> str:
    return _format_size(size, False)


def format_change(size: float) -> str:
    return _format_size(size, True)


def format_percent(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.1f}%"


def share_text(part: int, whole: int, of_what: str = "of what is live") -> str:
    """For example "12 B, 50.0% of what is live". part, whole: bytes."""
    percent = format_percent(100 * part / whole) if whole else "0.0%"
    return f"{format_bytes(part)}, {percent} {of_what}"


def format_amount(sums: Sums) -> str:
    return f"{format_bytes(sums.size)} in {counted(sums.blocks, 'block')}"


def passed_text(limit: int, current: int, peak: int) -> str:
    """Bytes."""
    now = f"{format_bytes(current)} are live, {format_bytes(peak)} at the peak"
    return f"traced memory has passed the limit of {format_bytes(limit)}: {now}"
