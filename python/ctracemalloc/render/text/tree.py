"""A call tree as text: a line for each shown node, its figures on the left.

Model: lines branch only where calls do: a node that is the only one below its caller stands below it without a further
indentation, so a deep stack does not run out of the width.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ..._words import counted, printable
from ...model.calls import ROOT, Calls, Node, is_folded
from ...model.figures import ALLOCATED, FREED, LIVE, PEAK
from ...model.table import View
from .columns import columns, pad
from .places import ORIGINS, place_cells
from .style import Style
from .tables import GAP, Cell, size_cell
from .units import format_bytes, format_change, format_percent

GLYPHS = ("├─ ", "└─ ", "│  ", "   ")
ASCII_GLYPHS = ("|- ", "`- ", "|  ", "   ")
ALL_CALLS = "<all calls>"
HEADS = {LIVE: "total", PEAK: "at peak", ALLOCATED: "allocated", FREED: "freed"}
MIN_PLACE = 24  # columns; where there is less room, columns of figures are left out


class Line(NamedTuple):
    prefix: str
    node: Node | None  # None: what is not shown below a node
    text: str
    hidden: int = 0  # bytes


def format_tree(calls: Calls, view: View, style: Style) -> list[str]:
    lines = list(lines_below(calls, view, ROOT, "", "", style))
    names, cells = figures_of(lines, calls, view)
    while style.width is not None and len(names) > 1 and width_of(names, cells) + MIN_PLACE > style.width:
        names.pop()
        cells = [row[:-1] for row in cells]
    widths = [max(map(columns, column)) for column in zip(names, *cells, strict=True)]
    left = sum(widths) + GAP * len(widths)
    head = (" " * GAP).join(pad(name, width, ">") for name, width in zip(names, widths, strict=True)) + " " * GAP + "call"
    body = [
        (" " * GAP).join(
            style.role(getattr(cell, "role", ""), pad(cell, width, ">")) for cell, width in zip(row, widths, strict=True)
        )
        + " " * GAP
        + placed(line, style, left + columns(line.prefix))
        for row, line in zip(cells, lines, strict=True)
    ]
    return [*format_title(calls, view, style), style.dim(head), *body]


def format_title(calls: Calls, view: View, style: Style) -> list[str]:
    shown = len(calls.nodes) - 1
    text = counted(calls.number, "call")
    if shown < calls.number:
        text = f"{shown:,} of {text}, those with most" + (" change" if calls.is_diff else "")
    return [style.bold(line) for line in style.prose(text)]


def placed(line: Line, style: Style, indent: int) -> str:
    if line.node is None or line.node.place is None or not line.text:
        return style.dim(line.prefix) + style.text(line.text, indent)
    path, _space, rest = line.text.partition("  ")
    location = style.location(path, f"  {rest}" if rest else "", indent)
    path, gap, function = location.partition("  ")
    return style.dim(line.prefix) + path + gap + style.role("function", function)


def width_of(names: list[str], cells: list[list[str]]) -> int:
    return sum(max(map(columns, column)) + GAP for column in zip(names, *cells, strict=True))


def figures_of(lines: list[Line], calls: Calls, view: View) -> tuple[list[str], list[list[str]]]:
    """The heads and the cells of the columns of figures, the most important first."""
    if calls.is_diff:
        names = ["change", "own", "now", "blocks"]
    else:
        other = "live" if view.measure != LIVE else "at peak"
        names = [HEADS[view.measure], "own", "%", "count", *([other] if other == "live" or calls.peak_known else [])]
    return names, [
        (cells_of(line, calls, view) if line.node is not None else hidden_cells(line, calls, len(names)))[: len(names)]
        for line in lines
    ]


def cells_of(line: Line, calls: Calls, view: View) -> list[str]:
    node = line.node
    assert node is not None
    size, blocks = node.total.amount(view.measure)
    own = node.own.amount(view.measure)[0]
    if calls.is_diff:
        now = node.now.amount(view.measure)[0]
        change = Cell(format_change(size), "grown" if size > 0 else "shrunk" if size < 0 else "")
        return [change, format_change(own), format_bytes(now), f"{blocks:+,}"]
    whole = calls.whole.amount(view.measure)[0]
    percent = format_percent(100 * size / whole if whole else None)
    other = node.total.peak_size if view.measure == LIVE else node.total.size
    sizes = [size_cell(format_bytes(size), size, whole), size_cell(format_bytes(own), own, whole)]
    return [*sizes, percent, f"{blocks:,}", format_bytes(other)]


def hidden_cells(line: Line, calls: Calls, number: int) -> list[str]:
    size = format_change(line.hidden) if calls.is_diff else format_bytes(line.hidden)
    return [size, *[""] * (number - 1)]


def lines_below(calls: Calls, view: View, number: int, first: str, rest: str, style: Style) -> Iterator[Line]:
    """The lines of a node and of all below it. first: before its own line; rest: before the others."""
    glyphs = GLYPHS if printable(GLYPHS[0], style.encoding) == GLYPHS[0] else ASCII_GLYPHS
    waiting = [(number, first, rest)]
    while waiting:
        number, first, rest = waiting.pop()
        if number < 0:
            yield Line(first, None, "(smaller ones)", calls.hidden[~number])
            continue
        last, folded = follow_folded(calls, view, number)
        yield Line(first, calls.nodes[number], text_of(calls.nodes[number], folded, style))
        below: list[int] = [*calls.children.get(last, ())]
        if last in calls.hidden:
            below.append(~last)
        if len(below) == 1 and number != ROOT:
            waiting.append((below[0], rest, rest))
            continue
        for index in range(len(below) - 1, -1, -1):
            is_last = index == len(below) - 1
            waiting.append((below[index], rest + glyphs[is_last], rest + glyphs[2 + is_last]))


def follow_folded(calls: Calls, view: View, number: int) -> tuple[int, int]:
    """(the last node, the number of nodes) of a chain of one folded origin, which has one line."""
    count = 1
    while is_folded(calls.nodes[number], view) and number not in calls.hidden:
        below = calls.children.get(number, ())
        if len(below) != 1 or not same_origin(calls.nodes[number], calls.nodes[below[0]]):
            break
        number, count = below[0], count + 1
    return number, count


def same_origin(one: Node, other: Node) -> bool:
    return one.place is not None and other.place is not None and one.place.code.origin == other.place.code.origin


def text_of(node: Node, folded: int, style: Style) -> str:
    if node.place is None:
        return ALL_CALLS
    if folded > 1:
        return f"({ORIGINS[node.place.code.origin]})  {counted(folded, 'frame')}, --no-own shows them"
    location, function = place_cells(node.place, "lineno", style)
    return f"{location}  {function}" if function else location
