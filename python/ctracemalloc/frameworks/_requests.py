"""The labels `route` and `method` of a request.

Model: a route is the pattern that the program has written (`/orders/{id}`), never the path that a client has sent, so there
are few labels, and each is made once. Most frameworks know the route only when they have routed: until then it is OTHER. A
request runs in parts, first the application, then each step of its response. A part may run in another context, so each part
enters the labels and leaves them.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import lru_cache
from types import TracebackType
from typing import Any

from .._bodies import leave_from_below
from .._ctracemalloc import _labels_enter, _labels_leave
from ..labelling import labels

OTHER = "other"  # a route or a method that is not known
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "QUERY"))
MOST = 1024  # labels that are kept: more than routes times methods, unless a program makes routes of paths
MAX_BYTES = 1024  # of a label's value


def text_of(value: object) -> str:
    """As a label's value; OTHER: it can be none."""
    text = OTHER if value is None else str(value)
    return OTHER if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES else text


@lru_cache(MOST)
def labels_of(route: str, method: str) -> labels:
    """One object for all requests of a route: entering it twice in one context is entering two with the same pairs."""
    return labels(route=text_of(route), method=method if method in METHODS else OTHER)


class Request:
    """The labels of a request, as a context manager for each of its parts."""

    __slots__ = ("_entered", "_labels", "_method")

    def __init__(self, method: str, route: str = OTHER) -> None:
        self._method = method
        self._labels = labels_of(route, method)
        self._entered: list[labels] = []  # in this part, in this order

    def __enter__(self) -> None:
        own = self._labels
        self._entered.append(own)
        _labels_enter(own._pairs, own, None)  # as its __enter__ does; last, so that nothing of ours has the labels

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        entered = self._entered
        while entered:
            own = entered.pop()
            if not _labels_leave(own):
                leave_from_below(own)

    def found(self, route: str) -> None:
        """The framework has routed it: the rest of this part has the route, and so have all later parts.

        In a copy of the part's context, the copy has it.
        """
        self._labels = labels_of(route, self._method)
        self.__enter__()


class Steps(Iterator[Any]):
    """An iterable, of which each step runs with the labels, and its close() too."""

    def __init__(self, items: Iterable[Any], around: Request | labels) -> None:
        self._items, self._around = items, around
        self._next: Callable[[], Any] | None = None

    def __next__(self) -> Any:
        with self._around:
            if self._next is None:
                self._next = iter(self._items).__next__
            return self._next()

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            with self._around:
                close()


async def async_steps(items: AsyncIterator[Any], around: Request | labels) -> AsyncIterator[Any]:
    """As Steps, of an asynchronous iterable."""
    own = items.__aiter__()
    try:
        while True:
            try:
                with around:
                    item = await own.__anext__()
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(own, "aclose", None)
        if close is not None:
            with around:
                await close()
