"""The memory of fixtures, told apart from that of the test and of each other.

Model: fixtures are set up one after another, or one within another if it asks for it by name. Each has a scope. What an inner
one has allocated, and is still live, is not the outer one's. What it takes to tell them apart is in no scope.
"""

from collections.abc import Sequence

from .._exempt import own_memory
from .measure import Scope
from .results import FixtureGrowth


class FixtureScopes:
    """begin() and end() around each set-up; `take()` when a phase ends."""

    def __init__(self) -> None:
        self.found: list[FixtureGrowth] = []
        self.begun: list[tuple[Scope, list[Scope]]] = []  # each that is being set up, with those that were within it

    def begin(self) -> None:
        with own_memory():
            one = Scope()
            self.begun.append((one, []))
            one.begin()

    def end(self, name: str, scope: str) -> None:
        """A set-up in which tracing was stopped is not known, and left out."""
        self.begun[-1][0].end()
        with own_memory():
            one, within = self.begun.pop()
            for known in (one, *within):
                known.read()
            if self.begun:
                self.begun[-1][1].append(one)
            if one.is_known:
                growth = one.growth - sum(inner.growth for inner in within if inner.is_known)
                self.found.append(FixtureGrowth(name, scope, max(growth, 0)))  # another thread may free something meanwhile

    def take(self) -> Sequence[FixtureGrowth]:
        if not self.found:
            return ()
        found, self.found = self.found, []
        return found
