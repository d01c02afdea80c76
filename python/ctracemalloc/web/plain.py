"""The page for people: the lines with most, or those that changed most, as a table.

Model: page_of makes the whole page of one snapshot or of two, the older first, and the policy that it needs. It is the one
place that knows how pages are made. Everything that comes from the program is escaped; the page has no script.
"""

import html
from collections.abc import Iterable, Sequence

from .. import Snapshot, Statistic, StatisticDiff
from .._words import printable
from ..render.text import losses
from ..render.text.samples import sample_facts
from ..render.text.units import format_bytes, format_change

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
TITLE = "Memory"
HEADS, DIFF_HEADS = ("size", "blocks"), ("size", "change", "blocks", "change")
NAVIGATION = """<nav><a href='?plain=1'>now</a> <a href='?plain=1&amp;since=last'>since the last request</a>
<a href='?plain=1&amp;since=start'>since the start</a></nav>"""
STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif }
table { border-collapse: collapse } th, td { padding: .1em .8em; text-align: left; vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums } td { border-top: 1px solid #8884 }
td.place { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
"""


def table_page(snapshots: Sequence[Snapshot], facts: Iterable[tuple[str, str]], top: int) -> bytes:
    """Of one snapshot or of two, the older first. facts: names and texts that it begins with. top: how many lines it shows."""
    *older, newer = snapshots
    heads = DIFF_HEADS if older else HEADS
    rows = newer.compare_to(older[0], "lineno") if older else newer.statistics("lineno")
    shown = [row for row in rows[:top] if not (isinstance(row, StatisticDiff) and not row.size_diff and not row.count_diff)]
    parts = [
        NAVIGATION,
        *fact_lines([*facts, *sample_facts(newer), *losses.facts(*snapshots)]),
        "<table><tr>",
        *(f"<th class=number>{text(head)}</th>" for head in heads),
        "<th>line</th><th>function</th></tr>",
        *map(row_line, shown),
        "</table>",
    ]
    return document(TITLE, parts)


def links_page(title: str, links: Sequence[tuple[str, str]]) -> bytes:
    """links: paths, and what is there."""
    lines = [f"<li><a href='{html.escape(path)}'>{text(path.lstrip('./'))}</a>: {text(what)}</li>" for path, what in links]
    return document(title, ["<ul>", *lines, "</ul>"])


def document(title: str, parts: Iterable[str]) -> bytes:
    head = f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>{text(title)}</title><style>{STYLE}</style>"
    head += f"<h1>{text(title)}</h1>"
    return "\n".join([head, *parts, ""]).encode()


def text(value: str) -> str:
    return html.escape(printable(value))


def fact_lines(facts: Iterable[tuple[str, str]]) -> list[str]:
    return ["<table>", *(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in facts), "</table>"]


def row_line(row: Statistic | StatisticDiff) -> str:
    columns = "".join(f"<td class=number>{text(cell)}</td>" for cell in cells(row))
    frame = row.traceback[-1]
    where = f"{frame.filename}:{frame.lineno}"
    return f"<tr>{columns}<td class=place>{text(where)}</td><td class=place>{text(frame.name or '')}</td></tr>"


def cells(row: Statistic | StatisticDiff) -> list[str]:
    if isinstance(row, StatisticDiff):
        return [format_bytes(row.size), format_change(row.size_diff), f"{row.count:,}", f"{row.count_diff:+,}"]
    return [format_bytes(row.size), f"{row.count:,}"]
