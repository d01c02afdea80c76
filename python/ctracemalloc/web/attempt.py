"""One attempt to send a request, whose steps together have an end.

Model: a connection of http.client has a timeout for each step, so a server that sends a byte now and then, or `100 Continue`
without end, would hold the thread for ever. Here each step gets what is left of the whole attempt, at most STEP_SECONDS, and
what is read of the answer has a limit. Only finding the addresses of a name is left to the time limits of the resolver.

The socket is known from its first moment, so that a fork can close it.
"""

import io
import os
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

ATTEMPT_SECONDS, STEP_SECONDS = 30.0, 10.0
TOO_LONG = "the attempt took more than {:g} seconds"
MOST_ANSWER = 64 * 1024  # bytes that are read, with the head


class Steps:
    """A socket as http.client uses it: each step takes at most what is left of the attempt."""

    def __init__(self, inner: socket.socket, end: float) -> None:
        self.inner, self.end = inner, end

    def begun(self) -> socket.socket:
        """TimeoutError if nothing is left."""
        self.inner.settimeout(left(self.end))
        return self.inner

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.begun().send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(Reading(self))

    def close(self) -> None:
        """http.client closes it when it has the head of an answer, and reads on. Attempt.shut() closes the socket."""


class Reading(io.RawIOBase):
    def __init__(self, steps: Steps) -> None:
        self.steps, self.count = steps, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self.steps.begun().recv_into(buffer)
        self.count += count
        if self.count > MOST_ANSWER:
            raise HTTPException(f"the answer has more than {MOST_ANSWER} bytes")
        return count


class Attempt(HTTPConnection):
    """To use once. With a context it is secure."""

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext | None) -> None:
        if context is not None:
            self.default_port = HTTPSConnection.default_port
        super().__init__(host, port)
        self.context, self.end = context, time.monotonic() + ATTEMPT_SECONDS
        self.open: socket.socket | None = None

    def connect(self) -> None:
        """OSError of the last address if none of them can be reached."""
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _name, address) in enumerate(addresses, 1):
            try:
                self.open = socket.socket(family, kind, protocol)
                self.open.settimeout(left(self.end))
                self.open.connect(address)
                break
            except OSError:
                self.shut()
                if number == len(addresses):
                    raise
        assert self.open is not None
        self.open.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is not None:
            self.secure(self.open, self.context)
        self.sock = Steps(self.open, self.end)

    def secure(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        """The handshake is a step of its own: before it, the socket is known."""
        wrapped = context.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        self.open = wrapped
        wrapped.settimeout(left(self.end))
        wrapped.do_handshake()

    def failure(self, error: Exception) -> str:
        """What it failed with, in one line."""
        late = isinstance(error, TimeoutError) and time.monotonic() >= self.end
        return f"{type(error).__name__}: {TOO_LONG.format(ATTEMPT_SECONDS) if late else error}"

    def shut(self) -> None:
        if self.open is not None:
            self.open.close()
        self.open = None

    def leave_to_parent(self) -> None:
        """In a fork: the descriptor is closed, and the connection goes on in the parent."""
        descriptor = -1 if self.open is None else self.open.detach()
        if descriptor >= 0:
            os.close(descriptor)


def left(end: float) -> float:
    """Seconds for the next step."""
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return min(seconds, STEP_SECONDS)
