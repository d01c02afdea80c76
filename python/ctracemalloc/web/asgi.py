"""The application as ASGI has it (version 3): to mount in FastAPI, Starlette, Django, or anything else that takes one.

Model: an answer is made in a thread of the event loop's own pool, so that the loop goes on meanwhile. The loop is one of
asyncio. While a request with `?seconds=` waits, the messages of its client are read, to notice that it has left: a server that
ends waits for its requests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from .answer import answer
from .messages import Request, Response
from .routes import Application
from .settings import settings_of

TURN = 0.01  # seconds between two messages: a server may have many, of a body that nobody reads

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def asgi_app(*, token: str | None, allowed_hosts: Iterable[str] = (), top: int = 20, max_seconds: float = 60.0) -> AsgiApp:
    """An ASGI application with /debug/memory, /debug/pprof/ and /metrics. The arguments are those of wsgi_app.

    max_seconds: no thread waits so long.
    """
    application = Application(settings_of(token, allowed_hosts, top, max_seconds))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            response = await answered(application, request_of(scope), receive)
            if response is not None:
                await respond(response, send)

    return app


async def answered(application: Application, request: Request, receive: Receive) -> Response | None:
    """None: the client has left while it was to wait."""
    found = await asyncio.to_thread(answer, application, request)
    if isinstance(found, Response):
        return found
    stays = False
    try:
        stays = await waited(found.seconds, receive)
    finally:
        if not stays:  # it has left, or the server has cancelled this
            found.give_up()
    return await asyncio.to_thread(found.then) if stays else None


async def waited(seconds: float, receive: Receive) -> bool:
    """False: the client has left before."""
    left = asyncio.ensure_future(disconnected(receive))
    try:
        done, _pending = await asyncio.wait([left], timeout=seconds)
        return not done
    finally:
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    """Ends when the client has left. A server that cannot tell, or fails at it, is taken for one whose client stays."""
    try:
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(TURN)
    except Exception:
        await asyncio.Event().wait()


async def respond(response: Response, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.all_headers()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def lifespan(receive: Receive, send: Send) -> None:
    """There is nothing to prepare or to end. A server asks only if this is its whole application."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def request_of(scope: Scope) -> Request:
    mount, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if mount and (path == mount or path.startswith(mount + "/")):  # a part of the path since ASGI 2.3
        path = path[len(mount) :]
    return Request(
        scope["method"],
        mount,
        path,
        scope.get("query_string", b"").decode("latin-1"),
        headers_of(scope["headers"]),
        scope["client"][0] if scope.get("client") else None,
    )


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """One that is sent twice has both values: none that is compared equals such a pair."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found
