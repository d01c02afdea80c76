"""What keeps growing, as text: of a program that is watched, and of a function that is called again and again."""

from collections.abc import Sequence

from ..._words import clock, counted
from ...model.growth import PARTS, Growth
from ...model.table import Table, View
from .rows import format_body, format_growth_rows, format_title
from .style import Style
from .units import format_bytes, format_change

DROP = ("in all",)


def format_growths(growths: Sequence[Growth], view: View, style: Style) -> list[str]:
    """Of a program: one table for each time in which something grew."""
    lines: list[str] = []
    for growth in growths:
        total = growth.table.totals
        live = f"{format_bytes(total[-1].size)} live, {format_change(total[-1].size - total[0].size)}"
        lines += [
            *([""] if lines else []),
            *style.prose(f"memory keeps growing, in each of the last {PARTS} times {clock(growth.seconds / PARTS)}: {live}"),
            *format_growth_rows(growth.table, view, style),
        ]
    return lines


def format_growth_of_runs(table: Table, runs: int, view: View, style: Style) -> list[str]:
    """Of a function: the rows that grew in each part of the runs, with what they grew by in each run."""
    cells = []
    for row in table.rows:
        change = row.change
        cells.append([format_change(change.size / runs), blocks_per_run(change.blocks, runs), format_change(change.size)])
    title = format_title(table, view, style, "", "that grew in each part of the runs, by growth")
    return [*title, *format_body(["a run", "blocks a run", "in all"], cells, DROP, table, view, style)]


def growth_text(size: int, blocks: int, runs: int) -> str:
    """For example "1,234 B in 2 blocks"."""
    noun = "block" if blocks == runs else "blocks"
    return f"{format_bytes(size / runs)} in {blocks_per_run(blocks, runs)} {noun}"


def limit_text(limit: float, warmup: int) -> str:
    return f"after {counted(warmup, 'run')} to warm up; the limit is {format_bytes(limit)} a run"


def blocks_per_run(blocks: int, runs: int) -> str:
    return f"{blocks / runs:,.1f}".removesuffix(".0")
