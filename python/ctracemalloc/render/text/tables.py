"""Facts below a title, and tables, as lines that fit the width."""

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

LARGE, MIDDLE = 25, 5  # percent of the whole, from which on a size has a colour


class Cell(str):
    """A cell with a role, by which it is painted (style.COLORS)."""

    role: str

    def __new__(cls, text: str, role: str) -> "Cell":
        cell = super().__new__(cls, text)
        cell.role = role
        return cell


def size_cell(text: str, size: int, whole: int) -> Cell:
    percent = 100 * size / whole if whole > 0 else 0
    return Cell(text, "large" if percent >= LARGE else "middle" if percent >= MIDDLE else "")


GAP = 2  # columns between two columns
MIN_LOCATION = 20  # columns that are reserved for a location
MIN_FUNCTION = 12
MAX_LOCATION = 80  # a wider location does not widen the column: only its own function moves to the right


def format_table(rows: Sequence[Sequence[str]], left: int, drop: Sequence[str], style: Style) -> list[str]:
    """The lines of a table that fits. The first row is the head. Numbers are aligned to the right, the last `left` columns
    to the left; these are two, a location and a function, or none.

    Where locations do not fit, the columns whose heads are in `drop` are left out, in that order, but never the first column.
    """
    table = [list(row) for row in rows]
    roles = [[getattr(cell, "role", "") for cell in row] for row in rows]
    for name in drop:
        if style.width is None or needed(table, left) <= style.width:
            break
        if name in table[0][1:]:
            gone = table[0].index(name, 1)
            for row in (*table, *roles):
                del row[gone]
    if style.width is not None and left:
        fit_locations(table, style.width)
    widths = widths_of(table)
    if style.width is None and left:
        widths[-2] = min(widths[-2], MAX_LOCATION)
    sides = ">" * (len(widths) - left) + "<" * left
    padded = [list(map(pad, row, widths, sides)) for row in table]
    return [painted(row, of_row, style) for row, of_row in zip(padded, roles, strict=True)]


def painted(cells: list[str], roles: Sequence[str], style: Style) -> str:
    cells[-1] = cells[-1].rstrip()
    if not cells[-1]:
        return (" " * GAP).join(map(style.role, roles[:-1], cells[:-1])).rstrip()
    return (" " * GAP).join(map(style.role, roles, cells))


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]


def needed(rows: Sequence[Sequence[str]], left: int) -> int:
    """Columns that a table needs, if its locations are cut to MIN_LOCATION."""
    widths = widths_of(rows)
    numbers = widths[: len(widths) - left]
    return sum(numbers) + GAP * (len(numbers) - 1) + (GAP + min(MIN_LOCATION, widths[-left]) if left else 0)


def fit_locations(rows: list[list[str]], width: int) -> None:
    """Cut the last two columns, a path and a function, to the width that the numbers leave."""
    *numbers, path, function = widths_of(rows)
    available = width - sum(numbers) - GAP * len(numbers)
    if path + GAP + function <= available:
        return
    most = max(available // 3, available - GAP - path)  # for the function: a third, or what the paths leave
    if most < MIN_FUNCTION:
        for row in rows:
            row[-1] = ""
        cut_column(rows, -2, available)
        return
    cut_column(rows, -1, most)
    cut_column(rows, -2, available - GAP - widths_of(rows)[-1])


def cut_column(rows: list[list[str]], index: int, width: int) -> None:
    for row in rows:
        row[index] = cut_path(row[index], width)
