"""A graph of live memory over time, in a few lines."""

from collections.abc import Sequence

from ..model.series import highest_sizes
from ..model.watch import Point
from ..recording.reading import Moment
from ..render.text.columns import pad
from ..render.text.style import Style
from ..render.text.units import format_bytes
from .page import CURSOR, DIM, GRAPH, Line

LABEL = 11  # columns of the label on the left
MIN_WIDTH = 30


def graph_lines(points: Sequence[Point], position: float | None, width: int, height: int, style: Style) -> list[Line]:
    """position: the time of a moment that is marked."""
    room = width - LABEL
    if height < 1 or width < MIN_WIDTH or not points:
        return []
    moments = [Moment(point.time, point.size, 0, 0, 0) for point in points]
    sizes = highest_sizes(moments, room)
    highest = max(sizes)
    marked = None if position is None else column_of(points, position, len(sizes))
    lines = []
    for row in range(height - 1, -1, -1):
        label = format_bytes(highest) if row == height - 1 else "0 B" if row == 0 else ""
        bars = [bar(size, highest, row, height, style.bars) for size in sizes]
        line: Line = [(pad(label, LABEL - 1, ">") + " ", DIM)]
        line += [("".join(bars), GRAPH)] if marked is None else split_at(bars, marked)
        lines.append(line)
    return lines


def split_at(bars: list[str], marked: int) -> Line:
    return [("".join(bars[:marked]), GRAPH), (bars[marked], CURSOR), ("".join(bars[marked + 1 :]), GRAPH)]


def column_of(points: Sequence[Point], position: float, number: int) -> int:
    first, last = points[0].time, points[-1].time
    share = (position - first) / (last - first) if last > first else 1.0
    return max(0, min(number - 1, int(share * number)))


def bar(size: int, highest: int, row: int, height: int, bars: str) -> str:
    """The part of a bar that is in a row; row 0 is the lowest."""
    eighths = round(size / highest * height * len(bars)) if highest > 0 else 0
    if size > 0:
        eighths = max(eighths, 1)
    inside = eighths - row * len(bars)
    return " " if inside <= 0 else bars[min(inside, len(bars)) - 1]
