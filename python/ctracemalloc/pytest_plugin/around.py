"""What begins and ends around the code of one test: tracing, scopes, and objects if a limit wants them.

Model: everything is asked at the innermost place, in the order in which the questions disturb each other least: the figures
first, then the objects, then snapshots, which are objects themselves. What nobody will look at is not asked: the lines of a
test that no summary shows, and the garbage of one whose growth nobody reads.

Garbage of the test is no growth of it. It is collected as far as that can change what is said, the quickest way first: all of
it only if some may be old, or if otherwise a limit would not hold.
"""

from collections.abc import Callable

from .._exempt import own_memory
from .fixture import TestMemory
from .garbage import collect_all, collect_newest, collect_young, collections_made, empty_free_lists
from .limits import LIMIT_GROWTH, LIMIT_LEAKED_OBJECTS, LIMIT_LEAKS, Limit
from .measure import Scope, Tracing
from .objects import Objects
from .results import GROWTH

Candidate = Callable[[str, int], bool]  # (figure, size): will its lines be shown?


class Around:
    """is_candidate: see there. memory: of the fixture, if the test has it. is_exact: the growth is written somewhere.

    scopes: by whether only the test's own thread is in it; that of the thread is there if a limit is of it.
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
    ) -> None:
        self.tracing, self.is_candidate, self.memory, self.is_exact = tracing, is_candidate, memory, is_exact
        self.nframe = max((limit.nframe for limit in limits), default=0)
        # A stack that leaks has no more than the growth of all.
        sizes = [limit.size for limit in limits if limit.kind in (LIMIT_LEAKS, LIMIT_GROWTH) and limit.size is not None]
        self.least_broken = min(sizes, default=float("inf"))
        self.scope = Scope()
        self.scopes = {False: self.scope}
        if any(limit.current_thread_only for limit in limits):
            self.scopes[True] = Scope(current_thread_only=True)
        self.apart = own_memory()
        self.collections = self.older_collections = 0  # made until the beginning; numbers, which are no objects of the test
        self.objects = Objects() if any(limit.kind == LIMIT_LEAKED_OBJECTS for limit in limits) else None
        self.has_ended = False

    def begin(self) -> None:
        self.has_ended = False
        traced_before = self.tracing.need(self.nframe)
        if self.memory is not None:
            self.memory.follow(self.scope.scope)
        if self.is_exact:
            collect_young()  # so that collections in the test come when they came in other runs
        if self.objects is not None:
            warm_scopes()
            self.objects.begin(traced_before)
        self.collections, self.older_collections = collections_made()
        self.scope.begin()
        if True in self.scopes:
            with self.apart:
                self.scopes[True].begin()

    def end(self, passed: bool) -> None:
        self.scope.end()
        if True in self.scopes:
            self.scopes[True].end()
        self.read()
        if passed:
            self.collect()
        if self.objects is not None:
            self.objects.end()
        self.has_ended = all(scope.is_known for scope in self.scopes.values())
        if self.has_ended and passed and (self.is_candidate(GROWTH, self.scope.growth) or self.is_broken()):
            for scope in self.scopes.values():
                scope.keep_end()

    def collect(self) -> None:
        if self.may_have_garbage():
            for collect in self.ways():
                self.read_after(collect)
                if not self.may_have_garbage():
                    break
        if self.is_broken():
            self.read_after(collect_all)

    def ways(self) -> list[Callable[[], None]]:
        """To collect, each of which finds what those before it do not."""
        made, older = collections_made()
        has_old = older != self.older_collections
        if self.is_exact:
            return [collect_young, collect_all if has_old else empty_free_lists]
        newest = [collect_newest] if made == self.collections else []
        return [*newest, collect_young, empty_free_lists, *([collect_all] if has_old else [])]

    def may_have_garbage(self) -> bool:
        return self.scope.growth > 0 and self.is_growth_read()

    def read_after(self, collect: Callable[[], None]) -> None:
        collect()
        self.read()

    def read(self) -> None:
        for scope in self.scopes.values():
            scope.read()

    def is_growth_read(self) -> bool:
        return self.is_exact or self.is_candidate(GROWTH, self.scope.growth) or self.is_broken()

    def is_broken(self) -> bool:
        """May a limit of what stays not hold?"""
        return self.scope.growth >= self.least_broken


def warm_scopes() -> None:
    """The extension makes types for its objects the first time."""
    for scope in (Scope(), Scope(current_thread_only=True)):
        scope.begin()
        scope.end()


def warm_up(tracing: Tracing) -> None:
    """Measure nothing, once: what Python allocates when code runs for the first time shall not be the first test's."""
    around = Around(tracing, [], lambda _figure, _size: True)
    around.begin()
    around.end(True)
    around.scope.keep_end()
    around.scope.peak_lines()
    around.scope.growth_stacks()
