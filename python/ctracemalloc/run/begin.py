"""The start of a program that `run` traces: in its process, before its first line.

Model: an atexit function writes the report. It is registered first, so it runs last, after those of the program. SIGTERM
kills without atexit; so if SIGTERM is at its default when the program starts, a handler writes the report and then lets the
signal kill. (The signal is sent again until the handler has run: one that arrives just before a system call begins to wait
would otherwise be handled only when that call returns.) A program that installs its own handler replaces this one and needs
nothing from this package.

Everything that is imported here is imported before tracing starts, so it is in no numbers (docs/reference/limits.md).
"""

import argparse  # noqa: F401 - not used here, but docs/reference/limits.md promises that it is in no numbers
import atexit
import os
import signal
import sys

import ctracemalloc

from .. import _ctracemalloc
from .._messages import refuse
from ..blackbox import writing
from ..formats import kinds, output
from .reporter import Reporter
from .settings import RUN_OPTION, RecordOptions, Settings

NOT_STARTED = 2  # exit status: the program was not started at all


def begin(text: str) -> None:
    """Start tracing and register what writes the report at the end."""
    settings = Settings.decode(text)
    reserved = reserve_standard_descriptors()
    try:
        begin_tracing(settings)
    finally:
        for descriptor in reserved:
            os.close(descriptor)


def reserve_standard_descriptors() -> list[int]:
    """If the program was started with stdin, stdout or stderr closed, no file of this package may get its number."""
    reserved: list[int] = []
    try:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            reserved.append(descriptor)
        os.close(descriptor)
    except OSError:
        pass  # no /dev/null, or no free descriptor: then no file of this package gets such a number either
    return reserved


def begin_tracing(settings: Settings) -> None:
    hide_option()
    if settings.install:
        ctracemalloc.install()
    reporter = Reporter(settings)
    atexit.register(_ctracemalloc._call_last, reporter.at_exit)  # releases the reserved memory; needs none itself
    os.register_at_fork(before=reporter.before_fork, after_in_child=reporter.after_fork)
    reporter.ending.watched = _ctracemalloc._watch_end(reporter.on_exception)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, reporter.on_sigterm)
        _ctracemalloc._resend_start(signal.SIGTERM)
    try:
        ctracemalloc.start(
            settings.nframe,
            sample_interval=settings.interval or None,
            black_box=True if settings.black_box == "auto" else settings.black_box or None,
            black_box_children=settings.box_children,
        )
    except (OSError, RuntimeError, MemoryError) as error:
        refuse(f"cannot trace: {error}", NOT_STARTED)
    reporter.reserve.reserve_memory()
    if settings.record is not None:
        begin_recording(settings.record, settings.black_box, settings.force)


def begin_recording(settings: RecordOptions, black_box: str, force: bool) -> None:
    try:
        output.check(settings.path, kinds.RECORDING, force=force)
        ctracemalloc.record(settings.path, settings.interval, children=settings.children)
    except (OSError, RuntimeError, MemoryError) as error:
        ctracemalloc.stop()
        writing.abandon(black_box)
        refuse(f"cannot record: {error}", NOT_STARTED)


def hide_option() -> None:
    """Remove the -X option from sys.orig_argv: the program sees its command line as without `run`."""
    for index, word in enumerate(sys.orig_argv):
        if word.startswith(RUN_OPTION + "=") and sys.orig_argv[index - 1] == "-X":
            del sys.orig_argv[index - 1 : index + 1]
            return
