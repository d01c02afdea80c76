"""ctracemalloc.frameworks.wsgi, flask and django, on threaded servers under load."""

import asyncio
import io
import socket
import socketserver
import unittest
import wsgiref.simple_server
from wsgiref.util import FileWrapper, setup_testing_defaults

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.frameworks.wsgi import LabelMiddleware
from frameworks_support import FrameworkTest


def setUpModule():
    skip_most_pythons()


class Failure(Exception):
    pass


class Silent(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


class Threaded(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 100


def number_in(path):
    return path.rstrip("/").split("/")[-1]


class ServedTest(FrameworkTest):
    def serve(self, app):
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, Threaded, Silent)
        self.addCleanup(server.server_close)
        self.in_thread(lambda: server.serve_forever(0.05), server.shutdown)
        self.port = server.server_port

    def load(self, paths):
        """paths: (path before the number, method, status)"""
        for path, method, status in paths:
            self.get(self.port, f"{path}0", method, status)
        self.keeper.held.clear()
        self.trace()
        self.in_threads(
            lambda number: [self.get(self.port, f"{path}{number}", method, status) for path, method, status in paths]
        )

    def test_bare(self):
        test = self

        class Body:
            def __init__(self, number):
                self.number = number

            def __iter__(self):
                test.keep(20, self.number)
                yield b"first"
                test.keep(30, self.number)
                yield b"second"

            def close(self):
                test.keep(40, self.number)

        def app(environ, start_response):
            number = number_in(environ["PATH_INFO"])
            start_response("200 OK", [("Content-Type", "text/plain")])
            self.keep(10, number)
            return Body(number)

        self.serve(LabelMiddleware(app, lambda environ: "/ten/{number}"))
        self.load([("/ten/", "POST", 200)])
        ten = {"route": "/ten/{number}", "method": "POST"}
        self.check({10: ten, 20: ten, 30: ten, 40: ten})

    def test_flask(self):
        self.needs("flask")
        import flask
        from ctracemalloc.frameworks.flask import label_requests

        app = flask.Flask(__name__)
        label_requests(app)

        @app.get("/orders/<int:number>")
        def order(number):
            return self.keep(10, number)

        @app.post("/stream/<number>")
        def stream(number):
            def parts():
                yield b"first"
                yield self.keep(20, number)

            return flask.Response(flask.stream_with_context(parts()))

        @app.before_request
        def before():
            if flask.request.url_rule is not None and flask.request.url_rule.rule == "/orders/<int:number>":
                self.keep(30, flask.request.view_args["number"])

        @app.errorhandler(404)
        def not_found(error):
            return self.keep(40, number_in(flask.request.path)), 404

        blueprint = flask.Blueprint("items", __name__, url_prefix="/api")

        @blueprint.route("/items/<number>", methods=["PATCH"])
        def item(number):
            return self.keep(50, number)

        app.register_blueprint(blueprint)
        self.serve(app)
        paths = [("/orders/", "GET", 200), ("/stream/", "POST", 200), ("/none/", "GET", 404), ("/api/items/", "PATCH", 200)]
        self.load(paths)
        orders = {"route": "/orders/<int:number>", "method": "GET"}
        self.check(
            {
                10: orders,
                20: {"route": "/stream/<number>", "method": "POST"},
                30: orders,
                40: {"route": "other", "method": "GET"},
                50: {"route": "/api/items/<number>", "method": "PATCH"},
            }
        )


class CalledTest(FrameworkTest):
    """What needs no server."""

    def call(self, app, **environ):
        setup_testing_defaults(environ)
        return app(environ, lambda *arguments: None)

    def test_exceptions_pass(self):
        error = Failure()

        def fails(environ, start_response):
            raise error

        def fails_later(environ, start_response):
            yield b"first"
            raise error

        self.trace()
        for app in (fails, fails_later):
            with self.assertRaises(Failure) as caught:
                list(self.call(LabelMiddleware(app)))
            self.assertIs(caught.exception, error)
            self.assertIsNone(error.__cause__ or error.__context__)
            self.assertEqual(ctracemalloc.current_labels(), {})

    def test_what_the_server_looks_at_stays_as_it_is(self):
        self.trace()
        for body in ([b"x"], (b"x",), FileWrapper(io.BytesIO(b"x"))):
            found = self.call(LabelMiddleware(lambda *_arguments, body=body: body), **{"wsgi.file_wrapper": FileWrapper})
            self.assertIs(found, body)

    def test_between_steps_there_are_no_labels(self):
        self.trace()
        seen = []

        def app(environ, start_response):
            seen.append(ctracemalloc.current_labels())
            yield b""
            seen.append(ctracemalloc.current_labels())

        with ctracemalloc.labels(server="1"):
            body = iter(self.call(LabelMiddleware(app), REQUEST_METHOD="get"))
            next(body)
            self.assertEqual(ctracemalloc.current_labels(), {"server": "1"})
            self.assertEqual(list(body), [])
        self.assertEqual(seen, [{"server": "1", "route": "other", "method": "other"}] * 2)

    def test_not_traced(self):
        body = iter([b""])
        self.assertIs(self.call(LabelMiddleware(lambda *_arguments: body)), body)

    def test_a_route_that_cannot_be_a_label(self):
        self.trace()
        routes, seen = ["x" * 1024, "x" * 1025, "a\0b", "ä" * 513, 7, ["a"]], []

        def app(environ, start_response):
            seen.append(ctracemalloc.current_labels()["route"])
            return []

        middleware = LabelMiddleware(app, lambda environ: environ["route"])
        for route in routes:
            self.call(middleware, route=route)
        self.assertEqual(seen, ["x" * 1024, "other", "other", "other", "7", "['a']"])


# --- Django, which has one configuration for a process ---

URLS = __name__


class Synchronous:
    """A middleware that Django runs in a thread; what is around it then runs in one, too."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


def configure_django():
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=URLS,
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="x",
            MIDDLEWARE=["ctracemalloc.frameworks.django.LabelMiddleware", "django.middleware.common.CommonMiddleware"],
            LOGGING_CONFIG=None,
        )


class Django:
    """Its views, and those of the test that uses them now."""

    keep = None

    def order(self, request, number):
        from django.http import HttpResponse

        return HttpResponse(self.keep(10, number))

    def stream(self, request, number):
        from django.http import StreamingHttpResponse

        def parts():
            yield b"first"
            yield self.keep(20, number)

        return StreamingHttpResponse(parts())

    async def later(self, request, number):
        from django.http import HttpResponse

        await asyncio.sleep(0)
        return HttpResponse(self.keep(30, number))

    async def async_stream(self, request, number):
        from django.http import StreamingHttpResponse

        async def parts():
            yield b"first"
            await asyncio.sleep(0)
            yield self.keep(40, number)

        return StreamingHttpResponse(parts())

    def not_found(self, request, exception):
        from django.http import HttpResponse

        return HttpResponse(self.keep(50, number_in(request.path)), status=404)


django_views = Django()


def __getattr__(name):
    if name == "urlpatterns":
        from django.urls import include, path, re_path

        views = django_views
        inner = [path("stream/<number>", views.stream), path("async-stream/<number>", views.async_stream)]
        return [
            path("orders/<int:number>", views.order),
            path("api/", include(inner)),
            re_path(r"^later/(?P<number>\d+)$", views.later),
        ]
    if name == "handler404":
        return django_views.not_found
    raise AttributeError(name)


class DjangoTest(ServedTest):
    test_bare = test_flask = None
    ROUTES = {
        10: {"route": "/orders/<int:number>", "method": "GET"},
        20: {"route": "/api/stream/<number>", "method": "GET"},
        30: {"route": r"^later/(?P<number>\d+)$", "method": "GET"},
        50: {"route": "other", "method": "GET"},
    }
    PATHS = [("/orders/", "GET", 200), ("/api/stream/", "GET", 200), ("/later/", "GET", 200), ("/none/", "GET", 404)]

    def setUp(self):
        super().setUp()
        self.needs("django")
        configure_django()
        django_views.keep = self.keep

    def test_wsgi(self):
        from django.core.wsgi import get_wsgi_application

        self.serve(get_wsgi_application())
        self.load(self.PATHS)
        self.check(self.ROUTES)

    def serve_asgi(self):
        import uvicorn
        from django.core.asgi import get_asgi_application

        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        server = uvicorn.Server(uvicorn.Config(get_asgi_application(), log_level="critical", lifespan="off"))

        def stop():
            server.should_exit = True

        self.in_thread(lambda: server.run([listening]), stop)
        self.port = listening.getsockname()[1]
        # not /api/stream/: Django reads a synchronous iterator in one step there, and warns
        self.load([("/api/async-stream/", "GET", 200), *(path for path in self.PATHS if "stream" not in path[0])])
        routes = {kind: labels for kind, labels in self.ROUTES.items() if kind != 20}
        self.check({**routes, 40: {"route": "/api/async-stream/<number>", "method": "GET"}})

    def test_asgi(self):
        self.needs("uvicorn")
        self.serve_asgi()

    def test_asgi_with_a_middleware_that_is_not_asynchronous(self):
        self.needs("uvicorn")
        from django.conf import settings
        from django.test import override_settings

        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.Synchronous"]):
            self.serve_asgi()

    def test_files_are_sent_by_the_server(self):
        from ctracemalloc.frameworks.django import LabelMiddleware as DjangoMiddleware
        from django.http import FileResponse
        from django.test import RequestFactory

        self.trace()
        response = FileResponse(io.BytesIO(b"x"))
        file = response.file_to_stream
        self.assertIs(DjangoMiddleware(lambda request: response)(RequestFactory().get("/")), response)
        self.assertIs(response.file_to_stream, file)


if __name__ == "__main__":
    unittest.main()
