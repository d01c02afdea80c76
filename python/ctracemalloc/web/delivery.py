"""Sending one profile to a profiling server over HTTP.

Model: a Destination is checked when it is made. What is sent is a TimedProfile; whether an attempt has failed for now (Later:
the server is not there, or too busy) or for good (ValueError: it does not want this profile) is decided here. Redirects are not
followed, and proxies of the environment are not used: what is sent goes where the program said, or nowhere.
"""

import base64
import json
import re
import ssl
import uuid
from collections.abc import Mapping
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from .._exempt import Kept
from .attempt import Attempt

PYROSCOPE, INGEST, PARCA = SERVERS = ("pyroscope", "pyroscope-ingest", "parca")
PATHS = {
    PYROSCOPE: "/push.v1.PusherService/Push",
    INGEST: "/ingest",
    PARCA: "/api/profiles/writeraw",
}
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
MOST_REPLY = 4096  # bytes that are read of an answer
MOST_TEXT = 200  # characters of it that an error has
LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
JSON, BYTES = "application/json", "application/octet-stream"


class TimedProfile(NamedTuple):
    """A profile, and the UNIX times in seconds that it is about."""

    profile: bytes
    begin: float
    end: float
    kept: Kept | None = None  # while it lives, the profile makes no new peak


class Later(Exception):
    """The same profile may be taken at another time."""


class Destination:
    def __init__(
        self, url: str, application: str, labels: Mapping[str, str], server: str, headers: Mapping[str, str], token: str | None
    ) -> None:
        if server not in SERVERS:
            raise ValueError(f"server must be one of {', '.join(SERVERS)}, not {server!r}")
        self.server, self.application, self.labels = server, checked_name(application), checked_labels(labels)
        self.headers = dict(headers)
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"url must be like http://HOST:PORT, not {without_secrets(url)!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must have no user and password: give `token` or `headers`")
        self.is_secure, self.host, self.port = parts.scheme == "https", parts.hostname, parts.port
        self.context = ssl.create_default_context() if self.is_secure else None
        self.attempt: Attempt | None = None  # that is being made
        self.path = parts.path.rstrip("/") + PATHS[server]

    def send(self, timed: TimedProfile) -> None:
        """Later or ValueError, with one line that says what happened, if it is not taken."""
        path, content_type, body = self.request(timed)
        attempt = self.attempt = Attempt(self.host, self.port, self.context)
        try:
            attempt.request("POST", path, body, {**self.headers, "Content-Type": content_type})
            with attempt.getresponse() as answer:
                status, reply = answer.status, answer.read(MOST_REPLY)
        except (OSError, HTTPException) as error:
            raise Later(attempt.failure(error)) from None
        finally:
            attempt.shut()
            self.attempt = None
        if not 200 <= status < 300:
            text = f"status {status}: {reply.decode('utf-8', 'replace')[:MOST_TEXT]!a}"
            raise Later(text) if status in TEMPORARY else ValueError(text)

    def leave_to_parent(self) -> None:
        """In a fork, while the parent's thread sends."""
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.leave_to_parent()

    def request(self, timed: TimedProfile) -> tuple[str, str, bytes]:
        """(path with query, content type, body)"""
        if self.server == INGEST:
            return f"{self.path}?{self.query(timed)}", BYTES, timed.profile
        profile = base64.b64encode(timed.profile).decode()
        if self.server == PARCA:
            names = {"__name__": "memory", "job": self.application, **self.labels}
            series = {"labels": {"labels": pairs(names)}, "samples": [{"rawProfile": profile}]}
            return self.path, JSON, json.dumps({"normalized": True, "series": [series]}).encode()
        # __delta__: what was allocated is a difference already
        names = {"__name__": "memory", "__delta__": "false", "service_name": self.application, **self.labels}
        sample = {"rawProfile": profile, "ID": str(uuid.uuid4())}
        return self.path, JSON, json.dumps({"series": [{"labels": pairs(names), "samples": [sample]}]}).encode()

    def query(self, timed: TimedProfile) -> str:
        labels = ",".join(f"{name}={value}" for name, value in self.labels.items())
        name = f"{self.application}{{{labels}}}" if labels else self.application
        times = {"from": int(timed.begin), "until": int(timed.end)}
        return urlencode({"name": name, "format": "pprof", "spyName": "ctracemalloc", **times})


def pairs(labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in labels.items()]


def checked_name(application: str) -> str:
    if not application or any(char in "{}=," or not char.isprintable() for char in application):
        raise ValueError(f"application must be a name without {{}}=, and control characters, not {application!r}")
    return application


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    for name, value in labels.items():
        if not LABEL_NAME.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"not a name of a label: {name!r}")
        if not isinstance(value, str) or any(char in "{}=," or not char.isprintable() for char in value):
            raise ValueError(f"the label {name!r} must have a text without {{}}=, and control characters, not {value!r}")
    return dict(labels)


def without_secrets(url: str) -> str:
    return re.sub(r"//[^/]*@", "//...@", url)
