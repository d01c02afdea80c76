"""`python -m ctracemalloc run`: the launcher, and what goes on inside the program.

Model: the launcher does not run the program, it becomes it. launch() replaces this process
(os.execv) by `python [the same interpreter options] -X ctracemalloc_run=SETTINGS PROGRAM ARGS`,
so that __main__, sys.argv, sys.path, tracebacks, exit status, standard input and
multiprocessing are the interpreter's own, and no frame of ours lies below the program's.

In the new process `ctracemalloc.pth` sees the option and calls begin() before the program's first
line. Where that file is not installed (the package is on PYTHONPATH only), the launcher puts
the folder `_startup` on PYTHONPATH for a moment instead; its sitecustomize does the same.

The report is written by an atexit function. It is registered first, so it runs last, after those
of the program. SIGTERM kills without atexit; so if SIGTERM is at its default when the program
starts, a handler writes the report and then lets the signal kill. (The signal is sent again until
the handler has run: one that arrives just before a system call begins to wait would otherwise
be seen only when that call returns.) A program that installs its own handler replaces ours and
needs nothing from us.

Only the process that started writes a report: a forked child finds another pid and stays silent.
"""

import _signal  # type: ignore[import-not-found]
import argparse
import atexit
import marshal
import os
import posix
import signal
import site
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import NamedTuple

import ctracemalloc

from . import _black_box, _boot, _compression, _ctracemalloc, _end, _ended, _output, _record, _report, _terminal, _wrapper

HOOK = "ctracemalloc.pth"
SET_SIGNAL, SIGINT = _signal.signal, int(signal.SIGINT)  # functions of C: the program may have damaged builtins
MARSHAL_VERSION = 2  # of any Python
NOT_STARTED = 2  # exit status: the program has not been started at all
STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_startup")


# --- the launcher ---


def launch(parsed: argparse.Namespace, program: list[str]) -> str:
    """Become the program. Returns only if that cannot be done: a text that says why."""
    if not program:
        return "what to run? give a SCRIPT, -m MODULE or -c CODE"
    if program[0] in ("-m", "-c") and len(program) == 1:
        return f"{program[0]} needs an argument"
    if not sys.executable:
        return "this interpreter does not know its own path (sys.executable is empty)"
    if sys.flags.no_site:
        return "tracing from the first line needs the site module (do not give python -S)"
    try:
        check_outputs(parsed, program)
    except OSError as error:
        return str(error)
    output = "" if parsed.output is None else os.path.abspath(parsed.output)
    zstd = parsed.zstd or _compression.of_name(output) is not None
    if zstd:
        try:
            _compression.library()
        except ImportError as error:
            return str(error)
    words = program
    if program[0].startswith("-") and _ended.script_of(program) is not None:
        words = ["--", *program]  # a file that is called like an option
    options, started_as = _wrapper.split_command(sys.orig_argv[1:])
    wrapper = _wrapper.wrapper_of(started_as)
    environment = dict(os.environ)
    if wrapper is not None:
        add_paths(environment, _wrapper.paths_of_application(started_as))
    if not hook_is_installed():
        if sys.flags.ignore_environment:
            return f"{HOOK} is not in site-packages, and python -E or -I rules out PYTHONPATH"
        add_paths(environment, [STARTUP])
    settings = Settings(parsed.nframe, parsed.sample_interval or 0, parsed.install, parsed.top, parsed.key, False, output)
    settings.zstd = zstd
    if parsed.record is not None:
        settings.record = Record(parsed.record_interval, parsed.record_children, os.path.abspath(parsed.record))
    if parsed.black_box is not None:
        settings.black_box = "auto" if parsed.black_box == "auto" else os.path.abspath(parsed.black_box)
        settings.box_children = parsed.black_box_children
    settings.force = parsed.force
    settings.color = _terminal.Style.wanted(2, parsed.no_color)
    executable = _wrapper.executable(wrapper is not None)
    command = [
        executable,
        *options,
        "-X",
        f"{_boot.RUN_OPTION}={settings.encode()}",
        *words,
    ]
    if not _ended.can_begin(program):  # the interpreter says so, and that is all
        environment, command = dict(os.environ), [executable, *options, *words]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed, as under cron
            stream.flush()
    if wrapper is not None:
        _boot.complain(f"the program takes the place of {wrapper}, which ends here without a result")
        _wrapper.end_timers()
    posix.execve(executable, command, environment)  # not os.execve: debuggers put a function of their own in its place


def check_outputs(parsed: argparse.Namespace, program: list[str]) -> None:
    """OSError if a file must not be, or cannot be, written."""
    black_box = None if parsed.black_box == "auto" else parsed.black_box
    outputs = [
        (parsed.output, _output.SNAPSHOT),
        (parsed.record, _output.RECORDING),
        (black_box, _output.BLACK_BOX),
    ]
    path = _ended.script_of(program)
    script = [] if path is None else [path]
    _output.check_all(outputs, inputs=script, force=parsed.force)
    if parsed.force and black_box is not None:
        _output.make_way(black_box, _output.BLACK_BOX, script)  # the core replaces black boxes only


def hook_is_installed() -> bool:
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return any(os.path.isfile(os.path.join(folder, HOOK)) for folder in folders)


def add_paths(environment: dict[str, str], paths: list[str]) -> None:
    rest = environment.get("PYTHONPATH")
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths if rest is None else [*paths, rest])


class Record(NamedTuple):
    """What is to be recorded over time."""

    interval: float  # seconds
    children: bool
    path: str  # absolute


class Settings:
    """What the launcher tells the program's process, as the text of one -X option: all attributes, marshalled, in hex.

    marshal takes any text, and is in the interpreter: the program finds no module imported that is not without us.
    """

    def __init__(self, nframe: int, interval: int, install: bool, top: int, key: str, color: bool, output: str) -> None:
        self.nframe = nframe
        self.interval = interval  # bytes; 0: every block is traced
        self.install = install
        self.top = top
        self.key = key
        self.color = color
        self.output = output  # absolute, or "" for the default name
        self.record: Record | None = None
        self.black_box = ""  # absolute, "auto" for the default place, or "" for none
        self.box_children = False
        self.zstd = False
        self.force = False  # may the files that were given be overwritten, whatever they are?

    def encode(self) -> str:
        record = None if self.record is None else tuple(self.record)
        return marshal.dumps({**vars(self), "record": record}, MARSHAL_VERSION).hex()

    @classmethod
    def decode(cls, text: str) -> "Settings":
        values = marshal.loads(bytes.fromhex(text))
        settings = cls.__new__(cls)
        vars(settings).update(values)
        settings.record = None if values["record"] is None else Record(*values["record"])
        return settings


# --- inside the program ---


def begin(text: str) -> None:
    """Start tracing, and see to it that there is a report at the end."""
    settings = Settings.decode(text)
    taken = take_standard_descriptors()
    try:
        begin_tracing(settings)
    finally:
        for descriptor in taken:
            os.close(descriptor)


def take_standard_descriptors() -> list[int]:
    """If the program was started with stdin, stdout or stderr closed, no file of ours may get its number."""
    taken: list[int] = []
    try:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            taken.append(descriptor)
        os.close(descriptor)
    except OSError:
        pass  # no device, or no number left: no file of ours gets one either
    return taken


def begin_tracing(settings: "Settings") -> None:
    hide_option()
    if settings.install:
        ctracemalloc.install()
    reporter = Reporter(settings)
    atexit.register(_ctracemalloc._call_last, reporter.at_exit)  # gives up what is set aside; needs no memory itself
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
        _boot.refuse(f"cannot trace: {error}", NOT_STARTED)
    reporter.kept.set_aside()
    if settings.record is not None:
        begin_recording(settings.record, settings.black_box, settings.force)


def begin_recording(settings: Record, black_box: str, force: bool) -> None:
    try:
        _output.check(settings.path, _output.RECORDING, force=force)
        ctracemalloc.record(settings.path, settings.interval, children=settings.children)
    except (OSError, RuntimeError, MemoryError) as error:
        ctracemalloc.stop()
        _black_box.abandon(black_box)
        _boot.refuse(f"cannot record: {error}", NOT_STARTED)


def hide_option() -> None:
    """The program sees the command line that it would have had without us."""
    for index, word in enumerate(sys.orig_argv):
        if word.startswith(_boot.RUN_OPTION + "=") and sys.orig_argv[index - 1] == "-X":
            del sys.orig_argv[index - 1 : index + 1]
            return


class Moment:
    """All that there is to report. Everything is read before anything else is allocated."""

    def __init__(self, take: Callable[[], ctracemalloc.Snapshot]) -> None:
        _current, self.peak = ctracemalloc.get_traced_memory()
        self.tracer = ctracemalloc.get_tracemalloc_memory()
        self.snapshot = take()


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """A function, not SIG_IGN: a signal that is under way already is handled by what is set when its turn comes."""


def text_of(error: Exception) -> str:
    """An OSError says all itself."""
    text = str(error)
    if isinstance(error, OSError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Reporter:
    """Writes the report, once, in the process that it was made in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.command = sys.orig_argv[1:]
        self.folder = _terminal.current_folder()
        self.encoding = _terminal.encoding_of(sys.stderr)
        self.ending = _ended.Ending(self.folder)
        self.moment: Moment | None = None  # what there was when an exception ended the program
        if settings.zstd:
            _compression.library()
        self.kept = _end.Kept()
        self.last_steps = (  # made now, or they would be in the numbers
            self.take_moment,
            self.ending.describe,
            self.ending.tell,
            self.end_black_box,
            self.end_recording,
        )
        self.reporting = False
        _black_box.is_ended_elsewhere()
        _record.is_ended_elsewhere()
        self.killed = False  # SIGTERM came while reporting: die of it afterwards

    def at_exit(self) -> None:
        with self.kept:
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
        with self.kept:
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

    def on_exception(self, kind: type[BaseException], value: BaseException | None, place: TracebackType | None) -> None:
        """The interpreter is about to print it: that is not part of the program's numbers."""
        if os.getpid() != self.pid:
            return
        moment = None
        self.kept.give_up()  # the end begins
        try:
            if ctracemalloc.is_tracing() and not _ended.other_threads():
                moment = Moment(_ctracemalloc._report_snapshot)
        except Exception:  # no memory: there may be some at exit
            pass
        if self.ending.note_exception(kind, value, place):
            self.moment = moment

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
            _boot.complain("the report was interrupted")
        except Exception as error:  # no memory, an audit hook of the program's: its own end goes on
            _boot.complain(f"no report: {text_of(error)}")

    def note_end(self) -> None:
        """What there is now, how the program ends, and the end of what is written meanwhile. Each by itself."""
        for step in self.last_steps:
            try:
                step()
            except MemoryError:
                pass
            except Exception as error:
                _boot.complain(f"at the end: {text_of(error)}")

    def take_moment(self) -> None:
        """If it cannot be, write() tries again when there is more memory, and tells why not."""
        try:
            if self.moment is None and ctracemalloc.is_tracing():
                self.moment = Moment(_ctracemalloc._report_snapshot)
        except Exception:
            pass

    def end_recording(self) -> None:
        problem = _record.stop_at_exit()
        if problem is not None:
            _boot.complain(f"the recording ended early: {problem}")

    def end_black_box(self) -> None:
        lack = _ctracemalloc._black_box_state()[1]
        if lack is not None:
            _boot.complain(f"the black box does not hold all: {lack}")
        _black_box.end()

    def leave_nothing(self) -> None:
        """The interpreter has found no program, and says so."""
        ctracemalloc.stop()
        _record.stop_at_exit()
        _black_box.at_exit()
        made = [self.settings.record.path if self.settings.record is not None else "", self.settings.black_box]
        for path in made:
            if os.path.isabs(path) and os.path.isfile(path):
                os.unlink(path)

    def write(self) -> None:
        moment = self.moment
        if moment is None and ctracemalloc.is_tracing():  # there was no memory for a snapshot beside the address map
            moment = Moment(_ctracemalloc._last_snapshot)
        if moment is None:
            _boot.complain("no report: the program has stopped the tracing")
            return
        snapshot = moment.snapshot
        ctracemalloc.stop()

        snapshot.run = {
            "command": self.command,
            **self.ending.facts(),
            "pid": self.pid,
            "peak": moment.peak,
            "tracer": moment.tracer,
        }
        path = self.save(snapshot)
        if path and os.path.dirname(path) == _terminal.current_folder():
            path = os.path.basename(path)
        for top in (self.settings.top, 1):
            try:
                lines = self.format(snapshot, top, path)
            except MemoryError:
                continue  # one place is better than none
            _boot.write_stderr("\n".join(lines) + "\n", self.encoding)
            return
        _boot.complain(f"no memory for the report: {moment.peak} bytes at the peak; {path or 'no file'}")

    def save(self, snapshot: ctracemalloc.Snapshot) -> str:
        """Where the snapshot is now; "": nowhere, which has been said."""
        path, reserved = "", False
        try:
            path, reserved = self.claim_output()
            snapshot.dump(path, compression="zstd" if self.settings.zstd else None)
        except Exception as error:  # a full disk, no memory, an audit hook of the program's that forbids files
            _boot.complain(f"the snapshot was not written: {text_of(error)}")
            if reserved:
                _output.give_up(path)
            return ""
        return path

    def format(self, snapshot: ctracemalloc.Snapshot, top: int, path: str) -> list[str]:
        style = _terminal.Style(self.settings.color, _terminal.width_of(2), self.encoding, self.folder)
        lines = _report.format_snapshot(snapshot, self.settings.key, top, style, saved=path)
        at_peak = snapshot.at_peak
        if at_peak is not None and _report.peak_stands_out(snapshot, at_peak):
            lines.append("")
            lines += _report.format_peak(at_peak, self.settings.key, top, style)
        return lines

    def claim_output(self) -> tuple[str, bool]:
        """Where the snapshot goes, and whether an empty file was made there to keep the name.

        The program may have put something of its own where the snapshot was to go. That stays.
        """
        given = self.settings.output
        try:
            if given:
                if _output.reserve(given):
                    return given, True
                _output.check(given, _output.SNAPSHOT, force=self.settings.force)
                return given, False
        except _output.RefusedError as error:
            _boot.complain(str(error))
        except OSError:
            return given, False  # whoever writes it says the same
        ending = _compression.SUFFIX if self.settings.zstd else ""
        path = os.path.join(self.folder, f"ctracemalloc-{self.pid}.ctm{ending}")
        try:
            return _output.reserve_free_name(path), True
        except OSError:
            return path, False
