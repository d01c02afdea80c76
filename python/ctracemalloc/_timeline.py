"""Recordings as text for people.

Model: a report is a head of a few facts, memory over time as a line of blocks and a table of moments, and what changed
between the two ends. Functions give lists of lines and print nothing; they read a Recording's public side.
"""

import time
from collections.abc import Sequence

from . import _losses, _report
from ._recording import Moment, Recording, clock
from ._report import Style, crop, format_bytes, format_change

BARS = "▁▂▃▄▅▆▇█"
ROWS = 12  # of the table of moments
WIDTH = 72  # of the line of blocks


def format_recording(
    recording: Recording,
    key: str,
    top: int,
    style: Style,
    *,
    start: float | None = None,
    end: float | None = None,
) -> list[str]:
    lines = format_head(recording, style)
    if not len(recording):
        return [*lines, "", "it has no moments"]
    first, last = recording._range(start, end)
    moments = recording.totals()[first : last + 1]
    lines += ["", *format_timeline(moments, style), "", *format_moments(recording, first, last, style)]
    if first == last:
        return lines
    old, new = recording.snapshot(moments[0].time), recording.snapshot(moments[-1].time)
    lines += ["", style.bold(f"from {recording._clock(first)} to {recording._clock(last)}")]
    return lines + _report.format_diff(old, new, key, top, style)


def format_head(recording: Recording, style: Style) -> list[str]:
    facts = []
    if recording.command:
        facts.append(("program", crop(recording.command)))
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(recording.started))
    facts.append(("began", f"{began}, pid {recording.pid}"))
    length = recording._clock(len(recording) - 1) if len(recording) else clock(0)
    facts.append(("length", f"{length} in {len(recording):,} ticks, one every {recording.interval:g} s"))
    ends = {"stopped": "stopped", "exit": "with the program", None: "no end: it goes on, or was killed"}
    facts.append(("ended", ends.get(recording.ended, recording.ended or "")))
    if len(recording):
        peak = recording.peak
        facts.append(("peak", f"{format_bytes(peak.size)}, reached by {recording._clock(recording._index(peak.time))}"))
    facts += [(event.what, f"at {clock(event.time)}") for event in recording.events[1:]]
    facts += _losses.facts(recording)
    if recording.truncated:
        facts.append(("cut off", recording.truncated))
    return [style.bold("recording"), *(f"  {name:<8} {text}" for name, text in facts)]


def format_timeline(moments: Sequence[Moment], style: Style) -> list[str]:
    """The highest size in each of at most WIDTH stretches of time, from 0 up."""
    length = moments[-1].time - moments[0].time
    count = min(WIDTH, len(moments))
    cells = [0] * count
    for moment in moments:
        part = (moment.time - moments[0].time) / length if length else 0
        cell = min(count - 1, int(part * count))
        cells[cell] = max(cells[cell], moment.size)
    for index in range(1, count):  # a stretch without a tick shows the one before
        cells[index] = cells[index] or cells[index - 1]
    most = max(cells)
    bars = "".join(BARS[size * (len(BARS) - 1) // most] if most else BARS[0] for size in cells)
    return [style.bold(f"live memory, up to {format_bytes(most)}"), f"  {bars}"]


def format_moments(recording: Recording, first: int, last: int, style: Style) -> list[str]:
    step = max(1, -(-(last - first) // (ROWS - 1)))
    shown = [*range(first, last, step), last]
    moments = recording.totals()
    rows = [["time", "live", "change", "blocks", "process"]]
    before = moments[first]
    for index in shown:
        moment = moments[index]
        change = "" if index == first else format_change(moment.size - before.size)
        resident = format_bytes(moment.resident) if moment.resident else ""
        rows.append([recording._clock(index), format_bytes(moment.size), change, f"{moment.count:,}", resident])
        before = moment
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = (
        "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    return [style.dim(head), *body]
