"""%ctracemalloc --follow: a scope for each cell from now on, and which of them still hold memory.

Model: tracing is on as long as cells are followed. A cell's scope knows what is live of it (scope.live), however much later. It
only shrinks, as the scope of a process has no tasks that go on. So where there are more than MOST_CELLS, those that have
nothing left are forgotten, and then the one with least.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import is_tracing, start, stop
from .._ctracemalloc import _starts
from .._exempt import own_memory
from .._words import counted, printable
from ..render.text.columns import cut_end
from ..render.text.units import format_bytes
from ..scopes import scope
from .cells import CellStyle
from .holders import Holder, holders_in, overlap
from .listing import Line, Listing, Shown
from .reach import Reached

MOST_CELLS = 1000
WIDTH = 60  # columns of a cell's first line
LEAST = 1024  # bytes that a holder is named for
HEAD = ("live", "growth", "peak", "cell", "begins with")
TITLE = "cells whose memory is still live"
NOT_WHOLE = "too many objects: what else IPython refers to was not looked at"
NOT_KNOWN = "tracing was stopped, or traces were cleared, since the cell: what is live is not known"


class Followed(NamedTuple):
    name: str  # In[3]
    text: str  # its first line
    measured: scope

    def live(self) -> int:
        """Bytes; 0 as well if it is not known."""
        try:
            return self.measured.live
        except RuntimeError:
            return 0


class Following:
    def __init__(self, nframe: int) -> None:
        self.cells: list[Followed] = []
        self.number = 0  # of all cells that were followed
        was_on = is_tracing()
        start(nframe)  # also if a scope has begun tracing, which then does not end it
        self.starts = None if was_on else _starts()  # calls of start(), if tracing is ours

    def end(self) -> None:
        self.cells.clear()
        if self.starts is not None and is_tracing() and self.starts == _starts():
            stop()

    def add(self, cell: Followed) -> None:
        self.number += 1
        self.cells.append(cell)
        if len(self.cells) > MOST_CELLS:
            held = [one for one in self.cells if one.live()]
            held.sort(key=Followed.live, reverse=True)
            self.cells = held[:MOST_CELLS]

    def known(self) -> list[Followed]:
        """Those whose memory is still followed: with the tables, a stop of the tracing empties all scopes."""
        found = []
        for cell in self.cells:
            try:
                cell.measured.live  # noqa: B018 - asked whether it is known
            except RuntimeError:
                continue
            found.append(cell)
        return found

    def history(self, shell: Any, limit: int, style: CellStyle) -> Shown:
        with own_memory():
            known = self.known()
            live = sorted(((cell.live(), cell) for cell in known), key=lambda pair: -pair[0])
            shown = [cell for size, cell in live if size][:limit]
            holders, is_whole = holders_in(shell)
            lines = [line_of(cell, holders) for cell in shown]
            rest = [size for size, _cell in live[limit:] if size]
            note = f"{counted(len(rest), 'other cell')}: {format_bytes(sum(rest))}" if rest else ""
            facts = [f"{counted(self.number, 'cell')} followed, {counted(len(lines) + len(rest), 'cell')} with live memory"]
            if len(known) < len(self.cells):
                facts.append(f"{counted(len(self.cells) - len(known), 'cell')}: {NOT_KNOWN}")
            if not is_whole:
                facts.append(NOT_WHOLE)
            return Shown(TITLE, [*facts, *texts_of(shell)], [Listing("", HEAD, lines, note=note)], style)


def line_of(cell: Followed, holders: Sequence[Holder]) -> Line:
    one = cell.measured
    cells = [format_bytes(one.live), format_bytes(one.growth), format_bytes(one.peak), cell.name, cell.text]
    sizes = {row.traceback: row.size for row in one.live_snapshot().statistics("traceback")}
    found = [(min(overlap(holder, sizes), one.live), holder) for holder in holders]
    held = sorted(((size, holder) for size, holder in found if size >= LEAST), key=lambda pair: -pair[0])
    return Line(cells, [f"{holder.text}: {accuracy(holder.reached)}{format_bytes(size)}" for size, holder in held])


def accuracy(reached: Reached) -> str:
    return "at least " if reached.is_cut else "about " if reached.is_sample else ""


def texts_of(shell: Any) -> list[str]:
    """What IPython keeps of the text of cells, which is no memory of a cell: it exists before the cell runs."""
    history = shell.history_manager
    texts = {id(text): text for texts in (history.input_hist_parsed, history.input_hist_raw) for text in texts}
    size = sum(str.__sizeof__(text) for text in texts.values() if isinstance(text, str))
    return [f"the text of cells, in In and _i*: {format_bytes(size)}"] if size >= LEAST else []


def first_line(raw: str) -> str:
    """Of a cell, without the magic of this package."""
    lines = [line.strip() for line in raw.splitlines()]
    return cut_end(printable(next((line for line in lines if line and not line.startswith("%%ctracemalloc")), "")), WIDTH)
