"""Profiles, at the paths of Go's net/http/pprof.

Model: what is about memory is the profile of a taken, or of the difference of two. The other paths exist because scrapers ask
for all of Go's profiles unless they are told otherwise, and take a 404 for a target that is down: their answers are valid and
empty.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from .._program import run_facts, words_of
from ..export.profile_proto import ProfileWriter, compressed
from ..model.table import View
from ..render.text.report import format_report
from ..render.text.style import Style
from .messages import Answer, Delayed, Query, Refused, Request, Response, text_response
from .served import BY_ALLOCATED, BY_LIVE, profile_of
from .snapshots import Bases, TimedSnapshot, making, turn, usable

PROTOBUF = "application/octet-stream"
MOST_WAITING = 4  # requests with `?seconds=` at a time
PATIENCE = 5.0  # seconds, of a request that has waited already, and for a snapshot that is being taken
TEXT_ROWS = 100
# Of the profiles that are empty: their sample types.
EMPTY = {
    "profile": (("samples", "count"), ("cpu", "nanoseconds")),
    "goroutine": (("goroutine", "count"),),
    "threadcreate": (("threadcreate", "count"),),
    "block": (("contentions", "count"), ("delay", "nanoseconds")),
    "mutex": (("contentions", "count"), ("delay", "nanoseconds")),
}
INDEX = (
    ("heap", "live memory, and what was allocated"),
    ("heap?debug=1", "the same as text"),
    ("heap?seconds=10", "how it changes in 10 seconds"),
    ("allocs", "the same; tools show first what was allocated"),
    ("delta_heap", "what is live, and what was allocated since the last request"),
    ("cmdline", "the command line, words separated by zero bytes"),
    *((name, "empty: for tools that ask for it") for name in EMPTY),
)
TRACE = b"go 1.22 trace\0\0\0"  # an execution trace of Go without an event


class Profiles:
    def __init__(self, bases: Bases, max_seconds: float) -> None:
        self.bases, self.max_seconds = bases, max_seconds
        self.waiting: list[float] = []  # until when requests wait
        self.answers: dict[str, Callable[[Request, Query], Answer]] = {
            "heap": partial(self.memory, BY_LIVE),
            "allocs": partial(self.memory, BY_ALLOCATED),
            "delta_heap": self.delta,
            "cmdline": cmdline,
            "symbol": symbol,
            "trace": trace,
            **{name: partial(empty, name) for name in EMPTY},
        }

    def memory(self, default: str, request: Request, query: Query) -> Answer:
        seconds, debug = query.number("seconds", 0, int(self.max_seconds)), query.number("debug", 0, 10)
        if seconds:
            return self.over(seconds, default)
        with making():
            with turn(PATIENCE):
                taken = self.bases.take()
            return report(taken) if debug else download(profile_of(taken, default=default))

    def over(self, seconds: int, default: str) -> Answer:
        """How it changes in so many seconds from now."""
        now = time.monotonic()
        self.waiting = [end for end in self.waiting if end > now]
        if len(self.waiting) >= MOST_WAITING:
            raise Refused(503, f"{MOST_WAITING} requests wait already: come again", ("Retry-After", str(seconds)))
        end = now + seconds
        self.waiting.append(end)

        def give_up() -> None:
            if end in self.waiting:  # else its time is over already
                self.waiting.remove(end)

        try:
            with turn(PATIENCE):
                base = self.bases.take()
        except BaseException:
            give_up()
            raise

        def then() -> Response:
            with making(PATIENCE):
                with turn(PATIENCE):
                    taken = self.bases.take()
                if usable(base, taken) is None:
                    raise Refused(503, "the program has emptied its tables meanwhile: come again", ("Retry-After", "1"))
                return download(profile_of(taken, base, default, growth=True))

        return Delayed(seconds, then, give_up)

    def delta(self, request: Request, query: Query) -> Answer:
        """Of the first request, what was allocated since the start of tracing."""
        with making():
            with turn(PATIENCE):
                taken = self.bases.take()
                base, self.bases.scraped = usable(self.bases.scraped, taken), taken
            return download(profile_of(taken, base, BY_ALLOCATED))


def download(profile: bytes) -> Response:
    return Response(200, profile, PROTOBUF)


def report(taken: TimedSnapshot) -> Response:
    style = Style(False)
    style.with_source = False  # no file is read for a request
    return text_response("\n".join([*format_report(taken.snapshot, View(limit=TEXT_ROWS), style, run=run_facts()), ""]))


def empty(name: str, request: Request, query: Query) -> Response:
    if query.number("debug", 0, 10):
        return text_response(f"{name}: nothing, because this is no program in Go; /debug/pprof/heap has its memory\n")
    return download(b"".join(compressed(empty_pieces(name))))


def empty_pieces(name: str) -> Iterator[bytes]:
    """A valid profile without a sample."""
    writer, types = ProfileWriter(), EMPTY[name]
    yield from writer.sample_types(types)
    yield from writer.facts(time=time.time_ns(), period_type=types[-1])
    yield from writer.string_table()


def cmdline(request: Request, query: Query) -> Response:
    return Response(200, b"\0".join(map(os.fsencode, words_of(sys.orig_argv))))


def symbol(request: Request, query: Query) -> Response:
    """The profiles have the names of their functions: there are no symbols to ask for."""
    return text_response("num_symbols: 0\n")


def trace(request: Request, query: Query) -> Response:
    return download(TRACE)
