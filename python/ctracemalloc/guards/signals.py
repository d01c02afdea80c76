"""A snapshot is written when a signal arrives.

Model: CPython calls a handler in the main thread between two bytecodes, wherever that is: the program may hold any lock there.
So the handler only starts a thread, by a function in C that takes no lock, and calls the handler that was there before.
The thread takes the snapshot and writes it, one at a time. There is no thread while there is no signal, so a fork has the guard
as its parent has. At the end of the program what is being written is waited for.
"""

import _thread
import atexit
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from .. import take_snapshot
from .._exempt import own_memory
from .._threads import FAULTS
from .dumping import Target, add_facts

PATIENCE = 10.0  # seconds that the end of the program waits for files
UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)


class Writing:
    """A lock that a thread holds while it writes. A fork gets a new one: the thread does not exist there."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)
        atexit.register(self.finish)

    def renew(self) -> None:
        self.lock, self.begun, self.ended = _thread.allocate_lock(), 0, 0

    def finish(self) -> None:
        """Wait for what is being written, or is about to be."""
        until = time.monotonic() + PATIENCE
        while self.ended < self.begun and time.monotonic() < until:
            time.sleep(0.01)


_writing = Writing()


class SignalGuard:
    """What dump_on_signal() returns. As a context manager it is cancelled at the end of the block."""

    def __init__(self, signum: int, target: Target) -> None:
        self._signum, self._target = signum, target
        self._error: str | None = None
        self._paths: list[str] = []
        self._cancelled = False
        before = signal.getsignal(signum)
        if before is None:
            raise ValueError(f"signal {signum} has a handler that is not Python's, which could not be kept")
        self._before: Callable[[int, FrameType | None], Any] | int = before
        self._handler = self._handle  # the same object, to be recognized
        signal.signal(signum, self._handler)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that were written, in this process."""
        return tuple(self._paths)

    @property
    def error(self) -> str | None:
        """What the last file failed with; None: it did not."""
        return self._error

    def cancel(self) -> None:
        """The handler from before is set again, if the program has not set another one since then. Idempotent."""
        self._cancelled = True
        if signal.getsignal(self._signum) == self._handler:
            signal.signal(self._signum, self._before)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if not self._cancelled:
            self._start()
        if callable(self._before):
            self._before(signum, frame)

    def _start(self) -> None:
        _writing.begun += 1
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:  # the thread has no signal to handle: see _threads.py
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - FAULTS)
            _thread.start_new_thread(self._write, ())
        except RuntimeError:  # no thread can be started
            self._write()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _write(self) -> None:
        with _writing.lock:
            try:
                with own_memory():
                    self._paths.append(self._target.dump(add_facts(take_snapshot())))
                self._error = None
            except Exception as error:
                self._error = f"{type(error).__name__}: {error}"
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
            finally:
                _writing.ended += 1

    def __enter__(self) -> "SignalGuard":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<SignalGuard {'cancelled' if self._cancelled else signal.Signals(self._signum).name}>"


def dump_on_signal(signum: int, pattern: str | os.PathLike[str]) -> SignalGuard:
    """Write a snapshot whenever a signal arrives, for example signal.SIGUSR1; in each fork as well.

    pattern: a path with the fields {pid}, {time} and {n}, the number of the file in this process. No file is overwritten: if
    the name is taken, a number is added. A name that ends in .zst is compressed. A handler that was there before is called
    afterwards; if there was none, the signal does nothing else. Only in the main thread. ValueError or OSError if it cannot be
    set.
    """
    number = signal.Signals(signum)
    if number in UNCATCHABLE:
        raise ValueError(f"{number.name} cannot be handled")
    return SignalGuard(number, Target(pattern))
