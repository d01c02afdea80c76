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

from .. import start
from .._messages import complain, refuse
from ..run.settings import RUN_OPTION

VARIABLE = "CTRACEMALLOC"
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
        from ..run import begin

        begin.begin(settings)
    elif not sys.flags.ignore_environment:
        start_from_environment(os.environ.get(VARIABLE, ""))


def start_from_environment(text: str) -> None:
    nframe = parse_nframe(text)
    if nframe is None:
        refuse(f"{VARIABLE}={text!r}: not a number of frames in range [1; {MAX_NFRAME}]")
    if nframe > 0:
        try:
            start(nframe)
        except (RuntimeError, MemoryError) as error:
            complain(f"not traced: {error}")
