"""A snapshot as text: its facts and its largest rows; and what was live at the peak."""

from collections.abc import Mapping
from typing import Any

from ..._ctracemalloc import Snapshot
from ..._words import counted
from ...model.origin import merged_of, run_of, size_in
from ...model.rows import Row, rows_of
from ...model.sums import sums_of
from . import losses
from .origin import run_facts
from .samples import sample_facts
from .statistics import format_statistics, format_title
from .style import Style
from .tables import fact_lines, format_facts
from .units import format_amount, format_bytes, format_percent

# The columns of numbers of a row, by what the rows are sorted by. "live": at the moment of the snapshot.
COLUMNS = {
    "peak": ("at peak", "count", "average", "%", "live"),
    "allocated": ("allocated", "count", "average", "%", "live"),
}
LIVE_COLUMNS = ("size", "count", "average", "%")


def format_snapshot(
    snapshot: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    sort: str = "size",
    saved: str = "",
    run: Mapping[str, Any] | None = None,
) -> list[str]:
    """run: facts about the program; None: those in the snapshot."""
    peak = snapshot.at_peak
    lines = format_head(snapshot, peak, style, saved, run_of(snapshot) if run is None else run)
    return [*lines, "", *format_rows(snapshot, key, top, style, cumulative, sort, "live")]


def format_peak(
    snapshot: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    sort: str = "size",
    merged: int = 1,
) -> list[str]:
    """The blocks that were live at the peak. merged: how many processes have a peak of their own in `snapshot`."""
    sort = "size" if sort == "peak" else sort
    text = f"{format_amount(sums_of(snapshot))}{peaks_text(merged)}"
    first, *rest = style.prose(text, len("at the peak  "))
    facts = [*sample_facts(snapshot), *losses.facts(snapshot)]
    title = [f"{style.bold('at the peak')}  {first}", *rest, *fact_lines(facts, style)]
    return [*title, "", *format_rows(snapshot, key, top, style, cumulative, sort, "at peak")]


def format_rows(snapshot: Snapshot, key: str, top: int, style: Style, cumulative: bool, sort: str, moment: str) -> list[str]:
    """The table of the largest rows; `moment` is the head of the column of what is live in `snapshot`."""
    rows = rows_of(snapshot, key, top, cumulative=cumulative, sort=sort)
    names = [moment if name == "live" else name for name in COLUMNS.get(sort, LIVE_COLUMNS)]
    cells = [(number_cells(row, sort), row.traceback) for row in rows.shown]
    title = format_title(rows.number, key, top, style, cumulative=cumulative, sort=sort)
    return [*title, *format_statistics(names, cells, key, style)]


def number_cells(row: Row, sort: str) -> list[str]:
    cells = [format_bytes(row.size), f"{row.blocks:,}", format_bytes(row.average), format_percent(row.percent)]
    return [*cells, format_bytes(row.live)] if sort in COLUMNS else cells


def format_head(snapshot: Snapshot, peak: Snapshot | None, style: Style, saved: str, run: Mapping[str, Any]) -> list[str]:
    sums = sums_of(snapshot)
    merged = merged_of(snapshot)
    facts = [("live", format_amount(sums))]
    facts += peak_facts(peak, run, merged)
    if sums.freed_size is not None:
        text = f"{format_bytes(sums.freed_size)} in {counted(sums.freed_blocks or 0, 'block')}, allocated and freed again"
        facts.append(("churn", text))
    facts += sample_facts(snapshot)
    facts += losses.facts(snapshot)
    facts += run_facts(run, style)
    if merged > 1:
        facts.append(("merged", f"{merged:,} snapshots"))
    facts.append(("frames", frames_text(snapshot.traceback_limit)))
    if saved:
        facts.append(("saved", saved))
    return format_facts("ctracemalloc", facts, style)


def frames_text(limit: int) -> str:
    if limit == 1:
        return "1 kept of each traceback: no callers (`run -n 20` keeps them)"
    return f"at most {limit} kept of each traceback"


def peaks_text(merged: int) -> str:
    return f", the sum of {merged:,} separate peaks" if merged > 1 else ""


def peak_facts(peak: Snapshot | None, run: Mapping[str, Any], merged: int) -> list[tuple[str, str]]:
    if peak is not None:
        return [("peak", format_amount(sums_of(peak)) + peaks_text(merged))]
    known = size_in(run, "peak")
    return [] if known is None else [("peak", format_bytes(known))]
