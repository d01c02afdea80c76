"""Lines that tell what is not in the numbers, wherever these are shown: whoever shows numbers calls one of these functions."""

from collections.abc import Iterable, Sequence

from ..._losses import HasLosses, Loss
from ..._words import printable

# What a loss of each kind means for who reads the numbers.
MEANINGS = {
    "allocators": "allocations",
    "free_lists": "free lists",
    "tracked_blocks": "announced blocks",
    "memory": "for want of memory",
    "file": "file",
    "more": "more",
}


def texts(losses: Iterable[Loss]) -> list[str]:
    """A line for each, printable, whatever the file says."""
    found = []
    for loss in losses:
        text = f"{MEANINGS.get(loss.kind, loss.kind)}: {loss.detail}" if loss.detail else MEANINGS.get(loss.kind, loss.kind)
        if loss.count:
            text += f" ({loss.count:,} times)" if loss.count > 1 else " (once)"
        found.append(printable(text))
    return found


def shown(item: HasLosses) -> list[Loss]:
    """Those that are told by a line of their own. That free lists are not followed in a sample is told by the line that says
    what a sample is (`sample_note`)."""
    is_sample = getattr(item, "sample_interval", None) is not None
    return [loss for loss in item.losses if not (is_sample and loss.kind == "free_lists")]


def sample_note(item: HasLosses) -> str:
    """What the line that says what a sample is has to add."""
    if any(loss.kind == "free_lists" for loss in item.losses):
        return "; objects from free lists keep the traceback of their block"
    return ""


def facts(*items: HasLosses, names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """For the head of a report: ("lost", text), each text once.

    names: of the items; then a loss that not all of them have says which do.
    """
    return told_once("lost", [texts(shown(item)) for item in items], names)


def told_once(fact: str, lists: Sequence[Sequence[str]], names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(fact, text) for the texts of several items, each text once, with the names of those that have it if not all do."""
    found: dict[str, list[str]] = {}
    for index, texts_of_item in enumerate(lists):
        for text in dict.fromkeys(texts_of_item):
            found.setdefault(text, []).append(names[index] if names else "")
    told = []
    for text, owners in found.items():
        where = f" [{', '.join(owners)}]" if names and len(owners) < len(lists) else ""
        told.append((fact, text + where))
    return told
