"""What the end of a program needs, held from its start.

Model: when the report is written, the program may have used up its memory and its file descriptors, and it may have
changed or cleared what Python code goes by: `builtins`, `sys.modules`, functions of `os`. So a Reserve holds

- address space (`_set_aside`), given up by a C function that atexit calls before the report;
- a file descriptor;
- what the interpreter's own modules hold, as they were before the program's first line.

Inside `with reserve:` these are given up, and what the program changed there is as it was at the start; afterwards it is as
the program left it. The program's own code does not run meanwhile, but for threads that are still there.
"""

import errno  # noqa: F401 - this and the next ones: so that nothing has to be imported at the end
import fcntl
import linecache  # noqa: F401
import os
import resource
import stat  # noqa: F401
import sys
import tokenize  # noqa: F401
from types import TracebackType
from typing import Any

from .. import _ctracemalloc

ADDRESS_SPACE = 16 << 20  # bytes of address space; see docs/reference/limits.md
FIRST_FD = 400  # out of the way of programs that count on low numbers
# Those that the report goes by, and whose variables are functions and constants.
MODULES = (
    "builtins",
    "os",
    "posix",
    "posixpath",
    "genericpath",
    "stat",
    "io",
    "_io",
    "codecs",
    "errno",
    "fcntl",
    "fnmatch",
    "functools",
    "itertools",
    "operator",
    "re",
    "resource",
    "shlex",
    "signal",
    "time",
    "token",
    "tokenize",
    "linecache",
    "unicodedata",
    "encodings",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_8",
)
ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-8-sig")  # of nearly all source files

_Variables = dict[str, Any]


class Reserve:
    """Made before tracing starts, used once."""

    def __init__(self) -> None:
        for encoding in ENCODINGS:
            b"".decode(encoding)
        self.modules: _Variables = sys.modules
        self.loaded = {name: module for name, module in sys.modules.items() if name != "__main__"}
        self.saved: list[tuple[_Variables, _Variables]] = [
            (module.__dict__, dict(module.__dict__)) for name, module in sys.modules.items() if name in MODULES
        ]
        self.changed: list[tuple[_Variables, _Variables, list[str]]] = []
        self.limit: tuple[int, int] | None = None
        self.inside = 0  # a signal handler may come in once more
        self.descriptor, self.identity = spare_descriptor()
        # Bound here: the modules may be changed when these are wanted.
        self.give_up = _ctracemalloc._give_up

    def set_aside(self) -> None:
        try:
            _ctracemalloc._set_aside(ADDRESS_SPACE)
        except MemoryError:
            pass  # less than that is left at the start: so will be the report's chances at the end

    def __enter__(self) -> None:
        # Nothing here, nor in restore(), looks a name up in builtins.
        self.give_up()
        self.inside += 1
        if self.inside > 1:
            return
        self.restore(self.modules, self.loaded)
        for variables, saved in self.saved:
            self.restore(variables, saved)
        self.free_descriptor()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.inside -= 1
        if self.inside > 0:
            return
        if self.limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.limit)
        self.changed.reverse()  # sys.modules at last
        for variables, theirs, added in self.changed:
            variables.update(theirs)
            for name in added:
                del variables[name]
        self.changed.clear()

    def restore(self, variables: Any, saved: Any) -> None:
        theirs: _Variables = {}
        added: list[str] = []
        for name, value in saved.items():
            if name not in variables:
                added.append(name)
            elif variables[name] is not value:
                theirs[name] = variables[name]
        if theirs or added:
            self.changed.append((variables, theirs, added))
            variables.update(saved)

    def free_descriptor(self) -> None:
        """Close the one that is held, if it is still ours; and let there be more, if the program may have more."""
        try:
            if self.descriptor >= 0 and identity_of(self.descriptor) == self.identity:
                os.close(self.descriptor)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if soft != hard:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                self.limit = (soft, hard)
        except (OSError, ValueError):
            pass  # it was closed, as daemons close all; or a system that lets nobody change limits


def spare_descriptor() -> tuple[int, tuple[int, int]]:
    """A descriptor and what it is of: something that nobody else can have. -1: there is none to be had."""
    try:
        reader, writer = os.pipe()
    except OSError:
        return -1, (0, 0)
    os.close(writer)
    try:
        higher = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, FIRST_FD)
    except OSError:  # beyond the limit
        return reader, identity_of(reader)
    os.close(reader)
    return higher, identity_of(higher)


def identity_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
