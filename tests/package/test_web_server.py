"""web.serve: a server of its own under attack, at its end, and in forks."""

import errno
import http.client
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.web import connections, serve
from ctracemalloc.web.messages import Response
from web_support import TOKEN, TracedTest, exchange

GO = shutil.which("go", path="/usr/local/go/bin") or shutil.which("go")


def setUpModule():
    skip_some_pythons()


def web_threads():
    return [thread for thread in threading.enumerate() if thread.name == "ctracemalloc.web"]


def statuses(data):
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+) ", data, re.M)]


class ServerTest(TracedTest):
    def setUp(self):
        self.server = serve()
        self.addCleanup(self.server.close)

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()

    def connected(self):
        return socket.create_connection(("127.0.0.1", self.server.port), 20)

    def raw(self, data, **options):
        return exchange(self.server.port, data, **options)

    def assert_alive(self):
        self.assertEqual(self.get("/debug/pprof/goroutine").status, 200)

    # --- what it does ---

    def test_pages(self):
        for path in ("/", "/debug/memory", "/debug/pprof/heap", "/metrics", "/debug/pprof/heap?seconds=1"):
            answer = self.get(path)
            body = answer.read()
            self.assertEqual((answer.status, answer.headers["Content-Length"]), (200, str(len(body))), path)
            self.assertNotIn("Server", answer.headers)
        self.assertEqual(repr(self.server), f"<Server http://127.0.0.1:{self.server.port}/ running>")

    def test_head(self):
        answer = self.get("/debug/memory?plain=1", method="HEAD")
        self.assertEqual((answer.status, answer.read()), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 500)

    def test_connections_are_kept(self):
        head = b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\n"
        self.assertEqual(statuses(self.raw((head + b"\r\n") * 3)), [200, 200, 200])
        self.assertEqual(statuses(self.raw(head + b"Connection: close\r\n\r\n" + head + b"\r\n")), [200])
        self.assertEqual(statuses(self.raw(head.replace(b"/1.1", b"/1.0") + b"\r\n" + head + b"\r\n")), [200])

    def test_token(self):
        with serve(token=TOKEN) as other:
            head = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            self.assertEqual(statuses(exchange(other.port, head)), [200])
            self.assertEqual(statuses(exchange(other.port, head.replace(b"Bearer", b"Bearer x"))), [401])
            twice = head.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer x\r\n\r\n")
            self.assertEqual(statuses(exchange(other.port, twice)), [401])

    def test_addresses(self):
        with serve(host="0.0.0.0", token=TOKEN) as other:
            self.assertEqual(statuses(exchange(other.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")), [401])
        with serve(host="localhost") as other:
            self.assertIn(other.host, ("127.0.0.1", "::1"))
        with self.assertRaises(OSError):
            serve(port=self.server.port)
        try:
            with serve(host="::1") as other:
                self.assertEqual(other.url, f"http://[::1]:{other.port}/")
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")

    @unittest.skipUnless(GO, "go is not installed")
    def test_go_tool_pprof(self):
        kept = [bytes(1_000_000)]
        for path in ("heap", "allocs", "heap?seconds=1", "delta_heap"):
            address = f"{self.server.url}debug/pprof/{path}"
            command = [GO, "tool", "pprof", "-top", "-sample_index=inuse_space", "-nodefraction=0", address]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Type: inuse_space", done.stdout)
            if "seconds" not in path:
                self.assertIn("ServerTest.test_go_tool_pprof", done.stdout)
        for path in ("profile", "goroutine", "threadcreate", "block", "mutex"):
            command = [GO, "tool", "pprof", "-raw", f"{self.server.url}debug/pprof/{path}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(kept), 1)

    # --- attacks ---

    def test_what_is_no_request(self):
        for data, expected in (
            (b"nonsense\r\n\r\n", 400),
            (b"GET /\r\n\r\n", 400),
            (b"GET / HTTP/9.9\r\n\r\n", 505),
            (b"GET / HTTP/x\r\n\r\n", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 200 + b"\r\n", 400),
            (b"GET <script>alert(1)</script> <b> HTTP/1.1\r\n\r\n", 400),
            (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"GET /metrics HTTP/1.1\r\n\r\n", 403),
            (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
            (b"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /debug/../metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /metrics\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /debug/memory?since=<script> HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ):
            with self.subTest(data):
                answer = self.raw(data)
                self.assertEqual(statuses(answer), [expected])
                self.assertIn(b"X-Content-Type-Options: nosniff\r\n", answer)
                self.assertNotIn(b"<", answer)
                self.assertNotIn(b"Traceback", answer)
        for data in (b"", b"\r\n\r\n", b"\n" * 50):
            self.assertEqual(self.raw(data), b"")
        self.assert_alive()

    def test_large_heads(self):
        line = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
        for data in (
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"x" * 100_000,
            b"GET /" + b"x" * connections.MOST_HEAD + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bytes(20_000),
            b"\r\n" * 20_000,
            line + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
            line + b"X: x\r\n" * 20_000 + b"\r\n",
            line + b" folded\r\n" * 20_000 + b"\r\n",
        ):
            with self.subTest(data[:60]):
                answer = self.raw(data)
                self.assertEqual(statuses(answer), [431])
                self.assertTrue(answer.endswith(b"more than 16384 bytes or 100 headers\n"), answer)
        self.assertEqual(statuses(self.raw(line + b"X: " + b"x" * 10_000 + b"\r\n\r\n")), [200])
        self.assertEqual(statuses(self.raw(line + b"X: x\r\n" * 90 + b"\r\n")), [200])
        self.assert_alive()

    def test_what_is_sent_after_a_refusal_has_an_end(self):
        with mock.patch.object(connections, "REST_SECONDS", 0.3), self.connected() as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            self.assertEqual(statuses(answer), [400])  # it is complete while this end is open
            self.wait_until(lambda: not self.server._inner.connections)
        with (
            mock.patch.object(connections, "REST_SECONDS", 60),
            self.connected() as connection,
            self.assertRaises(OSError),
        ):
            for _ in range(1000):
                connection.sendall(bytes(1 << 16))

    def test_lines_that_are_no_headers(self):
        """Whatever comes after them must be neither missed nor taken for a request."""
        inner = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        head = b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\n"
        for line in (
            b"Bad Header: 1",
            b"garbage",
            b"X-Forwarded-For : x",
            b"Content-Length : %d" % len(inner),
            b": x",
            b" folded: 1",
            b"X: a\r\n folded",
            b"From somebody",
            b"X: a\0b",
            b"X: a\rX-Forwarded-For: x",
            b"X: a\r\r",
            b"X\x80: a",
        ):
            for after in (b"X-Forwarded-For: 203.0.113.5\r\n", b"Content-Length: %d\r\n" % len(inner), b""):
                with self.subTest(line=line, after=after):
                    answer = self.raw(head + line + b"\r\n" + after + b"\r\n" + inner)
                    self.assertEqual(statuses(answer), [400])
                    self.assertIn(b"\r\nConnection: close\r\n", answer)
        for line in (b"X:", b"X: a: b", b"X:\t\xff", b"!#$%&'*+-.^_`|~9: a"):
            self.assertEqual(statuses(self.raw(head + line + b"\r\n\r\n" + inner)), [200, 200], line)

    def test_heads_that_end_too_early(self):
        for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\n"):
            self.assertEqual(statuses(self.raw(data)), [400], data)

    def test_empty_lines_before_a_request(self):
        head = b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for between in (b"\r\n", b"\n", b"\r\n\r\n"):
            self.assertEqual(statuses(self.raw(between + head + between + head)), [200, 200])

    def test_bodies_are_no_requests(self):
        inner = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        head = b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\n"
        lengths = (b"%d" % len(inner), b"x", b"+1", b"0\r\nContent-Length: 9")
        for header in (*(b"Content-Length: " + length for length in lengths), b"transfer-encoding: chunked"):
            self.assertEqual(statuses(self.raw(head + header + b"\r\n\r\n" + inner)), [400], header)
        self.assertEqual(statuses(self.raw(head + b"Content-Length: 0\r\n\r\n")), [200])

    def test_slow_heads_have_an_end(self):
        with mock.patch.object(connections, "READ_SECONDS", 0.3), self.connected() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
            begin = time.monotonic()
            with self.assertRaises(OSError):
                while time.monotonic() - begin < 10:  # a byte now and then does not move the deadline
                    connection.sendall(b"X")
                    time.sleep(0.05)
        self.assert_alive()

    def test_idle_connections_have_an_end(self):
        with mock.patch.object(connections, "IDLE_SECONDS", 0.3), self.connected() as connection:
            connection.sendall(b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\n\r\n")
            parts = iter(lambda: connection.recv(1 << 16), b"")
            self.assertEqual(statuses(b"".join(parts)), [200])

    def test_slow_readers_have_an_end(self):
        large = Response(200, bytes(30_000_000))
        with (
            mock.patch.object(connections, "SEND_SECONDS", 0.3),
            mock.patch.object(connections, "answer", return_value=large),
            self.connected() as connection,
        ):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.wait_until(lambda: not self.server._inner.connections, since_any=True)
        self.assert_alive()

    def test_an_answer_takes_its_time(self):
        """Longer than sending it may take."""
        done = threading.Event()

        def slow(application, request):
            done.wait(20)
            return Response(200, b"slow")

        with (
            mock.patch.object(connections, "SEND_SECONDS", 0.1),
            mock.patch.object(connections, "answer", slow),
            self.connected() as connection,
        ):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.wait_until(lambda: self.server._inner.connections, since_any=True)
            (one,) = self.server._inner.connections.values()
            self.wait_until(lambda: one.state == connections.ANSWERING)
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                self.server._inner.service_actions()
                time.sleep(0.05)
            done.set()
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        self.assertEqual((statuses(answer), answer[-4:]), ([200], b"slow"))

    def wait_until(self, is_done, since_any=False):
        """since_any: a connection has been there before."""
        end = time.monotonic() + 20
        while since_any and not self.server._inner.connections and time.monotonic() < end:
            time.sleep(0.01)
        while not is_done():
            self.assertLess(time.monotonic(), end, "it takes too long")
            time.sleep(0.02)

    def test_many_requests_at_a_time(self):
        def ask(number):
            try:
                return statuses(self.raw(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            except ConnectionError:
                return ["reset"]  # turned away while the request was being sent

        with ThreadPoolExecutor(50) as pool:
            results = [pool.submit(ask, number) for number in range(200)]
            most = 0
            while not all(result.done() for result in results):
                most = max(most, len(web_threads()))
                time.sleep(0.01)
        found = [status for result in results for status in result.result()]
        self.assertEqual(len(found), 200)
        self.assertLessEqual(set(found), {200, 503, "reset"})
        self.assertIn(200, found)
        self.assertLessEqual(most, connections.MOST_CONNECTIONS + 1)
        self.assert_alive()

    def test_no_thread_can_be_started(self):
        with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")):
            self.assertEqual(self.raw(b""), b"")
        self.assertEqual(self.server._inner.connections, {})
        self.assert_alive()

    def test_no_descriptor_for_a_connection(self):
        """The accepting thread must not try again at once, for as long as that lasts."""
        attempts, inner = [], self.server._inner
        accept = inner.socket.accept

        def no_descriptor():
            attempts.append(1)
            if len(attempts) < 4:
                raise OSError(errno.EMFILE, "Too many open files")
            return accept()

        full = mock.Mock(wraps=inner.socket, accept=no_descriptor)
        with mock.patch.object(inner, "socket", full), mock.patch.object(inner.closing, "wait", return_value=False) as wait:
            self.assert_alive()
        self.assertEqual(wait.mock_calls, [mock.call(connections.PAUSE)] * 3)

    def test_what_no_descriptor_does_not_cause_is_no_pause(self):
        inner = self.server._inner
        accept = mock.Mock(side_effect=ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort"))
        with (
            mock.patch.object(inner, "socket", mock.Mock(wraps=inner.socket, accept=accept)),
            mock.patch.object(inner.closing, "wait") as wait,
            self.assertRaises(ConnectionAbortedError),
        ):
            inner.get_request()
        wait.assert_not_called()

    def test_idle_connections_make_room(self):
        with mock.patch.object(connections, "GRACE", 0.0):
            held = [self.connected() for _ in range(connections.MOST_CONNECTIONS)]
            self.wait_until(lambda: len(self.server._inner.connections) == connections.MOST_CONNECTIONS)
            first = self.get("/debug/pprof/symbol")
            self.assertEqual((first.status, first.headers["Retry-After"]), (503, "1"))
            self.wait_until(lambda: len(self.server._inner.connections) < connections.MOST_CONNECTIONS)
            self.assert_alive()
            for one in held:
                one.close()

    # --- its end ---

    def test_close(self):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: self.get("/debug/pprof/heap?seconds=60").status)
            self.wait_until(lambda: [one.state for one in self.server._inner.connections.values()] == [connections.ANSWERING])
            time.sleep(0.2)
            begin = time.monotonic()
            self.server.close()
            self.assertLess(time.monotonic() - begin, 5)
            try:
                self.assertEqual(waiting.result(), 503)
            except (OSError, http.client.HTTPException):
                pass  # its connection was shut first
        self.assertFalse(self.server.running)
        self.server.close()
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.server.port), 1)
        self.wait_until(lambda: not web_threads())


class ProcessTest(ProgramTest):
    """In a process of its own, which prints what it is asked to and nothing else."""

    def check(self, source, expected):
        self.write("program.py", source)
        done = self.python("-X", "dev", "program.py")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, expected, ""))

    def test_nothing_is_printed(self):
        self.check(
            """
            import socket, sys, time
            import ctracemalloc
            before = set(sys.modules)
            from ctracemalloc import web
            ctracemalloc.start(5)
            server = web.serve()
            head = b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n"
            for data in b"", b"nonsense\\r\\n", head, head + b"\\r\\n":
                with socket.create_connection(("127.0.0.1", server.port)) as connection:
                    connection.sendall(data)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")  # a reset
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head.replace(b"/ ", b"/debug/pprof/heap?seconds=60 ", 1) + b"\\r\\n")
                time.sleep(0.5)
                print("good")
                # the end of the program does not wait for the request
            """,
            "good\n",
        )

    def test_fork(self):
        self.check(
            """
            import os, urllib.request, warnings
            import ctracemalloc
            warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 and later: a fork while threads run
            from ctracemalloc import web
            from ctracemalloc.web.snapshots import answer_turn, snapshot_turn
            ctracemalloc.start(5)
            server = web.serve()
            def metrics(server):
                return b"tracing 1" in urllib.request.urlopen(server.url + "metrics").read()
            assert metrics(server)
            with answer_turn(0), snapshot_turn(0):  # those of a thread that the fork does not have
                pid = os.fork()
                if not pid:
                    assert not server.running
                    server.close()
                    with web.serve() as own:
                        assert own.port != server.port and metrics(own)
                    os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert server.running and metrics(server)
            server.close()
            with web.serve(server.port) as again:  # the fork has not kept the port
                assert metrics(again)
            print("good")
            """,
            "good\n",
        )

    def test_fork_of_a_server_that_nobody_keeps(self):
        self.check(
            """
            import gc, os, warnings
            import ctracemalloc
            warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12 and later: a fork while threads run
            from ctracemalloc import web
            ctracemalloc.start(5)
            def sockets():
                links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
                return sum(os.readlink(link).startswith("socket:") for link in links if os.path.islink(link))
            before = sockets()
            port = web.serve().port
            gc.collect()
            assert sockets() == before + 1
            pid = os.fork()
            if not pid:
                os._exit(sockets() - before)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """,
            "0\n",
        )

    def test_signals_are_of_the_program(self):
        """No thread of ours takes one that the program waits for, or one that ends it because a peer has gone."""
        self.check(
            """
            import os, signal, socket, threading, time
            import ctracemalloc
            from ctracemalloc import web
            ctracemalloc.start(5)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
            server = web.serve()
            pusher = web.push("http://127.0.0.1:9", application="app")
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(b"GET /debug/pprof/heap?seconds=60 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            while len(threads := threading.enumerate()) < 4 or None in [thread.native_id for thread in threads]:
                time.sleep(0.01)
            def blocked(thread):
                with open(f"/proc/self/task/{thread.native_id}/status") as file:
                    (line,) = [line for line in file if line.startswith("SigBlk:")]
                mask = int(line.split()[1], 16)
                return {number for number in signal.Signals if mask >> (number - 1) & 1}
            wanted = {signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGRTMIN}
            for thread in threads:
                if thread is threading.main_thread():
                    assert blocked(thread) == {signal.SIGUSR2}, blocked(thread)
                else:
                    assert blocked(thread) >= wanted, (thread, blocked(thread))
                    assert signal.SIGSEGV not in blocked(thread)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            os.kill(os.getpid(), signal.SIGUSR1)
            print(signal.sigwait({signal.SIGUSR1}) == signal.SIGUSR1)
            connection.close()
            """,
            "True\n",
        )

    def test_import(self):
        """Neither does the package import it, nor does it need a package of others."""
        self.check(
            """
            import sys
            import ctracemalloc
            assert not [name for name in sys.modules if name.startswith("ctracemalloc.web")]
            import ctracemalloc.web
            names = {name.partition(".")[0] for name in sys.modules}
            others = names - set(sys.stdlib_module_names) - {"ctracemalloc", "__main__", "sitecustomize", "usercustomize"}
            print(sorted(name for name in others if not name.startswith(("_", "ctm_test"))))
            """,
            "[]\n",
        )


if __name__ == "__main__":
    unittest.main()
