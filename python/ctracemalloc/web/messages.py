"""Requests and responses, whatever server they come through.

Model: a response is a status, headers and a body of known length. One that needs time is a Delayed: the caller waits its
seconds in its own way (a thread sleeps, a coroutine awaits) and then calls `then`, or `give_up` if nobody waits any more.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from .._exempt import Kept

MOST_FIELDS = 16  # of a query
MOST_DIGITS = 6

TEXT = "text/plain; charset=utf-8"
NO_CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# No answer is kept, guessed at, framed, or named to other sites.
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class Request(NamedTuple):
    method: str
    mount: str  # the path at which the application is mounted, without "/" at its end
    path: str  # below it
    query: str
    headers: Mapping[str, str]  # by names in lower case
    peer: str | None  # the address of who asks; None: not known


class Response(NamedTuple):
    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = NO_CONTENT_POLICY
    length: int | None = None  # of the body, if it is left out
    kept: Kept | None = None  # while it lives, the body makes no new peak

    def all_headers(self) -> list[tuple[str, str]]:
        return [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body) if self.length is None else self.length)),
            *HEADERS,
            ("Content-Security-Policy", self.policy),
            *self.headers,
        ]

    def line(self) -> str:
        """The status as WSGI wants it."""
        return f"{self.status} {REASONS[self.status]}"


class Delayed(NamedTuple):
    seconds: float
    then: Callable[[], Response]
    give_up: Callable[[], None]  # there will be no answer: others may wait in its place


Answer: TypeAlias = Response | Delayed


class Refused(Exception):
    """An answer other than 200, raised where it is found."""

    def __init__(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.response = Response(status, f"{text}\n".encode("utf-8", "backslashreplace"), headers=headers)


def text_response(text: str) -> Response:
    return Response(200, text.encode("utf-8", "backslashreplace"))


class Query:
    """The fields of a query. What is not asked for is ignored: a scraper may add fields of its own."""

    def __init__(self, text: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise Refused(400, f"the query has more than {MOST_FIELDS} fields") from None
        self.fields: dict[str, str] = {}
        for name, value in pairs:
            if name in self.fields:
                raise Refused(400, f"the query has the field {name[:40]!a} twice")
            self.fields[name] = value

    def number(self, name: str, default: int, most: int) -> int:
        text = self.fields.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS and int(text) <= most):
            raise Refused(400, f"{name} must be a whole number of at most {most}")
        return int(text)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The first of the choices if the field is missing."""
        text = self.fields.get(name, "") or choices[0]
        if text not in choices:
            raise Refused(400, f"{name} must be one of: {', '.join(filter(None, choices))}")
        return text
