"""Scopes: what is allocated between two moments by one thread or task, or by all.

Model: a scope is a ScopeState of the extension, and a LabelSet of the present context that is in it. An allocation counts
for the scope of its context and for all around; the extension counts each event, so the peak is exact. If tracing is off,
the first scope starts it, and the last one of those that began meanwhile stops it, after it has kept the snapshots of all.
"""

import os
from _thread import RLock
from _weakref import ref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast

from . import _bodies, _later
from ._ctracemalloc import (
    Snapshot,
    _format_size,
    _labels_enter,
    _labels_leave,
    _own_finish,
    _own_start,
    _scope_begin,
    _starts,
    is_tracing,
    start,
    stop,
)

if TYPE_CHECKING:
    from ._ctracemalloc import ScopeState, Statistic, StatisticDiff

P = ParamSpec("P")
R = TypeVar("R")

LIVE, LIVE_BLOCKS, GROWN, GROWN_BLOCKS, ALLOCATED, ALLOCATED_BLOCKS, PEAK, HAS_ENDED, IS_KNOWN = range(9)


class _Tracing:
    """Tracing that was started by a scope, as long as one is open.

    While it is ended, which takes milliseconds, it still is ours: who begins a scope meanwhile waits, or if that is a
    handler in the same thread, takes part in it.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.is_ours = False
        self.starts = 0  # calls of start(): a later one means that others want it, too
        self.open = 0  # scopes
        self.scopes: dict[int, ref[scope]] = {}  # that began since, by their ids

    def enter(self, one: "scope", nframe: int) -> None:
        with self.lock:
            if not is_tracing():
                self.start(nframe)
            if self.is_ours and self.starts == _starts():
                self.remember(one)
                self.open += 1
                one._round = self.starts
            else:
                self.is_ours = False

    def start(self, nframe: int) -> None:
        self.is_ours = True  # first: others, who find that tracing is on, then wait for the lock
        try:
            start(nframe)
        except BaseException:
            self.is_ours = False
            raise
        self.starts, self.open = _starts(), 0
        self.scopes.clear()

    def remember(self, one: "scope") -> None:
        """Not in the figures of the scopes around."""
        is_own = _own_start()
        try:
            key = id(one)
            self.scopes[key] = ref(one, lambda _gone: self.scopes.pop(key, None))
        finally:
            if is_own:
                _own_finish()

    def leave(self, one: "scope") -> None:
        with self.lock:
            was_in, one._round = one._round, 0
            if not self.is_ours or was_in != self.starts:
                return  # it began in another tracing
            self.open -= 1
            if self.open == 0:
                self.end()

    def end(self) -> None:
        try:
            if is_tracing() and self.starts == _starts():
                for known in list(self.scopes.values()):
                    other = known()
                    if other is not None:
                        other._keep()
        finally:
            if self.open == 0 and self.is_ours:
                self.is_ours = False
                if is_tracing() and self.starts == _starts():
                    stop()

    def forget_in_child(self) -> None:
        """The threads that hold the lock, or have scopes open, may not exist in the child of a fork."""
        self.lock = RLock()


_tracing = _Tracing()
os.register_at_fork(after_in_child=_tracing.forget_in_child)


class scope:
    """What is allocated in a `with` block: by this thread or task, and by what it starts with a copy of its context (tasks,
    asyncio.to_thread(), executors that copy contexts); whole_process=True: by all threads.

    Its blocks are those that are allocated within, also in scopes within; that older ones are freed there is not counted.
    All figures are exact (with sampling: estimated), in bytes or blocks. They can be asked for in the block, too, and then
    are those of this moment; when it has ended, they stay as they were at its end, except `live`.

    Tracing that is on stays as it is. If it is off, it is on from the beginning of the first scope to the end of the last
    one, with tracebacks of `nframe` frames.

    name: for its repr. on_exit: called with the scope when it has ended. As a decorator of a function, a coroutine function
    or an (asynchronous) generator function: a scope for each call, of which the function's attribute `last_scope` is the
    last one that ended.

    RuntimeError: of a figure, if tracing was stopped or traces were cleared between the beginning and the end; of `with`,
    if the scope has begun before.
    """

    __slots__ = ("__weakref__", "_has_ended", "_kept", "_name", "_nframe", "_on_exit", "_round", "_state", "_whole_process")
    _pairs: dict[str, str] = {}

    def __init__(
        self,
        name: str = "",
        *,
        whole_process: bool = False,
        nframe: int = 1,
        on_exit: "Callable[[scope], object] | None" = None,
    ) -> None:
        self._name, self._whole_process, self._nframe, self._on_exit = name, bool(whole_process), nframe, on_exit
        self._state: ScopeState | None = None
        self._kept: tuple[Snapshot, Snapshot] | None = None  # at its end, at its peak
        self._round = 0  # of _tracing, in which it is open; 0: in none
        self._has_ended = False

    # --- begin and end ---

    def __enter__(self) -> "scope":
        self._begin()
        if not self._whole_process:
            try:
                _labels_enter(self._pairs, self, self._state)  # last, so that nothing of ours is in the scope
            except BaseException:
                self._finish()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if not self._whole_process and not _labels_leave(self):
                _bodies.leave_from_below(self)
        finally:
            self._finish()

    def _begin(self) -> None:
        if self._state is not None:
            raise RuntimeError("this scope has begun before: each use needs a scope of its own")
        if _tracing.is_ours or not is_tracing():
            _tracing.enter(self, self._nframe)
        try:
            self._state = _scope_begin(self._whole_process)
        except BaseException:
            if self._round:
                _tracing.leave(self)
            raise

    def _push(self) -> None:
        if not self._whole_process:
            _labels_enter(self._pairs, self, self._state)

    def _pop(self) -> None:
        if not self._whole_process:
            _bodies.leave(self)

    def _finish(self) -> None:
        if self._state is None:
            raise RuntimeError("this scope has not begun")
        if self._has_ended:
            return
        self._has_ended = True
        try:
            self._state.end()
        finally:
            if self._round:
                _tracing.leave(self)
        if self._on_exit is not None:
            self._on_exit(self)

    def _keep(self) -> None:
        """Tracing is about to be stopped."""
        if self._state is not None and self._figures()[IS_KNOWN]:
            try:
                self._kept = self._state.snapshot(True, False), self._state.snapshot(True, True)
            except RuntimeError:  # what it says is said again by snapshots
                pass

    def __reduce__(self) -> NoReturn:
        raise TypeError("a scope is of one place and time: it cannot be copied")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if isinstance(function, _bodies.METHODS):
            return type(function)(self(function.__func__))

        def make() -> _Steps:
            own = scope(self._name, whole_process=self._whole_process, nframe=self._nframe, on_exit=self._on_exit)
            return _Steps(own, wrapped)

        wrapped: Any = _bodies.wrap(function, make)
        wrapped.last_scope = None
        return cast("Callable[P, R]", wrapped)

    # --- figures ---

    def _figures(self) -> tuple[int, int, int, int, int, int, int, bool, bool]:
        if self._state is None:
            raise RuntimeError("this scope has not begun")
        return self._state.figures()

    def _known(self, figure: int) -> int:
        figures = self._figures()
        if not figures[IS_KNOWN]:
            raise RuntimeError(
                "not known: tracing was stopped, or traces were cleared, between the scope's beginning and its end"
            )
        return figures[figure]

    @property
    def name(self) -> str:
        return self._name

    @property
    def peak(self) -> int:
        """The most bytes of its blocks that were live at a time."""
        return self._known(PEAK)

    @property
    def growth(self) -> int:
        """Bytes of its blocks that are live at its end."""
        return self._known(GROWN)

    @property
    def growth_blocks(self) -> int:
        """Its blocks that are live at its end."""
        return self._known(GROWN_BLOCKS)

    @property
    def allocated(self) -> int:
        """Bytes of all its blocks, also of those that were freed."""
        return self._known(ALLOCATED)

    @property
    def allocated_blocks(self) -> int:
        """All its blocks, also those that were freed."""
        return self._known(ALLOCATED_BLOCKS)

    @property
    def churn(self) -> int:
        """Bytes of its blocks that were freed again until its end."""
        return self.allocated - self.growth

    @property
    def live(self) -> int:
        """Bytes of its blocks that are live now, also after its end: with those of tasks that it started and that go on.

        RuntimeError: tracing was stopped, or traces were cleared, since its beginning.
        """
        self._require_live()
        return self._known(LIVE)

    @property
    def live_blocks(self) -> int:
        """As live, in blocks."""
        self._require_live()
        return self._known(LIVE_BLOCKS)

    def _now(self) -> tuple[int, int, int]:
        """peak, live and live_blocks, of one moment."""
        self._require_live()
        figures = self._figures()
        if not figures[IS_KNOWN]:
            self._known(PEAK)  # raises
        return figures[PEAK], figures[LIVE], figures[LIVE_BLOCKS]

    def _require_live(self) -> None:
        if self._state is not None and self._state.is_lost:
            raise RuntimeError(
                "what is live is not known: tracing was stopped, or traces were cleared, since the scope's beginning"
            )

    def __repr__(self) -> str:
        name = f" {self._name!r}" if self._name else ""
        if self._state is None:
            return f"<scope{name}: not begun>"
        figures = self._figures()
        if not figures[IS_KNOWN]:
            return f"<scope{name}: not known>"
        peak, growth, allocated = (_format_size(figures[figure], False) for figure in (PEAK, GROWN, ALLOCATED))
        return f"<scope{name}: peak {peak}, growth {growth}, allocated {allocated}>"

    def _repr_html_(self) -> str:
        """In a notebook: its figures, what made its peak, and what stays."""
        html: Callable[[scope], str] = cast("Any", _later.imported(__package__, "scope_html"))
        return html(self)

    # --- which lines ---

    def peak_snapshot(self) -> Snapshot:
        """Its blocks that were live at its peak. Milliseconds, as all that follow."""
        return self._snapshot(True, True)

    def end_snapshot(self) -> Snapshot:
        """Its blocks that are live at its end; as long as it is open: now."""
        return self._snapshot(True, False)

    def live_snapshot(self) -> Snapshot:
        """Its blocks that are live now."""
        self._require_live()
        return self._snapshot(False, False)

    def _snapshot(self, at_end: bool, at_peak: bool) -> Snapshot:
        self._known(PEAK)
        assert self._state is not None
        if self._kept is not None:
            return self._kept[at_peak]
        if self._state.is_lost:
            raise RuntimeError(
                "the blocks are not known: tracing was stopped, or traces were cleared, since the scope's beginning"
            )
        return self._state.snapshot(at_end, at_peak)

    def diff(self, key_type: str = "lineno", cumulative: bool = False) -> "list[StatisticDiff]":
        """What has grown, from its beginning to its end, as Snapshot.compare_to() has it."""
        return self.end_snapshot().compare_to(Snapshot((), 1), key_type, cumulative)

    def top(self, limit: int = 10, key_type: str = "lineno", cumulative: bool = False) -> "list[Statistic]":
        """What made its peak, as Snapshot.statistics() has it: up to `limit` rows."""
        return self.peak_snapshot().statistics(key_type, cumulative)[:limit]


class _Steps:
    """A scope around the body of a decorated function, which may run in steps."""

    def __init__(self, own: scope, wrapped: Any) -> None:
        self.own, self.wrapped = own, wrapped

    def __enter__(self) -> None:
        if self.own._state is None:
            self.own._begin()
        self.own._push()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.own._pop()

    def _finish(self) -> None:
        if self.own._state is not None:
            self.wrapped.last_scope = self.own
            self.own._finish()
