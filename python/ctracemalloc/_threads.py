"""Threads of this package, which run beside those of the program.

Model: signals are the program's. One that the program has blocked, to wait for it, would be delivered to any thread that has
not, and a connection that a peer has closed would end the program by SIGPIPE if the program has set that to its default. So
our threads have all signals blocked, from their first instruction on: a new thread has the mask of the one that starts it, and
so have those that it starts. The signals of a fault of the thread itself are left, so that faulthandler can report one.
"""

import signal
import threading
from collections.abc import Callable
from typing import Any

FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def started(target: Callable[..., object], *arguments: Any, name: str) -> threading.Thread:
    """A daemon that runs. RuntimeError if no thread can be started."""
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # first, because a handler that raises may end the next line
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - FAULTS)
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
