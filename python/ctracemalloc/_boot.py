"""Starting before the program's first line.

Model: `ctracemalloc.pth` lies in site-packages and calls boot() while the interpreter starts, if
and only if there is something to do. Two things can ask for it:

- the environment variable CTRACEMALLOC=NFRAME: tracing starts, nothing else happens;
- `-X ctracemalloc_run=…`, set by `python -m ctracemalloc run` for the program it starts: tracing
  starts and the report is written at exit.

A value that is not understood ends the process, as PYTHONTRACEMALLOC does: who asks for a
measurement should not find out at the end that there is none. An interpreter that cannot be
traced (a free-threaded build, say) runs its program untraced after one line on stderr, because
child processes inherit the variable whatever interpreter they are.
"""

import os
import sys
from typing import NoReturn

import ctracemalloc
from ctracemalloc._names import printable

VARIABLE = "CTRACEMALLOC"
RUN_OPTION = "ctracemalloc_run"
MAX_NFRAME = 65535


def parse_nframe(text: str) -> int | None:
    """The number of frames, 0 for "off", or None if `text` is neither."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        return 0 if text == "" else None
    nframe = int(text)
    return nframe if nframe <= MAX_NFRAME else None


def boot() -> None:
    """Do what the command line or the environment asks for. Safe to call more than once."""
    settings = sys._xoptions.pop(RUN_OPTION, None)
    if isinstance(settings, str):
        from ctracemalloc import _run

        _run.begin(settings)
    elif not sys.flags.ignore_environment:
        start_from_environment(os.environ.get(VARIABLE, ""))


def start_from_environment(text: str) -> None:
    nframe = parse_nframe(text)
    if nframe is None:
        refuse(f"{VARIABLE}={text!r}: not a number of frames in range [1; {MAX_NFRAME}]")
    if nframe > 0:
        try:
            ctracemalloc.start(nframe)
        except (RuntimeError, MemoryError) as error:
            complain(f"not traced: {error}")


# Whether this process was given a stderr, as the interpreter found it. If not, what has its number now or later is
# another file: the one that site reads, or one of the program's.
STDERR = sys.__stderr__ is not None


def complain(message: str) -> None:
    write_stderr(f"ctracemalloc: {printable(message)}\n")


def write_stderr(text: str, encoding: str = "utf-8") -> None:
    """Write to file descriptor 2, past sys.stderr.

    A signal handler may have interrupted the program inside sys.stderr's own write, where a
    second one is an error; and the program may have replaced the object.
    """
    data = memoryview(text.encode(encoding, "backslashreplace"))
    try:
        while STDERR and data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # closed, or nobody reads it: the snapshot file is there


def refuse(message: str, status: int = 1) -> NoReturn:
    """End the process. Not by SystemExit: the site module would turn it into a fatal error."""
    complain(message)
    os._exit(status)
