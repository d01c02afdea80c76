"""--ctracemalloc-benchmark: pytest-benchmark's results say what memory one call of the function takes.

Model: when the function has been timed, with tracing as it was, it is called once more in a scope, and what that took is
added to the benchmark's `extra_info`. So times are not those of a traced program. pytest-benchmark makes one fixture for each
test, of one class, whose two functions are replaced for the time of the run.
"""

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
    @wraps(original)
    def call(self: Any, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> Any:
        result = original(self, function, *args, **kwargs)
        add(self, function, args, kwargs)
        return result

    return call


def pedantic_and_measure(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def pedantic(
        self: Any,
        target: Callable[..., object],
        args: Any = (),
        kwargs: Any = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., object] | None = None,
        **options: Any,
    ) -> Any:
        if teardown is not None:  # older releases have none
            options["teardown"] = teardown
        result = original(self, target, args=args, kwargs=kwargs, setup=setup, **options)
        arguments = (setup() if setup is not None else None) or (args, kwargs or {})
        add(self, target, *arguments)
        if teardown is not None:
            teardown(*arguments[0], **arguments[1])
        return result

    return pedantic


def add(fixture: Any, function: Callable[..., object], args: Any, kwargs: Any) -> None:
    if not fixture.disabled:
        fixture.extra_info.update(memory_of_call(function, *args, **kwargs)._asdict())
