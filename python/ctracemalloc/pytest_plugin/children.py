"""--ctracemalloc-children: the Python processes that a test starts, with the peak of each and what it held at its end.

Model: from a test's set-up to the end of its teardown the environment says that a Python which starts is traced from its
first line (run/follow.py), and leaves its files in a folder of this run. When the test has ended they are read, as by
`ctracemalloc report FOLDER`, and removed. A process that still runs then is told as it is. Forks of pytest's own process are
not followed.

The wrappers are the outermost ones, so nothing of this is in the figures of a phase.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from typing import Any

import pytest

from ..model.processes import Process
from ..render.text.processes import what
from ..run import journal
from ..run.processes import processes_of_journal, read_numbers
from ..run.settings import FOLLOW_VARIABLE, Settings
from ..run.startup import STARTUP_FOLDER, add_paths, hook_is_installed
from .results import CHILDREN_ATTRIBUTE, TEARDOWN, ChildProcess

PATH_VARIABLE = "PYTHONPATH"
NAME = "tests" + journal.SUFFIX


class Children:
    """The plugin that is registered if the option is given; one for each worker of pytest-xdist."""

    def __init__(self) -> None:
        if FOLLOW_VARIABLE in os.environ:
            raise pytest.UsageError("--ctracemalloc-children: a run with --follow-children follows them already")
        self.folder = ""
        self.before: dict[str, str | None] = {}
        self.found: list[ChildProcess] = []  # of the test that runs

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

    def pytest_unconfigure(self) -> None:
        self.end()

    def begin(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="ctracemalloc-")
        path = os.path.join(self.folder, NAME)
        settings = Settings(1, 0, False, "")
        settings.journal = path
        journal.create(path, os.getpid(), settings.encode())
        environment: dict[str, str] = {FOLLOW_VARIABLE: path}
        if not hook_is_installed():
            environment[PATH_VARIABLE] = os.environ.get(PATH_VARIABLE, "")
            add_paths(environment, [STARTUP_FOLDER])
        self.before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)

    def end(self) -> None:
        """A test may have changed the environment: what it set stays."""
        if not self.folder:
            return
        for name, before in self.before.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before
        self.found = [child_of(process) for process in self.processes()]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = ""

    def processes(self) -> list[Process]:
        try:
            return processes_of_journal(os.path.join(self.folder, NAME), os.listdir(self.folder))
        except OSError:  # the test removed the folder
            return []


def child_of(process: Process) -> ChildProcess:
    read_numbers(process)
    numbers = process.numbers
    known = (None, None) if numbers is None else (numbers.peak, numbers.size)
    return ChildProcess(what(process), process.end, *known)
