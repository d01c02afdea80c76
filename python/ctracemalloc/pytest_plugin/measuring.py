"""The plugin's hooks: a scope around each phase of a test, limits after its call, and a summary at the end.

Model: the wrappers are the innermost ones (trylast), so that what other wrappers of pytest do around a phase is not measured.
Tests are measured if an option asks for all, or if they have a limit. To measure all is cheap enough to leave on, because the
lines of a test are asked for only if it may be one of those that the summary shows.
"""

import warnings
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from .._words import printable
from ..render.text.style import Style
from . import documents, snapshots
from .around import Around, warm_up
from .fixture import TestMemory
from .fixtures import FixtureScopes
from .limits import SHOWN, Breach, Limit, LimitError, breaches, marked_limits
from .measure import Line, Scope, Tracing, size_of_caches
from .placing import Placed
from .results import ATTRIBUTE, CALL, CHILDREN_ATTRIBUTE, FIGURES, GROWTH, PEAK, SETUP, TEARDOWN, Phase, Ranking, Results
from .settings import Settings
from .summary import summary_lines


class Measuring:
    """One for each run, and for each worker of pytest-xdist."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tracing = Tracing(settings.nframe or 1)
        self.is_warm = False
        self.rankings = {figure: Ranking(figure, settings.ranked) for figure in FIGURES}
        self.results = Results()
        self.style = Style(False)  # of sections of reports, which become part of several outputs
        self.measured: dict[str, Phase] = {}  # of the test that runs
        self.broken: list[Breach] = []  # of the test that runs
        self.memory: TestMemory | None = None  # of the test that runs, if it has the fixture
        self.fixtures = FixtureScopes()
        self.around: Around | None = None  # of the test that runs, from its call to the report of it
        self.not_written: list[str] = []  # files that could not be, and why

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """If all tests are measured, tracing begins before the first one that needs call stacks."""
        if self.settings.every_test and not self.settings.nframe:
            self.tracing.nframe = self.settings.frames_for(items)

    # --- around the phases of a test ---

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.measured, self.broken = {}, []
        if self.settings.every_test and not self.is_warm:
            self.is_warm = True
            warm_up(self.tracing)
        return (yield from self.around_fixtures(SETUP))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self.around_fixtures(TEARDOWN))

    def around_fixtures(self, when: str) -> Generator[None, Any, Any]:
        if not self.settings.every_test:
            return (yield)
        scope = Scope()
        self.tracing.need()
        passed = False
        scope.begin()
        try:
            result = yield
            passed = True
        finally:
            scope.end()
            scope.read()
            if scope.is_known:
                self.measured[when] = self.phase_of(scope, passed)
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if not self.settings.every_test or is_parameter(fixturedef):
            return (yield)
        self.fixtures.begin()
        try:
            return (yield)
        finally:
            self.fixtures.end(fixturedef.argname, fixturedef.scope)

    def begin_memory(self) -> TestMemory:
        """For the fixture."""
        self.memory = TestMemory(self.tracing)
        return self.memory

    def end_memory(self) -> None:
        if self.memory is not None:
            self.memory.end()
        self.memory = None
        if not self.settings.every_test:
            self.tracing.end()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        limits = self.limits_of(item)
        if not (limits or self.settings.every_test or self.memory):
            return (yield)
        around = self.around = Around(self.tracing, limits, self.is_candidate, self.memory, is_exact=self.settings.is_exact)
        placed = Placed(item, around)
        passed = False
        try:
            placed.place()
            try:
                result = yield
                passed = True
            finally:
                placed.remove(passed)
                self.note_call(around, passed)
            self.check(item, limits, around)
        finally:
            if not (self.settings.every_test or self.memory):
                self.tracing.end()
        return result

    def limits_of(self, item: pytest.Item) -> list[Limit]:
        try:
            marked = marked_limits(item, self.settings.markers)
        except LimitError as error:
            text = str(error)
        else:
            return [*marked, *self.settings.limits_for(item.nodeid, {limit.kind for limit in marked})]
        raise pytest.fail.Exception(text, pytrace=False)

    def note_call(self, around: Around, passed: bool) -> None:
        scope = around.scope
        if not (self.settings.every_test and around.has_ended):
            return
        peak_lines = scope.peak_lines() if self.is_candidate(PEAK, scope.peak) else []
        growth_lines = scope.growth_lines() if passed and self.is_candidate(GROWTH, scope.growth) else []
        self.measured[CALL] = self.phase_of(scope, passed, peak_lines, growth_lines)
        self.rankings[PEAK].add(scope.peak)
        if passed:
            self.rankings[GROWTH].add(scope.growth)

    def phase_of(self, scope: Scope, passed: bool, peak_lines: Sequence[Line] = (), growth_lines: Sequence[Line] = ()) -> Phase:
        top = self.settings.top
        figures = (scope.peak, scope.growth, scope.blocks)
        caches = size_of_caches(growth_lines)
        return Phase(*figures, passed, peak_lines[:top], growth_lines[:top], self.fixtures.take(), caches)

    def is_candidate(self, figure: str, size: int) -> bool:
        """Are the lines of the test written, or may it be one of those that the summary or the page shows?"""
        return self.settings.keeps_lines or self.rankings[figure].takes(size)

    # --- limits ---

    def check(self, item: pytest.Item, limits: list[Limit], around: Around) -> None:
        """Fail the test, which has passed, if a limit does not hold."""
        if not limits:
            return
        if not around.has_ended:
            warn_unchecked(item, limits)
            return
        shown = None if item.config.get_verbosity() >= 2 else SHOWN
        self.broken = breaches(limits, around.scopes, around.objects, self.style, shown)
        if around.objects is not None:
            around.objects.forget()
        if self.broken:
            pytest.fail("\n".join(breach.sentence for breach in self.broken), pytrace=False)

    # --- reports ---

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
        phase = self.measured.get(call.when)
        if call.when == CALL and phase is not None and self.settings.junit:
            item.user_properties += [(f"ctracemalloc_{name}", getattr(phase, name)) for name in FIGURES]
        report = yield
        if call.when == CALL:
            self.save_snapshot(report)
        if phase is not None:
            setattr(report, ATTRIBUTE, phase.as_data())
        if report.when == CALL:
            report.sections += [(f"ctracemalloc: {breach.kind}", breach.details) for breach in self.broken]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, ATTRIBUTE, None)
        if data is not None:
            self.results.add(report.nodeid, report.when or "", report.outcome, data)
            self.results.add_sections(report.nodeid, report.when or "", report.sections)

        children = getattr(report, CHILDREN_ATTRIBUTE, None)
        if children is not None:
            self.results.add_children(report.nodeid, children)

    def save_snapshot(self, report: pytest.TestReport) -> None:
        around, self.around = self.around, None
        folder = self.settings.snapshots
        if not (folder and report.failed and around is not None and around.has_ended):
            return
        try:
            text = snapshots.save(around.scope.end_snapshot(), folder, report.nodeid)
        except (OSError, RuntimeError) as error:  # RuntimeError: tracing was stopped meanwhile
            text = f"could not be written: {error}"
        report.sections.append(("ctracemalloc: snapshot", printable(text)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker of pytest-xdist has no results of its own to write."""
        if hasattr(session.config, "workerinput"):
            return
        for write in (self.write_json, self.write_html, self.update_baseline):
            try:
                write()
            except OSError as error:  # no reason to show nothing else
                self.not_written.append(str(error))
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def write_json(self) -> None:
        if self.settings.json:
            documents.write_results(self.settings.json, self.settings.json_form, self.results)

    def write_html(self) -> None:
        if self.settings.html:
            from . import page  # imported late: see __init__.py

            page.write(self.settings.html, self.results)

    def update_baseline(self) -> None:
        if self.settings.baseline is not None and self.settings.baseline.is_updated:
            self.settings.baseline.update(self.results)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for text in self.not_written:
            terminalreporter.write_line(printable(f"ctracemalloc: not written: {text}"), red=True)
        if self.settings.baseline is not None:
            for line in self.settings.baseline.lines(self.results):
                terminalreporter.write_line(printable(line))
        if not self.settings.shows_summary:
            return
        stream = terminalreporter._tw
        style = Style(bool(stream.hasmarkup))
        terminalreporter.section("ctracemalloc: memory of the tests")
        for line in summary_lines(self.results, self.settings.top, style):
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        self.tracing.end()


def is_parameter(fixturedef: Any) -> bool:
    """Of pytest.mark.parametrize, which pytest has as fixtures, too."""
    function = fixturedef.func
    return getattr(function, "__name__", "") == "get_direct_param_fixture_func" and function.__module__ == "_pytest.python"


def warn_unchecked(item: pytest.Item, limits: list[Limit]) -> None:
    kinds = ", ".join(limit.kind for limit in limits)
    text = f"not checked: {kinds} (the test was not measured from its beginning to its end: was tracing stopped in it?)"
    warnings.warn_explicit(pytest.PytestWarning(text), None, str(item.path), (item.reportinfo()[1] or 0) + 1)
