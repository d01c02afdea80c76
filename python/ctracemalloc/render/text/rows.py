"""The rows of a table as text: a title, the columns, and below each row its source line or its traceback."""

from ..._words import counted
from ...model.changes import kind_of_change
from ...model.figures import ALLOCATED, FREED, LIVE, PEAK
from ...model.frames import FILENAME, FUNCTION, LINENO, MODULE, PACKAGE, TRACEBACK
from ...model.table import ALL, Row, Table, View
from .places import detail_lines, place_cells
from .style import COLORS, Style
from .tables import Cell, format_table, size_cell
from .units import format_bytes, format_change, format_percent

NOUNS = {LINENO: "line", FUNCTION: "function", FILENAME: "file", MODULE: "module", PACKAGE: "package", TRACEBACK: "traceback"}
ORDERS = {LIVE: "size", PEAK: "size at the peak", ALLOCATED: "size of all ever allocated", FREED: "size of all freed again"}
HEADS = {LIVE: "size", PEAK: "at peak", ALLOCATED: "allocated", FREED: "freed"}
DIFF_HEADS = {LIVE: "change", PEAK: "peak change", ALLOCATED: "allocated", FREED: "freed"}
DROP = ("average", "%", "live", "count")  # columns in the order in which they are left out where locations do not fit
DIFF_DROP = ("count", "kind", "blocks", "live change", "size")


def format_report_rows(table: Table, view: View, style: Style, live: str = "size") -> list[str]:
    """live: the head of the column of live sizes."""
    head = live if view.measure == LIVE else HEADS[view.measure]
    names = [head, "count", "average", "%", *([] if view.measure == LIVE else ["live"])]
    whole = table.totals[-1].amount(view.measure)[0]
    cells = [report_cells(row, view, whole) for row in table.rows]
    return [*format_title(table, view, style), *format_body(names, cells, DROP, table, view, style)]


def report_cells(row: Row, view: View, whole: int) -> list[str]:
    size, blocks = row.figures.amount(view.measure)
    average = format_bytes(size / blocks) if blocks else ""
    percent = format_percent(100 * size / whole if whole else None)
    cells = [size_cell(format_bytes(size), size, whole), f"{blocks:,}", average, percent]
    return cells if view.measure == LIVE else [*cells, format_bytes(row.figures.size)]


def format_diff_rows(table: Table, view: View, style: Style) -> list[str]:
    """Of two snapshots."""
    last = "live change" if view.measure != LIVE else "count"
    names = [DIFF_HEADS[view.measure], "kind", "size", "blocks", last]
    cells = [diff_cells(row, view) for row in table.rows]
    return [*format_title(table, view, style, "changed "), *format_body(names, cells, DIFF_DROP, table, view, style)]


def diff_cells(row: Row, view: View) -> list[str]:
    size_diff, blocks_diff = row.change.amount(view.measure)
    size, blocks = row.figures.amount(view.measure)
    last = f"{blocks:,}" if view.measure == LIVE else format_change(row.change.size)
    kind = kind_of_change(row, view.measure)
    change = Cell(format_change(size_diff), kind if kind in COLORS else "")
    return [change, Cell(kind, change.role), format_bytes(size), f"{blocks_diff:+,}", last]


def format_growth_rows(table: Table, view: View, style: Style) -> list[str]:
    """Of three snapshots or more: the size in each."""
    names = ["growth", *(f"{number}." for number in range(1, len(table.totals) + 1))]
    cells = []
    for row in table.rows:
        sizes = [figures.amount(view.measure)[0] for figures in row.history]
        cells.append([format_change(sizes[-1] - sizes[0]), *map(format_bytes, sizes)])
    drop = names[2:-1]  # where there is no room, the first and the last size are enough
    title = format_title(table, view, style, "", "that grew each time, by growth")
    return [*title, *format_body(names, cells, drop, table, view, style)]


def format_title(table: Table, view: View, style: Style, adjective: str = "", order: str = "") -> list[str]:
    number, shown = table.number - table.below, len(table.rows)
    if view.key in NOUNS:
        text = counted(number, adjective + NOUNS[view.key])
    else:
        text = f"{counted(number, f'{adjective}value')} of {style.name(view.key)}"
    if shown < number and view.limit != ALL:
        text = f"top {shown} of {text}"
    if not order and (view.by_count or view.measure != LIVE):
        what = "number of blocks" if view.by_count else ORDERS[view.measure]
        order = f", by {'change of ' if adjective else ''}{what}"
    text += f" {order}" if order and not order.startswith(",") else order
    if view.cumulative:
        text += ", each with what it called"
    if table.below:
        text += f", and {table.below:,} below the threshold"
    return [style.bold(line) for line in style.prose(text)]


def format_body(
    names: list[str],
    cells: list[list[str]],
    drop: tuple[str, ...] | list[str],
    table: Table,
    view: View,
    style: Style,
) -> list[str]:
    rows = [[*numbers, *place_cells(row.place, view.key, style)] for numbers, row in zip(cells, table.rows, strict=True)]
    head, *body = format_table([[*names, "location", "function"], *rows], 2, drop, style)
    lines = [style.dim(head)]
    for line, row in zip(body, table.rows, strict=True):
        lines.append(line)
        lines += map(style.dim, detail_lines(row, table, view, style))
    return lines
