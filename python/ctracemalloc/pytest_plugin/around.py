"""What begins and ends around the code of one test: tracing, a scope, and objects if a limit wants them.

Model: everything is asked at the innermost place, in the order in which the questions disturb each other least: the figures
first, then the objects, then snapshots, which are objects themselves. What nobody will look at is not asked: the lines of a
test that no summary shows, and the garbage of one whose growth nobody reads.
"""

from collections.abc import Callable

from .fixture import TestMemory
from .limits import LIMIT_GROWTH, LIMIT_LEAKED_OBJECTS, LIMIT_LEAKS, LIMIT_MEMORY, Limit
from .measure import Scope, Tracing
from .objects import Objects
from .results import GROWTH, PEAK

Candidate = Callable[[str, int], bool]  # (figure, size): will its lines be shown?


class Around:
    """memory: of the fixture, if the test has it. keeps_end: a snapshot will be asked for.

    has_ended: the test was measured, from its beginning to its end.
    """

    def __init__(
        self,
        tracing: Tracing,
        limits: list[Limit],
        is_candidate: Candidate,
        memory: TestMemory | None = None,
        *,
        is_exact: bool = False,
        keeps_end: bool = False,
    ) -> None:
        kinds = {limit.kind for limit in limits}
        self.tracing, self.is_candidate, self.memory = tracing, is_candidate, memory
        self.nframe = max((limit.nframe for limit in limits), default=0)
        self.limits_peak = LIMIT_MEMORY in kinds
        self.limits_end = bool(kinds & {LIMIT_LEAKS, LIMIT_GROWTH})
        self.scope = Scope(with_lines=True, is_exact=is_exact or self.limits_end or memory is not None)
        self.objects = Objects() if LIMIT_LEAKED_OBJECTS in kinds else None
        self.keeps_end = keeps_end
        self.has_ended = False

    def begin(self) -> None:
        self.has_ended = False
        traced_before = self.tracing.need(self.nframe)
        if self.memory is not None:
            self.memory.follow(self.scope)
        self.scope.prepare()
        if self.objects is not None:
            self.objects.begin(traced_before)
        self.scope.begin()

    def end(self, passed: bool) -> None:
        scope = self.scope
        scope.end()
        shows_growth = passed and self.is_candidate(GROWTH, scope.growth)
        if shows_growth or (passed and self.limits_end):
            scope.collect()
        if self.objects is not None:
            self.objects.end()
        self.has_ended = scope.is_known
        if not self.has_ended:
            return
        if self.limits_peak or self.is_candidate(PEAK, scope.peak):
            scope.keep_peak()
        if self.keeps_end or shows_growth or (passed and self.limits_end):
            scope.keep_end()


def warm_up(tracing: Tracing) -> None:
    """Measure nothing, once: what Python allocates when code runs for the first time shall not be the first test's."""
    around = Around(tracing, [], lambda _figure, _size: True)
    around.begin()
    around.end(True)
    around.scope.growth_lines()
