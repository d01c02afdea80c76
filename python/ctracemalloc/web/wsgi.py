"""The application as WSGI has it (PEP 3333): to mount in Flask, Django, Bottle, or anything else that takes one."""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .._exempt import Parts
from .answer import answer
from .messages import Request, Response
from .routes import Application
from .settings import WSGI_SECONDS, settings_of

Environment: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
WsgiApp: TypeAlias = Callable[[Environment, StartResponse], Iterable[bytes]]


def wsgi_app(
    *, token: str | None, allowed_hosts: Iterable[str] = (), top: int = 20, max_seconds: float = WSGI_SECONDS
) -> WsgiApp:
    """A WSGI application with /debug/memory, /debug/pprof/ and /metrics.

    token: a request with `Authorization: Bearer TOKEN` is answered. None: only requests from this machine are answered that
    name it in their Host header, or one of `allowed_hosts`; a proxy on this machine makes all requests look so: set a token
    there. top: lines in the metrics (0 to 1000). max_seconds: the most that `?seconds=` of a profile may ask for (up to 600);
    the thread of the request waits so long, so it must be less than the time after which the server ends a worker that
    does not answer (gunicorn: --timeout, 30 by default).
    """
    application = Application(settings_of(token, allowed_hosts, top, max_seconds))

    def app(environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        response = answered(application, request_of(environ))
        start_response(response.line(), response.all_headers())
        parts = Parts([response.body])
        parts.kept = response.kept
        return parts

    return app


def answered(application: Application, request: Request) -> Response:
    found = answer(application, request)
    if isinstance(found, Response):
        return found
    time.sleep(found.seconds)
    return found.then()


def request_of(environ: Environment) -> Request:
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    return Request(
        environ["REQUEST_METHOD"],
        environ.get("SCRIPT_NAME", "").rstrip("/"),
        environ.get("PATH_INFO", ""),
        environ.get("QUERY_STRING", ""),
        headers,
        environ.get("REMOTE_ADDR"),
    )
