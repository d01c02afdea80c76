"""Any ASGI application, Starlette and FastAPI among them: labels `route` and `method` for what its requests allocate.

Model: the labels are there for the whole call, of requests and of websockets, whose tasks inherit them. Starlette and FastAPI
write the route into the scope when they have found it, so they get a scope that tells (RoutedScope): their routing is
not done twice, and no class of theirs is changed. For other applications the program gives a function that finds the route.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from .._ctracemalloc import is_tracing
from ._requests import Request, text_of

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KINDS = ("http", "websocket")


class LabelMiddleware:
    """An ASGI application around another one: `app.add_middleware(LabelMiddleware)` of Starlette and FastAPI, or
    `LabelMiddleware(app)`.

    route_of: called with the scope of a request, returns its route, a pattern and not the path; None: not known. Without it
    the route is that of Starlette's or FastAPI's router. Where it is not known it is "other". A websocket has the method GET.
    """

    def __init__(self, app: AsgiApp, route_of: Callable[[Scope], object] | None = None) -> None:
        self.app, self.route_of = app, route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in KINDS or isinstance(scope, RoutedScope) or not is_tracing():  # one is enough
            await self.app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        if self.route_of is not None:
            with Request(method, text_of(self.route_of(scope))):
                await self.app(scope, receive, send)
            return
        request = Request(method)
        inner = RoutedScope(scope, request)
        try:
            with request:
                await self.app(inner, receive, send)
        finally:
            scope.update(inner)


class RoutedScope(dict[str, Any]):
    """A copy of a request's scope, which tells the request its route. What is set here is set in the original, too, for those
    outside that look into it while the request runs."""

    __slots__ = ("_mounted", "_original", "_prefix", "_request")

    def __init__(self, original: Scope, request: Request) -> None:
        super().__init__(original)
        self._original, self._request = original, request
        self._prefix = ""  # of the routers that are mounted, from outside
        self._mounted: Any = None  # the last of them

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._original[key] = value
        if key == "route":
            self._routed(value)

    def update(self, *arguments: Any, **pairs: Any) -> None:
        new: dict[str, Any] = dict(*arguments, **pairs)
        super().update(new)
        self._original.update(new)
        if "route" in new:
            if not is_told_later(self, new["route"]):
                self._routed(new["route"])
        elif "endpoint" in new and "route" not in self:  # Starlette before it wrote routes down
            self._routed(route_with(self, self._mounted or self.get("router"), new["endpoint"]))

    def _routed(self, route: Any) -> None:
        path = pattern_of(self, route)
        if path is None:
            return
        if getattr(route, "routes", None):  # a mount, whose router finds a path below
            self._prefix, self._mounted = self._prefix + path, route
        else:
            self._request.found((self._prefix + path) or "/")


def pattern_of(scope: dict[str, Any], route: Any) -> str | None:
    """The path of a route as the program has written it. FastAPI keeps apart what include_router() has added to it."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None and context.original_route is route:
        return str(context.path or context.starlette_route.path)
    path = getattr(route, "path", None)
    return None if path is None else str(path)


def is_told_later(scope: dict[str, Any], route: Any) -> bool:
    """Whether FastAPI sets this route again, when it has set what include_router() has added to its path."""
    return scope.get("fastapi", {}).get("included_router") is not None and hasattr(route, "response_model")


def route_with(scope: dict[str, Any], router: Any, endpoint: Any) -> Any:
    """The route of a router, or of a mount, that has set this endpoint; None: not found."""
    same = [route for route in getattr(router, "routes", ()) if endpoint_of(route) is endpoint]
    return same[0] if len(same) == 1 else next((route for route in same if route.matches(dict(scope))[0].value), None)


def endpoint_of(route: Any) -> Any:
    return getattr(route, "app" if hasattr(route, "routes") else "endpoint", None)
