"""Lines about what is missing from the numbers. Code that prints numbers calls one of these functions."""

from collections.abc import Iterable, Sequence

from ..._losses import HasLosses, Loss
from ..._words import printable

# What a loss of each kind means to a reader of the numbers.
MEANINGS = {
    "allocators": "allocations",
    "free_lists": "free lists",
    "tracked_blocks": "announced blocks",
    "memory": "for want of memory",
    "file": "file",
    "more": "more",
}


def texts(losses: Iterable[Loss]) -> list[str]:
    """One line for each loss, printable whatever the file contains."""
    found = []
    for loss in losses:
        text = f"{MEANINGS.get(loss.kind, loss.kind)}: {loss.detail}" if loss.detail else MEANINGS.get(loss.kind, loss.kind)
        if loss.count:
            text += f" ({loss.count:,} times)" if loss.count > 1 else " (once)"
        found.append(printable(text))
    return found


def shown(item: HasLosses) -> list[Loss]:
    """The losses that have a line of their own. A sample does not follow free lists; the line that describes the sample says so
    (`sample_note`), and no other line."""
    is_sample = getattr(item, "sample_interval", None) is not None
    return [loss for loss in item.losses if not (is_sample and loss.kind == "free_lists")]


def sample_note(item: HasLosses) -> str:
    """What the line that describes a sample has to add."""
    if any(loss.kind == "free_lists" for loss in item.losses):
        return "; objects from free lists keep the traceback of their block"
    return ""


def facts(*items: HasLosses, names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Facts for the head of a report: ("lost", text), each text once.

    names: of the items; if given, a loss that only some of them have is printed with their names.
    """
    return merge_texts("lost", [texts(shown(item)) for item in items], names)


def merge_texts(fact: str, lists: Sequence[Sequence[str]], names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(fact, text) for the texts of several items, each text once, with the names of the items if only some have it."""
    found: dict[str, list[str]] = {}
    for index, texts_of_item in enumerate(lists):
        for text in dict.fromkeys(texts_of_item):
            found.setdefault(text, []).append(names[index] if names else "")
    merged = []
    for text, owners in found.items():
        where = f" [{', '.join(owners)}]" if names and len(owners) < len(lists) else ""
        merged.append((fact, text + where))
    return merged
