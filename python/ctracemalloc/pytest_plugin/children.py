"""--ctracemalloc-children: the Python processes that a test starts, with the peak of each and what it held at its end.

Model: the run has a folder with a journal (run/journal.py). From a test's set-up to the end of its teardown the environment
says that a Python which starts is traced from its first line (run/follow.py), and leaves its files there. When the test has
ended, what the journal has got since is read: the processes that began meanwhile are the test's, also if one of an earlier
test has started them. One that still runs then is told as it is; the files of the others are removed. Forks of pytest's own
process are not followed.

The wrappers are the outermost ones, so nothing of this is in the figures of a phase.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from typing import Any

import pytest

from .._words import printable
from ..model.processes import RUNNING, Process
from ..render.text.processes import what
from ..run import journal
from ..run.processes import events_in, problem_of_box, processes_of, read_numbers
from ..run.settings import FOLLOW_VARIABLE, Settings
from ..run.startup import STARTUP_FOLDER, add_paths, hook_is_installed
from .results import CHILDREN_ATTRIBUTE, TEARDOWN, ChildProcess

PATH_VARIABLE = "PYTHONPATH"
NAME = "tests" + journal.SUFFIX
OUTPUT = "ctracemalloc_children"  # what a worker of pytest-xdist tells


class Children:
    """The plugin that is registered if the option is given; one for each worker of pytest-xdist."""

    def __init__(self) -> None:
        outer = os.environ.get(FOLLOW_VARIABLE)
        if outer is not None and os.path.basename(outer) != NAME:  # else it is that of a test which runs pytest
            raise pytest.UsageError("--ctracemalloc-children: a run with --follow-children follows them already")
        self.pid = os.getpid()  # a fork that a test has made may run hooks, too
        self.folder = self.journal = ""
        self.read = 0  # bytes of the journal
        self.begun: set[int] = set()  # pids
        self.before: dict[str, str | None] = {}
        self.found: list[ChildProcess] = []  # of the test that runs
        self.problems: list[str] = []  # why processes of some tests are not known

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        self.found = []
        self.begin()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self.end()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
        report = yield
        if call.when == TEARDOWN and self.found:
            setattr(report, CHILDREN_ATTRIBUTE, tuple(map(tuple, self.found)))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = self.problems

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.problems += getattr(node, "workeroutput", {}).get(OUTPUT, ())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for problem in dict.fromkeys(self.problems):
            terminalreporter.write_line(printable(f"ctracemalloc: not all children are known: {problem}"))

    def pytest_unconfigure(self) -> None:
        self.end()
        if self.folder and os.getpid() == self.pid:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- around a test ---

    def begin(self) -> None:
        """Without a folder the test runs all the same."""
        if os.getpid() != self.pid:
            return
        try:
            if not os.path.exists(self.journal):
                self.make_journal()
        except OSError as error:
            self.problems.append(str(error))
            return
        environment: dict[str, str] = {FOLLOW_VARIABLE: self.journal}
        if not hook_is_installed():
            environment[PATH_VARIABLE] = os.environ.get(PATH_VARIABLE, "")
            add_paths(environment, [STARTUP_FOLDER])
        self.before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)

    def make_journal(self) -> None:
        if not os.path.isdir(self.folder):
            self.folder = tempfile.mkdtemp(prefix="ctracemalloc-")
        self.journal = os.path.join(self.folder, NAME)
        settings = Settings(1, 0, False, "")
        settings.journal = self.journal
        self.read = 0
        try:
            journal.create(self.journal, os.getpid(), settings.encode())
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def end(self) -> None:
        """A test may have changed the environment: what it set stays."""
        if not self.before or os.getpid() != self.pid:
            return
        for name, before in self.before.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before
        self.before = {}
        try:
            self.found = [child_of(process) for process in self.new_processes()]
        except OSError as error:  # the test removed the folder
            self.problems.append(str(error))

    def new_processes(self) -> list[Process]:
        """Those that began since the last call."""
        with open(self.journal, "rb") as file:
            if os.fstat(file.fileno()).st_size == self.read:
                return []
            file.seek(self.read)
            new, _newline, _rest = file.read().rpartition(b"\n")
        self.read += len(new) + 1
        events = list(events_in(new.split(b"\n")))
        earlier = self.begun - {event["began"] for event in events if "began" in event}
        processes = processes_of((event for event in events if event.get("killed") not in earlier), self.folder)
        self.begun.update(process.pid for process in processes)
        return processes


def child_of(process: Process) -> ChildProcess:
    read_numbers(process)
    problem = "; ".join(process.problems) or None
    numbers = process.numbers
    incomplete = problem_of_box(process.file)
    if incomplete is not None:  # a figure of a part of the blocks would be wrong
        numbers, problem = None, problem or incomplete
    peak, size = (None, None) if numbers is None else (numbers.peak, numbers.size)
    if process.end != RUNNING:
        remove_files(process)
    return ChildProcess(what(process), process.end, peak, size, problem)


def remove_files(process: Process) -> None:
    for path in process.files.values():
        try:
            os.unlink(path)
        except OSError:
            pass
