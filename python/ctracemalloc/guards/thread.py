"""A guard that looks at the program again and again, in a thread of its own.

Model: the thread is a daemon that waits, looks, and waits again. A look may fail without an end of the thread: `error` says
with what, and the first failure also goes to threading.excepthook, as that of any other thread. Nothing is raised in the
program.

A fork has no such thread. A guard that is for children too begins another one there, and counts anew; any other has ended.
"""

import math
import os
import threading
from types import TracebackType
from typing import Self

from .._threads import started

LEAST_SECONDS, MOST_SECONDS = 0.01, 86_400.0


class Guard:
    """A subclass has _look(), and calls _begin() at the end of its __init__."""

    name = "guard"

    def __init__(self, every: float, children: bool) -> None:
        self._every, self._children = checked_seconds(every), children
        self._ended = threading.Event()
        self._error: str | None = None
        self._looks = 0  # of the thread, that have ended
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """False after its end, and in a fork of the process without `children`."""
        return self._thread is not None and self._thread.is_alive() and not self._ended.is_set()

    @property
    def error(self) -> str | None:
        """What the last look failed with; None: it did not."""
        return self._error

    def _look(self) -> bool:
        """True: it was the last one."""
        raise NotImplementedError

    def _pause(self) -> None:
        """Until the next look, or the end."""
        self._ended.wait(self._every)

    def _begin(self) -> None:
        """Begin in this process: at first, and in a fork. RuntimeError if no thread can be started."""
        _guards.add(self)
        try:
            self._thread = started(self._run, name=f"ctracemalloc.{self.name}")
        except RuntimeError:
            self._thread = None
            self._end()
            raise

    def _end(self) -> None:
        """Idempotent; a look that is being made goes on to its end."""
        self._ended.set()
        _guards.discard(self)

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                is_last = self._looked()
                self._looks += 1
                if is_last:
                    break
                self._pause()
        finally:
            _guards.discard(self)

    def _looked(self) -> bool:
        try:
            is_last, self._error = self._look(), None
        except Exception as error:
            is_first, self._error = self._error is None, f"{type(error).__name__}: {error}"
            if is_first:
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread)))
            return False
        return is_last

    def _after_fork(self) -> None:
        """In the child, which has not the thread, but may have a lock that it held."""
        _guards.discard(self)
        was_ended, self._ended = self._ended.is_set(), threading.Event()
        if not self._children or was_ended:
            self._ended.set()
            return
        try:
            self._begin()
        except (RuntimeError, OSError) as error:  # no thread, no descriptor
            self._error = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'running' if self.running else 'ended'}>"


def checked_seconds(every: float) -> float:
    number = float(every)
    if not (math.isfinite(number) and LEAST_SECONDS <= number <= MOST_SECONDS):
        raise ValueError(f"every must be in range [{LEAST_SECONDS:g}; {MOST_SECONDS:g}] seconds, not {every!r}")
    return number


_guards: set[Guard] = set()  # that have a thread


def _after_fork_in_child() -> None:
    for guard in list(_guards):
        guard._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
