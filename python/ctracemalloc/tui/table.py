"""The table of the live view: which columns fit, the head that is clicked, and the rows."""

from collections.abc import Callable

from .._ctracemalloc import CallTree
from ..model.frames import TRACEBACK, Place
from ..model.watch import ALLOCATED, COUNT, GROWTH, LOCATION, PEAK, SIZE, Cells
from ..render.text.columns import columns, cut_end, cut_path, pad
from ..render.text.places import place_cells
from ..render.text.style import Style
from ..render.text.tables import GAP
from ..render.text.units import format_bytes, format_change
from .page import BOLD, GROWN, HEAD, PLAIN, SHRUNK, Line, under_cursor

WIDTHS = {SIZE: 10, COUNT: 9, GROWTH: 11, ALLOCATED: 10, PEAK: 10}
DROP = (PEAK, ALLOCATED, COUNT, GROWTH)  # where there is no room
MIN_PLACE = 22
MIN_FUNCTION = 30  # columns of a place with a function beside it
ARROW = " < "  # between a place and its caller
MOST_CALLERS = 12
FOLDED_HINT = "o unfolds"


class Layout:
    """The columns of a table that is `width` wide."""

    def __init__(self, width: int, peak_known: bool) -> None:
        self.width = width
        self.names = [name for name in WIDTHS if name != PEAK or peak_known]
        for name in DROP:
            if self.place_width >= MIN_PLACE:
                break
            if name in self.names:
                self.names.remove(name)

    @property
    def place_width(self) -> int:
        return self.width - sum(WIDTHS[name] + GAP for name in self.names)

    def column_at(self, x: int) -> str:
        """The name of the column that a click is on."""
        right = 0
        for name in self.names:
            right += WIDTHS[name] + GAP
            if x < right:
                return name
        return LOCATION

    def head(self, by: str) -> Line:
        line: Line = []
        for name in self.names:
            line += [(pad(name, WIDTHS[name], ">"), BOLD if name == by else HEAD), (" " * GAP, HEAD)]
        return [*line, (pad(LOCATION, self.place_width, "<"), BOLD if by == LOCATION else HEAD)]

    def row(self, cells: Cells, place: str, function: str | None, is_current: bool) -> Line:
        """function: None: the place is a list of callers."""
        line: Line = []
        for name in self.names:
            number = getattr(cells, name)
            text = f"{number:,}" if name == COUNT else format_change(number) if name == GROWTH else format_bytes(number)
            role = PLAIN if name != GROWTH or not number else GROWN if number > 0 else SHRUNK
            line += [(pad(text if number or name != GROWTH else "", WIDTHS[name], ">"), role), (" " * GAP, PLAIN)]
        line.append((self.placed(place, function), PLAIN))
        return under_cursor(line, self.width) if is_current else line

    def placed(self, place: str, function: str | None) -> str:
        width = self.place_width
        if function is None:
            return cut_end(place, width)
        if not function or width < MIN_FUNCTION:
            return cut_path(place, width)
        room = min(columns(function), max(width // 3, width - GAP - columns(place)))
        left = width - GAP - room
        return pad(cut_path(place, left), left, "<") + " " * GAP + cut_path(function, room)


def texts_of(place: Place, key: str, style: Style) -> tuple[str, str]:
    """A location and a function."""
    location, function = place_cells(place, key, style)
    return location, FOLDED_HINT if place.folded else function


def callers_text(tree: CallTree, node: int, place_of: Callable[[int], Place], style: Style) -> str:
    """The frames of a traceback in one line, the most recent first."""
    texts: list[str] = []
    parents, frames = tree.parent, tree.frame
    while node and len(texts) < MOST_CALLERS:
        location, _function = place_cells(place_of(frames[node]), TRACEBACK, style)
        texts.append(location if not texts else location.rpartition("/")[2])
        node = parents[node]
    return ARROW.join([*texts, "..."] if node else texts)
