"""A service's memory over HTTP: pages for people, profiles for pprof and its scrapers, metrics for Prometheus, and a push.

Model: nothing is served until the program mounts an application (wsgi_app, asgi_app) or starts a server (serve). The three
take a request apart, and answer.py does all the rest: guard.py decides whether it is answered, routes.py by what. snapshots.py
takes the snapshots, one at a time in a process. `import ctracemalloc` imports none of this, and a name imports what it needs
when it is used first: a server needs no asyncio, a pusher no pages. No module has the name of what it has, because the import
of a module sets that name here.
"""

from .loading import own_imports

TYPE_CHECKING = False  # typing is to be imported by own_imports(), if at all
if TYPE_CHECKING:
    from .asgi import asgi_app as asgi_app
    from .collecting import collector as collector
    from .pushing import Pusher as Pusher
    from .pushing import push as push
    from .server import Server as Server
    from .server import serve as serve
    from .wsgi import wsgi_app as wsgi_app

_MODULES = {
    "asgi_app": "asgi",
    "collector": "collecting",
    "Pusher": "pushing",
    "push": "pushing",
    "Server": "server",
    "serve": "server",
    "wsgi_app": "wsgi",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with own_imports():
        module = __import__(f"{__name__}.{_MODULES[name]}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
