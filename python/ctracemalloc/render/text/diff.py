"""What changed between snapshots, as text: which is the base, the change of the whole, and the rows."""

from collections.abc import Sequence

from ..._ctracemalloc import Snapshot
from ..._words import counted
from ...model.changes import ChangeSum, sum_changes
from ...model.figures import ALLOCATED, FREED, LIVE, PEAK, Figures
from ...model.table import ALL, Table, View, table_of
from . import losses
from .rows import NOUNS, format_diff_rows, format_growth_rows
from .samples import samples_facts
from .style import Style
from .tables import fact_lines
from .units import format_bytes, format_change

OLD, NEW = "old", "new"
TITLE = 8  # columns
MEASURES = {LIVE: "", PEAK: " at the peak", ALLOCATED: " ever allocated", FREED: " freed again"}


def format_diff(
    snapshots: Sequence[Snapshot],
    view: View,
    style: Style,
    *,
    names: Sequence[str] = ("", ""),
    samples: bool = True,
) -> list[str]:
    """The difference of two snapshots, the older first; of more, what grew from each to the next.

    names: of the files; "": it has none. samples: False: the report says already what the snapshots are samples of.
    """
    table = table_of(snapshots, view._replace(limit=ALL))
    return diff_lines(table, snapshots, view, style, names=names, samples=samples)


def diff_lines(
    table: Table,
    snapshots: Sequence[Snapshot],
    view: View,
    style: Style,
    *,
    names: Sequence[str],
    samples: bool,
) -> list[str]:
    """table: with all rows."""
    titles = titles_of(len(snapshots))
    facts = samples_facts(snapshots[0], snapshots[-1]) if samples else []
    facts += losses.facts(*snapshots, names=titles)
    shown = table._replace(rows=table.rows[: view.limit])
    rows = format_diff_rows if len(snapshots) == 2 else format_growth_rows
    return [
        *format_head(table, view, style, titles, names),
        *fact_lines(facts, style),
        "",
        *rows(shown, view, style),
    ]


def titles_of(number: int) -> list[str]:
    return [OLD, NEW] if number == 2 else [f"{index}." for index in range(1, number + 1)]


def format_head(table: Table, view: View, style: Style, titles: Sequence[str], names: Sequence[str]) -> list[str]:
    lines = []
    for index, (title, name, figures) in enumerate(zip(titles, names, table.totals, strict=True)):
        base = ", the base" if index == 0 and name else ""
        file = f"  ({style.name(name)}{base})" if name else ""
        lines += titled(title, f"{amount(figures, view.measure)}{MEASURES[view.measure]}{file}", style)
    size, blocks = (table.totals[-1] - table.totals[0]).amount(view.measure)
    change = f"{format_change(size)} in {counted(blocks, 'block', sign=True)}"
    lines += titled("change", style.grown(change, size), style)
    sums = sum_changes(table.rows, view.measure) if len(titles) == 2 else []
    return lines + [line for one in sums for line in fact_lines([(one.kind, sum_text(one, view))], style)]


def titled(title: str, text: str, style: Style) -> list[str]:
    first, *rest = style.prose(text, TITLE)
    return [f"{style.bold(title)}{' ' * (TITLE - len(title))}{first}", *(" " * TITLE + line for line in rest)]


def amount(figures: Figures, measure: str) -> str:
    size, blocks = figures.amount(measure)
    return f"{format_bytes(size)} in {counted(blocks, 'block')}"


def sum_text(one: ChangeSum, view: View) -> str:
    return f"{format_change(one.size)} in {counted(one.rows, NOUNS.get(view.key, 'value'))}"
