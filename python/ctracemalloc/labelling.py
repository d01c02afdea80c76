"""Labels: for which request, tenant or task memory is allocated.

Model: each context has at most one LabelSet of the extension, which an allocation reads (`_labels_set`). `labels` puts one on
top of the present one: it has its pairs and those below that it does not replace. Its `link` says what it was made of, so that
it can be taken away from below others: with generators, who entered first may leave first.
"""

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar, cast

from ._ctracemalloc import _label_set, _labels_get, _labels_mark, _labels_set

if TYPE_CHECKING:
    from ._ctracemalloc import LabelSet

P = ParamSpec("P")
R = TypeVar("R")


class Link(NamedTuple):
    owner: "labels"
    below: "LabelSet | None"


class labels:
    """What is allocated in a `with` block has these labels, in addition to those that are set around it.

    They are set for the present context, so they follow `await`, tasks that are started within, asyncio.to_thread() and what
    else copies contexts; a thread that is started within begins without (in Python 3.14, unless
    sys.flags.thread_inherit_context).
    A value may be anything with a text, str(value). As a decorator of a function, a coroutine function or a (asynchronous)
    generator function: while its body runs.

    ValueError: a name has over 255 bytes or a value over 1024 (UTF-8), or there would be over 255 labels.
    """

    __slots__ = ("__weakref__", "_pairs")

    def __init__(self, /, **pairs: object) -> None:
        self._pairs = {sys.intern(name): str(value) for name, value in pairs.items()}

    def __repr__(self) -> str:
        return f"ctracemalloc.labels({', '.join(f'{name}={value!r}' for name, value in self._pairs.items())})"

    def __enter__(self) -> "labels":
        _labels_set(self._on(_labels_get()))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """In another context than that of __enter__, where there is nothing to take away, it does nothing."""
        present = _labels_get()
        if present is not None and present.link.owner is self:
            _labels_set(present.link.below)
        elif present is not None:
            self._leave_from_below(present)

    def _on(self, below: "LabelSet | None") -> "LabelSet":
        pairs = self._pairs if below is None else below.pairs | self._pairs
        return _label_set(pairs, Link(self, below))

    def _leave_from_below(self, present: "LabelSet") -> None:
        above: list[labels] = []
        at: LabelSet | None = present
        while at is not None and at.link.owner is not self:
            above.append(at.link.owner)
            at = at.link.below
        if at is None:
            return
        at = at.link.below
        for owner in reversed(above):
            at = owner._on(at)
        _labels_set(at)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        import functools
        import inspect

        make = _wrapper
        if inspect.iscoroutinefunction(function):
            make = _coroutine_wrapper
        elif inspect.isasyncgenfunction(function):
            make = _async_generator_wrapper
        elif inspect.isgeneratorfunction(function):
            make = _generator_wrapper
        return cast("Callable[P, R]", functools.wraps(function)(make(self._pairs, function)))


def _labels_of(pairs: dict[str, str]) -> labels:
    """Of its own for each call, so that calls that overlap leave in the right order."""
    return labels(**pairs)


def _wrapper(pairs: dict[str, str], function: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object, **keywords: object) -> object:
        with _labels_of(pairs):
            return function(*args, **keywords)

    return call


def _coroutine_wrapper(pairs: dict[str, str], function: Callable[..., object]) -> Callable[..., object]:
    async def call(*args: object, **keywords: object) -> object:
        with _labels_of(pairs):
            return await function(*args, **keywords)  # type: ignore[misc]

    return call


def _generator_wrapper(pairs: dict[str, str], function: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object, **keywords: object) -> Generator[object, object, object]:
        own = _labels_of(pairs)
        with own:
            generator = cast("Generator[object, object, object]", function(*args, **keywords))
        step: Callable[..., object] = generator.send
        sent: object = None
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

    return call


def _async_generator_wrapper(pairs: dict[str, str], function: Callable[..., object]) -> Callable[..., object]:
    async def call(*args: object, **keywords: object) -> AsyncGenerator[object, object]:
        own = _labels_of(pairs)
        with own:
            generator = cast("AsyncGenerator[object, object]", function(*args, **keywords))
        step: Callable[..., object] = generator.asend
        sent: object = None
        while True:
            try:
                with own:
                    item = await step(sent)  # type: ignore[misc]
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

    return call


def current_labels() -> dict[str, str]:
    """The labels that a block would have now, a new dict."""
    present = _labels_get()
    return {} if present is None else present.pairs


def mark(text: str | None) -> None:
    """Begin a generation of blocks: those allocated from now on, by any thread, have the label `mark` with this text.

    So statistics("label:mark") tells by when live blocks were born, and LabelFilter(True, "mark", text) keeps those born
    between this mark and the next one. A label of that name that the program sets replaces it. None: from now on blocks have
    no mark.

    ValueError: the text has over 1024 bytes (UTF-8), or a null character.
    """
    _labels_mark(text)
