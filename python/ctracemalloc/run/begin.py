"""The start of a program that `run` traces: in its process, before its first line.

Model: an atexit function writes the report. It is registered first, so it runs last, after those of the program. SIGTERM
kills without atexit; so if SIGTERM is at its default when the program starts, a handler writes the report and then lets the
signal kill. (The signal is sent again until the handler has run: one that arrives just before a system call begins to wait
would otherwise be handled only when that call returns.) A program that installs its own handler replaces this one and needs
nothing from this package.

Everything that is imported here is imported before tracing starts, so it is in no numbers (docs/reference/limits.md).
"""

import _posixsubprocess
import argparse  # noqa: F401 - not used here, but docs/reference/limits.md promises that it is in no numbers
import atexit
import os
import posix
import signal
import sys

import ctracemalloc

from .. import _ctracemalloc
from .._messages import refuse
from ..blackbox import writing
from ..formats import kinds, output
from .reporter import Reporter
from .settings import RUN_OPTION, RecordOptions, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported only if child processes are followed: a program that imports json finds it not imported
    from .follow import Follower

NOT_STARTED = 2  # exit status: the program was not started at all


class NotStartedError(Exception):
    """The program was not started, because what was asked for is impossible; the message says why."""


def begin(text: str) -> None:
    """Start tracing and register what writes the report at the end."""
    hide_option()
    settings = Settings.decode(text)
    reserved = reserve_standard_descriptors()
    try:
        begin_tracing(settings, root_follower(settings) if settings.journal else None)
    except NotStartedError as error:
        refuse(str(error), NOT_STARTED)
    finally:
        for descriptor in reserved:
            os.close(descriptor)


def root_follower(settings: Settings) -> "Follower":
    from .follow import Follower
    from .journal import Journal

    return Follower(Journal(settings.journal), settings, True)


def begin_child(path: str) -> None:
    """The same in a child process, which found the journal's path in its environment. If it cannot be traced, it just runs."""
    from .follow import Follower
    from .journal import Journal

    journal = Journal(path)
    reserved = reserve_standard_descriptors()
    try:
        text = journal.settings()
        if text is not None:
            settings = Settings.decode(text)
            begin_tracing(settings, Follower(journal, settings, False))
    except Exception as error:
        journal.append("problem", os.getpid(), text=f"not traced: {error}")
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


def begin_tracing(settings: Settings, follower: "Follower | None") -> None:
    if settings.install:
        ctracemalloc.install()
    reporter = Reporter(settings, follower)
    atexit.register(_ctracemalloc._call_last, reporter.at_exit)  # releases the reserved memory; needs none itself
    os.register_at_fork(before=reporter.before_fork, after_in_child=reporter.after_fork)
    reporter.ending.watched = _ctracemalloc._watch_end(reporter.on_exception)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, reporter.on_sigterm)
        _ctracemalloc._resend_start(signal.SIGTERM)
    _ctracemalloc._watch_processes(posix, _posixsubprocess, None if follower is None else follower.on_call)
    if follower is None:
        start(settings, True if settings.black_box == "auto" else settings.black_box or None)
    else:
        start_followed(settings, follower)
    reporter.reserve.reserve_memory()
    if settings.record is not None:
        begin_recording(settings.record, settings, follower)
    if follower is not None:
        follower.watch()


def start(settings: Settings, black_box: str | bool | None) -> None:
    try:
        ctracemalloc.start(
            settings.nframe,
            sample_interval=settings.interval or None,
            black_box=black_box,
            black_box_children=settings.box_children,
            labels=settings.labels or None,
        )
    except (OSError, RuntimeError, MemoryError) as error:
        raise NotStartedError(f"cannot trace: {error}") from None


def start_followed(settings: Settings, follower: "Follower") -> None:
    """A black box is optional here, unless the user asked for it: a snapshot without one is better than nothing."""
    follower.begin()
    settings.box_children = False  # follower gives forks theirs
    try:
        start(settings, follower.box)
    except NotStartedError as error:
        output.remove_if_empty(follower.box)
        if follower.keeps_box and follower.is_root:
            raise
        start(settings, None)
        follower.problem(f"no black box: {error}")


def begin_recording(options: RecordOptions, settings: Settings, follower: "Follower | None") -> None:
    path = options.path if follower is None else follower.recording
    try:
        output.check(path, kinds.RECORDING, force=settings.force)
        made = ctracemalloc.record(path, options.interval, children=options.children and follower is None)
        if follower is not None:
            follower.recorder = made
    except (OSError, RuntimeError, MemoryError) as error:
        if follower is not None and not follower.is_root:
            follower.problem(f"not recorded: {error}")
            return
        ctracemalloc.stop()
        writing.abandon(settings.black_box if follower is None else follower.box)
        raise NotStartedError(f"cannot record: {error}") from None


def hide_option() -> None:
    """Remove the -X option from sys.orig_argv: the program sees its command line as without `run`."""
    for index, word in enumerate(sys.orig_argv):
        if word.startswith(RUN_OPTION + "=") and sys.orig_argv[index - 1] == "-X":
            del sys.orig_argv[index - 1 : index + 1]
            return
