"""start(labels=("thread", "task")): labels that blocks get without the program's doing.

Model: a thread's name is told to the extension when the thread begins, and when it changes; so it is the allocating thread's,
in whichever context the thread runs. A task's label is a LabelSet of its context: while a loop's create_task() runs, the
present context has it, and the task copies that. A task that is given a context gets the label in there.

For that, methods of threading.Thread and of the event loops' classes are replaced, for good, by ones that call the originals.
While these labels are not wanted they do nothing else. None of them is a frame of the threads and tasks themselves.
"""

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextvars import Context
from functools import wraps
from typing import Any

from ._ctracemalloc import _add_loss, _labels_automatic, _labels_get, _thread_name, _thread_names_forget
from .labelling import labels

THREAD, TASK = 1, 2  # as the extension knows them
NAMES = {"thread": THREAD, "task": TASK}
MOST_CHARACTERS = 256  # of a label's value: 1024 bytes at most
HAS_NAME = sys.version_info >= (3, 13)  # create_task() of a loop is told the task's name


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


def text_of(name: str) -> str:
    """A name as a label's value. It may be of a class of the program's own, none of whose code is called."""
    return str.__str__(name)[:MOST_CHARACTERS].replace("\0", "?").encode("utf-8", "replace").decode()


def replace(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method, once."""
    original = getattr(owner, name)
    if not hasattr(original, "_ctracemalloc_original"):
        function = make(original)
        function._ctracemalloc_original = original  # type: ignore[attr-defined]
        setattr(owner, name, function)


def definer(owner: type, name: str) -> type:
    """The class that has the method: gevent puts a subclass in the place of threading.Thread."""
    return next(each for each in owner.__mro__ if name in vars(each))


# --- threads ---


def name_threads() -> None:
    """Tell the names of the threads that there are."""
    for ident, thread in list(threading._active.items()):  # type: ignore[attr-defined]
        tell(ident, thread)


def tell(ident: object, thread: threading.Thread) -> None:
    """A thread has this ident and name. Nothing of the program is called: its classes may have attributes of their own."""
    name = own_attribute(thread, "_name")
    if isinstance(ident, int) and isinstance(name, str):
        _thread_name(ident, text_of(name))


def own_attribute(thread: threading.Thread, name: str) -> Any:
    return object.__getattribute__(thread, "__dict__").get(name)


def follow_threads() -> None:
    """From now on threads tell their names, which they have before they run anything of the program's."""
    replace(definer(threading.Thread, "_set_ident"), "_set_ident", thread_begins)
    replace(definer(threading.Thread, "_delete"), "_delete", thread_ends)
    owner = definer(threading.Thread, "name")
    name = vars(owner)["name"]
    if isinstance(name, property) and name.fset is not None and not hasattr(name.fset, "_ctracemalloc_original"):
        setter = thread_is_renamed(name.fset)
        setter._ctracemalloc_original = name.fset  # type: ignore[attr-defined]
        owner.name = name.setter(setter)  # type: ignore[attr-defined]
    follow_forks()


def thread_begins(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def _set_ident(self: threading.Thread) -> None:
        original(self)
        if _labels_automatic() & THREAD:
            tell(own_attribute(self, "_ident"), self)

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
        if _labels_automatic() & THREAD:
            ident = own_attribute(self, "_ident")
            if threading._active.get(ident) is self:  # type: ignore[attr-defined] # it has begun, and has not ended
                tell(ident, self)

    return name


def in_fork() -> None:
    """The other threads are not there: new ones may have their idents."""
    if _labels_automatic() & THREAD:
        _thread_names_forget()
        name_threads()


def follow_forks() -> None:
    if not hasattr(in_fork, "is_registered"):
        os.register_at_fork(after_in_child=in_fork)
        in_fork.is_registered = True  # type: ignore[attr-defined]


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
        name, context = task_name(coro, given_name(keywords)), keywords.get("context")
        if context is None:
            with TaskLabel(task=name):
                task = original(self, coro, **keywords)
        else:
            label = enter_in(context, name)
            task = original(self, coro, **keywords)
            if label is not None:
                label.note_task(task)
        remove_frame(task)
        return task

    return create_task


def remove_frame(task: Any) -> None:
    """In the loop's debug mode a task knows where it was made, which is not here."""
    frames = getattr(task, "_source_traceback", None)
    if isinstance(frames, list):
        own = remove_frame.__code__.co_filename
        for index in range(len(frames) - 1, -1, -1):
            if getattr(frames[index], "filename", None) == own:
                del frames[index]
                break


def given_name(keywords: dict[str, Any]) -> object:
    """The name that the program gives the task. Before Python 3.13 asyncio sets it later: it is in the caller's frame."""
    name = keywords.get("name")
    if name is None and not HAS_NAME:
        import asyncio

        frame = sys._getframe(2)
        if frame.f_code in (asyncio.create_task.__code__, asyncio.TaskGroup.create_task.__code__):
            name = frame.f_locals.get("name")
    return name


def task_name(coro: Any, name: object) -> str:
    """The given name; else that of its coroutine function, of which many tasks may be."""
    if not isinstance(name, str):
        try:
            name = coro.__qualname__
        except Exception:  # it is an object of the program's
            name = type(coro).__qualname__
    return text_of(name) if isinstance(name, str) else "?"


class TaskLabel(labels):
    """Without effect if there cannot be one more label, for example."""

    __slots__ = ()

    def __enter__(self) -> "TaskLabel":
        try:
            super().__enter__()
        except (ValueError, MemoryError) as error:
            _add_loss("labels", f"a task without its label: {error}", 1)
        return self


class LabelOfContext(TaskLabel):
    """The label of a task whose context the program made, or asyncio.run(). It stays there until the next task has it."""

    __slots__ = ("context", "task")

    def __init__(self, context: Context, name: str) -> None:
        super().__init__(task=name)
        self.context = weakref.ref(context)
        self.task: weakref.ref[Any] | None = None

    def note_task(self, task: Any) -> None:
        try:
            self.task = weakref.ref(task)
        except TypeError:  # the program's factory made something else
            pass

    def is_in_use(self) -> bool:
        task = self.task() if self.task is not None else None
        return task is not None and not task.done()


def enter_in(context: Context, name: str) -> LabelOfContext | None:
    """None: another task uses the context, and both have the other one's label."""
    try:
        return context.run(replace_in_context, context, name)
    except RuntimeError:  # the context is the present one
        return None


def replace_in_context(context: Context, name: str) -> LabelOfContext | None:
    present = _labels_get()
    owner = None if present is None else present.owner
    if isinstance(owner, LabelOfContext) and owner.context() is context:
        if owner.is_in_use():
            return None
        owner.__exit__(None, None, None)
    label = LabelOfContext(context, name)
    label.__enter__()
    return label
