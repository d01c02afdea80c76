"""Snapshots as text for people.

Model: a report is a head of a few facts and a table with a row for each of the largest
statistics; below a row stand the source text or the traceback. Functions here give lists of lines
and print nothing. They only read a snapshot's public side, so they work on any. What the lines may look like
(width, colours, characters) is the Style's, and whatever comes from the program goes through it.
"""

import linecache
import os
import shlex
import stat
import tokenize  # noqa: F401 - linecache needs it, and must not import it in a signal handler
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import _losses
from ._ctracemalloc import Frame, Snapshot, Statistic, StatisticDiff, Traceback, _format_size
from ._names import counted
from ._terminal import Style, fact_lines, format_facts, format_table

INDENT = "      "
KEY_NOUNS = {
    "lineno": "line",
    "function": "function",
    "filename": "file",
    "traceback": "traceback",
}
# The peak is told apart from what is live if it is so much more:
PEAK_RATIO = 1.5
PEAK_BYTES = 64 * 1024
ESTIMATES = "all sizes and counts are estimates"


# --- whole reports ---


class Totals(NamedTuple):
    """Sums over a snapshot; of a sample, estimates."""

    size: int
    blocks: int
    freed_size: int | None
    freed_blocks: int | None
    allocated_size: int | None


def totals_of(snapshot: Snapshot) -> Totals:
    try:
        files = snapshot.statistics("filename", sort="allocated")
    except ValueError:  # not known
        files = snapshot.statistics("filename")
        size, count = sum(item.size for item in files), sum(item.count for item in files)
        return Totals(size, count, None, None, None)
    sums = [
        sum(getattr(item, name) for item in files) for name in ("size", "count", "freed_size", "freed_count", "allocated_size")
    ]
    return Totals(*sums)


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
    """run: facts about the program; None: those that the snapshot has."""
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
    """What `snapshot`, one of the moment of the peak, is made of. merged: the processes that had a peak of their own."""
    sort = "size" if sort == "peak" else sort
    text = f"{amount_text(totals_of(snapshot))}{peaks_text(merged)}"
    first, *rest = style.prose(text, len("at the peak  "))
    facts = [*sample_facts(snapshot), *_losses.facts(snapshot)]
    title = [f"{style.bold('at the peak')}  {first}", *rest, *fact_lines(facts, style)]
    return [*title, "", *format_rows(snapshot, key, top, style, cumulative, sort, "at peak")]


def peak_stands_out(snapshot: Snapshot, peak: Snapshot) -> bool:
    live, most = totals_of(snapshot).size, totals_of(peak).size
    return most >= PEAK_RATIO * live and most - live >= PEAK_BYTES


def format_rows(
    snapshot: Snapshot,
    key: str,
    top: int,
    style: Style,
    cumulative: bool,
    sort: str,
    moment: str,
) -> list[str]:
    """The table of the largest; `moment` heads the column of what is live in `snapshot`."""
    statistics = snapshot.statistics(key, cumulative, sort=sort)
    columns = STATISTIC_COLUMNS.get(sort, STATISTIC_COLUMNS["size"])
    whole = whole_of(snapshot, sort)
    rows = [[*(moment if name == "live" else name for name in columns.names), "location", "function"]]
    for statistic in statistics[:top]:
        cells = columns.cells(statistic, whole)
        rows.append([*cells, *place_cells(statistic.traceback, key, style)])
    title = describe_rows(statistics, key, top, style, cumulative, sorted_by=sort)
    return [*title, *format_statistics(rows, statistics[:top], key, style)]


def whole_of(snapshot: Snapshot, sort: str) -> int:
    """The bytes of which a row's are so many percent."""
    if sort == "allocated":
        return totals_of(snapshot).allocated_size or 0
    peak = snapshot.at_peak if sort == "peak" else None
    return totals_of(snapshot if peak is None else peak).size


def format_diff(
    old: Snapshot,
    new: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    sort: str = "size",
    samples: bool = True,
) -> list[str]:
    """samples: False: what the snapshots are samples of is told already."""
    facts = [*(samples_facts(old, new) if samples else []), *_losses.facts(old, new, names=("old", "new"))]
    columns = DIFFERENCE_COLUMNS.get(sort, DIFFERENCE_COLUMNS["size"])
    differences = new.compare_to(old, key, cumulative, sort=sort)
    changed = [item for item in differences if columns.changed(item)]
    before, after = totals_of(old), totals_of(new)
    size_diff, count_diff = after.size - before.size, after.blocks - before.blocks
    lines = [
        f"{style.bold('old')}     {amount_text(before)}",
        f"{style.bold('new')}     {amount_text(after)}",
        f"{style.bold('change')}  "
        + style.grown(f"{format_change(size_diff)} in {counted(count_diff, 'block', sign=True)}", size_diff),
        *fact_lines(facts, style),
        "",
        *describe_rows(changed, key, top, style, cumulative, "changed ", sort),
    ]
    rows = [[*columns.names, "location", "function"]]
    for item in changed[:top]:
        rows.append([*columns.cells(item), *place_cells(item.traceback, key, style)])
    return lines + format_statistics(rows, changed[:top], key, style)


def format_head(snapshot: Snapshot, peak: Snapshot | None, style: Style, saved: str, run: Mapping[str, Any]) -> list[str]:
    total = totals_of(snapshot)
    facts = [("live", amount_text(total))]
    facts += peak_facts(peak, run, merged_of(snapshot))
    if total.freed_size is not None:
        text = f"{format_bytes(total.freed_size)} in {counted(total.freed_blocks or 0, 'block')}, allocated and freed again"
        facts.append(("churn", text))
    facts += sample_facts(snapshot)
    facts += _losses.facts(snapshot)
    facts += run_facts(run, style)
    if merged_of(snapshot) > 1:
        facts.append(("merged", f"{merged_of(snapshot):,} snapshots"))
    facts.append(("frames", f"at most {snapshot.traceback_limit} kept of each traceback"))
    if saved:
        facts.append(("saved", saved))
    return format_facts("ctracemalloc", facts, style)


def amount_text(total: Totals) -> str:
    return f"{format_bytes(total.size)} in {counted(total.blocks, 'block')}"


def merged_of(snapshot: Snapshot) -> int:
    """How many snapshots Snapshot.merge has made it of; 1: it was not merged."""
    merged = getattr(snapshot, "merged", 1)
    return merged if isinstance(merged, int) else 1


def peaks_text(merged: int) -> str:
    return f", the sum of {merged:,} separate peaks" if merged > 1 else ""


def peak_facts(peak: Snapshot | None, run: Mapping[str, Any], merged: int) -> list[tuple[str, str]]:
    if peak is not None:
        return [("peak", amount_text(totals_of(peak)) + peaks_text(merged))]
    known = size_in(run, "peak")
    return [] if known is None else [("peak", format_bytes(known))]


def sample_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Says of the numbers of one snapshot that they are estimates."""
    interval = snapshot.sample_interval
    if interval is None:
        return []
    text = f"{counted(len(snapshot.traces), 'block')}, about one in {format_bytes(interval)}: {ESTIMATES}"
    return [("sample", text + _losses.sample_note(snapshot))]


def samples_facts(old: Snapshot, new: Snapshot) -> list[tuple[str, str]]:
    """The same of two; which of them, if the other was traced whole or has another interval."""
    texts = [
        [sample_text(snapshot.sample_interval) + _losses.sample_note(snapshot)] if snapshot.sample_interval else []
        for snapshot in (old, new)
    ]
    return _losses.told_once("sample", texts, ("old", "new"))


def sample_text(interval: int) -> str:
    return f"about one block in {format_bytes(interval)}: {ESTIMATES}"


def run_of(snapshot: Snapshot) -> Mapping[str, Any]:
    """What `python -m ctracemalloc run` and others noted in the snapshot; empty in other snapshots."""
    run = getattr(snapshot, "run", None)
    return run if isinstance(run, dict) else {}


def size_in(run: Mapping[str, Any], name: str) -> int | None:
    """A size that the file may hold, whatever it holds there."""
    size = run.get(name)
    return size if isinstance(size, int) and 0 <= size < 1 << 63 else None


def run_facts(run: Mapping[str, Any], style: Style) -> list[tuple[str, str]]:
    facts = []
    tracer = size_in(run, "tracer")
    if tracer is not None:
        facts.append(("tracer", f"{format_bytes(tracer)} used by ctracemalloc itself"))
    if isinstance(run.get("command"), list):
        facts.append(("program", style.text(command_text(run["command"]), len("  program  "))))
    pid = f", pid {run['pid']}" if "pid" in run else ""
    if "began" in run:
        facts.append(("began", f"{run['began']}{pid}"))
        pid = ""
    if "moment" in run:
        facts.append(("moment", str(run["moment"])))
    if "ended" in run:
        facts.append(("ended", f"{run['ended']}{pid}"))
    if "cut off" in run:
        facts.append(("cut off", str(run["cut off"])))
    return facts


def command_text(words: list[Any]) -> str:
    """As a shell takes it. A word that is alone stays as it is: a path, or a whole command that could not be split."""
    return str(words[0]) if len(words) == 1 else shlex.join(map(str, words))


def is_label(key: str) -> bool:
    return key.startswith("label:")


def describe_rows(
    rows: Sequence[object],
    key: str,
    top: int,
    style: Style,
    cumulative: bool,
    adjective: str = "",
    sorted_by: str = "size",
) -> list[str]:
    """The title of a table."""
    if is_label(key):
        text = f"{counted(len(rows), f'{adjective}value')} of {style.name(key)}"
    else:
        text = counted(len(rows), adjective + KEY_NOUNS[key])
    if len(rows) > top:
        text = f"top {top} of {text}"
    if sorted_by != "size":
        text += f", by {'change of ' if adjective else ''}{SORT_NOUNS[sorted_by]}"
    if cumulative:
        text += ", each with what it called"
    return [style.bold(line) for line in style.prose(text)]


# --- rows ---


class StatisticColumns(NamedTuple):
    """The numbers of a row, for one order."""

    names: list[str]
    cells: Callable[[Statistic, int], list[str]]  # of the statistic, given the size of the whole


class DifferenceColumns(NamedTuple):
    names: list[str]
    cells: Callable[[StatisticDiff], list[str]]
    changed: Callable[[StatisticDiff], object]


def amount_cells(size: int | None, count: int | None, whole: int) -> list[str]:
    size, count = size or 0, count or 0
    average = format_bytes(size / count if count else 0)
    percent = f"{100 * size / whole:.1f}%" if whole else ""
    return [format_bytes(size), f"{count:,}", average, percent]


def live_cells(item: Statistic, whole: int) -> list[str]:
    return amount_cells(item.size, item.count, whole)


def peak_cells(item: Statistic, whole: int) -> list[str]:
    return [*amount_cells(item.peak_size, item.peak_count, whole), format_bytes(item.size)]


def allocated_cells(item: Statistic, whole: int) -> list[str]:
    cells = amount_cells(item.allocated_size, item.allocated_count, whole)
    return [*cells, format_bytes(item.size)]


def live_change_cells(item: StatisticDiff) -> list[str]:
    return [
        format_change(item.size_diff),
        format_bytes(item.size),
        f"{item.count_diff:+,}",
        f"{item.count:,}",
    ]


def peak_change_cells(item: StatisticDiff) -> list[str]:
    return [
        format_change(item.peak_size_diff or 0),
        format_bytes(item.peak_size or 0),
        f"{item.peak_count_diff or 0:+,}",
        format_change(item.size_diff),
    ]


def allocated_change_cells(item: StatisticDiff) -> list[str]:
    return [
        format_change(item.allocated_size_diff or 0),
        f"{item.allocated_count_diff or 0:+,}",
        f"{item.freed_count_diff or 0:+,}",
        format_change(item.size_diff),
    ]


SORT_NOUNS = {
    "size": "size",
    "count": "number of blocks",
    "peak": "size at the peak",
    "allocated": "size of all ever allocated",
}
STATISTIC_COLUMNS = {
    "size": StatisticColumns(["size", "count", "average", "%"], live_cells),
    "peak": StatisticColumns(["at peak", "count", "average", "%", "live"], peak_cells),
    "allocated": StatisticColumns(["allocated", "count", "average", "%", "live"], allocated_cells),
}
DIFFERENCE_COLUMNS = {
    "size": DifferenceColumns(
        ["change", "size", "blocks", "count"],
        live_change_cells,
        lambda item: item.size_diff or item.count_diff,
    ),
    "peak": DifferenceColumns(
        ["peak change", "at peak", "blocks", "live change"],
        peak_change_cells,
        lambda item: item.peak_size_diff or item.peak_count_diff,
    ),
    "allocated": DifferenceColumns(
        ["allocated", "blocks", "freed", "live change"],
        allocated_change_cells,
        lambda item: item.allocated_count_diff or item.freed_count_diff,
    ),
}


def place_cells(traceback: Traceback, key: str, style: Style) -> list[str]:
    """Location and function of the place that allocated: the most recent frame."""
    frame = traceback[-1]
    if is_label(key):
        return [style.name(frame.filename) or "(no such label)", ""]
    path = style.path(frame.filename)
    if key == "filename":
        return [path, ""]
    return [f"{path}:{frame.lineno}", style.name(frame.name or "")]


# Columns of numbers that go first where there is no room for places.
DROP = ("average", "%", "blocks", "freed", "live change", "live", "count", "size")


def format_statistics(
    rows: list[list[str]],
    statistics: Iterable[Statistic | StatisticDiff],
    key: str,
    style: Style,
) -> list[str]:
    """The first row is the head; details follow each of the others."""
    head, *body = format_table(rows, 2, DROP, style)
    lines = [style.dim(head)]
    for line, statistic in zip(body, statistics, strict=True):
        lines.append(line)
        lines += (style.dim(INDENT + text) for text in details(statistic.traceback, key, style))
    return lines


def details(traceback: Traceback, key: str, style: Style) -> list[str]:
    if key == "filename" or is_label(key):
        return []
    if key == "traceback":
        return format_frames(traceback, style)
    source = source_text(traceback[-1], style, len(INDENT))
    return [source] if source else []


def format_frames(traceback: Traceback, style: Style) -> list[str]:
    lines = []
    for frame in reversed(traceback):
        name = f" in {style.name(frame.name)}" if frame.name else ""
        lines.append(style.place(f"{style.path(frame.filename)}:{frame.lineno}", name, len(INDENT)))
        source = source_text(frame, style, len(INDENT) + 4)
        if source:
            lines.append("    " + source)
    total = traceback.total_nframe
    if total is not None and total > len(traceback):
        left = total - len(traceback)
        text = f"({counted(left, 'older frame')} {'was' if left == 1 else 'were'} not kept)"
        lines += style.prose(text, len(INDENT))
    return lines


def source_text(frame: Frame, style: Style, indent: int) -> str:
    """The line, or "". It comes from the program's disk or from a loader of the program's: anything may happen."""
    try:
        line = linecache.getline(source_path(frame.filename, style), frame.lineno)
    except Exception:  # a name that no file can have, a loader that fails: a report without this line
        return ""
    return style.text(line.strip().replace("\t", " "), indent)


def source_path(filename: str, style: Style) -> str:
    """Where to read it: from where the program was started. "" for what is no file: a pipe or a device would not end."""
    path = os.path.join(style.folder, filename)
    try:
        return path if stat.S_ISREG(os.stat(path).st_mode) else ""
    except FileNotFoundError:
        return filename  # linecache may know it in another way


# --- words and numbers ---


def format_bytes(size: float) -> str:
    return _format_size(size, False)


def format_change(size: float) -> str:
    return _format_size(size, True)
