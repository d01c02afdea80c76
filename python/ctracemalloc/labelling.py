"""Labels: for which request, tenant or task memory is allocated.

Model: each context has at most one LabelSet of the extension, which an allocation reads. `labels` puts one on top of the
present one: it has its pairs and those below that it does not replace. It knows its owner and the set below, so that it can
be taken away from below others (_bodies.leave).
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from . import _bodies
from ._ctracemalloc import _labels_enter, _labels_get, _labels_leave, _labels_mark, _own_thread_name

if TYPE_CHECKING:
    from ._ctracemalloc import ScopeState

P = ParamSpec("P")
R = TypeVar("R")


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
    _state: "ScopeState | None" = None  # it begins no scope

    def __init__(self, /, **pairs: object) -> None:
        self._pairs = {sys.intern(name): str(value) for name, value in pairs.items()}

    def __repr__(self) -> str:
        return f"ctracemalloc.labels({', '.join(f'{name}={value!r}' for name, value in self._pairs.items())})"

    def __enter__(self) -> "labels":
        _labels_enter(self._pairs, self, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """In another context than that of __enter__, where there is nothing to take away, it does nothing."""
        if not _labels_leave(self):
            _bodies.leave_from_below(self)

    def _finish(self) -> None:
        """Nothing is left when the body of a decorated function has ended."""

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if isinstance(function, _bodies.METHODS):
            return type(function)(self(function.__func__))
        return cast("Callable[P, R]", _bodies.wrap(function, lambda: labels(**self._pairs)))


def current_labels() -> dict[str, str]:
    """The labels that a block would have now, a new dict."""
    present, thread = _labels_get(), _own_thread_name()
    automatic = {} if thread is None else {"thread": thread}
    return automatic if present is None else {**automatic, **present.pairs}


def mark(text: str | None) -> None:
    """Begin a generation of blocks: those allocated from now on, by any thread, have the label `mark` with this text.

    So statistics("label:mark") tells by when live blocks were born, and LabelFilter(True, "mark", text) keeps those born
    between this mark and the next one. A label of that name that the program sets replaces it. None: from now on blocks have
    no mark.

    ValueError: the text has over 1024 bytes (UTF-8), or a null character.
    """
    _labels_mark(text)
