"""When the report of a program that `run` traces is written, and which numbers it has.

Model: a Reporter is made before tracing starts, with all that it needs at the end (reserve.py). It writes the report once: at
exit, or when SIGTERM arrives. Everything about the program's memory is read before anything else is allocated.

Only the process that started the program prints a report. A forked child has another pid and writes nothing, unless child
processes are followed: then it uses its parent's Reporter, which adopt() makes its own, to write a snapshot.
"""

import _signal  # type: ignore[import-not-found]
import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType

import ctracemalloc

from .. import _ctracemalloc
from .._messages import complain
from ..blackbox import writing as black_box
from ..formats import compression
from ..recording import writing as recorder
from . import ending
from .report import FinalNumbers, ReportWriter, text_of
from .reserve import Reserve
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .follow import Follower

SET_SIGNAL, SIGINT = _signal.signal, int(signal.SIGINT)  # C functions: the program may have damaged builtins


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """A function, not SIG_IGN: a signal that is already pending is handled by the handler that is set when it is delivered."""


class Reporter:
    """Writes the report, once, in the process that it was made in."""

    def __init__(self, settings: Settings, follower: "Follower | None" = None) -> None:
        self.settings = settings
        self.follower = follower  # None: child processes are not followed
        self.pid = os.getpid()
        self.writer = ReportWriter(settings)
        self.ending = ending.Ending(self.writer.folder)
        self.numbers: FinalNumbers | None = None  # the numbers when an exception ended the program
        self.complain = complain
        if follower is not None:
            follower.reporter = self
            self.complain = self.writer.complain = follower.problem
            self.writer.followed = follower.journal.folder
            self.name_snapshot(follower)
        self.reserve = Reserve()
        self.last_steps = (  # made now: if they were made later, they would be in the numbers
            self.read_numbers,
            self.ending.describe,
            self.ending.store,
            self.end_black_box,
            self.end_recording,
        )
        self.reporting = False
        black_box.set_ended_elsewhere()
        recorder.set_ended_elsewhere()
        self.killed = False  # SIGTERM arrived during the report, and has to kill the process afterwards

    def name_snapshot(self, follower: "Follower") -> None:
        self.writer.default = f"{follower.stem}.ctm{compression.SUFFIX if self.settings.zstd else ''}"

    def adopt(self, pid: int) -> None:
        """In a fork that is followed: it has an end of its own. Nothing has ended in its parent."""
        assert self.follower is not None
        self.pid = self.writer.pid = pid
        self.name_snapshot(self.follower)

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
        # The first statement, because a SIGINT after the SIGTERM must not end this function: the program would continue. A
        # SIGINT before this statement ends the function, and the SIGTERM, which is still sent again, calls it once more.
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
        """SIGTERM kills the child from its first moment on, even if the program's own handler was set for some time."""
        if os.getpid() == self.pid and signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            _ctracemalloc._resend_start(signal.SIGTERM)

    def after_fork(self) -> None:
        self.release_sigterm()

    def release_sigterm(self) -> None:
        """Set SIGTERM to the default, unless the program has set another handler meanwhile."""
        if signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _ctracemalloc._resend_stop()

    def on_exception(self, kind: type[BaseException], value: BaseException | None, traceback: TracebackType | None) -> None:
        """Called before the interpreter prints the exception: printing is not part of the program's numbers."""
        if os.getpid() != self.pid:
            return
        numbers = None
        self.reserve.release()  # the program ends here
        try:
            if ctracemalloc.is_tracing() and not ending.other_threads():
                numbers = FinalNumbers(_ctracemalloc._report_snapshot)
        except Exception:  # no memory: at exit there may be enough
            pass
        if self.ending.note_exception(kind, value, traceback):
            self.numbers = numbers

    def at_os_exit(self, status: int, is_only_thread: bool) -> None:
        """os._exit ends the program now. Other threads must not get the time to continue: then the black box has to do."""
        if self.reporting:
            return
        self.ending.exited = status
        with self.reserve:
            if is_only_thread:
                self.report()
                return
            self.reporting = True
            self.take(self.last_steps[1:])
            self.note_ended("")

    def report(self, signum: int = 0) -> None:
        if self.reporting:
            return
        self.reporting = True
        if self.ending.never_ran():
            self.remove_outputs()
            return
        self.ending.signum = signum
        try:
            self.note_end()
            self.write()
        except KeyboardInterrupt:
            self.complain("the report was interrupted")
        except Exception as error:  # no memory, an audit hook of the program: the program's own end continues
            self.complain(f"no report: {text_of(error)}")

    def note_end(self) -> None:
        """Read the numbers and how the program ends, and end the black box and the recording."""
        self.take(self.last_steps)

    def take(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take each step: none depends on another."""
        for step in steps:
            try:
                step()
            except MemoryError:
                pass
            except Exception as error:
                self.complain(f"at the end: {text_of(error)}")

    def read_numbers(self) -> None:
        """On failure, write() tries again when there is more memory, and reports why it failed."""
        try:
            if self.numbers is None and ctracemalloc.is_tracing():
                self.numbers = FinalNumbers(_ctracemalloc._report_snapshot)
        except Exception:
            pass

    def end_recording(self) -> None:
        problem = recorder.stop_at_exit()
        if problem is not None:
            self.complain(f"the recording ended early: {problem}")

    def end_black_box(self) -> None:
        incomplete_reason = _ctracemalloc._black_box_state()[1]
        if incomplete_reason is not None:
            self.complain(f"the black box does not hold all: {incomplete_reason}")
        black_box.end()

    def remove_outputs(self) -> None:
        """The interpreter has found no program and reports that: remove the files that were created for it."""
        ctracemalloc.stop()
        recorder.stop_at_exit()
        black_box.at_exit()
        if self.follower is not None:
            self.follower.never_ran()
        made = [self.settings.record.path if self.settings.record is not None else "", self.settings.black_box]
        for path in made:
            if os.path.isabs(path) and os.path.isfile(path):
                os.unlink(path)

    def write(self) -> None:
        numbers = self.numbers
        if numbers is None and ctracemalloc.is_tracing():  # there was no memory for a snapshot in addition to the block map
            numbers = FinalNumbers(_ctracemalloc._last_snapshot)
        if numbers is None:
            self.complain("no report: the program has stopped the tracing")
            self.note_ended("")
            return
        ctracemalloc.stop()
        facts = self.ending.facts()
        if self.follower is not None:
            facts |= self.follower.facts()
            self.writer.started = (0, 0)
        elif not self.settings.box_children and not (self.settings.record is not None and self.settings.record.children):
            self.writer.started = _ctracemalloc._started_processes()
        path = self.writer.store(numbers, facts)
        self.note_ended(path)
        if self.follower is None or self.follower.is_root:
            self.writer.print(numbers, path)

    def note_ended(self, snapshot: str) -> None:
        if self.follower is not None:
            self.follower.ended(self.ending.text, self.ending.status, snapshot)
