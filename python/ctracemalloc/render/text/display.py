"""The rows of one table, what the others hold, and the total: the text of display_top()."""

from ..._words import counted
from ...model.table import Table, View
from .rows import NOUNS, format_report_rows
from .style import Style
from .units import format_bytes


def format_display(table: Table, view: View, style: Style) -> list[str]:
    lines = format_report_rows(table, view, style)
    total = table.totals[-1]
    others = table.number - len(table.rows)
    if others and not view.cumulative:  # of cumulative rows the sizes do not add up
        rest = total.size - sum(row.figures.size for row in table.rows)
        noun = NOUNS.get(view.key, "value")
        lines += style.prose(f"{counted(others, f'other {noun}')}: {format_bytes(rest)}")
    lines += style.prose(f"total: {format_bytes(total.size)} in {counted(total.blocks, 'block')}")
    return lines
