"""start(labels=("thread", "task")): labels that blocks get without the program's doing.

Model: a thread's name is told to the extension when the thread begins, and when it changes; so it is the allocating thread's,
in whichever context the thread runs. A task's label is a LabelSet of its context: while a loop's create_task() runs, the
present context has it, and the task copies that. A task that is given a context gets the label in there.

For that, methods of threading.Thread and of the event loops' classes are replaced, for good, by ones that call the originals.
While these labels are not wanted they do nothing else. None of them is a frame of the threads and tasks themselves.
"""

import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextvars import Context
from functools import wraps
from typing import Any

from ._ctracemalloc import _add_loss, _labels_automatic, _labels_get, _thread_name
from .labelling import labels

THREAD, TASK = 1, 2  # as the extension knows them
NAMES = {"thread": THREAD, "task": TASK}
MOST_CHARACTERS = 256  # of a label's value: 1024 bytes at most


def automatic_labels(names: Iterable[str]) -> int:
    """Which labels start() was asked for. ValueError: one that does not exist; TypeError: no strings."""
    if isinstance(names, str):
        raise TypeError(f'labels must be a tuple of names, such as ("thread", "task"), not {names!r}')
    wanted = 0
    for name in names:
        if name not in NAMES:
            raise ValueError(f"labels: {name!r} is none of {', '.join(map(repr, NAMES))}")
        wanted |= NAMES[name]
    if wanted & THREAD:
        follow_threads()
    if wanted & TASK:
        follow_tasks()
    return wanted


def text_of(name: object) -> str:
    """A name as a label's value."""
    return str(name)[:MOST_CHARACTERS].replace("\0", "?").encode("utf-8", "replace").decode()


def replace(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method, once."""
    original = getattr(owner, name)
    if not hasattr(original, "_ctracemalloc_original"):
        function = make(original)
        function._ctracemalloc_original = original  # type: ignore[attr-defined]
        setattr(owner, name, function)


# --- threads ---


def name_threads() -> None:
    """Tell the names of the threads that there are."""
    for thread in threading.enumerate():
        if thread.ident is not None:
            _thread_name(thread.ident, text_of(thread.name))


def follow_threads() -> None:
    """From now on threads tell their names, which they have before they run anything of the program's."""
    replace(threading.Thread, "_set_ident", thread_begins)
    replace(threading.Thread, "_delete", thread_ends)
    name: property = vars(threading.Thread)["name"]
    if name.fset is not None and not hasattr(name.fset, "_ctracemalloc_original"):
        setter = thread_is_renamed(name.fset)
        setter._ctracemalloc_original = name.fset  # type: ignore[attr-defined]
        threading.Thread.name = name.setter(setter)  # type: ignore[assignment]


def thread_begins(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def _set_ident(self: threading.Thread) -> None:
        original(self)
        if _labels_automatic() & THREAD and self.ident is not None:
            _thread_name(self.ident, text_of(self.name))

    return _set_ident


def thread_ends(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def _delete(self: threading.Thread) -> None:
        if _labels_automatic() & THREAD:
            _thread_name(threading.get_ident(), None)
        original(self)

    return _delete


def thread_is_renamed(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def name(self: threading.Thread, value: str) -> None:
        original(self, value)
        if _labels_automatic() & THREAD and self.ident is not None and self.is_alive():
            _thread_name(self.ident, text_of(self.name))

    return name


# --- tasks ---


def follow_tasks() -> None:
    """From now on asyncio's loops label their tasks, and uvloop's: if it is imported later, from asyncio.run() on."""
    import asyncio

    replace(asyncio.BaseEventLoop, "create_task", task_is_made)
    replace(asyncio.Runner, "_lazy_init", runner_begins)
    follow_uvloop()


def follow_uvloop() -> None:
    uvloop = sys.modules.get("uvloop")
    if uvloop is not None:
        replace(uvloop.Loop, "create_task", task_is_made)


def runner_begins(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def _lazy_init(self: Any) -> None:
        follow_uvloop()
        original(self)

    return _lazy_init


def task_is_made(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def create_task(self: Any, coro: Any, **keywords: Any) -> Any:
        if not _labels_automatic() & TASK:
            return original(self, coro, **keywords)
        name, context = task_name(coro, keywords.get("name")), keywords.get("context")
        label = enter(name) if context is None else enter_in(context, name)
        try:
            task = original(self, coro, **keywords)
        finally:
            if label is not None and context is None:
                label.__exit__(None, None, None)
        if isinstance(label, LabelOfContext):
            label.task = weakref.ref(task)
        traceback = getattr(task, "_source_traceback", None)
        if traceback:  # the loop's debug mode: where the task was made, which is not here
            del traceback[-1]
        return task

    return create_task


def task_name(coro: Any, name: object) -> str:
    """The name that the program gave it; else that of its coroutine function, of which many tasks may be."""
    return text_of(getattr(coro, "__qualname__", type(coro).__name__) if name is None else name)


def enter(name: str, kind: type[labels] = labels) -> labels | None:
    """None: there cannot be one more label, for example."""
    label = kind(task=name)
    try:
        return label.__enter__()
    except (ValueError, MemoryError) as error:
        _add_loss("labels", f"a task without its label: {error}", 1)
        return None


class LabelOfContext(labels):
    """The label of a task whose context the program made, or asyncio.run(). It stays there until the next task has it."""

    __slots__ = ("task",)

    def __init__(self, /, **pairs: object) -> None:
        super().__init__(**pairs)
        self.task: weakref.ref[Any] | None = None

    def is_in_use(self) -> bool:
        task = self.task() if self.task is not None else None
        return task is not None and not task.done()


def enter_in(context: Context, name: str) -> labels | None:
    """None: another task uses the context, and both have the other one's label."""
    try:
        return context.run(replace_in_context, name)
    except RuntimeError:  # the context is the present one
        return None


def replace_in_context(name: str) -> labels | None:
    present = _labels_get()
    owner = None if present is None else present.owner
    if isinstance(owner, LabelOfContext):
        if owner.is_in_use():
            return None
        owner.__exit__(None, None, None)
    return enter(name, LabelOfContext)
