"""A service's memory over HTTP: pages for people, profiles for pprof and its scrapers, metrics for Prometheus, and a push.

Model: nothing is served until the program mounts an application (wsgi_app, asgi_app) or starts a server (serve). The three take
a request apart, and answer.py does all the rest: guard.py decides whether it is answered, routes.py by what. snapshots.py takes
the snapshots, one at a time in a process. `import ctracemalloc` imports none of this.
"""

from .asgi import asgi_app as asgi_app
from .collector import collector as collector
from .push import Pusher as Pusher
from .push import push as push
from .server import Server as Server
from .server import serve as serve
from .wsgi import wsgi_app as wsgi_app
