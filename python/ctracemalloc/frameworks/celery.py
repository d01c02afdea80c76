"""Celery: the label `task`, the name of the task, for what its body allocates.

Model: Celery's signals task_prerun and task_postrun come in the thread or greenlet that runs the task, before and after its
body, in each pool and with task_always_eager too. Tasks within tasks are within each other, so each leaves its own label.
"""

from typing import Any

from .._ctracemalloc import is_tracing
from ..labelling import labels
from ._requests import text_of

_begun: dict[str, labels] = {}  # of the tasks that run, by their ids; one step under the GIL changes it


def label_tasks() -> None:
    """Label what tasks allocate from now on; call it where the program makes its Celery application."""
    from celery.signals import task_postrun, task_prerun

    task_prerun.connect(_begin, weak=False, dispatch_uid=__name__)
    task_postrun.connect(_end, weak=False, dispatch_uid=__name__)


def _begin(task_id: str, task: Any, **_ignored: object) -> None:
    if is_tracing():
        _begun[task_id] = own = labels(task=text_of(task.name))
        own.__enter__()


def _end(task_id: str, **_ignored: object) -> None:
    own = _begun.pop(task_id, None)
    if own is not None:
        own.__exit__(None, None, None)
