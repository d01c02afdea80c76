"""Something is done once when traced memory passes a limit.

Model: a thread asks for the traced memory again and again. The peak is exact and is not reset here, so a moment above the limit
is found also if it lay between two looks. A peak from before the guard was set tells nothing about now: only a higher one does,
or a size now that is above the limit. After reset_peak(), or when the tables were emptied, any peak above the limit counts.

The hooks know nothing of it: the action runs in the thread, or, for "raise", in the main thread between two of its bytecodes.
"""

import os
from collections.abc import Callable

from .. import get_traced_memory, is_tracing, take_snapshot
from .._ctracemalloc import _tables_generation
from .._exempt import own_memory
from ..render.text.units import passed_text
from .dumping import Target, add_facts
from .logs import writer_of
from .thread import Guard

RAISE, LOG = "raise", "log"


class LimitGuard(Guard):
    """What on_limit() returns. As a context manager it is cancelled at the end of the block."""

    name = "on_limit"

    def __init__(self, limit: int, action: Callable[[int, int], object], every: float, children: bool) -> None:
        super().__init__(every, children)
        self._limit, self._action = limit, action
        self._passed: tuple[int, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._generation = _tables_generation()
        self._known_peak = get_traced_memory()[1]
        super()._begin()

    @property
    def passed(self) -> tuple[int, int] | None:
        """Bytes: what was live when it was found that the limit had been passed, and the peak until then; None: it was not."""
        return self._passed

    def cancel(self) -> None:
        """Nothing will be done any more. Idempotent."""
        self._end()

    def _look(self) -> bool:
        generation, (current, peak) = _tables_generation(), get_traced_memory()
        if generation != self._generation or peak < self._known_peak:
            self._generation, self._known_peak = generation, 0
        if not is_tracing() or not (current > self._limit or peak > max(self._limit, self._known_peak)):
            return False
        self._passed = current, peak
        self._ended.set()
        self._action(current, peak)
        return True


def on_limit(
    limit: int,
    action: Callable[[int, int], object] | str | os.PathLike[str],
    *,
    every: float = 0.1,
    children: bool = False,
) -> LimitGuard:
    """Do something once when traced memory passes a limit in bytes, also if it is above it for a moment only.

    action: a function, which is called in a thread with the bytes that are live and the peak; "raise": a MemoryError in the
    main thread; "log": a warning of logging.getLogger("ctracemalloc"); anything else is the pattern of a path that a snapshot
    is written to, see dump_on_signal(). every: seconds between two looks, 0.01 to 86400. children: a fork of this process has
    the guard as well. ValueError or OSError if one of them cannot be used.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1 byte, not {limit!r}")
    return LimitGuard(limit, action_of(action, limit), every, children)


def action_of(action: Callable[[int, int], object] | str | os.PathLike[str], limit: int) -> Callable[[int, int], object]:
    if action == RAISE:
        from .interrupt import raise_in_main_thread  # imported when it is wanted: it needs ctypes

        return lambda current, peak: raise_in_main_thread(MemoryError, passed_text(limit, current, peak))
    if action == LOG:
        write = writer_of()
        return lambda current, peak: write(passed_text(limit, current, peak))
    if isinstance(action, str | os.PathLike):
        target = Target(action)
        return lambda current, peak: dump(target)
    if not callable(action):
        raise TypeError(f"action must be a function, 'raise', 'log' or a path, not {type(action).__name__}")
    return action


def dump(target: Target) -> None:
    with own_memory():
        target.dump(add_facts(take_snapshot()))
