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

import argparse
import atexit
import os
import signal
import site
import sys
from types import FrameType
from typing import NamedTuple

import ctracemalloc

from . import _black_box, _boot, _compression, _ctracemalloc, _end, _record, _report

HOOK = "ctracemalloc.pth"
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
    for path in (parsed.output, parsed.record, None if parsed.black_box == "auto" else parsed.black_box):
        if path is not None and not can_be_file(os.path.abspath(path)):
            return f"cannot write to {path}"
    output = "" if parsed.output is None else os.path.abspath(parsed.output)
    zstd = parsed.zstd or _compression.of_name(output) is not None
    if zstd:
        try:
            _compression.library()
        except ImportError as error:
            return str(error)
    environment = dict(os.environ)
    if not hook_is_installed():
        if sys.flags.ignore_environment:
            return f"{HOOK} is not in site-packages, and python -E or -I rules out PYTHONPATH"
        rest = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = STARTUP if rest is None else STARTUP + os.pathsep + rest
    settings = Settings(
        parsed.nframe, parsed.sample_interval or 0, parsed.install, parsed.top, parsed.key, False, output
    )
    settings.zstd = zstd
    if parsed.record is not None:
        settings.record = Record(parsed.record_interval, parsed.record_children, os.path.abspath(parsed.record))
    if parsed.black_box is not None:
        settings.black_box = "auto" if parsed.black_box == "auto" else os.path.abspath(parsed.black_box)
        settings.box_children = parsed.black_box_children
    settings.color = _report.Style.wanted(2, parsed.no_color)
    command = [
        sys.executable,
        *interpreter_options(),
        "-X",
        f"{_boot.RUN_OPTION}={settings.encode()}",
        *program,
    ]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)


def can_be_file(path: str) -> bool:
    return not os.path.isdir(path) and os.path.isdir(os.path.dirname(path))


def hook_is_installed() -> bool:
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return any(os.path.isfile(os.path.join(folder, HOOK)) for folder in folders)


def interpreter_options() -> list[str]:
    """What stood between `python` and `-m ctracemalloc` on the command line."""
    options = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    if options[-1:] == ["-mctracemalloc"]:
        return options[:-1]
    if options[-2:] == ["-m", "ctracemalloc"]:
        return options[:-2]
    # Started in another way (-Xm..., runpy): fall back on what can be told from sys.flags.
    import subprocess

    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]


class Record(NamedTuple):
    """What is to be recorded over time."""

    interval: float  # seconds
    children: bool
    path: str  # absolute

    def encode(self) -> str:
        return f"{self.interval!r}:{self.children:d}:{os.fsencode(self.path).hex()}"

    @classmethod
    def decode(cls, text: str) -> "Record | None":
        if not text:
            return None
        interval, children, path = text.split(":")
        return cls(float(interval), children == "1", os.fsdecode(bytes.fromhex(path)))


class Settings:
    """What the launcher tells the program's process, as the text of one -X option."""

    def __init__(
        self, nframe: int, interval: int, install: bool, top: int, key: str, color: bool, output: str
    ) -> None:
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

    def encode(self) -> str:
        flags = f"{self.install:d},{self.color:d},{self.zstd:d},{self.box_children:d}"
        record = self.record.encode() if self.record is not None else ""
        black_box = os.fsencode(self.black_box).hex()
        return f"{self.nframe},{self.interval},{flags},{record},{black_box},{self.top},{self.key},{self.output}"

    @classmethod
    def decode(cls, text: str) -> "Settings":
        nframe, interval, install, color, zstd, box_children, record, black_box, top, key, output = text.split(",", 10)
        settings = cls(int(nframe), int(interval), install == "1", int(top), key, color == "1", output)
        settings.record = Record.decode(record)
        settings.black_box = os.fsdecode(bytes.fromhex(black_box))
        settings.zstd = zstd == "1"
        settings.box_children = box_children == "1"
        return settings


# --- inside the program ---


def begin(text: str) -> None:
    """Start tracing, and see to it that there is a report at the end."""
    settings = Settings.decode(text)
    hide_option()
    if settings.install:
        ctracemalloc.install()
    reporter = Reporter(settings)
    atexit.register(reporter.at_exit)
    atexit.register(_ctracemalloc._give_up)  # called before it, and needs no memory itself
    os.register_at_fork(after_in_child=reporter.after_fork)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, reporter.on_sigterm)
        try:
            _ctracemalloc._resend_start(signal.SIGTERM)
        except OSError:
            pass  # no timer to be had: the handler alone is nearly as good
    try:
        ctracemalloc.start(
            settings.nframe,
            sample_interval=settings.interval or None,
            black_box=True if settings.black_box == "auto" else settings.black_box or None,
            black_box_children=settings.box_children,
        )
    except (OSError, RuntimeError, MemoryError) as error:
        _boot.refuse(f"cannot trace: {error}")
    reporter.kept.set_aside()
    if settings.record is not None:
        begin_recording(settings.record)


def begin_recording(settings: Record) -> None:
    try:
        ctracemalloc.record(settings.path, settings.interval, children=settings.children)
    except (OSError, RuntimeError, MemoryError) as error:
        _boot.refuse(f"cannot record: {error}")


def hide_option() -> None:
    """The program sees the command line that it would have had without us."""
    for index, word in enumerate(sys.orig_argv):
        if word.startswith(_boot.RUN_OPTION + "=") and sys.orig_argv[index - 1] == "-X":
            del sys.orig_argv[index - 1 : index + 1]
            return


class Reporter:
    """Writes the report, once, in the process that it was made in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.command = sys.orig_argv[1:]
        self.folder = _report.current_folder()
        if settings.zstd:
            _compression.library()
        self.kept = _end.Kept()
        self.reporting = False
        self.killed = False  # SIGTERM came while reporting: die of it afterwards

    def at_exit(self) -> None:
        with self.kept:
            if os.getpid() != self.pid:
                return
            self.report("at exit")
            self.release_sigterm()
            if self.killed:
                os.kill(self.pid, signal.SIGTERM)

    def on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        with self.kept:
            self.report_sigterm()

    def report_sigterm(self) -> None:
        _ctracemalloc._resend_stop()
        if self.reporting:
            self.killed = True
            return
        if os.getpid() == self.pid:
            self.report("on SIGTERM")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def after_fork(self) -> None:
        self.release_sigterm()

    def release_sigterm(self) -> None:
        """Back to the default, unless the program has set something else meanwhile."""
        _ctracemalloc._resend_stop()
        if signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def report(self, ended: str) -> None:
        if self.reporting:
            return
        self.reporting = True
        self.end_black_box()
        problem = _record.stop_at_exit()
        if problem is not None:
            _boot.complain(f"the recording ended early: {problem}")
        try:
            self.write(ended)
        except KeyboardInterrupt:
            _boot.complain("the report was interrupted")
        except Exception as error:  # a full disk, no memory: the program's own end goes on
            _boot.complain(f"no report: {type(error).__name__}: {error}")

    def end_black_box(self) -> None:
        lack = _ctracemalloc._black_box_state()[1]
        if lack is not None:
            _boot.complain(f"the black box does not hold all: {lack}")
        try:
            _black_box.at_exit()
        except MemoryError:
            pass  # it goes on and ends with the tracing, in a moment

    def write(self, ended: str) -> None:
        if not ctracemalloc.is_tracing():
            _boot.complain("no report: the program has stopped the tracing")
            return
        # Everything is read before anything else is allocated, tracing ends with it.
        _current, peak = ctracemalloc.get_traced_memory()
        tracer = ctracemalloc.get_tracemalloc_memory()
        snapshot = _ctracemalloc._last_snapshot()

        path = self.settings.output
        ending = _compression.SUFFIX if self.settings.zstd else ""
        path = path or os.path.join(self.folder, f"ctracemalloc-{self.pid}.ctm{ending}")
        snapshot.run = {
            "command": self.command,
            "ended": ended,
            "pid": self.pid,
            "peak": peak,
            "tracer": tracer,
        }
        try:
            snapshot.dump(path, compression="zstd" if self.settings.zstd else None)
        except (OSError, ImportError, MemoryError) as error:
            _boot.complain(f"the snapshot was not written: {error or type(error).__name__}")
            path = ""
        if path and os.path.dirname(path) == _report.current_folder():
            path = os.path.basename(path)
        for top in (self.settings.top, 1):
            try:
                lines = self.format(snapshot, top, path)
            except MemoryError:
                continue  # one place is better than none
            write_stderr("\n".join(lines) + "\n")
            return
        _boot.complain(f"no memory for the report: {peak} bytes at the peak; {path or 'no file'}")

    def format(self, snapshot: ctracemalloc.Snapshot, top: int, path: str) -> list[str]:
        style = _report.Style(self.settings.color)
        lines = _report.format_snapshot(snapshot, self.settings.key, top, style, saved=path)
        at_peak = snapshot.at_peak
        if at_peak is not None and _report.peak_stands_out(snapshot, at_peak):
            lines.append("")
            lines += _report.format_peak(at_peak, self.settings.key, top, style)
        return lines


def write_stderr(text: str) -> None:
    """Write to file descriptor 2, past sys.stderr.

    A signal handler may have interrupted the program inside sys.stderr's own write, where a
    second one is an error; and the program may have replaced the object.
    """
    data = memoryview(text.encode("utf-8", "backslashreplace"))
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # closed, or nobody reads it: the snapshot file is there
