"""The memory of fixtures, told apart from that of the test and of each other.

Model: fixtures are set up one after another, or one within another if it asks for it by name. What an inner one allocates is
not the outer one's.
"""

from .measure import live_bytes
from .results import FixtureGrowth


class FixtureScopes:
    """begin() and end() around each set-up; `take()` when a phase ends."""

    def __init__(self) -> None:
        self.found: list[FixtureGrowth] = []
        self.begun: list[int] = []  # live bytes at the beginning of each that is being set up, more of what is not its own

    def begin(self) -> None:
        self.begun.append(live_bytes())

    def end(self, name: str, scope: str) -> None:
        growth = live_bytes() - self.begun.pop()
        self.found.append(FixtureGrowth(name, scope, growth))
        self.begun = [size + growth for size in self.begun]

    def take(self) -> list[FixtureGrowth]:
        found, self.found = self.found, []
        return found
