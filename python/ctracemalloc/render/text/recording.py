"""A recording as text.

Model: the text consists of a few facts, memory over time as a line of blocks and a table of moments, and what changed between
the two ends. Only the public side of a Recording is read; Ticks finds the moments, and their short times.
"""

from collections.abc import Sequence

from ..._words import clock, counted, short_clock
from ...model.series import highest_sizes, steps_between
from ...model.table import View
from ...recording.reading import Moment, Recording
from ...recording.ticks import Ticks
from . import losses
from .diff import format_diff
from .origin import date, recording_end
from .samples import sample_text
from .style import Style
from .tables import format_facts, format_table
from .units import format_bytes, format_change

ROWS = 12  # of the table of moments
WIDTH = 72  # of the line of blocks


def format_recording(
    recording: Recording,
    view: View,
    style: Style,
    *,
    start: float | None = None,
    end: float | None = None,
    name: str = "",
) -> list[str]:
    """name: of the file; "": it is not said."""
    ticks = Ticks(recording.times, recording.interval)
    lines = format_head(recording, ticks, style)
    lines[0] += f"  {style.name(name)}" if name else ""
    if not len(recording):
        return [*lines, "", "it has no moments"]
    first, last = ticks.range(start, end)
    moments = recording.totals()[first : last + 1]
    lines += ["", *format_timeline(moments, style), "", *format_moments(recording, ticks, first, last, style)]
    if first == last:
        return lines
    old, new = recording.snapshot(moments[0].time), recording.snapshot(moments[-1].time)
    lines += ["", style.bold(f"from {clock_of(ticks, first)} to {clock_of(ticks, last)}")]
    return lines + format_diff([old, new], view, style, samples=False)


def clock_of(ticks: Ticks, index: int) -> str:
    return short_clock(ticks.short_time(index))


def format_head(recording: Recording, ticks: Ticks, style: Style) -> list[str]:
    return format_facts("recording", head_facts(recording, ticks, style), style)


def head_facts(recording: Recording, ticks: Ticks, style: Style) -> list[tuple[str, str]]:
    facts = []
    if recording.command:
        facts.append(("program", style.text(recording.command, len("  program  "))))
    facts.append(("began", f"{date(recording.started)}, pid {recording.pid}"))
    length = clock_of(ticks, len(recording) - 1) if len(recording) else clock(0)
    number = counted(len(recording), "tick")
    facts.append(("length", f"{length} in {number}, one every {recording.interval:g} s"))
    facts.append(("ended", style.text(recording_end(recording), len("  ended    "))))
    if len(recording):
        peak = recording.peak
        reached = clock_of(ticks, ticks.index(peak.time))
        facts.append(("peak", f"{format_bytes(peak.size)}, reached by {reached}"))
    facts += [(event.what, f"at {clock(event.time)}") for event in recording.events[1:]]
    facts += [("sample", sample_text(interval)) for interval in recording.sample_intervals]
    facts += losses.facts(recording)
    if recording.truncated:
        facts.append(("cut off", recording.truncated))
    return facts


def format_timeline(moments: Sequence[Moment], style: Style) -> list[str]:
    """A line of blocks, from 0 up to the highest size."""
    sizes = highest_sizes(moments, WIDTH if style.width is None else style.width - 2)
    most = max(sizes)
    last = len(style.bars) - 1
    bars = "".join(style.bars[size * last // most if most else 0] for size in sizes)
    return [style.bold(f"live memory, up to {format_bytes(most)}"), f"  {bars}"]


def format_moments(recording: Recording, ticks: Ticks, first: int, last: int, style: Style) -> list[str]:
    rows = [["", "time", "live", "change", "blocks", "process"]]
    for index, moment, change in steps_between(recording.totals(), first, last, ROWS):
        grown = "" if change is None else format_change(change)
        resident = format_bytes(moment.resident) if moment.resident else ""
        rows.append(["", clock_of(ticks, index), format_bytes(moment.size), grown, f"{moment.count:,}", resident])
    head, *body = format_table(rows, 0, ("process", "blocks", "change"), style)
    return [style.dim(head), *body]
