"""A server of its own, in threads beside the program: for programs that have no web server to mount an application in.

Model: connections.py does the work; here it is started, closed, and left to the parent in a fork, which has none of its
threads. A server that runs is known here until it is closed, whether or not the program keeps it: a fork that kept its socket
would keep the port, and its connections. All threads are daemons.
"""

import os
import socket
from collections.abc import Iterable
from types import TracebackType

from .._threads import started
from .connections import HttpServer
from .guard import is_local_address
from .loading import own_imports
from .routes import Application
from .settings import settings_of

POLL = 0.2  # seconds between two looks at the deadlines


class Server:
    """A running server, as serve() returns it. As a context manager it is closed at the end of the block."""

    def __init__(self, inner: HttpServer) -> None:
        self._inner = inner
        self._open = True
        _servers.add(self)
        try:
            started(inner.serve_forever, POLL, name="ctracemalloc.web")
        except BaseException:  # there are too many threads in the process
            _servers.discard(self)
            inner.server_close()
            raise

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return str(self._inner.server_address[0])

    @property
    def port(self) -> int:
        return int(self._inner.server_address[1])

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def running(self) -> bool:
        """False after close(), and in a fork of the process."""
        return self._open

    def close(self) -> None:
        """Stop listening and end all connections. Does nothing if that has happened."""
        if not self._open:
            return
        self._open = False
        self._inner.closing.set()
        self._inner.shutdown()
        self._inner.server_close()
        for one in list(self._inner.connections.values()):
            one.shut()
        _servers.discard(self)

    def _leave_to_parent(self) -> None:
        """In a fork: the threads are the parent's, and so are the connections."""
        self._open = False
        for one in [self._inner.socket, *self._inner.connections]:
            descriptor = one.detach()  # close() would wait for files of threads that do not exist
            if descriptor >= 0:
                os.close(descriptor)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url} {'running' if self._open else 'closed'}>"


_servers: set[Server] = set()  # that are not closed yet


def _leave_all_to_parent() -> None:
    while _servers:
        _servers.pop()._leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)


def serve(
    port: int = 0,
    host: str = "127.0.0.1",
    *,
    token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    top: int = 20,
    max_seconds: float = 60.0,
) -> Server:
    """Serve /debug/memory, /debug/pprof/ and /metrics from threads of this process, until close() or the end of the process.

    port: 0: one that is free, see Server.port. host: an address of this machine; any but a loopback address needs a token
    (ValueError). The other arguments are those of wsgi_app. OSError if the address cannot be used.
    """
    settings = settings_of(token, allowed_hosts, top, max_seconds)
    with own_imports():  # of a codec
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _kind, _protocol, _name, address = found[0]
    if settings.token is None and not is_local_address(str(address[0])):
        raise ValueError(f"host {host!r} is not of this machine alone: serve() needs a token there")
    return Server(HttpServer(address, family, Application(settings)))
