"""What the tests test_web*.py share: requests without a server, requests over a socket, and a reader of profiles."""

import gc
import gzip
import socket
import unittest
from collections import namedtuple

import ctracemalloc
from ctracemalloc.web.answer import answer
from ctracemalloc.web.messages import Request
from ctracemalloc.web.routes import Application
from ctracemalloc.web.settings import settings_of

TOKEN = "a-token-for-the-tests"
GO = "/usr/local/go/bin"


class TracedTest(unittest.TestCase):
    """Memory is traced while the tests of the class run."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        ctracemalloc.start(20)
        cls.addClassCleanup(ctracemalloc.stop)

    def without_collection(self):
        """What earlier tests have left in cycles is not freed between two measurements."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)


def application(token=None, allowed_hosts=(), top=20, max_seconds=60.0):
    return Application(settings_of(token, allowed_hosts, top, max_seconds))


def request(path="/metrics", *, method="GET", mount="", peer="127.0.0.1", host="127.0.0.1:80", **headers):
    """headers: with "_" in place of "-"."""
    path, _mark, query = path.partition("?")
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, mount, path, query, found if host is None else {"host": host, **found}, peer)


def ask(app, *arguments, **keywords):
    return answer(app, request(*arguments, **keywords))


def exchange(port, data, *, timeout=20):
    """What a server sends for these bytes until it closes the connection, or nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        parts = []
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                parts.append(part)
        except TimeoutError:
            raise
        except OSError:
            pass  # what has not been read when it closes resets the connection
        return b"".join(parts)


# --- profiles ---

Profile = namedtuple("Profile", "types samples names comments default")
Sample = namedtuple("Sample", "values locations")


def fields(data):
    """(number, value) of the fields of a message: integers, and bytes of what has a length."""
    position = 0

    def varint():
        nonlocal position
        result = shift = 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    while position < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            length = varint()
            yield key >> 3, data[position : position + length]
            position += length


def packed(data):
    data = b"".join(bytes([0]) + part for part in split_varints(data))
    return [value - (1 << 64) if value >> 63 else value for _number, value in fields(data)]


def split_varints(data):
    begin = 0
    for index, byte in enumerate(data):
        if byte < 128:
            yield data[begin : index + 1]
            begin = index + 1


def read_profile(data):
    found = list(fields(gzip.decompress(data)))
    strings = [value.decode() for number, value in found if number == 6]
    types = [strings[dict(fields(value))[1]] for number, value in found if number == 1]
    samples = []
    for number, value in found:
        if number == 2:
            parts = dict(fields(value))
            samples.append(Sample(dict(zip(types, packed(parts[2]))), packed(parts.get(1, b""))))
    functions = {}
    for number, value in found:
        if number == 5:
            parts = dict(fields(value))
            functions[parts[1]] = strings[parts.get(2, 0)], strings[parts.get(4, 0)]
    names = {}
    for number, value in found:
        if number == 4:
            parts = dict(fields(value))
            names[parts[1]] = functions[dict(fields(parts[4]))[1]]
    default = [strings[value] for number, value in found if number == 14]
    return Profile(types, samples, names, [strings[value] for number, value in found if number == 13], default[-1:])


def total(profile, kind, function=None):
    """The sum over the samples, or over those whose most recent frame is in a function."""
    wanted = [
        sample
        for sample in profile.samples
        if function is None or (sample.locations and profile.names[sample.locations[0]][0] == function)
    ]
    return sum(sample.values[kind] for sample in wanted)
