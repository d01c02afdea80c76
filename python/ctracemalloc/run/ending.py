"""How the program that `run` has started ends: exit status, exception, signal.

Model: C code (ending.c) observes how the interpreter ends the program: an exception that was not caught, and the status that
SystemExit asks for. With neither the status is 0. At last the interpreter flushes stdout and stderr, and if that fails the
status is 120; so they are flushed here, just before, to find out. A fact that cannot be known is reported as unknown.

A status is as in subprocess: 0 to 255, or the negative number of a signal.
"""

import io
import os
import signal
import sys
from types import TracebackType
from typing import Any

from .. import _ctracemalloc

FLUSH_FAILED = 120
UNKNOWN = -1
UNNAMED = ("an exception", "", 0)


class Ending:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        # What the interpreter sets before it looks for the program.
        self.is_module = sys.argv[:1] == ["-m"]
        self.is_stdin = sys.argv[:1] in (["-"], [""])
        self.exception: tuple[str, str, int] | None = None  # its type, file and line; "" and 0: not known
        self.watched = False  # is an exception that ends the program reported to note_exception()?
        self.interrupted = False  # by KeyboardInterrupt: the interpreter kills itself with SIGINT
        self.exited: int | None = None  # the status of os._exit, which ends the program now
        self.signum = 0  # the signal that kills the program; 0: none
        self.text = "not known"
        self.status: int | None = None

    def note_exception(self, kind: type[BaseException], value: BaseException | None, traceback: TracebackType | None) -> bool:
        """For an exception that was not caught. False: the program does not end with it."""
        before, self.exception = self.exception, UNNAMED  # set first: if the code below fails, there was an exception
        if self.is_interactive():
            self.exception = before
            return False
        self.interrupted = kind is KeyboardInterrupt
        file, line = "", 0
        while traceback is not None:
            file, line = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
            traceback = traceback.tb_next
        if not file and issubclass(kind, SyntaxError):
            file, line = location_of_syntax(value)
        self.exception = (name_of(kind), file, line)
        return True

    def is_interactive(self) -> bool:
        """Is there an interactive session, which an exception does not end? (Any program may have set sys.ps1.)"""
        if sys.flags.interactive or sys.flags.inspect or os.environ.get("PYTHONINSPECT"):
            return True
        return self.is_stdin and hasattr(sys, "ps1")

    def describe(self) -> None:
        """Set text and status."""
        if self.signum:
            self.text, self.status = signal.Signals(self.signum).name, -self.signum
            return
        if self.exited is not None:  # what the program has not flushed is lost, as without this package
            self.text, self.status = f"exit status {self.exited}", self.exited
            return
        asked = _ctracemalloc._end_status()
        if asked is None and self.exception is None and exits_are_held():
            asked = UNKNOWN
        flushed = flush_streams()
        if asked is None and not self.watched:
            self.text = "normally, or by an exception"
        elif asked == UNKNOWN:
            self.text = "by sys.exit, or normally"
        elif asked is None and self.interrupted:
            self.text, self.status = "SIGINT", -signal.SIGINT
        else:
            self.status = asked if asked is not None else int(self.exception is not None)
            self.status = self.status if flushed else FLUSH_FAILED
            self.text = f"exit status {self.status}"
            if not flushed:
                self.text += " (its output could not be written)"
        if self.exception is not None:
            kind, file, line = self.exception
            self.text += f", {kind} at {self.shorten(file)}:{line}" if file else f", {kind}"

    def store(self) -> None:
        """Store the end in the black box and the recording."""
        _ctracemalloc._set_end(self.text, self.status)

    def shorten(self, file: str) -> str:
        return file.removeprefix(self.folder + os.sep) if self.folder else file

    def never_ran(self) -> bool:
        """True for `-m NAME` without such a module: nothing has changed what the interpreter sets first, and it ends with a
        message, which is status 1. A package that fails or exits in its __init__ has run."""
        if not self.is_module or self.exception is not None or _ctracemalloc._end_status() not in (1, None):
            return False
        return sys.argv[:1] == ["-m"] and getattr(sys.modules.get("__main__"), "__spec__", None) is None

    def facts(self) -> dict[str, Any]:
        return {"ended": self.text, "status": self.status, "exception": self.exception}


# These classes belong to the program: none of their methods is called, and their attributes may be anything.


def name_of(kind: type[BaseException]) -> str:
    module, name = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
    return f"{module}.{name}" if type(module) is str and module not in ("builtins", "__main__") else name


def location_of_syntax(value: BaseException | None) -> tuple[str, int]:
    """File and line in a SyntaxError; "" and 0: it has none."""
    file, line = (SyntaxError.__dict__[name].__get__(value) for name in ("filename", "lineno"))
    return (file, line) if type(file) is str and type(line) is int else ("", 0)


def exits_are_held() -> bool:
    """Is an exception of a class derived from SystemExit still alive? The program may have ended by it, unobserved."""
    derived = type.__subclasses__(SystemExit)
    for kind in derived:
        derived += type.__subclasses__(kind)
    if not derived:
        return False
    import gc

    known = set(map(id, derived))
    return any(id(type(one)) in known for one in gc.get_objects())


def flush_streams() -> bool:
    """False: the interpreter's own flush will fail too. Objects of the program's own classes are not flushed."""
    flushed = True
    for name in ("stdout", "stderr"):
        stream, original = getattr(sys, name, None), getattr(sys, f"__{name}__", None)
        is_plain = type(stream) is io.TextIOWrapper or stream is original
        try:
            if stream is not None and is_plain and not stream.closed:
                stream.flush()
        except Exception:
            flushed = False
    return flushed


def other_threads() -> bool:
    """Does the program continue in threads that the interpreter waits for?"""
    threading = sys.modules.get("threading")
    if threading is None:
        return False
    try:
        main = threading.main_thread()
        return any(thread is not main and not thread.daemon for thread in threading.enumerate())
    except Exception:
        return True  # a damaged module: then the numbers are read at the very end
