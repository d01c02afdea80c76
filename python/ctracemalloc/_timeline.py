"""Recordings as text for people.

Model: a report is a head of a few facts, memory over time as a line of blocks and a table of moments, and what changed
between the two ends. Functions give lists of lines and print nothing; they read a Recording's public side.
"""

from collections.abc import Sequence

from . import _losses, _report, _source
from ._names import counted
from ._recording import Moment, Recording, clock
from ._report import format_bytes, format_change
from ._terminal import Style, format_facts, format_table

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
    return lines + _report.format_diff(old, new, key, top, style, samples=False)


def format_head(recording: Recording, style: Style) -> list[str]:
    facts = []
    if recording.command:
        facts.append(("program", style.text(recording.command, len("  program  "))))
    facts.append(("began", f"{_source.date(recording.started)}, pid {recording.pid}"))
    length = recording._clock(len(recording) - 1) if len(recording) else clock(0)
    ticks = counted(len(recording), "tick")
    facts.append(("length", f"{length} in {ticks}, one every {recording.interval:g} s"))
    facts.append(("ended", style.text(_source.recording_end(recording), len("  ended    "))))
    if len(recording):
        peak = recording.peak
        reached = recording._clock(recording._index(peak.time))
        facts.append(("peak", f"{format_bytes(peak.size)}, reached by {reached}"))
    facts += [(event.what, f"at {clock(event.time)}") for event in recording.events[1:]]
    facts += [("sample", _report.sample_text(interval)) for interval in recording._sample_intervals()]
    facts += _losses.facts(recording)
    if recording.truncated:
        facts.append(("cut off", recording.truncated))
    return format_facts("recording", facts, style)


def format_timeline(moments: Sequence[Moment], style: Style) -> list[str]:
    """The highest size in each of at most WIDTH stretches of time, from 0 up."""
    length = moments[-1].time - moments[0].time
    count = min(len(moments), WIDTH if style.width is None else style.width - 2)
    cells = [0] * count
    for moment in moments:
        part = (moment.time - moments[0].time) / length if length else 0
        cell = min(count - 1, int(part * count))
        cells[cell] = max(cells[cell], moment.size)
    for index in range(1, count):  # a stretch without a tick shows the one before
        cells[index] = cells[index] or cells[index - 1]
    most = max(cells)
    last = len(style.bars) - 1
    bars = "".join(style.bars[size * last // most if most else 0] for size in cells)
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
    head, *body = format_table([["", *row] for row in rows], 0, ("process", "blocks", "change"), style)
    return [style.dim(head), *body]
