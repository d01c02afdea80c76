"""Facts below a title, and tables, as lines that fit."""

from collections.abc import Iterable, Sequence

from .columns import columns, cut_path, pad
from .style import Style

# --- facts ---

FACT_NAME = 8  # columns of a fact's name


def format_facts(title: str, facts: Iterable[tuple[str, str]], style: Style) -> list[str]:
    """Names with texts below a title."""
    return [style.bold(title), *fact_lines(facts, style)]


def fact_lines(facts: Iterable[tuple[str, str]], style: Style) -> list[str]:
    lines = []
    for name, text in facts:
        first, *rest = style.prose(style.name(text), 2 + FACT_NAME + 1)
        lines.append(f"  {name:<{FACT_NAME}} {first}")
        lines += (" " * (2 + FACT_NAME + 1) + line for line in rest)
    return lines


# --- tables ---

GAP = 2  # columns between two
MIN_LOCATION = 20  # columns that a location should have
MIN_FUNCTION = 12
MOST_LOCATION = 80  # columns that all rows get for it; of one that is wider, the function stands farther to the right


def format_table(rows: Sequence[Sequence[str]], left: int, drop: Sequence[str], style: Style) -> list[str]:
    """Lines of a table that fit. The first row is the head. Numbers stand to the right, the last `left` columns to the left;
    these are two, a location and a function, or none.

    Where there is no room for locations, columns go whose heads are in `drop`, in that order, but never the first.
    """
    table = [list(row) for row in rows]
    for name in drop:
        if style.width is None or needed(table, left) <= style.width:
            break
        if name in table[0][1:]:
            gone = table[0].index(name, 1)
            for row in table:
                del row[gone]
    if style.width is not None and left:
        fit_locations(table, style.width)
    widths = widths_of(table)
    if style.width is None and left:
        widths[-2] = min(widths[-2], MOST_LOCATION)
    sides = ">" * (len(widths) - left) + "<" * left
    return [(" " * GAP).join(map(pad, row, widths, sides)).rstrip() for row in table]


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]


def needed(rows: Sequence[Sequence[str]], left: int) -> int:
    """Columns that a table needs, if its locations are cut as far as they should be."""
    widths = widths_of(rows)
    numbers = widths[: len(widths) - left]
    return sum(numbers) + GAP * (len(numbers) - 1) + (GAP + min(MIN_LOCATION, widths[-left]) if left else 0)


def fit_locations(rows: list[list[str]], width: int) -> None:
    """Cut the last two columns, a path and a function, to what the numbers leave of the width."""
    *numbers, path, function = widths_of(rows)
    room = width - sum(numbers) - GAP * len(numbers)
    if path + GAP + function <= room:
        return
    most = max(room // 3, room - GAP - path)  # for the function: a third, or what the paths leave
    if most < MIN_FUNCTION:
        for row in rows:
            row[-1] = ""
        cut_column(rows, -2, room)
        return
    cut_column(rows, -1, most)
    cut_column(rows, -2, room - GAP - widths_of(rows)[-1])


def cut_column(rows: list[list[str]], index: int, width: int) -> None:
    for row in rows:
        row[index] = cut_path(row[index], width)
