"""What a command is doing, on stderr, while it takes long.

Model: nothing is shown in the first second, and never unless stderr is a terminal. rich draws a bar where it is installed;
without it there is one line, which is removed at the end. A thread waits for the second to pass, and draws.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from .._words import printable

PATIENCE = 1.0  # seconds
DOTS = " ..."


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """text: for example "reading a.ctm"."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=show_late, args=(printable(text), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def show_late(text: str, ended: threading.Event) -> None:
    if ended.wait(PATIENCE):
        return
    bar = bar_of_rich(text)
    if bar is not None:
        with bar:
            ended.wait()
        return
    print(text + DOTS, end="", file=sys.stderr, flush=True)
    ended.wait()
    print("\r" + " " * len(text + DOTS) + "\r", end="", file=sys.stderr, flush=True)


def bar_of_rich(text: str) -> Any:
    """A bar that moves until it is closed; None: rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(text, total=None)
    return bar
