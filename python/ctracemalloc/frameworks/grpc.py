"""gRPC: the label `route` for what its calls allocate, the full name of the method (`/shop.Orders/Get`).

Model: an interceptor gets the handler of a call and returns one whose functions run with the label: those of the program, each
step of a streamed response, and what reads requests and writes responses. Each handler is wrapped once.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import grpc
from grpc.aio import ServerInterceptor

from .._ctracemalloc import is_tracing
from ..labelling import labels
from ._requests import MOST, Steps, text_of

HANDLERS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class Wrapped:
    """The handlers of a server with labels, each made once."""

    def __init__(self) -> None:
        self.by_method: dict[str, tuple[Any, Any]] = {}  # the handler as it was, and with labels

    def of(self, method: str, handler: Any) -> Any:
        """None: there is no such method."""
        known = self.by_method.get(method)
        if handler is None or (known is not None and known[0] is handler):
            return handler if known is None or handler is None else known[1]
        made = with_label(handler, labels(route=text_of(method)))
        if len(self.by_method) < MOST:
            self.by_method[method] = handler, made
        return made


class LabelInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """For `grpc.server(…, interceptors=[LabelInterceptor()])`."""

    def __init__(self) -> None:
        self._wrapped = Wrapped()

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        return self._wrapped.of(details.method, handler) if is_tracing() else handler


class AsyncLabelInterceptor(ServerInterceptor):  # type: ignore[misc]
    """For `grpc.aio.server(interceptors=[AsyncLabelInterceptor()])`."""

    def __init__(self) -> None:
        self._wrapped = Wrapped()

    async def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = await continuation(details)
        return self._wrapped.of(details.method, handler) if is_tracing() else handler


def with_label(handler: Any, own: labels) -> Any:
    name, make = HANDLERS[bool(handler.request_streaming), bool(handler.response_streaming)]
    function = getattr(handler, name)
    labelled = streamed(function, own) if handler.response_streaming else own(function)
    reads, writes = handler.request_deserializer, handler.response_serializer
    return make(labelled, reads and own(reads), writes and own(writes))


def streamed(function: Callable[..., Any], own: labels) -> Callable[..., Any]:
    """A function that returns an iterator runs as it did, and so does each step; a generator function is its own steps."""
    import inspect

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function):
        return own(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        with own:
            return Steps(function(*arguments), own)

    return call
