"""web.push: what a server gets, what happens without one, and that the program never waits."""

import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import ctracemalloc
from cli_support import ProgramTest, skip_most_pythons
from ctracemalloc.web import push
from ctracemalloc.web.delivery import Destination, Later, TimedProfile
from ctracemalloc.web.pushing import MOST_BYTES, MOST_PROFILES, Queue, pause_after
from ctracemalloc.web.snapshots import answer_turn
from web_support import TracedTest, read_profile, total


def setUpModule():
    skip_most_pythons()


Received = namedtuple("Received", "path query headers body")


class Receiver(HTTPServer):
    """A profiling server that answers with `status`, and keeps what it got."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.received = 200, []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path)
        self.server.received.append(Received(parts.path, parse_qs(parts.query), self.headers, body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"<told>\n")

    def log_message(self, *arguments):
        pass


def profiles_in(received):
    """Those in requests to Pyroscope's push API."""
    found = []
    for one in received:
        (series,) = json.loads(one.body)["series"]
        (sample,) = series["samples"]
        found.append(read_profile(base64.b64decode(sample["rawProfile"])))
    return found


def allocate(size):
    return b"." * size


class PushTest(TracedTest):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        for name, value in (("MIN_INTERVAL", 0.01), ("pause_after", lambda failures: 0.05)):
            patch = mock.patch(f"ctracemalloc.web.pushing.{name}", value)
            patch.start()
            self.addCleanup(patch.stop)

    def push(self, interval=0.05, **options):
        pusher = push(self.receiver.url, interval, application="app", **options)
        self.addCleanup(pusher._thread.join, 20)
        self.addCleanup(pusher.close)
        return pusher

    def wait_until(self, is_done):
        end = time.monotonic() + 20
        while not is_done():
            self.assertLess(time.monotonic(), end, "it takes too long")
            time.sleep(0.01)

    def test_pyroscope(self):
        pusher = self.push(labels={"region": "é"}, token="secret", headers={"X-Scope-OrgID": "7"})
        self.wait_until(lambda: pusher.sent >= 2)
        one = self.receiver.received[0]
        self.assertEqual(one.path, "/push.v1.PusherService/Push")
        self.assertEqual((one.headers["Content-Type"], one.headers["Authorization"]), ("application/json", "Bearer secret"))
        self.assertEqual(one.headers["X-Scope-OrgID"], "7")
        labels = {pair["name"]: pair["value"] for pair in json.loads(one.body)["series"][0]["labels"]}
        self.assertEqual(labels, {"__name__": "memory", "__delta__": "false", "service_name": "app", "region": "é"})
        ids = {json.loads(one.body)["series"][0]["samples"][0]["ID"] for one in self.receiver.received}
        self.assertEqual(len(ids), len(self.receiver.received))
        self.assertIn("inuse_space", profiles_in([one])[0].types)
        self.assertEqual((pusher.error, pusher.dropped), (None, 0))

    def test_ingest(self):
        pusher = self.push(server="pyroscope-ingest", labels={"a": "b", "c": "d"})
        self.wait_until(lambda: pusher.sent >= 1)
        one = self.receiver.received[0]
        self.assertEqual((one.path, one.query["name"], one.query["format"]), ("/ingest", ["app{a=b,c=d}"], ["pprof"]))
        begin, end = int(one.query["from"][0]), int(one.query["until"][0])
        self.assertTrue(time.time() - 60 < begin <= end <= time.time() + 1)
        self.assertIn("inuse_space", read_profile(one.body).types)

    def test_parca(self):
        pusher = self.push(server="parca", labels={"a": "b"})
        self.wait_until(lambda: pusher.sent >= 1)
        one = self.receiver.received[0]
        self.assertEqual(one.path, "/api/profiles/writeraw")
        (series,) = json.loads(one.body)["series"]
        labels = {pair["name"]: pair["value"] for pair in series["labels"]["labels"]}
        self.assertEqual(labels, {"__name__": "memory", "job": "app", "a": "b"})
        self.assertIn("inuse_space", read_profile(base64.b64decode(series["samples"][0]["rawProfile"])).types)

    def test_allocations_are_counted_once(self):
        pusher, kept = self.push(), []
        for number in range(1, 9):
            kept.append(allocate(number * 100_000))
            time.sleep(0.03)
        done = pusher.sent
        self.wait_until(lambda: pusher.sent >= done + 2)
        pusher.close(timeout=20)
        found = profiles_in(self.receiver.received)
        allocated = sum(total(profile, "alloc_space", "allocate") for profile in found)
        self.assertAlmostEqual(allocated, 3_600_000, delta=3000)
        self.assertAlmostEqual(total(found[-1], "inuse_space", "allocate"), sum(map(len, kept)), delta=3000)

    def test_nothing_is_lost_while_the_server_is_away(self):
        self.receiver.status = 503
        pusher, kept = self.push(), [allocate(500_000)]
        self.wait_until(lambda: pusher.waiting >= 3)
        self.assertEqual((pusher.sent, pusher.dropped), (0, 0))
        self.assertEqual(pusher.error, "status 503: '<told>\\n'")
        self.receiver.received.clear()
        self.receiver.status = 200
        self.wait_until(lambda: pusher.sent >= 3 and pusher.waiting == 0)
        found = profiles_in(self.receiver.received)
        self.assertLessEqual(sum(total(profile, "alloc_space", "allocate") for profile in found), len(kept[0]) + 1000)
        self.assertIsNone(pusher.error)

    def test_what_the_server_does_not_want_is_dropped(self):
        self.receiver.status = 422
        pusher = self.push()
        self.wait_until(lambda: pusher.dropped >= 2)
        self.assertEqual((pusher.sent, pusher.error), (0, "status 422: '<told>\\n'"))
        self.receiver.status = 302  # is not followed
        dropped = pusher.dropped
        self.wait_until(lambda: pusher.dropped > dropped)

    def test_no_server(self):
        self.receiver.close()
        begin = time.monotonic()
        pusher = self.push()
        self.assertLess(time.monotonic() - begin, 5)
        self.wait_until(lambda: pusher.waiting >= 2)
        self.assertIn("ConnectionRefusedError", pusher.error)
        begin = time.monotonic()
        pusher.close()
        self.assertLess(time.monotonic() - begin, 1)
        self.assertFalse(pusher.running)
        self.assertRegex(repr(pusher), r"^<Pusher closed sent=0 waiting=\d+ dropped=0>$")

    def test_close_sends_the_rest(self):
        with self.push(interval=3600) as pusher:
            kept = allocate(300_000)
            self.wait_until(lambda: pusher._base is not None)
            more = allocate(200_000)
            pusher.close(timeout=20)
        (profile,) = profiles_in(self.receiver.received)
        self.assertAlmostEqual(total(profile, "inuse_space", "allocate"), len(kept) + len(more), delta=200)
        self.assertEqual((pusher.sent, pusher.waiting), (1, 0))

    def test_without_tracing(self):
        ctracemalloc.stop()
        self.addCleanup(lambda: ctracemalloc.is_tracing() or ctracemalloc.start(20))
        pusher = self.push()
        self.wait_until(lambda: pusher.error is not None)
        self.assertIn("tracing is off", pusher.error)
        ctracemalloc.start(20)
        self.wait_until(lambda: pusher.sent)
        self.assertIsNone(pusher.error)

    def test_while_another_answer_is_made(self):
        with mock.patch("ctracemalloc.web.pushing.PATIENCE", 0.01):
            with answer_turn(0):
                pusher = self.push()
                self.wait_until(lambda: pusher.error is not None)
            self.wait_until(lambda: pusher.sent)

    def test_what_goes_wrong_is_an_error_of_the_pusher(self):
        with mock.patch("ctracemalloc.web.pushing.profile_of", side_effect=KeyError("x")):
            pusher = self.push()
            self.wait_until(lambda: pusher.error is not None)
            self.assertEqual(pusher.error, "no profile could be made: KeyError")
        self.wait_until(lambda: pusher.sent)

    def test_an_attempt_without_an_end(self):
        """Profiles are made meanwhile, or at the next turn, and the error says what is wrong."""
        with Peer(HEAD, lambda: b"a") as peer, mock.patch("ctracemalloc.web.attempt.ATTEMPT_SECONDS", 0.3):
            pusher = push(peer.url, 0.05, application="app")
            self.addCleanup(pusher._thread.join, 20)
            self.addCleanup(pusher.close)
            self.wait_until(lambda: pusher.error is not None)
            self.assertEqual(pusher.error, "TimeoutError: the attempt took more than 0.3 seconds")
            self.wait_until(lambda: pusher.waiting >= 3)

    def test_profiles_are_made_while_many_wait(self):
        """Each attempt is a turn of its own."""
        self.receiver.status = 503
        pusher = self.push()
        self.wait_until(lambda: pusher.waiting >= 3)
        made, sent, make = [], [], pusher._make
        release = threading.Semaphore(0)

        def send(timed):
            sent.append(len(made))
            release.acquire()

        with (
            mock.patch.object(pusher, "_make", side_effect=lambda: (made.append(1), make())),
            mock.patch.object(pusher._destination, "send", send),
        ):
            self.wait_until(lambda: sent)
            for number in range(3):
                time.sleep(0.1)  # longer than the interval
                release.release()
                self.wait_until(lambda number=number: len(sent) > number + 1)
            release.release(1000)
        self.assertEqual(sorted(set(sent[:4])), sent[:4])


HEAD = b"HTTP/1.1 200 OK\r\nX-Long: "


class Peer:
    """Takes one connection after the other, and answers with `head` and what `more` returns, until that is sent no more."""

    def __init__(self, head, more, context=None, least=1):
        """least: so many bytes are read first."""
        self.head, self.more, self.context, self.least = head, more, context, least
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _address = self.socket.accept()
            except OSError:
                return  # it is closed
            with connection, contextlib.suppress(OSError), self.secured(connection) as sent:
                left = self.least
                while left > 0 and (data := sent.recv(1 << 16)):
                    left -= len(data)
                sent.sendall(self.head)
                while data := self.more():
                    sent.sendall(data)
                    time.sleep(0.005)

    def secured(self, connection):
        return connection if self.context is None else self.context.wrap_socket(connection, server_side=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class AttemptTest(unittest.TestCase):
    def send(self, peer, body=b"profile"):
        made = Destination(f"http://localhost:{peer.port}", "app", {}, "pyroscope-ingest", {}, None)
        made.context = self.context
        made.send(TimedProfile(body, 0, 0))
        self.assertIsNone(made.attempt)

    context = None

    def test_all_steps_together_have_an_end(self):
        """Whatever a server sends: a head, a body or `100 Continue` without end."""
        for head, data in (
            (HEAD, b"a"),
            (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"", b""),
        ):
            with (
                self.subTest(head=head, data=data),
                Peer(head, (lambda data=data: data) if data else (lambda: time.sleep(1)), self.server_context()) as peer,
                mock.patch("ctracemalloc.web.attempt.ATTEMPT_SECONDS", 0.3),
                self.assertRaisesRegex(Later, "^TimeoutError: the attempt took more than 0.3 seconds$"),
            ):
                self.send(peer)

    def test_an_answer_has_a_limit(self):
        for head, data in ((HEAD, b"a" * 30_000), (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), (b"", bytes(20_000))):
            with (
                self.subTest(data[:9]),
                Peer(head, lambda data=data: data, self.server_context()) as peer,
                self.assertRaisesRegex(Later, "more than 65536 bytes|^LineTooLong|^BadStatusLine"),
            ):
                self.send(peer)

    def test_a_large_profile(self):
        with Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", lambda: b"", self.server_context(), 5_000_000) as peer:
            self.send(peer, bytes(5_000_000))

    def test_nobody_listens(self):
        with Peer(b"", lambda: b"") as peer:
            pass
        with self.assertRaisesRegex(Later, "^ConnectionRefusedError"):
            self.send(peer)

    def server_context(self):
        return None


class SecureAttemptTest(AttemptTest):
    @classmethod
    def setUpClass(cls):
        if shutil.which("openssl") is None:
            raise unittest.SkipTest("openssl is not installed: no certificate can be made")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.key, cls.certificate = (os.path.join(folder.name, name) for name in ("key.pem", "certificate.pem"))
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", cls.key, "-out", cls.certificate]
        subprocess.run(command, check=True, capture_output=True)
        cls.context = ssl.create_default_context(cafile=cls.certificate)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def test_certificates_are_checked(self):
        with (
            Peer(b"HTTP/1.1 200 OK\r\n\r\n", lambda: b"", self.server_context()) as peer,
            mock.patch.object(self, "context", ssl.create_default_context()),
            self.assertRaisesRegex(Later, "^SSLCertVerificationError"),
        ):
            self.send(peer)


class DestinationTest(unittest.TestCase):
    def make(self, url="http://localhost:4040", application="app", labels=(), server="pyroscope"):
        return Destination(url, application, dict(labels), server, {}, None)

    def test_addresses(self):
        timed = TimedProfile(b"profile", 100.5, 115.9)
        for url, host, port, path in (
            ("http://localhost:4040", "localhost", 4040, "/push.v1.PusherService/Push"),
            ("https://pyroscope.example/below/it/", "pyroscope.example", None, "/below/it/push.v1.PusherService/Push"),
            ("http://[::1]:4040/", "::1", 4040, "/push.v1.PusherService/Push"),
        ):
            made = self.make(url)
            self.assertEqual((made.host, made.port, made.request(timed)[0]), (host, port, path))
            self.assertEqual(made.is_secure, url.startswith("https"))
            self.assertEqual(made.context is not None and made.context.check_hostname, made.is_secure)
        path, _type, body = self.make(server="pyroscope-ingest").request(timed)
        self.assertEqual((path, body), ("/ingest?name=app&format=pprof&spyName=ctracemalloc&from=100&until=115", b"profile"))

    def test_mistakes(self):
        for message, options in (
            ("url must be like", {"url": "localhost:4040"}),
            ("url must be like", {"url": "ftp://localhost"}),
            ("url must be like", {"url": "http://"}),
            ("url must be like", {"url": "http://localhost/?a=b"}),
            ("no user and password", {"url": "http://user:secret@localhost"}),
            ("[Pp]ort", {"url": "http://localhost:99999"}),
            ("server must be one of", {"server": "other"}),
            ("application must be", {"application": ""}),
            ("application must be", {"application": "a{b=c}"}),
            ("not a name of a label", {"labels": {"a-b": "c"}}),
            ("not a name of a label", {"labels": {"__name__": "cpu"}}),
            ("the label 'a' must have", {"labels": {"a": "x,b=c"}}),
            ("the label 'a' must have", {"labels": {"a": "x\n"}}),
            ("the label 'a' must have", {"labels": {"a": 7}}),
        ):
            with self.assertRaisesRegex(ValueError, message) as caught:
                self.make(**options)
            self.assertNotIn("secret", str(caught.exception))
        for interval in (0, 0.5, 3601, float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, r"interval must be in range \[1; 3600\]"):
                push("http://localhost", interval, application="app")

    def test_pauses(self):
        pauses = [pause_after(failures) for failures in (1, 4, 7, 100, 10_000)]
        for pause, most in zip(pauses, (2, 16, 120, 120, 120), strict=True):
            self.assertTrue(most / 2 <= pause <= most, pauses)


class QueueTest(unittest.TestCase):
    def test_bounded_in_profiles(self):
        queue = Queue()
        for number in range(MOST_PROFILES + 5):
            queue.put(TimedProfile(b"%d" % number, 0, 0))
        self.assertEqual((len(queue.profiles), queue.dropped, queue.profiles[0].profile), (MOST_PROFILES, 5, b"5"))
        self.assertEqual(queue.size, sum(len(timed.profile) for timed in queue.profiles))

    def test_bounded_in_bytes(self):
        queue = Queue()
        for _ in range(5):
            queue.put(TimedProfile(bytes(MOST_BYTES // 2), 0, 0))
        self.assertEqual((len(queue.profiles), queue.dropped, queue.size), (2, 3, MOST_BYTES))
        queue.put(TimedProfile(bytes(MOST_BYTES + 1), 0, 0))
        self.assertEqual((len(queue.profiles), queue.dropped, queue.size), (0, 6, 0))


class ProcessTest(ProgramTest):
    def check(self, source, expected):
        self.write("program.py", source)
        begin = time.monotonic()
        done = self.python("-X", "dev", "program.py")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, expected, ""))
        return time.monotonic() - begin

    def test_the_end_of_the_program_does_not_wait(self):
        """For a server that takes the connection and says nothing."""
        seconds = self.check(
            """
            import socket, time, warnings
            import ctracemalloc
            from ctracemalloc import web
            warnings.simplefilter("ignore", ResourceWarning)  # of a socket of this program
            ctracemalloc.start(5)
            silent = socket.create_server(("127.0.0.1", 0))
            pusher = web.push(f"http://127.0.0.1:{silent.getsockname()[1]}", 1, application="app")
            while not pusher.waiting:
                time.sleep(0.01)
            time.sleep(0.2)
            print(pusher.running, pusher.sent)
            """,
            "True 0\n",
        )
        self.assertLess(seconds, 9)  # less than the timeout of an attempt

    def test_fork(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        self.check(
            f"""
            import os, time, warnings
            import ctracemalloc
            from ctracemalloc import web
            warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 and later: a fork while threads run
            ctracemalloc.start(5)
            pushers = [
                web.push({receiver.url!r}, 1, application=name, children=children)
                for name, children in (("parent", False), ("both", True))
            ]
            while not all(pusher.sent for pusher in pushers):
                time.sleep(0.01)
            pid = os.fork()
            if not pid:
                running = [pusher.running for pusher in pushers]
                while not pushers[1].sent:
                    time.sleep(0.01)
                os._exit(0 if running == [False, True] and pushers[0].sent else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), [pusher.running for pusher in pushers])
            """,
            "0 [True, True]\n",
        )

    def test_fork_during_an_attempt(self):
        """The connection is the parent's."""
        self.check(
            """
            import os, socket, time, warnings
            import ctracemalloc
            from ctracemalloc import web
            warnings.simplefilter("ignore")  # DeprecationWarning of a fork while threads run, and of this program's socket
            ctracemalloc.start(5)
            silent = socket.create_server(("127.0.0.1", 0))
            pushers = [
                web.push(f"http://127.0.0.1:{silent.getsockname()[1]}", 1, application="app", children=children)
                for children in (False, True)
            ]
            def sockets():
                links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
                return sum(os.readlink(link).startswith("socket:") for link in links if os.path.islink(link))
            while sockets() < 3:
                time.sleep(0.01)
            pid = os.fork()
            if not pid:
                os._exit(sockets())
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), sockets())
            """,
            "1 3\n",
        )

    def test_fork_while_the_thread_has_a_lock(self):
        """The child leaves the block of a pusher that has no thread there, and nobody who would release the lock."""
        self.check(
            """
            import os, threading, warnings
            import ctracemalloc
            from ctracemalloc import web
            warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 and later: a fork while threads run
            ctracemalloc.start(5)
            held, forked = threading.Event(), threading.Event()
            def hold(lock):
                with lock:
                    held.set()
                    forked.wait()
            with web.push("http://127.0.0.1:9", 3600, application="app") as pusher:
                thread = threading.Thread(target=hold, args=(pusher._wake._cond,))
                thread.start()
                held.wait()
                pid = os.fork()
                if pid:
                    forked.set()
                    thread.join()
            if not pid:
                os._exit(pusher.running)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """,
            "0\n",
        )


if __name__ == "__main__":
    unittest.main()
