"""Lines that say of numbers that they are estimates, of a sample."""

from ..._ctracemalloc import Snapshot
from ..._words import counted
from . import losses
from .units import format_bytes

ESTIMATES = "all sizes and counts are estimates"


def sample_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Of one snapshot."""
    interval = snapshot.sample_interval
    if interval is None:
        return []
    text = f"{counted(len(snapshot.traces), 'block')}, about one in {format_bytes(interval)}: {ESTIMATES}"
    return [("sample", text + losses.sample_note(snapshot))]


def samples_facts(old: Snapshot, new: Snapshot) -> list[tuple[str, str]]:
    """Of two; which of them, if the other was traced whole or has another interval."""
    texts = [
        [sample_text(snapshot.sample_interval) + losses.sample_note(snapshot)] if snapshot.sample_interval else []
        for snapshot in (old, new)
    ]
    return losses.told_once("sample", texts, ("old", "new"))


def sample_text(interval: int) -> str:
    return f"about one block in {format_bytes(interval)}: {ESTIMATES}"
