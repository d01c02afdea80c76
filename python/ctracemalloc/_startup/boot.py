"""Starting before the program's first line.

Model: `ctracemalloc.pth` is in site-packages. While the interpreter starts, it calls boot() if and only if one of these is
set:
- the environment variable CTRACEMALLOC=NFRAME: tracing starts, and with CTRACEMALLOC_INSTALL=1 the standard module is replaced;
- the environment variable CTRACEMALLOC_RUN: this process descends from a program of `run --follow-children`, and is traced
  as that one is, with files of its own;
- `-X ctracemalloc_run=…`, which `python -m ctracemalloc run` passes to the program that it starts: tracing starts, and the
  report is written at exit.

An invalid value ends the process, as with PYTHONTRACEMALLOC: a user that requests a measurement should not find out at the
end that there is none. An interpreter that cannot be traced (for example a free-threaded build) writes one line on stderr
and runs its program untraced, because child processes inherit the variable whatever interpreter they run. With CTRACEMALLOC_RUN
it writes nothing: a child's output belongs to the program.
"""

import os
import sys

from .. import install, start
from .._messages import complain, refuse
from ..run.settings import FOLLOW_VARIABLE, RUN_OPTION

VARIABLE = "CTRACEMALLOC"
INSTALL_VARIABLE = "CTRACEMALLOC_INSTALL"
MAX_NFRAME = 65535

_run_has_begun = False  # in this process; the site module may read a .pth file twice


def parse_nframe(text: str) -> int | None:
    """Return the number of frames, 0 for "off", or None if `text` is neither."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        return 0 if text == "" else None
    nframe = int(text)
    return nframe if nframe <= MAX_NFRAME else None


def boot() -> None:
    """Do what the command line or the environment requests. Safe to call more than once."""
    global _run_has_begun
    settings = sys._xoptions.pop(RUN_OPTION, None)
    if _run_has_begun:
        return
    if isinstance(settings, str):
        _run_has_begun = True
        from ..run import begin

        begin.begin(settings)
    elif sys.flags.ignore_environment:
        return
    elif journal := os.environ.get(FOLLOW_VARIABLE):
        _run_has_begun = True
        from ..run import begin

        begin.begin_child(journal)
    else:
        start_from_environment(os.environ.get(VARIABLE, ""), os.environ.get(INSTALL_VARIABLE, ""))


def start_from_environment(text: str, installs: str) -> None:
    nframe = parse_nframe(text)
    if nframe is None:
        refuse(f"{VARIABLE}={text!r}: not a number of frames in range [1; {MAX_NFRAME}]")
    if nframe > 0:
        if installs not in ("", "0", "1"):
            refuse(f"{INSTALL_VARIABLE}={installs!r}: neither 1 nor 0")
        try:
            start(nframe)
            if installs == "1":
                install()
        except (RuntimeError, MemoryError) as error:
            complain(f"not traced: {error}")
