"""Django: labels `route` and `method` for what its requests allocate.

Model: a middleware, synchronous or asynchronous as its neighbours are. Django calls its process_view when it knows the route.
Django iterates over a streaming response after all middleware, so its content gets the labels by itself; of a file, which
the server may send, it does not.
"""

from typing import Any

from .._ctracemalloc import is_tracing
from ._requests import Request, Steps, async_steps

ATTRIBUTE = "_ctracemalloc_request"  # of a request


class LabelMiddleware:
    """For MIDDLEWARE, best as the first: "ctracemalloc.frameworks.django.LabelMiddleware".

    The route is that of the URL pattern, with a slash before it (`/orders/<int:id>/`); of re_path() the regular expression; or
    "other".
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction

        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        self.process_view: Any = self.view_found
        if self.is_async:
            markcoroutinefunction(self)
            self.process_view = self.async_view_found

    def __call__(self, request: Any) -> Any:
        if not is_tracing():
            return self.get_response(request)
        own = Request(request.method)
        setattr(request, ATTRIBUTE, own)
        if self.is_async:
            return self.respond(request, own)
        with own:
            return with_labels(self.get_response(request), own)

    async def respond(self, request: Any, own: Request) -> Any:
        with own:
            return with_labels(await self.get_response(request), own)

    def view_found(self, request: Any, view: object, arguments: object, keywords: object) -> None:
        own = getattr(request, ATTRIBUTE, None)
        if own is not None:
            route = request.resolver_match.route
            own.found(route if route.startswith("^") else f"/{route}")

    async def async_view_found(self, request: Any, view: object, arguments: object, keywords: object) -> None:
        """In the request's own task: what is set in a thread beside it would not be seen there."""
        self.view_found(request, view, arguments, keywords)


def with_labels(response: Any, own: Request) -> Any:
    """The response, whose content has the labels if it is made later."""
    if response.streaming and getattr(response, "file_to_stream", None) is None:
        steps = async_steps if response.is_async else Steps
        response.streaming_content = steps(response.streaming_content, own)
    return response
