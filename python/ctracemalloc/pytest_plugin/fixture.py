"""The fixture `ctracemalloc`: what a test, or a fixture, can ask of its own memory while it runs.

Model: it counts from the beginning of the test's function. Before that, in fixtures, it counts from when it was asked for.
"""

import ctracemalloc

from .measure import Line, Scope, Tracing, lines_more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctracemalloc import Snapshot


class TestMemory:
    """What has happened to the traced memory since the beginning. All figures are of the whole process."""

    __test__ = False  # pytest would collect a class of this name

    def __init__(self, tracing: Tracing) -> None:
        tracing.need()
        self._scope = Scope(with_lines=True, is_exact=True)
        self._scope.prepare()
        self._scope.begin()

    def follow(self, scope: Scope) -> None:
        """Count from the beginning of this scope, which has not begun yet."""
        self._scope = scope

    @property
    def peak(self) -> int:
        """Bytes: how much more there was at the most than at the beginning."""
        self._scope.end()
        return self._scope.peak

    @property
    def growth(self) -> int:
        """Bytes: how much more there is now than at the beginning, without garbage; less than 0: there is less."""
        self._scope.end()
        self._scope.collect()
        return self._scope.growth

    def snapshot(self, *, at_peak: bool = False) -> "Snapshot":
        """All that is live now, or was at the peak since the beginning."""
        if not at_peak:
            return ctracemalloc.take_snapshot()
        with self._scope.apart():
            snapshot = self._scope.at_peak
        assert snapshot is not None
        return snapshot

    def top(self, number: int = 10, *, at_peak: bool = False) -> list[Line]:
        """The lines that have most bytes more than at the beginning: filename, lineno, function, size and blocks of each."""
        with self._scope.apart():
            newer = self._scope.at_peak if at_peak else ctracemalloc.take_snapshot()
            return lines_more(newer, self._scope.before)[:number]
