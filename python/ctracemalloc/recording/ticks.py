"""The ticks of a recording, found by their times.

Model: times are seconds since the recording began. Ticks do not fall on whole seconds: one that was due at 5 was made at
5.0004 or so. So wherever a moment is requested by a time, the tick nearest to the time is meant; of two at the same distance,
the earlier. The time must be in the recording: from 0 to half an interval after the last tick. A tick has a *short time*: its
time with the fewest digits that select the same tick again.
"""

from bisect import bisect_left
from collections.abc import Sequence

from .._words import clock, parse_clock, short_clock

MAX_DIGITS = 9  # of a second: the file has nanoseconds


class Ticks:
    def __init__(self, times: Sequence[float], interval: float) -> None:
        self.times, self.interval = times, interval

    def index(self, at: float | None) -> int:
        """The index of the tick that a time selects (None: the last one); ValueError: there is none."""
        if not self.times:
            raise ValueError("the recording has no moments")
        index = len(self.times) - 1 if at is None else self.find(at)
        if index is None:
            assert at is not None  # there is a last tick
            span = f"from {short_clock(self.short_time(0))} to {short_clock(self.short_time(len(self.times) - 1))}"
            given = at if isinstance(at, float) else max(min(at, 1e300), -1e300)  # an int may be too large to be shown
            raise ValueError(f"there is no moment at {given:g} seconds: the recording has moments {span}")
        return index

    def find(self, at: float) -> int | None:
        """The index of the tick that a time selects; None: the time is outside of the recording."""
        times = self.times
        if not 0 <= at <= times[-1] + self.interval / 2:
            return None
        index = bisect_left(times, at)
        if index == len(times) or (index > 0 and at - times[index - 1] <= times[index] - at):
            index -= 1
        return index

    def range(self, start: float | None, end: float | None) -> tuple[int, int]:
        """The indexes of two ticks (None: the first, the last); ValueError: they are in the wrong order."""
        first, last = 0 if start is None else self.index(start), self.index(end)
        if first > last:
            names = short_clock(self.short_time(first)), short_clock(self.short_time(last))
            raise ValueError(f"the moment at {names[0]} is not before that at {names[1]}")
        return first, last

    def short_time(self, index: int) -> float:
        """The time of a tick, with the fewest digits that select it."""
        time = self.times[index]
        for digits in range(MAX_DIGITS):
            short = round(parse_clock(clock(time, digits)), max(digits, 1))
            if self.find(short) == index:
                return short
        return round(time, MAX_DIGITS)
