"""A thread that tells which lines of the program keep growing.

Model: at each look a snapshot becomes a call tree, and GrowthWatch says what keeps growing. What this package has allocated is
left out: a traceback with a frame of its own, which all have that are made in a block of own_memory().
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import is_tracing, take_snapshot
from .._ctracemalloc import _tables_generation
from .._exempt import own_memory
from ..model.growth import Growth, GrowthWatch
from ..model.table import View
from ..model.watch import Look
from ..places.package import OWN_FILES
from ..places.patterns import Patterns
from ..render.text.growth import format_growths
from ..render.text.style import Style
from .logs import writer_of
from .thread import Guard

if TYPE_CHECKING:
    import logging


class Watcher(Guard):
    """What watch() returns. As a context manager it is stopped at the end of the block."""

    name = "watch"

    def __init__(self, every: float, write: Callable[[str], object], limit: int, children: bool) -> None:
        super().__init__(every, children)
        self._write, self._limit = write, limit
        self._begin()

    def _begin(self) -> None:
        self._growth = GrowthWatch(Patterns((), (OWN_FILES,)), self._limit)
        super()._begin()

    def stop(self) -> None:
        """The end of it. Idempotent."""
        self._end()

    def _look(self) -> bool:
        with own_memory():
            text = self._text()
        if text:
            self._write(text)
        return False

    def _text(self) -> str:
        generation = _tables_generation()
        if not is_tracing():
            return ""
        tree = take_snapshot().call_tree()
        if generation != _tables_generation():
            return ""  # the tables were emptied meanwhile
        return text_of(self._growth.add(Look(tree, time.monotonic(), generation)), self._limit)


def text_of(growths: list[Growth], limit: int) -> str:
    return "\n".join(format_growths(growths, View(limit=limit), Style(False)))


def watch(
    every: float = 60.0,
    log: "logging.Logger | Callable[[str], object] | None" = None,
    *,
    limit: int = 10,
    children: bool = False,
) -> Watcher:
    """Look at the memory every so many seconds, in a thread, and log the lines that keep growing; nothing if none does.

    every: 0.01 to 86400 seconds. log: a logger, which gets a warning, or a function that is called with the text; None:
    logging.getLogger("ctracemalloc"). limit: lines in a text. children: a fork of this process is watched as well. While the
    program is not tracing, nothing is logged. ValueError if one of them cannot be used.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit!r}")
    return Watcher(every, writer_of(log), limit, children)
