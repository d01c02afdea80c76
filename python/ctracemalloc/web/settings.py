"""What wsgi_app, asgi_app and serve are told: who may look, and how much an answer may cost.

Model: every value is checked when the application is made, so that a mistake is an error of the program's start and not of a
request.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

MIN_TOKEN = 16  # characters
MOST_ROWS = 1000
MOST_SECONDS = 600.0
WSGI_SECONDS = 25.0  # less than the 30 after which gunicorn ends a worker whose only thread waits


class Settings(NamedTuple):
    token: bytes | None  # None: only this machine may look
    allowed_hosts: frozenset[str]  # besides the names of this machine, without a token
    top: int  # places in the metrics
    max_seconds: float  # of `?seconds=`


def settings_of(token: str | None, allowed_hosts: Iterable[str], top: int, max_seconds: float) -> Settings:
    if isinstance(allowed_hosts, str):
        raise TypeError("allowed_hosts must be a list of host names, not one string")
    hosts = frozenset(host.lower() for host in allowed_hosts)
    return Settings(checked_token(token), hosts, checked_top(top), checked_seconds(max_seconds))


def checked_token(token: str | None) -> bytes | None:
    """ValueError if nobody could send it, or everybody could guess it."""
    if token is None:
        return None
    if not isinstance(token, str):
        raise TypeError(f"token must be a string or None, not {type(token).__name__}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ValueError("token must be of printable ASCII characters without a space")
    if len(token) < MIN_TOKEN:
        raise ValueError(f"token must have at least {MIN_TOKEN} characters: secrets.token_urlsafe() makes one")
    return token.encode()


def checked_top(top: int) -> int:
    if not 0 <= top <= MOST_ROWS:
        raise ValueError(f"top must be in range [0; {MOST_ROWS}], not {top!r}")
    return top


def checked_seconds(seconds: float) -> float:
    if not (math.isfinite(seconds) and 0 < seconds <= MOST_SECONDS):
        raise ValueError(f"max_seconds must be in range (0; {MOST_SECONDS:.0f}], not {seconds!r}")
    return float(seconds)
