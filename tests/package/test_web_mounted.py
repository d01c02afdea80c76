"""web.wsgi_app and web.asgi_app mounted in the frameworks that people use, asked over HTTP.

Each framework runs in a process of its own, below /ops, beside a page of the program. What is not installed is skipped:
`pip install flask django starlette fastapi uvicorn aiohttp aiohttp-wsgi gunicorn`. Servers with workers: with CTM_LONG=1 only.
"""

import gzip
import http.client
import importlib.util
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
import unittest
from urllib.parse import urljoin

from cli_support import ProgramTest, skip_most_pythons
from web_support import TOKEN, read_profile, total

LONG = os.environ.get("CTM_LONG") == "1"
OPS = "/ops"


def setUpModule():
    skip_most_pythons()


# --- programs: each has `app`, or `alone` ---

BEGIN = f"""
    import ctracemalloc
    from ctracemalloc import web
    TOKEN = {TOKEN!r}
"""
TRACE = """
    ctracemalloc.start(10)  # after the imports: a small tree is enough here
    def hold():
        return [bytes(1000) for _ in range(2000)]
    held = hold()
"""
FLASK = """
    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    app = Flask(__name__)
    @app.get("/")
    def page():
        return "hello"
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/ops": web.wsgi_app(token=TOKEN)})
"""
DJANGO = """
    from django.conf import settings
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    from django.http import HttpResponse
    from django.urls import path
    urlpatterns = [path("", lambda request: HttpResponse("hello"))]
"""
DJANGO_WSGI = """
    from django.core.wsgi import get_wsgi_application
    django, memory = get_wsgi_application(), web.wsgi_app(token=TOKEN)
    def app(environ, start_response):
        if environ["PATH_INFO"].startswith("/ops/"):
            below = {"SCRIPT_NAME": "/ops", "PATH_INFO": environ["PATH_INFO"].removeprefix("/ops")}
            return memory({**environ, **below}, start_response)
        return django(environ, start_response)
"""
DJANGO_ASGI = """
    from django.core.asgi import get_asgi_application
    django, memory = get_asgi_application(), web.asgi_app(token=TOKEN)
    async def app(scope, receive, send):
        if scope.get("path", "").startswith("/ops/"):
            await memory({**scope, "root_path": "/ops"}, receive, send)
        elif scope["type"] == "http":
            await django(scope, receive, send)
"""
STARLETTE = """
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route
    async def page(request):
        return PlainTextResponse("hello")
    app = Starlette(routes=[Route("/", page), Mount("/ops", web.asgi_app(token=TOKEN))])
"""
FASTAPI = """
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse
    app = FastAPI()
    @app.get("/", response_class=PlainTextResponse)
    async def page():
        return "hello"
    app.mount("/ops", web.asgi_app(token=TOKEN))
"""
AIOHTTP = """
    from aiohttp import web as aiohttp_web
    from aiohttp_wsgi import WSGIHandler
    async def page(request):
        return aiohttp_web.Response(text="hello")
    app = aiohttp_web.Application()
    app.router.add_get("/", page)
    app.router.add_route("*", "/ops{path_info:.*}", WSGIHandler(web.wsgi_app(token=TOKEN)))
"""
ALONE = """
    alone = web.asgi_app(token=TOKEN)
"""

# --- servers: each says on which port it listens ---

RUN_WSGI = """
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
    class Threaded(ThreadingMixIn, WSGIServer):
        daemon_threads = True
    class Silent(WSGIRequestHandler):
        def log_message(self, *arguments):
            pass
    server = make_server("127.0.0.1", 0, app, Threaded, Silent)
    print(server.server_port, flush=True)
    server.serve_forever()
"""
RUN_ASGI = """
    import socket, uvicorn
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
"""
RUN_AIOHTTP = """
    import socket
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    aiohttp_web.run_app(app, sock=listening, print=None)
"""


class MountedTest(ProgramTest):
    def needs(self, *modules):
        for module in modules:
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")

    def start(self, *parts):
        self.write("program.py", "".join(map(textwrap.dedent, (BEGIN, *parts[:-1], TRACE, parts[-1]))))
        self.launch("program.py")
        self.port = int(self.process.stdout.readline())

    def launch(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end)

    def end(self):
        self.process.terminate()
        output, errors = self.process.communicate(timeout=60)
        self.assertEqual((output, errors), ("", ""))

    def get(self, path, token=TOKEN, method="GET", **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        end = time.monotonic() + 30
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                answer.content = answer.read()
                return answer
            except ConnectionRefusedError:  # it does not listen yet
                self.assertLess(time.monotonic(), end)
                self.assertIsNone(self.process.poll())
                time.sleep(0.05)
            finally:
                connection.close()

    def check(self, page="/", mount=OPS):
        """page: of the program itself; "": there is none. mount: below which path the application answers."""
        if page:
            self.assertEqual(self.get(page).content, b"hello")
        for token, status in ((TOKEN, 200), (None, 401), (TOKEN + "x", 401)):
            self.assertEqual(self.get(f"{mount}/debug/memory", token).status, status)
        plain = self.get(f"{mount}/debug/memory?plain=1&since=start")
        self.assertEqual((plain.status, plain.headers["X-Content-Type-Options"]), (200, "nosniff"))
        metrics = self.get(f"{mount}/metrics", Accept="application/openmetrics-text")
        self.assertEqual(metrics.headers["Content-Type"].split(";")[0], "application/openmetrics-text")
        self.assertTrue(metrics.content.endswith(b"\n# EOF\n"))
        self.assertRegex(metrics.content, rb'program.py",line="[0-9]+",function="hold')
        self.assertEqual(self.get(f"{mount}/nothing").status, 404)
        self.assertEqual(self.get(f"{mount}/metrics", method="POST").status, 405)
        head = self.get(f"{mount}/debug/pprof/", method="HEAD")
        self.assertEqual((head.status, head.content), (200, b""))
        self.check_links(mount)
        self.check_profiles(page, mount)

    def check_links(self, mount):
        for link in re.findall(b"href='([^']*)'", self.get(f"{mount}/debug/").content):
            target = urljoin(f"http://host{mount}/debug/", link.decode().replace("&amp;", "&")).removeprefix("http://host")
            self.assertEqual(self.get(target).status, 200, target)

    def check_profiles(self, page, mount):
        heap = self.get(f"{mount}/debug/pprof/heap")
        self.assertGreater(total(read_profile(heap.content), "inuse_space"), 2_000_000)
        done = []
        waiting = threading.Thread(target=lambda: done.append(self.get(f"{mount}/debug/pprof/heap?seconds=1")))
        waiting.start()
        time.sleep(0.2)
        if page:  # the program answers meanwhile
            self.assertEqual((self.get(page).content, done), (b"hello", []))
        waiting.join(30)
        self.assertEqual(done[0].status, 200)
        self.assertTrue(gzip.decompress(done[0].content))

    def test_flask(self):
        self.needs("flask")
        self.start(FLASK, RUN_WSGI)
        self.check()

    def test_django_wsgi(self):
        self.needs("django")
        self.start(DJANGO, DJANGO_WSGI, RUN_WSGI)
        self.check()

    def test_django_asgi(self):
        self.needs("django", "uvicorn")
        self.start(DJANGO, DJANGO_ASGI, RUN_ASGI)
        self.check()

    def test_starlette(self):
        self.needs("starlette", "uvicorn")
        self.start(STARLETTE, RUN_ASGI)
        self.check()

    def test_fastapi(self):
        self.needs("fastapi", "uvicorn")
        self.start(FASTAPI, RUN_ASGI)
        self.check()

    def test_aiohttp(self):
        self.needs("aiohttp", "aiohttp_wsgi")
        self.start(AIOHTTP, RUN_AIOHTTP)
        self.check()

    @unittest.skipUnless(LONG, "with CTM_LONG=1: a server with workers")
    def test_gunicorn(self):
        self.needs("gunicorn", "flask")
        self.write("program.py", "".join(map(textwrap.dedent, (BEGIN, FLASK, TRACE))))
        for options in ([], ["--preload"], ["--threads", "4"], ["--preload", "-k", "gevent"]):
            with self.subTest(options):
                if "gevent" in options:
                    self.needs("gevent")
                self.port = 20_000 + os.getpid() % 10_000
                address = f"127.0.0.1:{self.port}"
                self.launch("-m", "gunicorn", "-w", "2", "-b", address, "--log-level", "critical", *options, "program:app")
                self.check()
                self.process.terminate()
                self.process.wait(60)

    @unittest.skipUnless(LONG, "with CTM_LONG=1: a server with workers")
    def test_uvicorn(self):
        self.needs("uvicorn", "starlette")
        self.write("program.py", "".join(map(textwrap.dedent, (BEGIN, STARLETTE, ALONE, TRACE))))
        for name, page, mount in (("app", "/", OPS), ("alone", "", "")):  # the second: a proxy takes /ops away
            with self.subTest(name):
                self.port = 20_000 + os.getpid() % 10_000
                options = ["--workers", "2", "--log-level", "critical", "--port", str(self.port)]
                options += ["--root-path", OPS] if name == "alone" else []
                self.launch("-m", "uvicorn", *options, f"program:{name}")
                self.check(page, mount)
                self.process.terminate()
                self.process.wait(60)


if __name__ == "__main__":
    unittest.main()
