"""The last snapshot before the process is killed for want of memory, or cannot get any more.

Model: a thread looks how full each ceiling is (ceilings.py), often, and at once when the kernel reports that memory is scarce
(wakeups.py). From the share `at` on a snapshot is written, and again whenever half of what was left is used, so that the newest
one is near the end; it replaces the one before, which is this guard's own file. When less than RELIEF of `at` is used again,
the next time begins at `at`. A report that there was no memory, or that a process was killed, makes a snapshot too.

Address space for the snapshot is reserved, as `run` does for its report; under `run` it is the same one.
"""

import os
import time

from .. import is_tracing, take_snapshot
from .._ctracemalloc import _give_up, _set_aside
from .._exempt import own_memory
from ..run.reserve import ADDRESS_SPACE
from .ceilings import ceilings, groups
from .dumping import Target, add_facts, write
from .thread import Guard
from .wakeups import Wakeups

LEAST_LEFT = 0.002  # of a limit: then there are no more snapshots
RELIEF = 0.9
GROUPS_SECONDS = 10.0  # after which it is asked anew in which groups the process is: a machine may have thousands of mounts
LEAST_PAUSE = 0.01  # seconds, however often the kernel reports


class OomGuard(Guard):
    """What dump_on_oom() returns. As a context manager it is cancelled at the end of the block."""

    name = "dump_on_oom"

    def __init__(self, target: Target, at: float, every: float, children: bool) -> None:
        super().__init__(every, children)
        self._target, self._at = target, at
        self._wakeups: Wakeups | None = None
        self._begin()

    def _begin(self) -> None:
        self._path: str | None = None
        self._next = self._at
        self._close()
        self._wakeups = Wakeups()
        self._groups, self._asked = [*groups()], time.monotonic()
        for folder, files in self._groups:
            self._wakeups.add(folder, files)
        self._alarms = {one.name: one.alarms for one in ceilings(self._groups)}
        self._reserve()
        super()._begin()

    @property
    def path(self) -> str | None:
        """The file with the newest snapshot; None: there was no need of one."""
        return self._path

    def cancel(self) -> None:
        """Nothing will be written any more; what is being written is waited for. Idempotent."""
        self._end()

    def _end(self) -> None:
        super()._end()
        if self._wakeups is not None:
            self._wakeups.wake()
        if self._thread is not None:
            self._thread.join()
        self._close()

    def _pause(self) -> None:
        assert self._wakeups is not None
        if not self._ended.wait(min(LEAST_PAUSE, self._every)):
            self._wakeups.wait(self._every)

    def _look(self) -> bool:
        if time.monotonic() - self._asked > GROUPS_SECONDS:
            self._groups, self._asked = [*groups()], time.monotonic()
        found = ceilings(self._groups, self._at)
        share = max((one.share for one in found), default=0.0)
        alarms = {one.name: one.alarms for one in found}
        is_alarm = any(number > self._alarms.get(name, number) for name, number in alarms.items())
        self._alarms = alarms
        if share < RELIEF * self._at:
            self._next = self._at
        if is_tracing() and (is_alarm or share >= self._next):
            self._next = max(share, self._next) + (1 - max(share, self._next)) / 2
            if 1 - self._next < LEAST_LEFT:
                self._next = float("inf")
            self._dump()
        return False

    def _dump(self) -> None:
        _give_up()
        try:
            with own_memory():
                snapshot = add_facts(take_snapshot(), sources=False)
                if self._path is None:
                    self._path = self._target.dump(snapshot)
                else:
                    write(snapshot, self._path)
        finally:
            self._reserve()

    def _reserve(self) -> None:
        try:
            _set_aside(ADDRESS_SPACE)
        except MemoryError:
            pass  # the snapshot then needs what is left

    def _close(self) -> None:
        if self._wakeups is not None:
            self._wakeups.close()
            self._wakeups = None

    def _after_fork(self) -> None:
        self._close()
        super()._after_fork()


def dump_on_oom(
    pattern: str | os.PathLike[str],
    *,
    at: float = 0.9,
    every: float = 0.05,
    children: bool = False,
) -> OomGuard:
    """Write a snapshot before the memory that a control group or RLIMIT_AS allows is used up, and newer ones until it is.

    pattern: a path as in dump_on_signal(); one process writes one file, the newest snapshot. at: the share of the limit from
    which on one is written, more than 0 and less than 1. every: seconds between two looks, 0.01 to 86400. children: a fork of
    this process has the guard as well. ValueError or OSError if one of them cannot be used.
    """
    if not 0 < at < 1:
        raise ValueError(f"at must be more than 0 and less than 1, not {at!r}")
    return OomGuard(Target(pattern), at, every, children)
