"""--ctracemalloc-benchmark: pytest-benchmark's results say what memory one call of the function takes.

Model: when the function has been timed, with tracing as it was, it is called once more in a scope, and what that took is
added to the benchmark's `extra_info`. So times are not those of a traced program. pytest-benchmark makes one fixture for each
test, of one class, whose two functions are replaced for the time of the run.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest

from ..testing import memory_of_call


class BenchmarkMemory:
    """The plugin that is registered if the option is given."""

    def __init__(self) -> None:
        try:
            from pytest_benchmark.fixture import BenchmarkFixture
        except ImportError:
            raise pytest.UsageError("--ctracemalloc-benchmark: pytest-benchmark is not installed") from None
        self.fixture: Any = BenchmarkFixture

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[Any]:
        call, pedantic = self.fixture.__call__, self.fixture.pedantic
        self.fixture.__call__, self.fixture.pedantic = call_and_measure(call), pedantic_and_measure(pedantic)
        try:
            return (yield)
        finally:
            self.fixture.__call__, self.fixture.pedantic = call, pedantic


def call_and_measure(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        fixture, function, *rest = given.args
        add(fixture, function, rest, given.kwargs)
        return result

    return call


def pedantic_and_measure(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @wraps(original)
    def pedantic(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments
        target, setup, teardown = given["target"], given.get("setup"), given.get("teardown")  # older releases have no teardown
        fixed = given.get("args", ()), given.get("kwargs") or {}
        add(given["self"], target, *fixed, setup=setup, teardown=teardown)
        return result

    return pedantic


def add(
    fixture: Any,
    function: Callable[..., object],
    args: Any,
    kwargs: Any,
    *,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[..., object] | None = None,
) -> None:
    """What the program has in extra_info stays. One call more may be one too many for its function: that is no failure."""
    if fixture.disabled:
        return
    try:
        if setup is not None:
            args, kwargs = setup() or (args, kwargs)
        found = memory_of_call(function, *args, **kwargs)._asdict()
        if teardown is not None:
            teardown(*args, **kwargs)
    except (Exception, SystemExit) as error:
        found = {"memory": f"not known: one call more raised {error!r}"}
    for name, value in found.items():
        fixture.extra_info.setdefault(name, value)
