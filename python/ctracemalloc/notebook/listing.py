"""What is shown in a notebook, as HTML and as text: facts and tables of the same cells.

Model: a Listing is a title, and rows of cells with lines below each. A Shown is what IPython displays: it takes the HTML where
a page is shown and the text on a terminal and for converters. A name of a file, of a function or a line of source is data: it
passes through printable(), and is escaped in HTML. Jupyter removes styles that are not of an element, so there are none.
"""

import html
from collections.abc import Sequence
from typing import NamedTuple

from .._words import printable
from ..render.text.style import Style
from ..render.text.tables import format_table

LEFT = "text-align:left"
RIGHT = "text-align:right;white-space:nowrap"
SOURCE = "margin:0 0 0 2em;background-color:transparent;font-family:monospace"
INDENT = "      "


class Line(NamedTuple):
    """A row of a table."""

    cells: Sequence[str]
    below: Sequence[str] = ()  # lines of source, or what else belongs to the row


class Listing(NamedTuple):
    title: str
    head: Sequence[str]
    lines: Sequence[Line]
    left: int = 2  # columns at the end that are aligned to the left
    note: str = ""


def as_lines(listing: Listing, style: Style) -> list[str]:
    lines = [listing.title] if listing.title else []
    if listing.lines:
        head, *body = format_table([listing.head, *(line.cells for line in listing.lines)], listing.left, (), style)
        lines.append(head)
        for text, line in zip(body, listing.lines, strict=True):
            lines += [text, *(INDENT + below for below in line.below)]
    return [*lines, listing.note] if listing.note else lines


def as_html(listing: Listing) -> str:
    parts = [paragraph(listing.title, "b")] if listing.title else []
    if listing.lines:
        parts.append(table(listing))
    if listing.note:
        parts.append(paragraph(listing.note))
    return "".join(parts)


def table(listing: Listing) -> str:
    first_left = len(listing.head) - listing.left
    sides = [RIGHT if column < first_left else LEFT for column in range(len(listing.head))]
    groups = [row("td", line.cells, sides) + lines_below(line, len(sides)) for line in listing.lines]
    # Notebooks give every second row of a group another background: each line with its source is one.
    between = "</tbody><tbody>" if any(line.below for line in listing.lines) else ""
    return f"<table><thead>{row('th', listing.head, sides)}</thead><tbody>{between.join(groups)}</tbody></table>"


def lines_below(line: Line, columns: int) -> str:
    if not line.below:
        return ""
    text = "\n".join(map(escaped, line.below))
    return f'<tr><td colspan="{columns}" style="{LEFT}"><pre style="{SOURCE}">{text}</pre></td></tr>'


def row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
    made = [f'<{tag} style="{side}">{escaped(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True)]
    return f"<tr>{''.join(made)}</tr>"


def paragraph(text: str, tag: str = "") -> str:
    inner = escaped(text)
    return f"<p><{tag}>{inner}</{tag}></p>" if tag else f"<p>{inner}</p>"


def escaped(text: str) -> str:
    return html.escape(printable(text))


class Shown:
    """What a magic displays."""

    def __init__(self, title: str, facts: Sequence[str], listings: Sequence[Listing], style: Style, frame: str = "") -> None:
        """frame: more HTML, which is made already."""
        self.title, self.facts, self.listings, self.style, self.frame = title, facts, listings, style, frame

    def __repr__(self) -> str:
        lines = [printable(self.title), *map(printable, self.facts)]
        for listing in self.listings:
            lines += ["", *as_lines(listing, self.style)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = [paragraph(fact) for fact in self.facts]
        return "".join([paragraph(self.title, "b"), *facts, *map(as_html, self.listings), self.frame])
