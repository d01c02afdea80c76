"""`run --live`: the program in a process of its own, and the live view beside it.

Model: the view has the terminal. So the program's standard output and error go to a file, ctracemalloc.PID.out, which is named
at the end, and its standard input is empty. The child process becomes the program, as without --live; its black box is in the
default folder and is removed here when the program has ended. `run --live-remote` only says how to look at the program.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NoReturn

from .._ctracemalloc import FileError
from .._messages import complain
from .._words import counted, printable
from ..blackbox.folder import make_folder
from ..formats.output import free_name
from ..model.watch import Order, Selection
from ..tui.live import LivePage
from ..tui.sources import BoxSource
from . import terminal
from .arguments import FINE, PROGRAM

PATIENCE = 10.0  # seconds for the program to begin
PAUSE = 0.02
OUTPUT = "ctracemalloc.{pid}.out"


def announce(parsed: argparse.Namespace) -> None:
    """--live-remote: this process is about to become the program."""
    parsed.black_box = parsed.black_box or "auto"
    complain(f"look at this program from another terminal: {PROGRAM} top {os.getpid()}")


def run_beside(parsed: argparse.Namespace, launch: Callable[[], str]) -> int:
    """Start the program and show the view. launch: replaces a process by the program, or returns why it cannot.

    The exit status of the program; 0 if the view was left while it runs.
    """
    terminal.require(terminal.LIVE)
    folder = make_folder()
    output, path = tempfile.mkstemp(prefix="ctracemalloc-", suffix=".out", dir=writable_folder())
    pid = os.fork()
    if not pid:
        become(parsed, launch, folder, output)
    os.close(output)
    started = time.time()
    path = renamed(path, pid)
    box = parsed.black_box if parsed.black_box not in (None, "auto") else box_path(folder, pid)
    program = Child(pid)
    source = wait_for_box(box, program)
    try:
        if source is not None:
            terminal.show(LivePage(source, Selection(fold=True), Order(), owns_program=True), color=not parsed.no_color)
            source.close()
    finally:
        status = program.end()
        saved = saved_file(parsed, pid, started)
        kept = None
        if status is not None and parsed.black_box in (None, "auto"):
            if saved:
                remove(box)
            else:
                kept = keep_box(box, pid)
        print_end(pid, status, path, saved or kept)
    return FINE if status is None else status


def become(parsed: argparse.Namespace, launch: Callable[[], str], folder: str, output: int) -> NoReturn:
    """In the child: become the program."""
    try:
        if parsed.black_box in (None, "auto"):
            parsed.black_box = box_path(folder, os.getpid())
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        problem = launch()
        os.write(2, f"{PROGRAM} run: {printable(problem)}\n".encode())
    finally:
        os._exit(2)


def box_path(folder: str, pid: int) -> str:
    return os.path.join(folder, f"{pid}.box")


def writable_folder() -> str | None:
    """The current directory, or None: that for temporary files."""
    return "." if os.access(".", os.W_OK) else None


def renamed(path: str, pid: int) -> str:
    """The output's file under the name that says whose it is."""
    better = os.path.join(os.path.dirname(path), OUTPUT.format(pid=pid))
    os.replace(path, better)
    return better


class Child:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None

    def end(self) -> int | None:
        """The exit status as a shell has it; None: the program still runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
        return self.status


def wait_for_box(path: str, program: Child) -> BoxSource | None:
    """None: the program ended before it had one, or has none in PATIENCE."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        ended = program.end() is not None
        try:
            return BoxSource(path)
        except (OSError, FileError):
            if ended:
                return None
        time.sleep(PAUSE)
    return None


def saved_file(parsed: argparse.Namespace, pid: int, started: float) -> str | None:
    """The snapshot that the program has written; None: it has written none, as when it was killed."""
    name = f"ctracemalloc.{pid}.ctm" + (".zst" if parsed.zstd else "")
    given = parsed.output or "."
    path = os.path.join(given, name) if os.path.isdir(given) else given
    try:
        status = os.stat(path)
    except OSError:
        return None
    return os.path.normpath(path) if status.st_size and status.st_mtime >= started - 1 else None


def keep_box(box: str, pid: int) -> str | None:
    """Move the black box of a program that left no snapshot to the current directory. None: there is none."""
    path = free_name(f"ctracemalloc.{pid}.box")
    try:
        shutil.move(box, path)
    except OSError:
        return box if os.path.exists(box) else None
    return path


def print_end(pid: int, status: int | None, path: str, data: str | None) -> None:
    """data: the file that has what the program held."""
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    if status is None:
        print(f"process {pid} still runs: {PROGRAM} top {pid} shows it again; its output: {path}")
        return
    name = f"signal {signal.Signals(status - 128).name}" if is_signal(status) else f"exit status {status}"
    print(f"process {pid} ended with {name}")
    if lines:
        print(f"its output, {counted(len(lines), 'line')}: {path}")
    else:
        remove(path)
    if data is not None:
        print(f"what it held: {PROGRAM} report {data}")
    sys.stdout.flush()


def is_signal(status: int) -> bool:
    return status > 128 and status - 128 in set(signal.Signals)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is gone
