"""Lines that say that numbers are estimates from a sample."""

from ..._ctracemalloc import Snapshot
from ..._words import counted
from . import losses
from .units import format_bytes

ESTIMATES = "all sizes and counts are estimates"


def sample_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """For one snapshot."""
    interval = snapshot.sample_interval
    if interval is None:
        return []
    text = f"{counted(len(snapshot.traces), 'block')}, about one in {format_bytes(interval)}: {ESTIMATES}"
    return [("sample", text + losses.sample_note(snapshot))]


def samples_facts(old: Snapshot, new: Snapshot) -> list[tuple[str, str]]:
    """For two; with their names, if the other was traced in full or has another interval."""
    texts = [
        [sample_text(snapshot.sample_interval) + losses.sample_note(snapshot)] if snapshot.sample_interval else []
        for snapshot in (old, new)
    ]
    return losses.merge_texts("sample", texts, ("old", "new"))


def sample_text(interval: int) -> str:
    return f"about one block in {format_bytes(interval)}: {ESTIMATES}"
