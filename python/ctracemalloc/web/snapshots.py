"""The snapshots that answers are made of, and those that differences count from.

Model: a snapshot is taken without the blocks of this component. In the whole process one snapshot at a time is taken (`turn`),
and one page, file or profile at a time is made from one (`making`), so that requests cannot multiply what they cost; others are
told to come again. Metrics need a turn only: they come while a profile is encoded.

An application keeps four snapshots at most, as bases of differences: the first, that of the last request for a page, the base
of that page, and that of the last scrape of the delta.

A person who reloads a page of what has changed since the last request would see what has changed since that page was made: next
to nothing. So a page that is asked for again within RELOAD_SECONDS counts from the same base.

If the tables were emptied since then (clear_traces, stop), the numbers of the two say nothing about each other. Such a snapshot
is no base of a difference any more: the generation of the tables is another one.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from .. import Filter, Snapshot, is_tracing, take_snapshot
from .._ctracemalloc import _tables_generation
from .._exempt import not_exempt
from .._words import clock
from ..model.sums import Sums, sums_of
from ..places.package import PACKAGE, escaped
from .messages import Refused

NOW, LAST, START = SINCE = ("", "last", "start")  # what differences count from
RELOAD_SECONDS = 10.0
OWN = ("web", "export", "model", "places", "render")  # parts of the package below which no code of the program runs


class TimedSnapshot(NamedTuple):
    snapshot: Snapshot
    sums: Sums
    time: float  # UNIX time, in seconds
    seconds: float  # that taking the snapshot took
    generation: int | None  # of the tables; None: they were emptied while it was taken


class NotTracing(Exception):
    """There is no snapshot to take. The text says why."""


class Busy(Exception):
    """Another answer is being made, or another snapshot is being taken."""


class Turn:
    """A lock of one_at_a_time. A fork gets a new one: the thread that held it does not exist there."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = threading.Lock()


_snapshot, _answer = Turn(), Turn()


def waited(lock: threading.Lock, timeout: float) -> bool:
    """Is it acquired? The thread may be another one's meanwhile, if greenlets share it."""
    with not_exempt():
        return lock.acquire(timeout=timeout)


@contextmanager
def one_at_a_time(of: Turn, timeout: float = 0) -> Iterator[None]:
    """Busy if another one still has it after `timeout` seconds."""
    lock = of.lock
    if not lock.acquire(blocking=False) and not (timeout and waited(lock, timeout)):
        raise Busy
    try:
        yield
    finally:
        lock.release()


def take_timed() -> TimedSnapshot:
    """NotTracing if that cannot be. The caller has its turn."""
    if not is_tracing():
        raise NotTracing("tracing is off: the program has to call ctracemalloc.start()")
    begin, generation = time.perf_counter(), _tables_generation()
    try:
        snapshot = without_own(take_snapshot())
    except RuntimeError as error:
        raise NotTracing(str(error)) from None
    same = generation if generation == _tables_generation() else None
    return TimedSnapshot(snapshot, sums_of(snapshot), time.time(), time.perf_counter() - begin, same)


def peak_of(taken: TimedSnapshot) -> int:
    """Bytes, without those of this component, as in the snapshot's traces."""
    return max(taken.sums.peak_size or 0, taken.sums.size)


def without_own(snapshot: Snapshot) -> Snapshot:
    """Without what this component allocated, itself or through others, and what the rest of the package allocated itself."""
    folder = escaped(PACKAGE)
    own = [Filter(False, f"{folder}/{part}/*", all_frames=True) for part in OWN]
    own.append(Filter(False, f"{folder}/*"))
    return snapshot.filter_traces(own)


def is_base(old: TimedSnapshot, new: TimedSnapshot) -> bool:
    """Were the tables not emptied in between?"""
    return new.generation is not None and old.generation == new.generation


class Bases:
    """Those of one application. Used only by the thread that has its turn."""

    def __init__(self) -> None:
        self.first: TimedSnapshot | None = None
        self.last: TimedSnapshot | None = None  # that a person looked at
        self.last_base: TimedSnapshot | None = None  # of that page, if it was since the last request
        self.scraped: TimedSnapshot | None = None  # of the delta
        try:
            with one_at_a_time(_snapshot):
                self.first = take_timed()
        except (NotTracing, Busy):
            pass  # then it is the first one that is asked for

    def take(self) -> TimedSnapshot:
        taken = take_timed()
        self.first = usable(self.first, taken) or taken
        return taken

    def base(self, since: str, taken: TimedSnapshot) -> TimedSnapshot | None:
        """What a page counts from that a person asks for; None: nothing, or there is nothing that it could count from."""
        last = self.last_base if self.is_reload(taken) else self.last
        found = usable({NOW: None, LAST: last, START: self.first}[since], taken)
        self.last, self.last_base = taken, found if since == LAST else None
        return None if found is taken else found

    def is_reload(self, taken: TimedSnapshot) -> bool:
        """If it is asked for what has changed since the last request."""
        if self.last is None or self.last_base is None:
            return False
        return 0 <= taken.time - self.last.time < RELOAD_SECONDS


def named_base(name: str, base: TimedSnapshot, taken: TimedSnapshot) -> str:
    """A base with its age, for people."""
    return f"{name} ({clock(taken.time - base.time)} earlier)"


def usable(old: TimedSnapshot | None, new: TimedSnapshot) -> TimedSnapshot | None:
    return old if old is not None and is_base(old, new) else None


def snapshot_turn(timeout: float) -> AbstractContextManager[None]:
    return one_at_a_time(_snapshot, timeout)


def answer_turn(timeout: float) -> AbstractContextManager[None]:
    return one_at_a_time(_answer, timeout)


def turn(timeout: float) -> AbstractContextManager[None]:
    """To take a snapshot for a request: what hinders it is told."""
    return told(snapshot_turn(timeout))


def making(timeout: float = 0) -> AbstractContextManager[None]:
    """To make an answer that takes long, from a snapshot: what hinders it is told."""
    return told(answer_turn(timeout))


@contextmanager
def told(manager: AbstractContextManager[None]) -> Iterator[None]:
    try:
        with manager:
            yield
    except Busy:
        raise Refused(503, "another answer is being made: come again", ("Retry-After", "1")) from None
    except NotTracing as error:
        raise Refused(503, str(error), ("Retry-After", "30")) from None
