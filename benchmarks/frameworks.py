#!/usr/bin/env python3
"""Measures what the middleware of ctracemalloc.frameworks adds to a request.

Model: each application has one page without content and is there twice, as it is and with the middleware. A process for each
framework calls the two by turns, without a server, in short batches: first not traced, then traced. Of each the best batch
counts, which is CPU time of a request; what is printed is the difference. It has two parts: the middleware's own, which a bare
application shows, and that each allocation of a request with labels costs more.

usage: frameworks.py [--python PATH] [--batches N] [--frames N]     PATH: has the package, and the frameworks
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time

BATCH = 20  # requests
FRAMES = 10


# --- applications: (as it is, with the middleware), each a function that does one request ---


def called_wsgi(app):
    from wsgiref.util import setup_testing_defaults

    base = {"PATH_INFO": "/orders/7"}
    setup_testing_defaults(base)

    def request():
        body = app(dict(base), lambda *arguments: None)
        for _part in body:
            pass
        if hasattr(body, "close"):
            body.close()

    return request


def called_asgi(app):
    base = {"type": "http", "method": "GET", "path": "/orders/7", "headers": [], "query_string": b"", "root_path": ""}
    base["http_version"] = "1.1"
    loop = asyncio.new_event_loop()

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    return lambda: loop.run_until_complete(app(dict(base), receive, send))


def bare_wsgi():
    from ctracemalloc.frameworks.wsgi import LabelMiddleware

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"ok"

    return called_wsgi(app), called_wsgi(LabelMiddleware(app, lambda environ: "/orders/{number}"))


def bare_asgi():
    from ctracemalloc.frameworks.asgi import LabelMiddleware

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    return called_asgi(app), called_asgi(LabelMiddleware(app, lambda scope: "/orders/{number}"))


def flask():
    import flask
    from ctracemalloc.frameworks.flask import label_requests

    apps = []
    for with_labels in (False, True):
        app = flask.Flask(__name__)
        app.add_url_rule("/orders/<int:number>", "order", lambda number: "ok")
        if with_labels:
            label_requests(app)
        apps.append(called_wsgi(app))
    return apps


def django():
    from django.conf import settings

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None, MIDDLEWARE=[])
    import django as package
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.test import override_settings
    from django.urls import path

    globals()["urlpatterns"] = [path("orders/<int:number>", lambda request, number: HttpResponse("ok"))]
    package.setup()
    apps = [called_wsgi(get_wsgi_application())]
    with override_settings(MIDDLEWARE=["ctracemalloc.frameworks.django.LabelMiddleware"]):
        apps.append(called_wsgi(get_wsgi_application()))
    return apps


def starlette():
    from ctracemalloc.frameworks.asgi import LabelMiddleware
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def order(request):
        return PlainTextResponse("ok")

    routes = [Route("/orders/{number:int}", order)]
    return [called_asgi(Starlette(routes=routes, middleware=some)) for some in ([], [Middleware(LabelMiddleware)])]


def fastapi():
    from ctracemalloc.frameworks.asgi import LabelMiddleware
    from fastapi import FastAPI

    apps = []
    for with_labels in (False, True):
        app = FastAPI()

        @app.get("/orders/{number}")
        async def order(number: int):
            return {"number": number}

        if with_labels:
            app.add_middleware(LabelMiddleware)
        apps.append(called_asgi(app))
    return apps


def aiohttp():
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request
    from ctracemalloc.frameworks.aiohttp import label_requests

    async def order(request):
        return web.Response(text="ok")

    def called(middlewares):
        app = web.Application(middlewares=middlewares)
        app.router.add_get("/orders/{number}", order)
        app.freeze()
        loop, request = asyncio.new_event_loop(), make_mocked_request("GET", "/orders/7", app=app)
        return lambda: loop.run_until_complete(app._handle(request))

    return called([]), called([label_requests])


def grpc():
    import grpc
    from ctracemalloc.frameworks.grpc import LabelInterceptor

    class Details:
        method = "/shop.Orders/Get"

    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"ok", bytes, bytes)
    interceptor = LabelInterceptor()

    def called(intercepted):
        def request():
            found = intercepted()
            found.response_serializer(found.unary_unary(found.request_deserializer(b""), None))

        return request

    return called(lambda: handler), called(lambda: interceptor.intercept_service(lambda details: handler, Details))


FRAMEWORKS = [bare_wsgi, bare_asgi, flask, django, starlette, fastapi, aiohttp, grpc]


# --- measuring ---


def batch(request):
    begun = time.process_time()
    for _ in range(BATCH):
        request()
    return (time.process_time() - begun) / BATCH * 1e6


def best(requests, batches):
    """Microseconds of a request, of each application."""
    found = [float("inf")] * len(requests)
    for _ in range(batches):
        for number, request in enumerate(requests):
            found[number] = min(found[number], batch(request))
    return found


def measure(name, frames, batches):
    import ctracemalloc

    requests = globals()[name]()
    best(requests, 20)
    result = best(requests, batches)
    ctracemalloc.start(frames)
    best(requests, 20)
    print(json.dumps(result + best(requests, batches)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.frames, options.batches)
        return
    print("| application | not traced | the middleware adds | traced | the middleware adds |\n|---|---|---|---|---|")
    for framework in FRAMEWORKS:
        name = framework.__name__
        command = [
            options.python,
            __file__,
            "--measure",
            name,
            "--frames",
            str(options.frames),
            "--batches",
            str(options.batches),
        ]
        off, off_with, on, on_with = json.loads(subprocess.check_output(command))
        print(
            f"| {name.replace('_', ' ')} | {off:.1f} µs | {off_with - off:.1f} µs | {on:.1f} µs | {on_with - on:.1f} µs |",
            flush=True,
        )


if __name__ == "__main__":
    main()
