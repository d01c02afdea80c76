"""Memory over time, from the moments of a recording."""

from collections.abc import Sequence
from typing import NamedTuple

from ..recording.reading import Moment


class Step(NamedTuple):
    """One row of the table of moments."""

    position: int  # index of the moment in the recording
    moment: Moment
    change: int | None  # of the size since the previous row; None: it is the first row


def highest_sizes(moments: Sequence[Moment], most: int) -> list[int]:
    """Divide the time into at most `most` equal stretches; return the highest size in each."""
    length = moments[-1].time - moments[0].time
    count = min(len(moments), most)
    sizes = [0] * count
    for moment in moments:
        part = (moment.time - moments[0].time) / length if length else 0
        stretch = min(count - 1, int(part * count))
        sizes[stretch] = max(sizes[stretch], moment.size)
    for index in range(1, count):  # a stretch without a tick has the previous size
        sizes[index] = sizes[index] or sizes[index - 1]
    return sizes


def steps_between(moments: Sequence[Moment], first: int, last: int, most: int) -> list[Step]:
    """At most `most` of the moments from index `first` to `last`, including these two."""
    width = max(1, -(-(last - first) // (most - 1)))
    steps: list[Step] = []
    for index in [*range(first, last, width), last]:
        change = moments[index].size - steps[-1].moment.size if steps else None
        steps.append(Step(index, moments[index], change))
    return steps
