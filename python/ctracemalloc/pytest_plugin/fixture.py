"""The fixture `ctracemalloc`: what a test, or a fixture, can ask of its own memory while it runs.

Model: it is a scope of the test's function, with the names of a scope. In fixtures, which come before, it is one of what is
allocated since it was asked for. What it takes to answer is in no figure.
"""

import gc

from ctracemalloc import Snapshot

from .._exempt import own_memory
from ..scopes import scope
from .measure import Tracing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctracemalloc import Statistic, StatisticDiff


class TestMemory:
    """The blocks that are allocated since the beginning, by all threads. Sizes are in bytes."""

    __test__ = False  # pytest would collect a class of this name

    def __init__(self, tracing: Tracing) -> None:
        tracing.need()
        self._asked = scope(whole_process=True)
        self._own: scope | None = self._asked
        self._asked.__enter__()

    def follow(self, other: scope) -> None:
        """Count from the beginning of this scope, which has not begun yet."""
        self.end()
        self._asked = other

    def end(self) -> None:
        """Of what it has begun itself."""
        if self._own is not None:
            self._own.__exit__(None, None, None)
            self._own = None

    @property
    def peak(self) -> int:
        """The most bytes of its blocks that were live at a time."""
        with own_memory():
            return self._asked.peak

    @property
    def growth(self) -> int:
        """Bytes of its blocks that are live now, after a collection of all garbage."""
        gc.collect()
        with own_memory():
            return self._asked.live

    @property
    def growth_blocks(self) -> int:
        """As growth, in blocks."""
        gc.collect()
        with own_memory():
            return self._asked.live_blocks

    @property
    def allocated(self) -> int:
        """Bytes of all its blocks, also of those that were freed."""
        with own_memory():
            return self._asked.allocated

    @property
    def allocated_blocks(self) -> int:
        """All its blocks, also those that were freed."""
        with own_memory():
            return self._asked.allocated_blocks

    def peak_snapshot(self) -> Snapshot:
        """Its blocks that were live at its peak."""
        with own_memory():
            return self._asked.peak_snapshot()

    def live_snapshot(self) -> Snapshot:
        """Its blocks that are live now, after a collection."""
        gc.collect()
        with own_memory():
            return self._asked.live_snapshot()

    def top(self, limit: int = 10, key_type: str = "lineno", cumulative: bool = False) -> "list[Statistic]":
        """What made its peak, as Snapshot.statistics() has it: up to `limit` rows."""
        with own_memory():
            return self._asked.peak_snapshot().statistics(key_type, cumulative)[:limit]

    def diff(self, key_type: str = "lineno", cumulative: bool = False) -> "list[StatisticDiff]":
        """What has grown until now, as Snapshot.compare_to() has it, after a collection."""
        gc.collect()
        with own_memory():
            return self._asked.live_snapshot().compare_to(Snapshot((), 1), key_type, cumulative)
