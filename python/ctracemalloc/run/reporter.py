"""When the report of a program that `run` traces is written, and what is read for it.

Model: a Reporter is made before tracing starts, with all that it needs then (reserve.py), and sees to it that the report is
written once: at exit, or when SIGTERM comes. Everything about the program's memory is read before anything else is
allocated.

Only the process that started writes a report: a forked child finds another pid and stays silent.
"""

import _signal  # type: ignore[import-not-found]
import os
import signal
from types import FrameType, TracebackType

import ctracemalloc

from .. import _ctracemalloc
from .._messages import complain
from ..blackbox import writing as black_box
from ..recording import writing as recorder
from . import ending
from .report import FinalNumbers, ReportWriter, text_of
from .reserve import Reserve
from .settings import Settings

SET_SIGNAL, SIGINT = _signal.signal, int(signal.SIGINT)  # functions of C: the program may have damaged builtins


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """A function, not SIG_IGN: a signal that is under way already is handled by what is set when its turn comes."""


class Reporter:
    """Writes the report, once, in the process that it was made in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.writer = ReportWriter(settings)
        self.ending = ending.Ending(self.writer.folder)
        self.numbers: FinalNumbers | None = None  # what there was when an exception ended the program
        self.reserve = Reserve()
        self.last_steps = (  # made now, or they would be in the numbers
            self.take_numbers,
            self.ending.describe,
            self.ending.tell,
            self.end_black_box,
            self.end_recording,
        )
        self.reporting = False
        black_box.is_ended_elsewhere()
        recorder.is_ended_elsewhere()
        self.killed = False  # SIGTERM came while reporting: die of it afterwards

    def at_exit(self) -> None:
        with self.reserve:
            if os.getpid() != self.pid:
                return
            try:
                self.report()
                self.release_sigterm()
            finally:
                if self.killed:
                    os.kill(self.pid, signal.SIGTERM)
            if self.killed:
                os.kill(self.pid, signal.SIGTERM)

    def on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        # First of all, because a SIGINT after the SIGTERM must not end this function: the program would live on. One
        # that comes before this line ends it, and the SIGTERM, still sent again, calls it anew.
        SET_SIGNAL(SIGINT, ignore_signal)
        with self.reserve:
            _ctracemalloc._call_last(self.report_sigterm)

    def report_sigterm(self) -> None:
        _ctracemalloc._resend_stop()
        if self.reporting:
            self.killed = True
            return
        if os.getpid() == self.pid:
            self.report(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def before_fork(self) -> None:
        """SIGTERM ends the child from its first moment on, also where the program's own handler was set for a while."""
        if os.getpid() == self.pid and signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            _ctracemalloc._resend_start(signal.SIGTERM)

    def after_fork(self) -> None:
        self.release_sigterm()

    def release_sigterm(self) -> None:
        """Back to the default, unless the program has set something else meanwhile."""
        if signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _ctracemalloc._resend_stop()

    def on_exception(self, kind: type[BaseException], value: BaseException | None, traceback: TracebackType | None) -> None:
        """The interpreter is about to print it: that is not part of the program's numbers."""
        if os.getpid() != self.pid:
            return
        numbers = None
        self.reserve.give_up()  # the end begins
        try:
            if ctracemalloc.is_tracing() and not ending.other_threads():
                numbers = FinalNumbers(_ctracemalloc._report_snapshot)
        except Exception:  # no memory: there may be some at exit
            pass
        if self.ending.note_exception(kind, value, traceback):
            self.numbers = numbers

    def report(self, signum: int = 0) -> None:
        if self.reporting:
            return
        self.reporting = True
        if self.ending.never_ran():
            self.leave_nothing()
            return
        self.ending.signum = signum
        try:
            self.note_end()
            self.write()
        except KeyboardInterrupt:
            complain("the report was interrupted")
        except Exception as error:  # no memory, an audit hook of the program's: its own end goes on
            complain(f"no report: {text_of(error)}")

    def note_end(self) -> None:
        """What there is now, how the program ends, and the end of what is written meanwhile. Each by itself."""
        for step in self.last_steps:
            try:
                step()
            except MemoryError:
                pass
            except Exception as error:
                complain(f"at the end: {text_of(error)}")

    def take_numbers(self) -> None:
        """If it cannot be, write() tries again when there is more memory, and tells why not."""
        try:
            if self.numbers is None and ctracemalloc.is_tracing():
                self.numbers = FinalNumbers(_ctracemalloc._report_snapshot)
        except Exception:
            pass

    def end_recording(self) -> None:
        problem = recorder.stop_at_exit()
        if problem is not None:
            complain(f"the recording ended early: {problem}")

    def end_black_box(self) -> None:
        lack = _ctracemalloc._black_box_state()[1]
        if lack is not None:
            complain(f"the black box does not hold all: {lack}")
        black_box.end()

    def leave_nothing(self) -> None:
        """The interpreter has found no program, and says so."""
        ctracemalloc.stop()
        recorder.stop_at_exit()
        black_box.at_exit()
        made = [self.settings.record.path if self.settings.record is not None else "", self.settings.black_box]
        for path in made:
            if os.path.isabs(path) and os.path.isfile(path):
                os.unlink(path)

    def write(self) -> None:
        numbers = self.numbers
        if numbers is None and ctracemalloc.is_tracing():  # there was no memory for a snapshot beside the address map
            numbers = FinalNumbers(_ctracemalloc._last_snapshot)
        if numbers is None:
            complain("no report: the program has stopped the tracing")
            return
        ctracemalloc.stop()
        self.writer.write(numbers, self.ending.facts())
