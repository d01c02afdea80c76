"""What decorators of functions of any kind do: something is entered while the function's body runs.

Model: `make()` returns an object of its own for each call, so that calls that overlap leave in the right order. It is
entered and left once for a function or a coroutine function, and for each step of a generator, which meanwhile lets other
code run. At the end of the body it is finished.
"""

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


def wrap(function: Callable[..., Any], make: Callable[[], Around]) -> Callable[..., Any]:
    import inspect

    wrapper = _wrapper
    if inspect.iscoroutinefunction(function):
        wrapper = _coroutine_wrapper
    elif inspect.isasyncgenfunction(function):
        wrapper = _async_generator_wrapper
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator_wrapper
    return wraps(function)(wrapper(make, function))


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


def _coroutine_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> Any:
        own = make()
        body = partial(function, *args, **keywords)
        try:
            with own:
                return await body()
        finally:
            own._finish()

    return call


def _generator_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    def steps(own: Around, args: Any, keywords: Any) -> Generator[Any, Any, Any]:
        with own:
            generator = function(*args, **keywords)
        step, sent = generator.send, None
        while True:
            try:
                with own:
                    item = step(sent)
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield item
                step = generator.send
            except GeneratorExit:
                with own:
                    generator.close()
                raise
            except BaseException as error:
                sent, step = error, generator.throw

    def call(*args: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        own = make()
        try:
            return (yield from steps(own, args, keywords))
        finally:
            own._finish()

    return call


def _async_generator_wrapper(make: Callable[[], Around], function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
        own = make()
        try:
            with own:
                generator = function(*args, **keywords)
            step, sent = generator.asend, None
            while True:
                try:
                    with own:
                        item = await step(sent)
                except StopAsyncIteration:
                    return
                try:
                    sent = yield item
                    step = generator.asend
                except GeneratorExit:
                    with own:
                        await generator.aclose()
                    raise
                except BaseException as error:
                    sent, step = error, generator.athrow
        finally:
            own._finish()

    return call


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
