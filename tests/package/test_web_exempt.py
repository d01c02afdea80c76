"""Who looks at a program must not change its peak: what answers allocate is exempt (_exempt.py)."""

import threading
import unittest
from contextlib import nullcontext
from http.client import HTTPConnection
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import web
from ctracemalloc._exempt import Kept, Scope, exempt
from web_support import TracedTest, application, ask, read_profile, total

PATHS = (
    "/debug/memory",
    "/debug/memory?plain=1",
    "/debug/memory?since=start",
    "/debug/memory.ctm",
    "/debug/pprof/heap",
    "/debug/pprof/heap?debug=1",
    "/debug/pprof/delta_heap",
    "/metrics",
)
KIB = 1024


def calls(depth, held):
    """Blocks at many tracebacks, so that an answer is large."""
    held.append(bytearray(100))
    if depth:
        eval("[calls(depth - 1, held), calls(depth - 1, held)]", {"calls": calls, "depth": depth, "held": held})


def peak():
    return ctracemalloc.get_traced_memory()[1]


def live():
    return ctracemalloc.get_traced_memory()[0]


class ExemptTest(TracedTest):
    def setUp(self):
        self.without_collection()  # it empties the free lists as well, and what they get then stays, and counts
        self.held = []
        calls(9, self.held)

    def test_answers_make_no_new_peak(self):
        app = application()
        for path in PATHS * 2:
            ask(app, path)  # so do modules and caches
        for path in PATHS:
            with self.subTest(path):
                ctracemalloc.reset_peak()
                before = live()
                response = ask(app, path)
                del response
                self.assertLess(peak() - before, 64 * KIB)  # what the free lists have kept
        with mock.patch("ctracemalloc.web.answer.exempt", return_value=nullcontext(Scope())):
            ctracemalloc.reset_peak()
            before = live()
            ask(app, "/debug/memory")
            self.assertGreater(peak() - before, 400 * KIB)

    def test_while_the_body_is_held(self):
        app = application()
        ask(app, "/debug/memory")
        ctracemalloc.reset_peak()
        before = live()
        response = ask(app, "/debug/memory")
        self.assertGreater(len(response.body), 60 * KIB)
        kept = bytearray(10)
        self.assertGreater(live() - before, 60 * KIB)
        body = response.body
        del response  # as a server may do that holds the body alone: it counts from now on
        kept += bytearray(10)
        self.assertGreaterEqual(peak() - before, len(body))

    def test_the_peak_of_the_program_meanwhile(self):
        ctracemalloc.reset_peak()
        before = live()
        with exempt() as scope:
            mine = bytearray(3_000_000)
            thread = threading.Thread(target=lambda: bytearray(1_000_000))
            thread.start()
            thread.join()
            del mine
            kept = scope.keep(b"")
        self.assertIsInstance(kept, Kept)
        self.assertTrue(before + 1_000_000 <= peak() < before + 1_200_000, peak() - before)

    def test_blocks_within_are_traced(self):
        with exempt():
            inside = bytearray(1234)
        self.assertEqual(ctracemalloc.get_object_traceback(inside)[-1].filename, __file__)
        before = live()
        with exempt(), exempt():
            del inside
        self.assertLess(live(), before - 1200)

    def test_a_thread_that_waits_is_not_exempt(self):
        """With gevent, a greenlet of the program may run in it."""
        app, peaks = application(), []
        lock = mock.Mock()
        lock.acquire.side_effect = lambda **given: "timeout" in given and bool(peaks.append(self.peak_of(1_000_000)) or 1)
        with mock.patch("ctracemalloc.web.snapshots._snapshot.lock", lock):
            self.assertEqual(ask(app, "/metrics").status, 200)
        self.assertGreater(peaks[0], 1_000_000)
        with exempt():
            self.assertLess(self.peak_of(1_000_000), 1000)

    def peak_of(self, size):
        """By how much so many bytes raise the peak."""
        ctracemalloc.reset_peak()
        before = peak()
        bytearray(size)
        return peak() - before

    def test_all_answers_have_the_same_peak(self):
        """That of the snapshot's traces, so that what made it can be seen."""
        app = application()
        large = bytearray(5_000_000)
        del large
        profile = total(read_profile(ask(app, "/debug/pprof/heap").body), "peak_space")
        metrics = dict(line.rsplit(" ", 1) for line in ask(app, "/metrics").body.decode().splitlines() if line[:1] != "#")
        self.assertEqual(int(metrics["ctracemalloc_peak_bytes"]), profile)
        self.assertIn(f"<td>{profile / 1024:.0f} KiB</td>", ask(app, "/debug/memory?plain=1").body.decode())

    def test_a_server(self):
        with web.serve() as server:
            connection = HTTPConnection("127.0.0.1", server.port)
            for _ in range(2):
                connection.request("GET", "/debug/memory")
                body = connection.getresponse().read()
            self.assertGreater(len(body), 60 * KIB)
            connection.close()


class OwnImportsTest(ProgramTest):
    """In processes that have imported nothing else."""

    def run_program(self, source):
        self.write("program.py", source)
        done = self.python("program.py")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_they_are_left_out(self):
        """All that the component holds is some megabytes."""
        for frames, most in ((5, 400 * KIB), (10, 50 * KIB), (25, 30 * KIB)):
            for make in ("web.serve()", "web.wsgi_app(token=None)", "web.asgi_app(token=None)"):
                source = f"""
                    import ctracemalloc
                    ctracemalloc.start({frames})
                    from ctracemalloc import web
                    made = {make}
                    everything = ctracemalloc.get_traced_memory()[0]
                    from ctracemalloc.web.snapshots import take_timed
                    print(everything, take_timed().sums.size)
                """
                with self.subTest(make=make, frames=frames):
                    everything, counted = map(int, self.run_program(source).split())
                    self.assertGreater(everything, 2_000 * KIB)
                    self.assertLess(counted, most)

    def test_names_import_what_they_need(self):
        source = """
            import sys, threading
            from ctracemalloc import web
            from ctracemalloc.web import Pusher
            assert callable(web.push) and "push" in dir(web) and "ctracemalloc.web.server" not in sys.modules
            web.serve().close()
            web.wsgi_app(token=None)
            assert "asyncio" not in sys.modules
            import http.server
            for name in "http.server", "email.parser", "ctracemalloc.web.server", "mmap":
                module = sys.modules[name]
                assert module.__loader__ is module.__spec__.loader and "ctracemalloc" not in type(module.__loader__).__module__
            import colorsys  # by the program
            assert type(colorsys.__loader__).__name__ == "SourceFileLoader"
            try:
                web.nothing
            except AttributeError as error:
                print(error)
        """
        self.assertEqual(self.run_program(source), "module 'ctracemalloc.web' has no attribute 'nothing'\n")


class InvalidTest(unittest.TestCase):
    def test_finish_without_start(self):
        from ctracemalloc import _ctracemalloc

        with self.assertRaisesRegex(ValueError, "has not started to be exempt"):
            _ctracemalloc._exempt_finish(0)
        self.assertTrue(_ctracemalloc._exempt_start())
        self.assertFalse(_ctracemalloc._exempt_start())
        with self.assertRaisesRegex(ValueError, "keep must not be negative"):
            _ctracemalloc._exempt_finish(-1)
        _ctracemalloc._exempt_finish(0)


if __name__ == "__main__":
    unittest.main()
