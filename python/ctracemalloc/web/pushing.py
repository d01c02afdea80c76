"""Pushing profiles to a profiling server, in a thread of its own, for programs that no scraper reaches.

Model: each `interval` a snapshot becomes a profile: what is live now, and what was allocated since the profile before. Profiles
wait in a queue until the server has taken them. It is bounded in profiles and bytes, and the oldest is dropped and counted if
it is full. While the server does not answer, attempts are made less and less often, and an attempt has an end (attempt.py): a
profile that falls due meanwhile is made after it. The program never waits: the thread is a daemon, the end of the program is
not its business, and close() waits only so long as it is told to.

A fork has no such thread. With `children` it begins one of its own, which counts from its first snapshot.
"""

import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from .._exempt import exempt
from .._threads import started
from .delivery import PYROSCOPE, Destination, Later, TimedProfile
from .loading import own_imports
from .served import profile_of
from .snapshots import Busy, NotTracing, TimedSnapshot, answer_turn, snapshot_turn, take_timed, usable

MIN_INTERVAL, MAX_INTERVAL = 1.0, 3600.0
MOST_PROFILES = 40
MOST_BYTES = 16 * 1024 * 1024
LONGEST_PAUSE = 120.0  # seconds between two attempts
PATIENCE = 5.0  # seconds to wait for an answer that is being made


class Queue:
    """The profiles that wait, the oldest first. Changed by the pusher's thread only."""

    def __init__(self) -> None:
        self.profiles: deque[TimedProfile] = deque()
        self.size = 0  # bytes
        self.dropped = 0  # profiles, ever

    def put(self, timed: TimedProfile) -> None:
        self.profiles.append(timed)
        self.size += len(timed.profile)
        while len(self.profiles) > MOST_PROFILES or self.size > MOST_BYTES:
            self.remove()
            self.dropped += 1

    def remove(self) -> None:
        self.size -= len(self.profiles.popleft().profile)


class Pusher:
    """A push that goes on, as push() returns it. As a context manager it is closed at the end of the block."""

    def __init__(self, destination: Destination, interval: float, children: bool) -> None:
        self._destination, self._interval, self._children = destination, interval, children
        self._begin()

    def _begin(self) -> None:
        self._queue = Queue()
        self._sent = 0
        self._error: str | None = None
        self._base: TimedSnapshot | None = None
        self._wake = threading.Event()  # set: the thread is to end
        self._last = False  # a last profile is to be made at the end
        _pushers.add(self)
        self._thread = started(self._run, name="ctracemalloc.web.push")

    @property
    def running(self) -> bool:
        """False after close(), and in a fork of the process without `children`."""
        return self._thread.is_alive() and not self._wake.is_set()

    @property
    def sent(self) -> int:
        """Profiles that the server has taken."""
        return self._sent

    @property
    def waiting(self) -> int:
        """Profiles that it has not taken yet."""
        return len(self._queue.profiles)

    @property
    def dropped(self) -> int:
        """Profiles that were lost, because the server did not want them or was away too long."""
        return self._queue.dropped

    @property
    def error(self) -> str | None:
        """What the last attempt failed with; None: it did not."""
        return self._error

    def close(self, timeout: float = 0.0) -> None:
        """End the push. With a timeout in seconds, a last profile is made, and what waits is sent if that time is enough."""
        self._last = timeout > 0
        self._wake.set()
        if timeout > 0 and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._turns()
        finally:
            _pushers.discard(self)

    def _turns(self) -> None:
        self._make(first=True)
        failures, attempt, due = 0, math.inf, time.monotonic() + self._interval
        while not self._wake.wait(max(min(due, attempt) - time.monotonic(), 0.0)):
            now = time.monotonic()
            if now >= due:
                self._make()
                due = max(due + self._interval, now)
                attempt = min(attempt, now) if not failures else attempt
            if now >= attempt:
                failures = 0 if self._send_some(max(due, now + self._interval)) else failures + 1
                attempt = self._next_attempt(failures)
        if self._last:
            self._make()
            self._send_some(math.inf)

    def _next_attempt(self, failures: int) -> float:
        if failures:
            return time.monotonic() + pause_after(failures)
        return time.monotonic() if self._queue.profiles else math.inf

    def _make(self, first: bool = False) -> None:
        """Make a profile, or at first just take the snapshot that the first one counts from."""
        try:
            with exempt() as scope, own_imports(), answer_turn(PATIENCE):
                with snapshot_turn(PATIENCE):
                    taken = take_timed()
                base, self._base = self._base, taken
                profile = b"" if first else profile_of(taken, usable(base, taken))
                kept = scope.keep(profile)
        except (NotTracing, Busy) as error:
            self._error = str(error) or "another answer was being made"
            return
        except Exception as error:  # the next one may be better; the program has no part in it
            self._error = f"no profile could be made: {type(error).__name__}"
            return
        if not first:
            begin = taken.time - self._interval if base is None else base.time
            self._queue.put(TimedProfile(profile, begin, taken.time, kept))

    def _send_some(self, until: float) -> bool:
        """Send what waits, up to a time, so that others are made. False: the server is not to be had now."""
        while self._queue.profiles:
            if not self._send():
                return False
            if time.monotonic() >= until or (self._wake.is_set() and not self._last):
                break
        return True

    def _send(self) -> bool:
        """One profile of those that wait."""
        try:
            with own_imports():
                self._destination.send(self._queue.profiles[0])
            self._sent, self._error = self._sent + 1, None
        except Later as error:
            self._error = str(error)
            return False
        except Exception as error:
            self._error = str(error)
            self._queue.dropped += 1
        self._queue.remove()
        return True

    def _after_fork(self) -> None:
        """In the child, which has not the thread, but may have a lock that it held."""
        self._destination.leave_to_parent()
        closed, self._wake = self._wake.is_set(), threading.Event()
        if self._children and not closed:
            self._begin()
            return
        _pushers.discard(self)
        if closed:
            self._wake.set()

    def __enter__(self) -> "Pusher":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "closed"
        return f"<Pusher {state} sent={self.sent} waiting={self.waiting} dropped={self.dropped}>"


def pause_after(failures: int) -> float:
    """Seconds: twice as long after each failure, and not at the same time as others."""
    return min(2.0 ** min(failures, 10), LONGEST_PAUSE) * random.uniform(0.5, 1.0)


_pushers: set[Pusher] = set()  # that have a thread


def _after_fork_in_child() -> None:
    for pusher in list(_pushers):
        pusher._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


def push(
    url: str,
    interval: float = 15.0,
    *,
    application: str,
    labels: Mapping[str, str] | None = None,
    server: str = PYROSCOPE,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    children: bool = False,
) -> Pusher:
    """Push a profile of the memory to a server every `interval` seconds (1 to 3600).

    url: http://HOST:PORT or https://HOST, with a path in front of the server's own ones if it has one. server: "pyroscope" (its
    push API), "pyroscope-ingest" (the older /ingest), or "parca". application: the name of the service; labels: more names with
    values that the profiles get. token: sent as `Authorization: Bearer TOKEN`; headers: others that are sent. children: a fork
    of this process pushes as well. ValueError if one of them cannot be used.
    """
    number = float(interval)
    if not (math.isfinite(number) and MIN_INTERVAL <= number <= MAX_INTERVAL):
        raise ValueError(f"interval must be in range [{MIN_INTERVAL:g}; {MAX_INTERVAL:g}] seconds, not {interval!r}")
    return Pusher(Destination(url, application, labels or {}, server, headers or {}, token), number, children)
