"""Perfetto's trace format, for recordings: counters over time, which https://ui.perfetto.dev draws.

Model: the process has a track for each of the sums over everything (live bytes and blocks, the peak until then, resident
memory) and one for each line with much live memory at some moment. A counter has a value at each tick where it changed. Times
are nanoseconds since the recording began.

https://perfetto.dev/docs/reference/synthetic-track-event
"""

import shlex
from collections.abc import Iterator, Sequence
from itertools import count

from .._ctracemalloc import Frame
from .._words import printable
from ..recording.reading import Moment, Recording
from .protobuf import message, number, text

PACKET = 1  # of a trace
TIMESTAMP, SEQUENCE, TRACK_EVENT, TRACK_DESCRIPTOR = 8, 10, 11, 60  # of a packet
UUID, NAME, PROCESS, PARENT, COUNTER = 1, 2, 3, 5, 8  # of a track
PID, CMDLINE, PROCESS_NAME = 1, 2, 6  # of a process
UNIT, BYTES, BLOCKS = 3, 3, 2  # of a counter, and its values: bytes, a count
EVENT_TYPE, EVENT_TRACK, EVENT_VALUE, IS_COUNTER = 9, 11, 30, 4  # of an event
THE_PROCESS, THE_SEQUENCE = 1, 1

LINES = 100  # that have a track
LOOKS = 20  # moments at which lines with much memory are looked for


def pieces(recording: Recording, comments: Sequence[str]) -> Iterator[bytes]:
    yield packet(message(TRACK_DESCRIPTOR, process_of(recording, comments)))
    times = [moment.time for moment in recording.totals()]
    numbers = count(THE_PROCESS + 1)
    for name, unit, values in [*sums_of(recording.totals()), *lines_of(recording)]:
        yield from counter(next(numbers), name, unit, times, values)


def packet(content: bytes) -> bytes:
    return message(PACKET, content + number(SEQUENCE, THE_SEQUENCE))


def process_of(recording: Recording, comments: Sequence[str]) -> bytes:
    try:
        words = shlex.split(recording.command)
    except ValueError:
        words = [recording.command]
    name = " ".join([words[0] if words else "python", *(f"[{comment}]" for comment in comments)])
    process = number(PID, recording.pid) + b"".join(text(CMDLINE, word) for word in words) + text(PROCESS_NAME, name)
    return number(UUID, THE_PROCESS) + message(PROCESS, process)


def sums_of(moments: Sequence[Moment]) -> Iterator[tuple[str, int, Sequence[int]]]:
    """(name, unit, value at each moment) of each sum that is known."""
    yield "live", BYTES, [moment.size for moment in moments]
    yield "live blocks", BLOCKS, [moment.count for moment in moments]
    yield "peak until then", BYTES, [moment.peak for moment in moments]
    if any(moment.resident for moment in moments):
        yield "resident memory of the process", BYTES, [moment.resident for moment in moments]


def lines_of(recording: Recording) -> Iterator[tuple[str, int, Sequence[int]]]:
    places = largest_lines(recording)
    found = recording.series("lineno", places) if places else []
    for series in sorted(found, key=lambda series: -max(series.sizes)):
        name = f"{series.place.filename}:{series.place.lineno}"
        yield printable(name), BYTES, series.sizes


def largest_lines(recording: Recording) -> list[Frame]:
    """The lines that have most at one of the moments that are looked at; always the last and the largest."""
    moments = recording.totals()
    chosen = {moment.time for moment in moments[:: max(len(moments) // LOOKS, 1)]}
    chosen |= {moments[-1].time, max(moments, key=lambda moment: moment.size).time}
    most: dict[tuple[str, int], tuple[int, Frame]] = {}
    for at in sorted(chosen):
        for statistic in recording.snapshot(at).statistics("lineno")[:LINES]:
            frame = statistic.traceback[0]
            key = frame.filename, frame.lineno
            most[key] = max(most.get(key, (0, frame)), (statistic.size, frame), key=lambda pair: pair[0])
    ranked = sorted(most.values(), key=lambda pair: -pair[0])
    return [frame for _size, frame in ranked[:LINES]]


def counter(track: int, name: str, unit: int, times: Sequence[float], values: Sequence[int]) -> Iterator[bytes]:
    described = number(UUID, track) + text(NAME, name) + number(PARENT, THE_PROCESS)
    yield packet(message(TRACK_DESCRIPTOR, described + message(COUNTER, number(UNIT, unit))))
    before = None
    for time, value in zip(times, values, strict=True):
        if value != before:
            event = number(EVENT_TYPE, IS_COUNTER) + number(EVENT_TRACK, track) + always(EVENT_VALUE, value)
            yield packet(always(TIMESTAMP, round(time * 1e9)) + message(TRACK_EVENT, event))
            before = value


def always(field: int, value: int) -> bytes:
    """A field that is there even if it is 0."""
    return number(field, value) or bytes([*number(field, 1)[:-1], 0])
