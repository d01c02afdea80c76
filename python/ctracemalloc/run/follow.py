"""Following child processes: what a process of a run with --follow-children does for its own file.

Model: the environment variable CTRACEMALLOC_RUN has the path of the run's journal. A Python that starts with it is traced from
its first line, like the program itself (begin.py). A fork continues what its parent traced, in files of its own. Each process
has

- a black box, so that something is left whatever ends the process. It is removed when the snapshot has been written, unless
  --black-box asked for it;
- a snapshot, written when it ends: as in the program itself, or by os._exit, with which multiprocessing and others end their
  forks. With other threads running os._exit must not take its time: then the black box stays instead;
- a recording, if --record asked for one.

The files are named after the process, ctracemalloc.PID, in the journal's folder; ctracemalloc.PID-2 if that name is taken.
A child prints nothing: its problems are in the journal.
"""

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import ctracemalloc

from .. import _ctracemalloc
from .._messages import complain
from ..blackbox import writing as black_box
from ..formats import output
from ..recording import writing as recorder
from .journal import Journal
from .settings import Settings

MOST_PARENTS = 64  # how far up the chain of parents is stored
# Modules whose current process has a name: pools of multiprocessing and concurrent.futures, and of celery.
NAMING_MODULES = ("multiprocessing.process", "billiard.process")
MAIN_NAME = "MainProcess"
LAUNCHER = "_launch"  # the method in which these modules fork, and its variable with the process object
LAUNCHED = "process_obj"
# In the commands of processes that these modules start on the way, and that have no name.
FORK_SERVER = "forkserver import main"
HELPERS = ("resource_tracker import main", FORK_SERVER)
XDIST_VARIABLE = "PYTEST_XDIST_WORKER"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reporter import Reporter


class Follower:
    """Of one process. A fork uses its parent's, with a pid and files of its own."""

    def __init__(self, journal: Journal, settings: Settings, is_root: bool) -> None:
        self.journal = journal
        self.settings = settings
        self.is_root = is_root
        self.pid = os.getpid()
        self.command = sys.orig_argv[1:]
        self.by = "start" if is_root else "exec"
        self.note_names()
        self.reporter: Reporter | None = None
        self.box = self.recording = ""  # paths
        self.recorder: recorder.Recorder | None = None
        self.had_box = False  # at the last fork
        self.exec_is_noted = False
        self.choose_files()

    def note_names(self) -> None:
        """What the process inherited, at its start or fork: it is not its own name."""
        self.title, self.worker = command_line(), os.environ.get(XDIST_VARIABLE)

    # --- files ---

    def choose_files(self) -> None:
        """Names that no other file has. The black box is created, empty, to claim them."""
        self.stem = os.path.join(self.journal.folder, f"ctracemalloc.{self.pid}")
        stem, number = self.stem, 2
        while any(os.path.lexists(self.stem + ending) for ending in (".ctm", ".ctm.zst", ".ctr")) or not self.claim_box():
            self.stem, number = f"{stem}-{number}", number + 1
        asked = self.settings.record
        self.recording = "" if asked is None else self.given_or_own(asked.path, ".ctr")

    def claim_box(self) -> bool:
        given = self.settings.black_box
        self.keeps_box = given not in ("", "auto")
        self.box = self.given_or_own(given, ".box") if self.keeps_box else self.stem + ".box"
        try:
            return output.claim(self.box) or self.box != self.stem + ".box"
        except OSError:
            return True  # making the box will fail with the same error

    def given_or_own(self, given: str, ending: str) -> str:
        """FILE for the program itself, FILE.PID for other processes, or a name of this process's own in the folder FILE."""
        if os.path.isdir(given):
            return os.path.join(given, os.path.basename(self.stem) + ending)
        return given if self.is_root else f"{given}.{self.pid}"

    def files(self) -> dict[str, str]:
        files = {"black_box": self.box, "recording": self.recording}
        return {kind: self.journal.short(path) for kind, path in files.items() if path}

    # --- the start ---

    def watch(self) -> None:
        """To be called once, last: the functions for a fork's child are called in the order in which they were registered."""
        os.register_at_fork(before=self.before_fork, after_in_child=self.after_fork)

    def begin(self) -> None:
        """Said before there are files: a process that is killed at once must not leave files that belong to nobody."""
        parents = [] if self.is_root else parents_of(self.pid)
        self.journal.append("began", self.pid, by=self.by, parents=parents, command=self.command, **self.files())

    def before_fork(self) -> None:
        self.had_box = _ctracemalloc._black_box_state()[0]

    def after_fork(self) -> None:
        """In a fork: the same tables continue, in files of its own. A fork of a process that is not followed is not either."""
        parent, self.pid = self.pid, os.getpid()
        reporter = self.reporter
        if reporter is None or reporter.pid != parent or reporter.reporting or not ctracemalloc.is_tracing():
            return
        self.is_root, self.by = False, "fork"
        self.note_names()
        self.exec_is_noted = False
        self.choose_files()
        self.journal.append(
            "began", self.pid, by=self.by, parents=[parent], command=self.command, name=name_of_next(), **self.files()
        )
        if is_helper(self.command, FORK_SERVER):
            call_when_named(lambda name: self.journal.append("named", self.pid, name=name))
        ctracemalloc.reset_peak()  # the parent's peak may be from before the fork
        self.continue_box()
        self.continue_recording()
        reporter.adopt(self.pid)

    def continue_box(self) -> None:
        try:
            if self.had_box:
                _ctracemalloc._black_box_continue(self.box)
                black_box.set_ended_elsewhere()
                return
        except (OSError, RuntimeError, MemoryError) as error:
            self.problem(f"no black box: {error}")
        output.remove_if_empty(self.box)

    def continue_recording(self) -> None:
        before, self.recorder = self.recorder, None
        if before is None or recorder._current is not before or not recorder.recorder_was_active(before):
            return
        assert self.settings.record is not None
        atexit.unregister(before._at_exit)
        try:
            self.recorder = ctracemalloc.record(self.recording, self.settings.record.interval)
            recorder.set_ended_elsewhere()
        except (OSError, RuntimeError, MemoryError) as error:
            self.problem(f"not recorded: {error}")

    # --- what happens ---

    def problem(self, message: str) -> None:
        """Of the program itself on stderr, as without --follow-children; of a child in the journal alone."""
        if self.is_root:
            complain(message)
        self.journal.append("problem", self.pid, text=message)

    def on_call(self, event: str, first: Any, second: Any = None) -> None:
        """Called by the C functions that the program calls (process_calls.c)."""
        if os.getpid() != self.pid or self.reporter is None or self.reporter.pid != self.pid:
            return
        if event == "exit":
            self.reporter.at_os_exit(first & 0xFF, second)
        elif event == "killed":
            self.journal.append("killed", first, signal=second, by=self.pid, name=name_of_child(first))
        elif event == "started":
            words = words_of(second)
            name = None if is_helper(words, *HELPERS) else name_of_next()
            self.journal.append("started", first, by=self.pid, command=words, name=name)
        elif first is None:
            if self.exec_is_noted:
                self.exec_is_noted = False
                self.journal.append("exec", self.pid, path=None)
        elif isinstance(first, str | bytes) and os.access(first, os.X_OK):
            self.exec_is_noted = True
            self.journal.append("exec", self.pid, path=os.fsdecode(first), python=second)

    # --- the end ---

    def facts(self) -> dict[str, Any]:
        """For the attribute `run` of the snapshot."""
        return {"ppid": os.getppid(), "process": self.name()}

    def name(self) -> str | None:
        """What the process is called, by those who make pools of processes; None: it has no name."""
        for module in NAMING_MODULES:
            name = name_of(getattr(sys.modules.get(module), "_current_process", None))
            if name and name != MAIN_NAME:
                return name
        worker = os.environ.get(XDIST_VARIABLE)
        if worker != self.worker:  # set by the worker itself; what its tests start inherits it
            return worker
        title = command_line()
        if title != self.title:  # by setproctitle: gunicorn, celery, servers
            return title.rstrip("\0").replace("\0", " ") or None
        return None

    def ended(self, text: str, status: int | None, snapshot: str) -> None:
        """The process ends. With its snapshot written, a black box that nobody asked for is not needed any more."""
        self.journal.append(
            "ended",
            self.pid,
            text=text,
            status=status,
            name=self.name(),
            snapshot=self.journal.short(snapshot),
        )
        if snapshot and not self.keeps_box:
            remove(self.box)

    def never_ran(self) -> None:
        for path in (self.box, self.recording, self.journal.path):
            remove(path)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def command_line() -> str:
    """As `ps` shows it: programs may change it."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def is_helper(command: Sequence[str], *helpers: str) -> bool:
    return any(helper in word for word in command for helper in helpers)


def words_of(arguments: object) -> list[str]:
    """The arguments of a program, which may be anything that os accepts."""
    if not isinstance(arguments, list | tuple):
        return []
    return [os.fsdecode(word) for word in arguments if isinstance(word, str | bytes)]


def parents_of(pid: int) -> list[int]:
    """The chain of parents, nearest first, without process 1."""
    parents: list[int] = []
    try:
        while len(parents) < MOST_PARENTS:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
            if pid <= 1:
                break
            parents.append(pid)
    except (OSError, ValueError, IndexError):
        pass
    return parents


def name_of(process: object) -> str | None:
    """The name of a process object of multiprocessing. It may be of the program's own class: none of its code is called."""
    try:
        name = object.__getattribute__(process, "__dict__").get("_name")
    except AttributeError:
        return None
    return name if type(name) is str else None


def name_of_child(pid: int) -> str | None:
    """In a parent: the name of a process that it has started. It may have been killed before it said so itself."""
    for module in NAMING_MODULES:
        for process in list(getattr(sys.modules.get(module), "_children", ())):
            try:
                popen = object.__getattribute__(process, "__dict__").get("_popen")
                if object.__getattribute__(popen, "__dict__").get("pid") == pid:
                    return name_of(process)
            except AttributeError:
                continue
    return None


def call_when_named(told: Callable[[str], None]) -> None:
    """In a fork of a fork server, which learns its name later: in spawn.prepare(), before any code of the program runs.

    The object that stands for the process has another class until then.
    """
    process = getattr(sys.modules.get(NAMING_MODULES[0]), "_current_process", None)
    own: Any = type(process)
    attribute = getattr(own, "name", None)
    if not isinstance(attribute, property) or attribute.fset is None:
        return

    def set_name(process: Any, name: str) -> None:
        process.__class__ = own
        process.name = name
        told(name)

    process.__class__ = type(own.__name__, (own,), {"name": property(attribute.fget, set_name)})


def name_of_next() -> str | None:
    """In a parent that starts a process, or its fork: the name that it will have. It may be killed before it says so.

    multiprocessing forks, and starts programs, in Popen._launch().
    """
    if not any(module in sys.modules for module in NAMING_MODULES):
        return None
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == LAUNCHER and LAUNCHED in frame.f_code.co_varnames:
            return name_of(frame.f_locals.get(LAUNCHED))
    return None
