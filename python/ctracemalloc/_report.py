"""Snapshots as text for people.

Model: a report is a head of a few facts and a table with a row for each of the largest
statistics; below a row stand the source text or the traceback. Functions here give lists of lines
and print nothing. They only read a snapshot's public side, so they work on any.
"""

import linecache
import os
import sys
import tokenize  # noqa: F401 - linecache needs it, and must not import it in a signal handler
from collections.abc import Iterable, Sequence
from typing import TextIO

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


# --- whole reports ---


def format_snapshot(
    snapshot: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
    saved: str = "",
) -> list[str]:
    statistics = snapshot.statistics(key, cumulative)
    total = total_size(snapshot)
    lines = format_head(snapshot, total, style, saved)
    lines += ["", describe_rows(statistics, key, top, style, cumulative)]
    rows = [["size", "count", "average", "%", "location", "function"]]
    for statistic in statistics[:top]:
        rows.append(statistic_cells(statistic, total, key))
    return lines + format_table(rows, statistics[:top], ">>>><<", key, style)


def format_diff(
    old: Snapshot,
    new: Snapshot,
    key: str,
    top: int,
    style: Style,
    *,
    cumulative: bool = False,
) -> list[str]:
    differences = new.compare_to(old, key, cumulative)
    changed = [item for item in differences if item.size_diff or item.count_diff]
    sizes, counts = (total_size(old), total_size(new)), (total_count(old), total_count(new))
    size_diff, count_diff = sizes[1] - sizes[0], counts[1] - counts[0]
    lines = [
        f"{style.bold('old')}     {format_bytes(sizes[0])} in {counts[0]:,} blocks",
        f"{style.bold('new')}     {format_bytes(sizes[1])} in {counts[1]:,} blocks",
        f"{style.bold('change')}  "
        + style.grown(f"{format_change(size_diff)} in {count_diff:+,} blocks", size_diff),
        "",
        describe_rows(changed, key, top, style, cumulative, "changed "),
    ]
    rows = [["change", "size", "blocks", "count", "location", "function"]]
    for item in changed[:top]:
        rows.append(difference_cells(item, key))
    return lines + format_table(rows, changed[:top], ">>>><<", key, style)


def format_head(snapshot: Snapshot, total: int, style: Style, saved: str) -> list[str]:
    facts = [("live", f"{format_bytes(total)} in {total_count(snapshot):,} blocks")]
    facts += sample_facts(snapshot)
    facts += run_facts(getattr(snapshot, "run", None))
    facts.append(("frames", f"at most {snapshot.traceback_limit} kept of each traceback"))
    if saved:
        facts.append(("saved", saved))
    return [style.bold("ctracemalloc"), *(f"  {name:<8} {text}" for name, text in facts)]


def sample_facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    interval = snapshot.sample_interval
    if interval is None:
        return []
    blocks = len(snapshot.traces)
    text = f"{blocks:,} blocks, about one in {format_bytes(interval)}: all sizes and counts are estimates"
    return [("sample", text)]


def run_facts(run: object) -> list[tuple[str, str]]:
    """What `python -m ctracemalloc run` noted in the snapshot; nothing in other snapshots."""
    if not isinstance(run, dict):
        return []
    facts = []
    if isinstance(run.get("peak"), int):
        facts.append(("peak", format_bytes(run["peak"])))
    if isinstance(run.get("tracer"), int):
        facts.append(("tracer", f"{format_bytes(run['tracer'])} used by ctracemalloc itself"))
    if isinstance(run.get("command"), list):
        facts.append(("program", crop(" ".join(map(str, run["command"])))))
    if "ended" in run and "pid" in run:
        facts.append(("ended", f"{run['ended']}, pid {run['pid']}"))
    return facts


def describe_rows(
    rows: Sequence[object],
    key: str,
    top: int,
    style: Style,
    cumulative: bool,
    adjective: str = "",
) -> str:
    noun = adjective + KEY_NOUNS[key]
    text = f"top {top} of {len(rows):,} {noun}" if len(rows) > top else f"{len(rows):,} {noun}"
    if cumulative:
        text += ", each with what it called"
    return style.bold(text)


# --- rows ---


def statistic_cells(statistic: Statistic, total: int, key: str) -> list[str]:
    average = statistic.size / statistic.count if statistic.count else 0
    return [
        format_bytes(statistic.size),
        f"{statistic.count:,}",
        format_bytes(average),
        f"{100 * statistic.size / total:.1f}%" if total else "",
        *place_cells(statistic.traceback, key),
    ]


def difference_cells(item: StatisticDiff, key: str) -> list[str]:
    return [
        format_change(item.size_diff),
        format_bytes(item.size),
        f"{item.count_diff:+,}",
        f"{item.count:,}",
        *place_cells(item.traceback, key),
    ]


def place_cells(traceback: Traceback, key: str) -> list[str]:
    """Location and function of the place that allocated: the most recent frame."""
    frame = traceback[-1]
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
    if key == "filename":
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


def total_size(snapshot: Snapshot) -> int:
    return sum(statistic.size for statistic in snapshot.statistics("filename"))


def total_count(snapshot: Snapshot) -> int:
    if snapshot.sample_interval is None:
        return len(snapshot.traces)
    return sum(statistic.count for statistic in snapshot.statistics("filename"))


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
