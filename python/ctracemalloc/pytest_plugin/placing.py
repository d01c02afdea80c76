"""Where a scope is put: as close around a test's own code as its kind allows.

Model: a test function is replaced, while its call lasts, by a function that begins the scope, calls the test and ends the
scope. So what pytest and other plugins allocate before and after it is outside, and an async test is measured in the task that
runs it. What is no plain function (unittest's methods with their setUp and tearDown, doctests, tests of other plugins) is
measured from before to after `runtest()`.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Protocol

import pytest


class Around(Protocol):
    """What begins and ends around a test's code."""

    def begin(self) -> None: ...
    def end(self, passed: bool) -> None: ...


def is_function(item: pytest.Item) -> bool:
    """Will pytest call `item.obj`, and nothing else of the test?"""
    unittest = sys.modules.get("unittest")
    if not isinstance(item, pytest.Function):
        return False
    return not (unittest is not None and item.cls is not None and issubclass(item.cls, unittest.TestCase))


class Placed:
    """What begins and ends, in its place from place() to remove()."""

    def __init__(self, item: pytest.Item, around: Around) -> None:
        self.item, self.around = item, around
        self.function: Callable[..., Any] | None = None

    def place(self) -> None:
        if isinstance(self.item, pytest.Function) and is_function(self.item):
            self.function = self.item.obj
            self.item.obj = self.measured(self.item.obj)
        else:
            self.around.begin()

    def remove(self, passed: bool) -> None:
        """After the call."""
        if self.function is None:
            self.around.end(passed)
        else:
            self.restore()

    def restore(self) -> None:
        """The test and others see the function that they know; who runs a test again does not measure it twice."""
        if isinstance(self.item, pytest.Function) and self.function is not None:
            self.item.obj = self.function

    def measured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.task(function) if inspect.iscoroutinefunction(function) else self.call(function)

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        around, restore = self.around, self.restore

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            restore()
            passed = False
            call = functools.partial(function, *args, **kwargs)  # what it takes to pass them on is not the test's
            around.begin()
            try:
                result = call()
                passed = True
                return result
            finally:
                around.end(passed)

        return run

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        around, restore = self.around, self.restore

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            restore()
            passed = False
            call = functools.partial(function, *args, **kwargs)
            around.begin()
            try:
                result = await call()
                passed = True
                return result
            finally:
                around.end(passed)

        return run
