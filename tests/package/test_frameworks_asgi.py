"""ctracemalloc.frameworks.asgi with Starlette, FastAPI and a bare application, on uvicorn under load."""

import asyncio
import socket
import unittest

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.frameworks.asgi import LabelMiddleware
from frameworks_support import FrameworkTest


def setUpModule():
    skip_most_pythons()


class Failure(Exception):
    pass


class ServedTest(FrameworkTest):
    def serve(self, app):
        import uvicorn

        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))

        def stop():
            server.should_exit = True

        self.in_thread(lambda: server.run([listening]), stop)
        self.port = listening.getsockname()[1]

    def load(self, paths):
        """paths: (path before the number, path after it, method, status)"""
        for path, rest, method, status in paths:  # what is made once is made before
            self.get(self.port, f"{path}0{rest}", method, status)
        self.keeper.held.clear()
        self.trace()
        self.in_threads(
            lambda number: [
                self.get(self.port, f"{path}{number}{rest}", method, status) for path, rest, method, status in paths
            ]
        )

    def test_bare(self):
        self.needs("uvicorn")
        begun = []

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                begun.append(ctracemalloc.current_labels())
                for _ in range(2):
                    await send({"type": (await receive())["type"] + ".complete"})
                return
            _empty, kind, number = scope["path"].split("/")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for part, more in ((1, True), (2, False)):
                self.keep(int(kind) + part, number)
                await asyncio.sleep(0)
                await send({"type": "http.response.body", "body": b"x", "more_body": more})

        def route_of(scope):
            return {"/10/": "/ten/{number}", "/30/": None}[scope["path"][:4]]

        self.serve(LabelMiddleware(app, route_of))
        self.load([("/10/", "", "GET", 200), ("/30/", "", "BREW", 200)])
        ten, other = {"route": "/ten/{number}", "method": "GET"}, {"route": "other", "method": "other"}
        self.check({11: ten, 12: ten, 31: other, 32: other})
        self.assertEqual(begun, [{}])

    def test_starlette(self):
        self.needs("starlette", "uvicorn")
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.responses import PlainTextResponse, StreamingResponse
        from starlette.routing import Mount, Route

        async def order(request):
            return PlainTextResponse(self.keep(10, request.path_params["number"]))

        def plain(request):  # in a thread
            return PlainTextResponse(self.keep(20, request.path_params["number"]))

        async def stream(request):
            async def parts():
                yield b"first"
                await asyncio.sleep(0)
                yield self.keep(30, request.path_params["number"])

            return StreamingResponse(parts())

        class Inner(BaseHTTPMiddleware):  # runs what is within in a task of its own
            async def dispatch(self, request, call_next):
                return await call_next(request)

        async def not_found(request, error):
            return PlainTextResponse(self.keep(40, request.url.path.split("/")[-1]), 404)

        routes = [
            Route("/orders/{number:int}", order, methods=["GET", "PUT"]),
            Route("/plain/{number}", plain),
            Mount("/shop/{name}", routes=[Route("/stream/{number}/all", stream)]),
        ]
        middleware = [Middleware(LabelMiddleware), Middleware(Inner)]
        self.serve(Starlette(routes=routes, middleware=middleware, exception_handlers={404: not_found}))
        paths = [("/orders/", "", "PUT", 200), ("/plain/", "", "GET", 200), ("/shop/x/stream/", "/all", "GET", 200)]
        self.load([*paths, ("/none/", "", "GET", 404)])
        self.check(
            {
                10: {"route": "/orders/{number:int}", "method": "PUT"},
                20: {"route": "/plain/{number}", "method": "GET"},
                30: {"route": "/shop/{name}/stream/{number}/all", "method": "GET"},
                40: {"route": "other", "method": "GET"},
            }
        )

    def test_fastapi(self):
        self.needs("fastapi", "uvicorn")
        from fastapi import APIRouter, Depends, FastAPI
        from fastapi.responses import StreamingResponse

        app, inner, outer, mounted = FastAPI(), APIRouter(prefix="/items"), APIRouter(), FastAPI()
        app.add_middleware(LabelMiddleware)

        def dependency(number: int):
            self.keep(20, number)

        @app.get("/orders/{number}", dependencies=[Depends(dependency)])
        async def order(number: int):
            self.keep(10, number)

        @inner.post("/{number}")
        def item(number: int):
            self.keep(30, number)

        @mounted.get("/stream/{number}")
        async def stream(number: int):
            async def parts():
                yield b"first"
                await asyncio.sleep(0)
                yield self.keep(40, number)

            return StreamingResponse(parts())

        outer.include_router(inner, prefix="/v1")
        app.include_router(outer, prefix="/api")
        app.mount("/mounted", mounted)
        self.serve(app)
        paths = [("/orders/", "", "GET", 200), ("/api/v1/items/", "", "POST", 200), ("/mounted/stream/", "", "GET", 200)]
        self.load(paths)
        orders = {"route": "/orders/{number}", "method": "GET"}
        items = {"route": "/api/v1/items/{number}", "method": "POST"}
        self.check({10: orders, 20: orders, 30: items, 40: {"route": "/mounted/stream/{number}", "method": "GET"}})


class CalledTest(FrameworkTest):
    """What needs no server."""

    def call(self, app, **scope):
        """What the application sends, and the scope as it is afterwards."""
        sent = []
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", **scope}

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        return sent, scope

    def test_exceptions_pass(self):
        self.trace()
        error = Failure()

        async def app(scope, receive, send):
            raise error

        for middleware in (LabelMiddleware(app), LabelMiddleware(app, lambda scope: "/x")):
            with self.assertRaises(Failure) as caught:
                self.call(middleware)
            self.assertIs(caught.exception, error)
            self.assertIsNone(error.__cause__ or error.__context__)
        self.assertEqual(ctracemalloc.current_labels(), {})

    def test_websocket(self):
        self.needs("starlette")
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import WebSocketRoute

        found = []

        async def chat(websocket):
            await websocket.accept()
            found.append(ctracemalloc.current_labels())
            await websocket.close()

        app = Starlette(routes=[WebSocketRoute("/chat/{room}", chat)], middleware=[Middleware(LabelMiddleware)])
        self.trace()
        sent, _scope = self.call(app, type="websocket", path="/chat/7")
        self.assertEqual([message["type"] for message in sent], ["websocket.accept", "websocket.close"])
        self.assertEqual(found, [{"route": "/chat/{room}", "method": "GET"}])

    def test_websocket_of_an_included_router(self):
        self.needs("fastapi")
        from fastapi import APIRouter, FastAPI, WebSocket

        app, router, found = FastAPI(), APIRouter(prefix="/chat"), []
        app.add_middleware(LabelMiddleware)

        @router.websocket("/{room}")
        async def chat(websocket: WebSocket, room: int):
            await websocket.accept()
            found.append(ctracemalloc.current_labels())
            await websocket.close()

        app.include_router(router, prefix="/api")
        self.trace()
        self.call(app, type="websocket", path="/api/chat/7")
        self.assertEqual(found, [{"route": "/api/chat/{room}", "method": "GET"}])

    def test_files_that_are_mounted(self):
        self.needs("starlette")
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import Mount

        found = []

        async def files(scope, receive, send):
            found.append(ctracemalloc.current_labels()["route"])

        app = Starlette(routes=[Mount("/static", files)], middleware=[Middleware(LabelMiddleware)])
        self.trace()
        self.call(app, path="/static/a/b.css")
        self.assertEqual(found, ["/static"])

    def test_who_looks_from_outside_sees_what_is_set_within(self):
        self.trace()

        async def app(scope, receive, send):
            scope["one"] = 1
            scope.update(two=2)
            await send((dict(seen), None))
            scope.setdefault("three", 3)

        middleware = LabelMiddleware(app)
        seen = {}

        async def outer(scope, receive, send):
            nonlocal seen
            seen = scope
            await middleware(scope, receive, send)

        sent, scope = self.call(outer)
        self.assertEqual((sent[0][0]["one"], sent[0][0]["two"]), (1, 2))
        self.assertEqual(scope["three"], 3)

    def test_not_traced(self):
        seen = []

        async def app(scope, receive, send):
            seen.append((scope, ctracemalloc.current_labels()))

        _sent, scope = self.call(LabelMiddleware(app))
        self.assertIs(seen[0][0], scope)
        self.assertEqual(seen[0][1], {})

    def test_starlette_that_writes_no_route(self):
        """Before it did, it set only the endpoint."""
        self.needs("starlette")
        from starlette.routing import Mount, Route, Router

        async def page(request):
            pass

        async def below(request):
            pass

        found = []
        mount = Mount("/shop", routes=[Route("/c/{x}", below)])
        router = Router([Route("/a/{x}", page), mount])
        endpoints = {"/a/1": [page], "/b/1": [page], "/shop/c/1": [mount.app, below], "/d": []}

        async def app(scope, receive, send):
            scope["router"] = router
            for endpoint in endpoints[scope["path"]]:
                scope.update({"endpoint": endpoint, "path_params": {}})
            found.append(ctracemalloc.current_labels()["route"])

        self.trace()
        self.call(LabelMiddleware(app), path="/a/1")
        router.routes.append(Route("/b/{x}", page))  # one function for two routes
        for path in ("/b/1", "/shop/c/1", "/d"):
            self.call(LabelMiddleware(app), path=path)
        self.assertEqual(found, ["/a/{x}", "/b/{x}", "/shop/c/{x}", "other"])


if __name__ == "__main__":
    unittest.main()
