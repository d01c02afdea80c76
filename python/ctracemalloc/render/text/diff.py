"""What changed between two snapshots, as text."""

from ..._ctracemalloc import Snapshot
from ..._words import counted
from ...model.changes import Change, Changes, changes_between
from . import losses
from .samples import samples_facts
from .statistics import format_statistics, format_title
from .style import Style
from .tables import fact_lines
from .units import format_amount, format_bytes, format_change

# The columns of numbers of a change, by what the changes are sorted by.
COLUMNS = {
    "peak": ("peak change", "at peak", "blocks", "live change"),
    "allocated": ("allocated", "blocks", "freed", "live change"),
}
LIVE_COLUMNS = ("change", "size", "blocks", "count")


def format_diff(
    old: Snapshot,
    new: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    sort: str = "size",
    samples: bool = True,
) -> list[str]:
    """samples: False: the report says already what the snapshots are samples of."""
    facts = [*(samples_facts(old, new) if samples else []), *losses.facts(old, new, names=("old", "new"))]
    changes = changes_between(old, new, key, top, cumulative=cumulative, sort=sort)
    cells = [(number_cells(change, sort), change.traceback) for change in changes.shown]
    return [
        *format_head(changes, style),
        *fact_lines(facts, style),
        "",
        *format_title(changes.number, key, top, style, cumulative=cumulative, sort=sort, changed=True),
        *format_statistics(COLUMNS.get(sort, LIVE_COLUMNS), cells, key, style),
    ]


def format_head(changes: Changes, style: Style) -> list[str]:
    old, new = changes.old, changes.new
    size_diff = new.size - old.size
    change = f"{format_change(size_diff)} in {counted(new.blocks - old.blocks, 'block', sign=True)}"
    return [
        f"{style.bold('old')}     {format_amount(old)}",
        f"{style.bold('new')}     {format_amount(new)}",
        f"{style.bold('change')}  {style.grown(change, size_diff)}",
    ]


def number_cells(change: Change, sort: str) -> list[str]:
    size_diff, blocks_diff = format_change(change.size_diff), f"{change.blocks_diff:+,}"
    if sort == "peak":
        return [size_diff, format_bytes(change.size), blocks_diff, format_change(change.live_diff)]
    if sort == "allocated":
        return [size_diff, blocks_diff, f"{change.freed_diff:+,}", format_change(change.live_diff)]
    return [size_diff, format_bytes(change.size), blocks_diff, f"{change.blocks:,}"]
