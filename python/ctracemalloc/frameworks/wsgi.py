"""Any WSGI application (PEP 3333): labels `route` and `method` for what its requests allocate.

Model: WSGI has no routes. So the program gives a function that finds the route, or a framework's own module tells it later
(REQUEST). The labels are there while the application runs, and for each step of its response and its close(). A list or tuple
is passed on as it is, because servers ask for its length, and so is a file that the server sends itself.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .._ctracemalloc import is_tracing
from ._requests import OTHER, Request, Steps, text_of

Environment: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
WsgiApp: TypeAlias = Callable[[Environment, StartResponse], Iterable[bytes]]

REQUEST = "ctracemalloc.request"  # a key of the environment


class LabelMiddleware:
    """A WSGI application around another one.

    route_of: called with the environment of a request, returns its route, a pattern and not the path; None: not known. Without
    it, and where it is not known, the route is "other".
    """

    def __init__(self, app: WsgiApp, route_of: Callable[[Environment], object] | None = None) -> None:
        self.app, self.route_of = app, route_of

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_tracing():
            return self.app(environ, start_response)
        route = OTHER if self.route_of is None else text_of(self.route_of(environ))
        environ[REQUEST] = request = Request(environ["REQUEST_METHOD"], route)
        with request:
            body = self.app(environ, start_response)
        return body if is_ready(body, environ) else Steps(body, request)


def is_ready(body: Iterable[bytes], environ: Environment) -> bool:
    """Whether iterating over it runs no code of the program."""
    sent_by_server = environ.get("wsgi.file_wrapper")
    return type(body) in (list, tuple) or (isinstance(sent_by_server, type) and isinstance(body, sent_by_server))
