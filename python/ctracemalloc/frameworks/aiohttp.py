"""aiohttp: labels `route` and `method` for what its requests allocate.

Model: a middleware, which aiohttp calls when it has routed. What a handler returns is sent after all middleware, so the
content of a `Response` whose body is an asynchronous generator has no labels; a `StreamResponse` that a handler writes to has.
"""

from typing import Any

from aiohttp.web import middleware

from .._ctracemalloc import is_tracing
from ._requests import OTHER, labels_of


@middleware
async def label_requests(request: Any, handler: Any) -> Any:
    """For `web.Application(middlewares=[label_requests])`, best as the first: the route is `/orders/{id}`, or "other"."""
    if not is_tracing():
        return await handler(request)
    resource = request.match_info.route.resource
    with labels_of(OTHER if resource is None else resource.canonical, request.method):
        return await handler(request)
