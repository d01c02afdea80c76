"""The resources that the end of a program needs, reserved at its start.

Model: when the report is written, the program may have used up its memory and its file descriptors, and it may have changed
or cleared what Python code uses: `builtins`, `sys.modules`, functions of `os`. So a Reserve has

- address space (`_set_aside`), which a C function that atexit calls releases before the report;
- a file descriptor;
- the variables of the interpreter's own modules, as they were before the program's first line.

Inside `with reserve:` the first two are released, and the variables that the program changed have the values of the start;
afterwards they have the program's values again. No code of the program runs meanwhile, except in threads that still exist.
"""

import errno  # noqa: F401 - this one and the others: so that nothing has to be imported at the end
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
FIRST_FD = 400  # high, because programs may expect their descriptors to have low numbers
# The modules that the report uses, and whose variables are functions and constants.
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
        self.inside = 0  # nesting depth: a signal handler may enter again
        self.descriptor, self.identity = reserved_descriptor()
        # Bound here, because the program may change the module later.
        self.release = _ctracemalloc._give_up

    def reserve_memory(self) -> None:
        try:
            _ctracemalloc._set_aside(ADDRESS_SPACE)
        except MemoryError:
            pass  # so little is available at the start that the report would have no more at the end

    def __enter__(self) -> None:
        # Neither this function nor restore() looks a name up in builtins.
        self.release()
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
        self.changed.reverse()  # sys.modules last
        for variables, program_values, added in self.changed:
            variables.update(program_values)
            for name in added:
                del variables[name]
        self.changed.clear()

    def restore(self, variables: Any, saved: Any) -> None:
        program_values: _Variables = {}
        added: list[str] = []
        for name, value in saved.items():
            if name not in variables:
                added.append(name)
            elif variables[name] is not value:
                program_values[name] = variables[name]
        if program_values or added:
            self.changed.append((variables, program_values, added))
            variables.update(saved)

    def free_descriptor(self) -> None:
        """Close the reserved descriptor, if it is still the same pipe; and raise the limit of descriptors, if allowed."""
        try:
            if self.descriptor >= 0 and identity_of(self.descriptor) == self.identity:
                os.close(self.descriptor)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if soft != hard:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                self.limit = (soft, hard)
        except (OSError, ValueError):
            pass  # it was closed (daemons close all descriptors), or the system forbids changing limits


def reserved_descriptor() -> tuple[int, tuple[int, int]]:
    """A descriptor and its identity: a pipe end, which no other descriptor refers to. -1: none is available."""
    try:
        reader, writer = os.pipe()
    except OSError:
        return -1, (0, 0)
    os.close(writer)
    try:
        higher = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, FIRST_FD)
    except OSError:  # above the limit
        return reader, identity_of(reader)
    os.close(reader)
    return higher, identity_of(higher)


def identity_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
