"""Snapshots as text for people.

Model: a report is a head of a few facts and a table with a row for each of the largest
statistics; below a row stand the source text or the traceback. Functions here give lists of lines
and print nothing. They only read a snapshot's public side, so they work on any.
"""

import contextlib
import linecache
import os
import sys
import tokenize  # noqa: F401 - linecache needs it, and must not import it in a signal handler
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

from . import _losses
from ._ctracemalloc import (
    FileError,
    Frame,
    Snapshot,
    Statistic,
    StatisticDiff,
    Traceback,
    _format_size,
)

PATH_WIDTH = 44
SOURCE_WIDTH = 92
INDENT = "      "
KEY_NOUNS = {
    "lineno": "lines",
    "function": "functions",
    "filename": "files",
    "traceback": "tracebacks",
}
# The peak is told apart from what is live if it is so much more:
PEAK_RATIO = 1.5
PEAK_BYTES = 64 * 1024


class Style:
    """Colours, or none."""

    def __init__(self, color: bool) -> None:
        self.color = color

    @staticmethod
    def wanted(fd: int, refused: bool) -> bool:
        if refused or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        try:
            return os.isatty(fd)
        except OSError:
            return False

    @classmethod
    def for_stream(cls, stream: TextIO, refused: bool) -> "Style":
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # file names may be any bytes
        return cls(cls.wanted(stream.fileno(), refused))

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def bold(self, text: str) -> str:
        return self.paint("1", text)

    def dim(self, text: str) -> str:
        return self.paint("2", text)

    def grown(self, text: str, amount: int) -> str:
        return self.paint("31" if amount > 0 else "32", text) if amount else text


def load(path: str) -> Snapshot:
    """Snapshot.load, with the path in the message of what goes wrong."""
    try:
        return Snapshot.load(path)
    except FileError as error:
        if path in str(error):
            raise
        raise FileError(f"{path}: {error}") from None


@contextlib.contextmanager
def blaming(path: str) -> Iterator[None]:
    """What is not known of a snapshot, as a FileError that names the file."""
    try:
        yield
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def peak_of(snapshot: Snapshot, path: str) -> Snapshot:
    """snapshot.at_peak, or a FileError that names the file."""
    peak = snapshot.at_peak
    if peak is None:
        raise FileError(f"{path}: what was live at the peak is not in this file")
    return peak


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
        sum(getattr(item, name) for item in files)
        for name in ("size", "count", "freed_size", "freed_count", "allocated_size")
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
) -> list[str]:
    peak = snapshot.at_peak
    lines = format_head(snapshot, peak, style, saved)
    return [*lines, "", *format_rows(snapshot, key, top, style, cumulative, sort, "live")]


def format_peak(
    snapshot: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    sort: str = "size",
) -> list[str]:
    """What `snapshot`, one of the moment of the peak, is made of."""
    total = totals_of(snapshot)
    sort = "size" if sort == "peak" else sort
    title = f"{style.bold('at the peak')}  {format_bytes(total.size)} in {total.blocks:,} blocks"
    title_and_losses = [title, *_losses.lines(snapshot)]
    return [*title_and_losses, "", *format_rows(snapshot, key, top, style, cumulative, sort, "at peak")]


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
        rows.append([*cells, *place_cells(statistic.traceback, key)])
    title = describe_rows(statistics, key, top, style, cumulative, sorted_by=sort)
    sides = ">" * len(columns.names) + "<<"
    return [title, *format_table(rows, statistics[:top], sides, key, style)]


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
) -> list[str]:
    columns = DIFFERENCE_COLUMNS.get(sort, DIFFERENCE_COLUMNS["size"])
    differences = new.compare_to(old, key, cumulative, sort=sort)
    changed = [item for item in differences if columns.changed(item)]
    before, after = totals_of(old), totals_of(new)
    size_diff, count_diff = after.size - before.size, after.blocks - before.blocks
    lines = [
        f"{style.bold('old')}     {format_bytes(before.size)} in {before.blocks:,} blocks",
        f"{style.bold('new')}     {format_bytes(after.size)} in {after.blocks:,} blocks",
        f"{style.bold('change')}  "
        + style.grown(f"{format_change(size_diff)} in {count_diff:+,} blocks", size_diff),
        *_losses.lines(old, new, names=("old", "new")),
        "",
        describe_rows(changed, key, top, style, cumulative, "changed ", sort),
    ]
    rows = [[*columns.names, "location", "function"]]
    for item in changed[:top]:
        rows.append([*columns.cells(item), *place_cells(item.traceback, key)])
    sides = ">" * len(columns.names) + "<<"
    return lines + format_table(rows, changed[:top], sides, key, style)


def format_head(snapshot: Snapshot, peak: Snapshot | None, style: Style, saved: str) -> list[str]:
    total = totals_of(snapshot)
    facts = [("live", f"{format_bytes(total.size)} in {total.blocks:,} blocks")]
    facts += peak_facts(peak, getattr(snapshot, "run", None))
    if total.freed_size is not None:
        text = f"{format_bytes(total.freed_size)} in {total.freed_blocks:,} blocks, allocated and freed again"
        facts.append(("churn", text))
    facts += sample_facts(snapshot)
    facts += _losses.facts(snapshot)
    facts += run_facts(getattr(snapshot, "run", None))
    facts.append(("frames", f"at most {snapshot.traceback_limit} kept of each traceback"))
    if saved:
        facts.append(("saved", saved))
    return [style.bold("ctracemalloc"), *(f"  {name:<8} {text}" for name, text in facts)]


def peak_facts(peak: Snapshot | None, run: object) -> list[tuple[str, str]]:
    if peak is not None:
        total = totals_of(peak)
        return [("peak", f"{format_bytes(total.size)} in {total.blocks:,} blocks")]
    if isinstance(run, dict) and isinstance(run.get("peak"), int):
        return [("peak", format_bytes(run["peak"]))]
    return []


def sample_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    interval = snapshot.sample_interval
    if interval is None:
        return []
    blocks = len(snapshot.traces)
    text = f"{blocks:,} blocks, about one in {format_bytes(interval)}: all sizes and counts are estimates"
    text += _losses.sample_note(snapshot)
    return [("sample", text)]


def run_facts(run: object) -> list[tuple[str, str]]:
    """What `python -m ctracemalloc run` noted in the snapshot; nothing in other snapshots."""
    if not isinstance(run, dict):
        return []
    facts = []
    if isinstance(run.get("tracer"), int):
        facts.append(("tracer", f"{format_bytes(run['tracer'])} used by ctracemalloc itself"))
    if isinstance(run.get("command"), list):
        facts.append(("program", crop(" ".join(map(str, run["command"])))))
    if "ended" in run and "pid" in run:
        facts.append(("ended", f"{run['ended']}, pid {run['pid']}"))
    return facts


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
) -> str:
    noun = adjective + (f"values of {key}" if is_label(key) else KEY_NOUNS[key])
    text = f"top {top} of {len(rows):,} {noun}" if len(rows) > top else f"{len(rows):,} {noun}"
    if sorted_by != "size":
        text += f", by {'change of ' if adjective else ''}{SORT_NOUNS[sorted_by]}"
    if cumulative:
        text += ", each with what it called"
    return style.bold(text)


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
    "allocated": StatisticColumns(
        ["allocated", "count", "average", "%", "live"], allocated_cells
    ),
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


def place_cells(traceback: Traceback, key: str) -> list[str]:
    """Location and function of the place that allocated: the most recent frame."""
    frame = traceback[-1]
    if is_label(key):
        return [frame.filename or "(no such label)", ""]
    path = shorten_path(frame.filename)
    if key == "filename":
        return [path, ""]
    return [f"{path}:{frame.lineno}", frame.name or ""]


def format_table(
    rows: list[list[str]],
    statistics: Iterable[Statistic | StatisticDiff],
    sides: str,
    key: str,
    style: Style,
) -> list[str]:
    """The first row is the head; details follow each of the others."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = (
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    )
    lines = [style.dim(head)]
    for line, statistic in zip(body, statistics, strict=True):
        lines.append(line)
        lines += (style.dim(INDENT + text) for text in details(statistic.traceback, key))
    return lines


def details(traceback: Traceback, key: str) -> list[str]:
    if key == "filename" or is_label(key):
        return []
    if key == "traceback":
        return format_frames(traceback)
    source = source_text(traceback[-1])
    return [source] if source else []


def format_frames(traceback: Traceback) -> list[str]:
    lines = []
    for frame in reversed(traceback):
        name = f" in {frame.name}" if frame.name else ""
        lines.append(f"{shorten_path(frame.filename)}:{frame.lineno}{name}")
        source = source_text(frame)
        if source:
            lines.append("    " + source)
    total = traceback.total_nframe
    if total is not None and total > len(traceback):
        lines.append(f"({total - len(traceback)} older frames were not kept)")
    return lines


def source_text(frame: Frame) -> str:
    return crop(linecache.getline(frame.filename, frame.lineno).strip())


def crop(text: str) -> str:
    return text if len(text) <= SOURCE_WIDTH else text[: SOURCE_WIDTH - 3] + "..."


# --- words and numbers ---


def format_bytes(size: float) -> str:
    return _format_size(size, False)


def format_change(size: int) -> str:
    return _format_size(size, True)


def current_folder() -> str:
    """The current directory, or "" if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def shorten_path(path: str) -> str:
    """The path as seen from the current directory or sys.path; long ones lose their middle."""
    best = path
    for root in (current_folder(), *sys.path):
        prefix = os.path.join(root, "") if root else ""
        if prefix and path.startswith(prefix) and len(path) - len(prefix) < len(best):
            best = path[len(prefix) :]
    if len(best) <= PATH_WIDTH:
        return best
    parts = best.split(os.sep)
    tail = parts[-1]
    for part in reversed(parts[1:-1]):
        if len(tail) + len(part) + 5 > PATH_WIDTH:
            break
        tail = part + os.sep + tail
    return "..." + os.sep + tail
