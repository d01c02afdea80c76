"""What decorators of functions of any kind do: something is entered while the function's body runs.

Model: `make()` returns an object of its own for each call, so that calls that overlap leave in the right order. It is
entered and left once for a function or a coroutine function, and for each step of a generator, which meanwhile lets other
code run. At the end of the body it is finished. Apart from that a decorated function does what the function does: exceptions
and what is sent pass to the body, and what it returns, also when it is closed, passes back.
"""

import sys
import types
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial, wraps
from types import TracebackType
from typing import Any, Protocol

from ._ctracemalloc import _label_set, _labels_get, _labels_leave, _labels_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._ctracemalloc import LabelSet, ScopeState


class Around(Protocol):
    def __enter__(self) -> Any: ...
    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None, /) -> None: ...
    def _finish(self) -> None: ...


class Owner(Protocol):
    """Of a LabelSet: what the set has in addition to the one below."""

    _pairs: dict[str, str]
    _state: "ScopeState | None"


METHODS = (staticmethod, classmethod)


def wrap(function: Callable[..., Any], make: Callable[[], Around]) -> Callable[..., Any]:
    import inspect

    wrapper = _wrapper
    if inspect.iscoroutinefunction(function):
        wrapper = _coroutine_wrapper
    elif inspect.isasyncgenfunction(function):
        wrapper = _async_generator_wrapper
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator_wrapper
    wrapped = wrapper(make, function)
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & inspect.CO_ITERABLE_COROUTINE:
        wrapped = types.coroutine(wrapped)
    return wraps(function)(wrapped)


def _wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Any:
        own = make()
        body = partial(function, *args, **keywords)  # what it takes to pass them on is not the body's
        try:
            with own:
                return body()
        finally:
            own._finish()

    return call


# What runs in steps lives long, so it keeps nothing that the function itself would have let go: no argument, and nothing that
# a step got or gave.


def _coroutine_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> Any:
        own = make()
        body = partial(function, *args, **keywords)
        try:
            with own:
                coroutine = body()
                del args, keywords, body
                return await coroutine
        finally:
            own._finish()

    return call


class _Passed:
    """Between the body and who runs it: one object at a time."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def take(self) -> Any:
        value, self.value = self.value, None
        return value


def _generator_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        own, passed = make(), _Passed()
        try:
            with own:
                generator = function(*args, **keywords)
            del args, keywords
            step = generator.send
            while True:
                try:
                    with own:
                        passed.value = step(passed.take())
                except StopIteration as stop:
                    return stop.value
                except GeneratorExit as error:
                    error.__traceback__ = None  # with it close() would end the scope with the body's variables still there
                    raise
                try:
                    passed.value = yield passed.take()
                    step = generator.send
                except BaseException as error:  # that of close() as well: the body may return a value then
                    passed.value, step = error, generator.throw
        finally:
            own._finish()

    return call


def _async_generator_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
        own, passed = make(), _Passed()
        try:
            with own:
                generator = function(*args, **keywords)
            del args, keywords
            step = _first_step(generator)
            while True:
                try:
                    with own:
                        passed.value = await step(passed.take())
                except StopAsyncIteration:
                    return
                except GeneratorExit as error:
                    error.__traceback__ = None
                    raise
                try:
                    passed.value = yield passed.take()
                    step = generator.asend
                except BaseException as error:
                    passed.value, step = error, generator.athrow
        finally:
            own._finish()

    return call


def _first_step(generator: AsyncGenerator[Any, Any]) -> Callable[[Any], Any]:
    """The event loop is told of the decorated generator alone: if it knew this one, too, it would close both, at a time."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        first = generator.asend(None)
        return lambda _nothing: first
    finally:
        sys.set_asyncgen_hooks(*hooks)


# --- the label sets of the present context ---


def leave(owner: Owner) -> None:
    """Take what `owner` has put on the label set of the present context from it; nothing if it has not, in this context."""
    if not _labels_leave(owner):
        leave_from_below(owner)


def leave_from_below(owner: Owner) -> None:
    """With generators, who entered first may leave first: what is above is put again on what is below."""
    above: list[Owner] = []
    at: LabelSet | None = _labels_get()
    while at is not None and at.owner is not owner:
        above.append(at.owner)
        at = at.below
    if at is None:
        return
    at = at.below
    for one in reversed(above):
        at = _label_set(one._pairs, one, at, one._state)
    _labels_set(at)
