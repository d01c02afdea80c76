"""Lines of snapshots, scopes and lists of statistics as listings."""

from collections.abc import Sequence

from .. import Snapshot
from .._ctracemalloc import Frame, Statistic, StatisticDiff, Traceback
from .._words import counted
from ..model.table import View, table_of
from ..render.text.locations import format_frames, source_text
from ..render.text.places import detail_lines, place_cells
from ..render.text.rows import report_cells
from ..render.text.style import Style
from ..render.text.units import format_bytes, format_change
from ..scopes import scope
from .listing import Line, Listing

HEAD = ("size", "count", "average", "%", "location", "function")
ESTIMATED = ", estimated from a sample"
MOST_BELOW = 20  # lines of a traceback
MOST_ROWS = 50  # of a list of statistics


def lines_of(snapshot: Snapshot, title: str, limit: int, style: Style) -> Listing:
    """title: of the lines, {} is how many there are."""
    view = View(limit=limit)
    table = table_of([snapshot], view)
    total = table.totals[-1]
    lines = []
    for row in table.rows:
        cells = [*report_cells(row, view, total.size), *place_cells(row.place, view.key, style)]
        lines.append(Line(cells, [line.strip() for line in detail_lines(row, table, view, style)]))
    others = table.number - len(table.rows)
    rest = total.size - sum(row.figures.size for row in table.rows)
    note = f"{counted(others, 'other line')}: {format_bytes(rest)}" if others else ""
    return Listing(title, HEAD, lines, note=note)


def figures_text(one: scope) -> str:
    """RuntimeError: they are not known."""
    growth, allocated = counted(one.growth_blocks, "block"), counted(one.allocated_blocks, "block")
    return (
        f"peak {format_bytes(one.peak)}, growth {format_bytes(one.growth)} in {growth},"
        f" allocated {format_bytes(one.allocated)} in {allocated}"
    )


def listings_of(one: scope, limit: int, style: Style) -> list[Listing]:
    """What made its peak, and what stays. RuntimeError: that is not known."""
    peak, end = one.peak_snapshot(), one.end_snapshot()
    note = ESTIMATED if peak.sample_interval is not None else ""
    found = [lines_of(peak, f"what made the peak{note}", limit, style)]
    return [*found, lines_of(end, f"what stays{note}", limit, style)] if one.growth else found


# --- lists ---


def of_statistics(rows: Sequence[Statistic], style: Style) -> Listing:
    lines = []
    for row in rows[:MOST_ROWS]:
        average = format_bytes(row.size / row.count) if row.count else ""
        cells = [format_bytes(row.size), f"{row.count:,}", average, *location_cells(row.traceback, style)]
        lines.append(Line(cells, below(row.traceback, style)))
    title = title_of(rows, "statistic", "statistics")
    return Listing(title, ("size", "count", "average", "location", "function"), lines, note=left_out(rows))


def of_differences(rows: Sequence[StatisticDiff], style: Style) -> Listing:
    lines = []
    for row in rows[:MOST_ROWS]:
        cells = [format_change(row.size_diff), f"{row.count_diff:+,}", format_bytes(row.size), f"{row.count:,}"]
        lines.append(Line([*cells, *location_cells(row.traceback, style)], below(row.traceback, style)))
    title = title_of(rows, "difference", "differences")
    return Listing(title, ("change", "blocks", "size", "count", "location", "function"), lines, note=left_out(rows))


def title_of(rows: Sequence[Statistic | StatisticDiff], one: str, many: str) -> str:
    noun = one if len(rows) == 1 else many
    return f"{len(rows):,} {noun}" + (ESTIMATED if any(row.estimated for row in rows) else "")


def left_out(rows: Sequence[object]) -> str:
    return f"{len(rows) - MOST_ROWS:,} more" if len(rows) > MOST_ROWS else ""


def location_cells(traceback: Traceback, style: Style) -> list[str]:
    """Of the most recent frame. The line 0 is that of files and labels."""
    if not len(traceback):
        return ["", ""]
    frame = traceback[-1]
    place = style.path(frame.filename)
    return [f"{place}:{frame.lineno}" if frame.lineno else place, style.name(frame.name or "")]


def below(traceback: Traceback, style: Style) -> list[str]:
    if len(traceback) > 1:
        lines = format_frames(traceback, style)
        return lines if len(lines) <= MOST_BELOW else [*lines[:MOST_BELOW], f"... ({counted(len(traceback), 'frame')})"]
    text = source_text(Frame((traceback[0].filename, traceback[0].lineno)), style, 0) if len(traceback) else ""
    return [text] if text else []
