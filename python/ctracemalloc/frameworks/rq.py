"""RQ: the label `task`, the name of the job's function, for what its body allocates.

Model: a class of jobs, which any worker takes (`rq worker --job-class`); a worker asks its job to perform.
"""

from typing import Any

from rq.job import Job

from .._ctracemalloc import is_tracing
from ..labelling import labels
from ._requests import text_of


class LabelJob(Job):  # type: ignore[misc]
    """For `rq worker --job-class ctracemalloc.frameworks.rq.LabelJob`, or `Worker(…, job_class=LabelJob)`."""

    def perform(self) -> Any:
        if not is_tracing():
            return super().perform()
        with labels(task=text_of(self.func_name)):
            return super().perform()
