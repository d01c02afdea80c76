"""Connections of the component's own server: how many there are, how long each may take, what is a request.

Model: one thread accepts connections, and each connection has a thread, of which there are at most MOST_CONNECTIONS. A
connection is reading (the head of a request), answering, sending, or idle; each of these but answering has a deadline, after
which the accepting thread shuts the connection, so a peer that sends or reads slowly holds a thread only so long. How long an
answer takes depends on the program alone: it has no deadline, or a large program could never be looked at. If there is no room
for a new connection, the oldest one that is reading or idle makes room if it has been so for GRACE seconds; otherwise the new
one is told to come again. While the process has no descriptor left for a connection, the accepting thread pauses between its
attempts.

The base class ends the headers where it finds a line that is none, and takes what follows for a body or for another request. A
proxy or a browser may see it differently, so a head with such a line is refused, and nothing after it is read as a request.

Nothing is logged.
"""

import errno
import math
import re
import socket
import threading
import time
from http.client import HTTPException, LineTooLong
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from .answer import answer
from .messages import Refused, Request, Response
from .routes import Application

MOST_CONNECTIONS = 16
MOST_HEAD = 16 * 1024  # bytes of a request line with its headers
READ_SECONDS, SEND_SECONDS, IDLE_SECONDS = 10.0, 30.0, 15.0
REST_SECONDS, MOST_REST = 1.0, 1 << 20  # what is read of a refused request after its answer
GRACE = 1.0
PAUSE = 0.2  # seconds after an attempt to accept for which there was no room in the process
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
READING, ANSWERING, SENDING, IDLE = "reading", "answering", "sending", "idle"
PARTS_OF_A_BODY = ("content-length", "transfer-encoding")
EMPTY_LINES = (b"\r\n", b"\n")
HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?\n")  # RFC 9110, 5.1, and 9112, 5; without folded lines
NO_REQUEST = "this is no request in HTTP/1.0 or 1.1 that can be answered"
TOO_LARGE = f"the head of the request has more than {MOST_HEAD} bytes or 100 headers"


class Connection:
    def __init__(self, request: socket.socket) -> None:
        self.socket = request
        self.enter(READING, READ_SECONDS)

    def enter(self, state: str, seconds: float) -> None:
        self.since = time.monotonic()
        self.deadline = self.since + seconds
        self.state = state

    def shut(self) -> None:
        """Its thread then finds the end of the connection, and closes it."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is shut already


class Head:
    """The stream that a request is read from, with a limit for each request."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.begin()

    def begin(self) -> None:
        self.left = MOST_HEAD
        self.lines: list[bytes] = []

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.stream.readline(self.left + 1 if limit < 0 else min(limit, self.left + 1))
        self.left -= len(line)
        if self.left < 0:
            raise LineTooLong("head")
        self.lines.append(line)
        return line

    def has_only_headers(self) -> bool:
        """Is everything after the request line a header, up to an empty line?"""
        *headers, end = self.lines[1:]
        return end in EMPTY_LINES and all(map(HEADER.fullmatch, headers))

    def skip_rest(self) -> None:
        left = MOST_REST
        while left > 0 and (part := self.stream.read1(1 << 16)):
            left -= len(part)

    def close(self) -> None:
        self.stream.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "HttpServer"

    def setup(self) -> None:
        super().setup()
        self.known = self.server.connections[self.connection]
        self.head = Head(self.rfile)
        self.rfile = self.head  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        """As the base class, with our limits, and with one answer for all methods."""
        self.close_connection, self.command = True, ""
        try:
            self.raw_requestline = self.request_line()
            if self.raw_requestline and self.parse_request():
                response = self.answered()
                self.known.enter(SENDING, SEND_SECONDS)
                self.send(response)
                self.known.enter(IDLE, IDLE_SECONDS)
        except LineTooLong:
            self.refuse(431, TOO_LARGE)
        except (OSError, HTTPException):
            self.close_connection = True  # the peer, or the deadline, has ended the connection

    def request_line(self) -> bytes:
        """Empty lines before it are ignored: RFC 9112, 2.2."""
        self.head.begin()
        line = self.head.readline()
        self.known.enter(READING, READ_SECONDS)
        while line in EMPTY_LINES:
            self.head.lines.clear()
            line = self.head.readline()
        return line

    def parse_request(self) -> bool:
        """False: it is refused already."""
        if not super().parse_request():
            return False
        if self.request_version == "HTTP/0.9":  # which has no headers: from 3.15 on they are not even a message
            self.refuse(400, NO_REQUEST)
        elif not self.head.has_only_headers():
            self.refuse(400, "a line of the request's head is no header")
        elif any(value != "0" for name in PARTS_OF_A_BODY for value in self.headers.get_all(name, ())):
            self.refuse(400, "a request has no body here")
        else:
            return True
        return False

    def answered(self) -> Response:
        self.known.enter(ANSWERING, math.inf)  # how long that takes is not the peer's doing
        found = answer(self.server.application, self.request_now())
        if isinstance(found, Response):
            return found
        if self.server.closing.wait(found.seconds):
            return Refused(503, "the server ends").response
        return found.then()

    def request_now(self) -> Request:
        path, _mark, query = self.path.partition("?")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return Request(self.command, "", path, query, headers, self.client_address[0])

    def send(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.all_headers():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def refuse(self, status: int, text: str) -> None:
        """What is left of the request is not taken for another one. A peer that is still sending it would lose the answer if
        the connection were closed at once.
        """
        self.close_connection, self.request_version = True, self.protocol_version
        try:
            self.send(Refused(status, text).response)
            self.connection.shutdown(socket.SHUT_WR)
            self.known.enter(READING, REST_SECONDS)
            self.head.skip_rest()
        except OSError:
            pass  # it has gone

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses, without what was sent: it may be markup."""
        self.refuse(code, TOO_LARGE if code == 431 else NO_REQUEST)

    def log_message(self, format: str, *args: object) -> None:
        """The program's stderr is the program's."""


class HttpServer(HTTPServer):
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, address: tuple[Any, ...], family: int, application: Application) -> None:
        self.address_family = family
        self.application = application
        self.connections: dict[socket.socket, Connection] = {}
        self.closing = threading.Event()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Without asking for the name of the address, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The connection that cannot be accepted stays there, so the next attempt would follow at once."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in NO_ROOM:
                self.closing.wait(PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self.connections) >= MOST_CONNECTIONS:
            self.make_room()
            self.turn_away(request)
            return
        self.connections[request] = Connection(request)
        thread = threading.Thread(target=self.work, args=(request, client_address), name="ctracemalloc.web", daemon=True)
        try:
            thread.start()  # with the signals that this thread has blocked: see threads.py
        except BaseException:  # there are too many threads in the process
            del self.connections[request]
            raise

    def work(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            pass  # of the connection: answers are made by answer(), which raises nothing
        finally:
            self.shutdown_request(request)
            self.connections.pop(request, None)

    def make_room(self) -> None:
        """For the next one: the thread of the connection that is shut needs a moment."""
        now = time.monotonic()
        old = [
            one for one in list(self.connections.values()) if one.state not in (ANSWERING, SENDING) and one.since < now - GRACE
        ]
        if old:
            min(old, key=lambda one: one.since).shut()

    def turn_away(self, request: socket.socket) -> None:
        refused = Refused(503, "too many connections: come again", ("Retry-After", "1"), ("Connection", "close")).response
        head = "".join(f"{name}: {value}\r\n" for name, value in refused.all_headers())
        try:
            request.setblocking(False)
            request.send(f"HTTP/1.1 {refused.line()}\r\n{head}\r\n".encode("latin-1") + refused.body)
        except OSError:
            pass  # it has gone, or reads nothing
        self.shutdown_request(request)

    def service_actions(self) -> None:
        now = time.monotonic()
        for one in list(self.connections.values()):
            if one.deadline < now:
                one.shut()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The program's stderr is the program's."""
