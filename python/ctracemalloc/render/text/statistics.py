"""The table of a report: its title, its rows, and below each row the source text or the traceback."""

from collections.abc import Sequence

from ..._ctracemalloc import Traceback
from ..._words import counted
from .locations import INDENT, details, is_label, location_cells
from .style import Style
from .tables import format_table

KEY_NOUNS = {
    "lineno": "line",
    "function": "function",
    "filename": "file",
    "traceback": "traceback",
}
SORT_NOUNS = {
    "size": "size",
    "count": "number of blocks",
    "peak": "size at the peak",
    "allocated": "size of all ever allocated",
}
# Columns of numbers in the order in which they are left out where locations do not fit.
DROP = ("average", "%", "blocks", "freed", "live change", "live", "count", "size")


def format_title(
    number: int,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool,
    sort: str,
    changed: bool = False,
) -> list[str]:
    """number: of all rows. changed: the rows are changes."""
    adjective = "changed " if changed else ""
    if is_label(key):
        text = f"{counted(number, f'{adjective}value')} of {style.name(key)}"
    else:
        text = counted(number, adjective + KEY_NOUNS[key])
    if number > top:
        text = f"top {top} of {text}"
    if sort != "size":
        text += f", by {'change of ' if changed else ''}{SORT_NOUNS[sort]}"
    if cumulative:
        text += ", each with what it called"
    return [style.bold(line) for line in style.prose(text)]


def format_statistics(
    names: Sequence[str],
    rows: Sequence[tuple[list[str], Traceback]],
    key: str,
    style: Style,
) -> list[str]:
    """names: of the columns of numbers. rows: the cells of each row, and its traceback."""
    table = [[*names, "location", "function"]]
    table += [[*cells, *location_cells(traceback, key, style)] for cells, traceback in rows]
    head, *body = format_table(table, 2, DROP, style)
    lines = [style.dim(head)]
    for line, (_cells, traceback) in zip(body, rows, strict=True):
        lines.append(line)
        lines += (style.dim(INDENT + text) for text in details(traceback, key, style))
    return lines
