"""What the package allocates beside the program makes no new peak: who looks at a program must not change what is seen.

Model: while a thread makes an answer (web) or looks at the program (guards), the bytes of its events are exempt from the peak,
which is then one of the program alone (`_exempt_start` of the extension). A thread is exempt only while it computes: where it
waits, a greenlet of the program may run in it. A body is held by the program's server until it is sent: its bytes stay exempt
as long as its Kept lives, which goes wherever the body goes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from ._ctracemalloc import _exempt_finish, _exempt_release, _exempt_start, _own_finish, _own_start


class Kept:
    """Bytes that stay exempt until this object is gone."""

    __slots__ = ("bytes", "pair")

    def __init__(self, body: bytes) -> None:
        self.bytes = sys.getsizeof(body)
        self.pair: tuple[int, int] | None = None

    def __del__(self) -> None:
        if self.pair is not None:
            _exempt_release(*self.pair)


class Scope:
    """What is to stay exempt after a block of exempt()."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []

    def keep(self, body: bytes) -> Kept:
        self.kept.append(Kept(body))
        return self.kept[-1]


@contextmanager
def exempt() -> Iterator[Scope]:
    """For this thread, in the block. A block inside another one has no effect, and the outer one keeps its bodies as well."""
    scope = Scope()
    if not _exempt_start():
        yield scope
        return
    try:
        yield scope
    finally:
        left, number = _exempt_finish(sum(kept.bytes for kept in scope.kept))
        for kept in scope.kept:
            kept.pair = min(kept.bytes, left), number
            left -= kept.pair[0]


@contextmanager
def not_exempt() -> Iterator[None]:
    """For this thread, in the block, inside one of exempt() or not."""
    was_exempt = not _exempt_start()
    _exempt_finish(0)
    try:
        yield
    finally:
        if was_exempt:
            _exempt_start()


class own_memory:
    """For this thread, in the block: what is allocated is exempt, in no scope, and has this package's file as the most recent
    frame, also if code of others allocates it (an import, linecache). No function of the program is to be called in the block.
    Inside another one it has no effect."""

    __slots__ = ("is_exempt", "is_own")

    def __enter__(self) -> None:
        self.is_exempt, self.is_own = _exempt_start(), _own_start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        if self.is_own:
            _own_finish()
        if self.is_exempt:
            _exempt_finish(0)


class Parts(list[bytes]):
    """A body as WSGI has it, with its Kept."""

    kept: Kept | None = None
