"""ctracemalloc.web without a server: who may look, the paths, what the answers say."""

import base64
import gc
import inspect
import json
import os
import pathlib
import re
import tempfile
import unittest
import zlib
from unittest import mock
from urllib.parse import urljoin

import ctracemalloc
import page_reader
from cli_support import skip_some_pythons
from ctracemalloc._program import command
from ctracemalloc.places.package import PACKAGE
from ctracemalloc.web import asgi_app, profiles, serve, wsgi_app
from ctracemalloc.web.messages import Delayed
from ctracemalloc.web.snapshots import answer_turn, snapshot_turn
from web_support import TOKEN, TracedTest, application, ask, read_profile, total


def setUpModule():
    skip_some_pythons()


PATHS = ["/", "/debug/memory", "/debug/pprof/", "/debug/pprof/heap", "/metrics", "/nothing"]


def allocate(size):
    """In one block that has a few bytes more."""
    return b"." * size


class FileTest(TracedTest):
    def test_a_snapshot_is_a_file(self):
        held = allocate(123_456)  # an object of one block
        answer = ask(application(), "/debug/memory.ctm")
        with tempfile.NamedTemporaryFile(suffix=".ctm") as file:
            file.write(answer.body)
            file.flush()
            snapshot = ctracemalloc.Snapshot.load(file.name)
        sizes = [trace.size for trace in snapshot.traces if trace.traceback[-1].name == "allocate"]
        self.assertEqual(sizes, [held.__sizeof__()])
        self.assertEqual(snapshot.run["pid"], os.getpid())


class GuardTest(TracedTest):
    def status(self, app, *arguments, **keywords):
        return ask(app, *arguments, **keywords).status

    def test_the_token_opens_from_anywhere(self):
        app = application(TOKEN)
        for peer, host in (("203.0.113.5", "service.example"), ("127.0.0.1", "localhost"), (None, None)):
            self.assertEqual(self.status(app, peer=peer, host=host, authorization=f"Bearer {TOKEN}"), 200)
        self.assertEqual(self.status(app, authorization=f"bearer  {TOKEN} "), 200)

    def test_nothing_else_opens(self):
        app = application(TOKEN)
        wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN},Bearer {TOKEN}",
        ]
        wrong += [
            f"Basic {TOKEN}",
            TOKEN,
            f"Bearer {TOKEN.upper()}",
            "Bearer \xe9\udc80",
            f"Bearer {TOKEN}\0",
            f"Bearer\t{TOKEN}",
        ]
        for path in PATHS:
            for header in wrong:
                with self.subTest(path=path, header=header):
                    answer = ask(app, path, authorization=header)
                    self.assertEqual((answer.status, dict(answer.headers)["WWW-Authenticate"][:6]), (401, "Bearer"))
                    self.assertNotIn(TOKEN.encode(), answer.body)
        self.assertEqual(self.status(app, "/metrics"), 401)
        self.assertEqual(self.status(app, f"/metrics?token={TOKEN}&access_token={TOKEN}"), 401)

    def test_tokens_are_compared_in_constant_time(self):
        with mock.patch("hmac.compare_digest", return_value=True) as compare:
            self.assertEqual(self.status(application(TOKEN), authorization="Bearer x"), 200)
        compare.assert_called_once_with(b"x", TOKEN.encode())

    def test_without_a_token_this_machine_only(self):
        app = application()
        for peer in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
            for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:80", "[::1]"):
                self.assertEqual(self.status(app, peer=peer, host=host), 200, (peer, host))
        for peer in ("203.0.113.5", "0.0.0.0", "::", "::ffff:203.0.113.5", "", None, "localhost", "127.0.0.1, 203.0.113.5"):
            self.assertEqual(self.status(app, peer=peer), 403, peer)

    def test_names_of_others_are_refused(self):
        """What DNS rebinding sends."""
        app = application()
        for path in PATHS:
            for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80", "", None):
                self.assertEqual(self.status(app, path, host=host), 403, (path, host))
        self.assertEqual(self.status(application(allowed_hosts=["Service.local"]), host="service.LOCAL:80"), 200)
        self.assertEqual(self.status(application(allowed_hosts=["service.local"]), host="evil.example"), 403)

    def test_what_is_no_host_is_refused(self):
        for host in (
            "localhost:80@evil.example",
            "localhost:evil.example",
            "localhost:80:80",
            "localhost:\xb2",
            "localhost@evil.example",
            "localhost/evil.example",
            "localhost,localhost",
            "localhost evil.example",
            "localhost\n",
            "\nlocalhost",
            "[::1].evil.example",
            "[::1]evil.example",
            "[::1]@evil.example",
            "[::1",
            "::1",
            "[localhost]",
            "[127.0.0.1]",
            "[::1%lo]",
            "[[::1]]",
            ":80",
            "[]",
            "[:]",
        ):
            self.assertEqual(self.status(application(), host=host), 403, host)
        for host in (" localhost\t", "localhost:", "[::ffff:127.0.0.1]:80", "[0:0:0:0:0:0:0:1]"):
            self.assertEqual(self.status(application(), host=host), 200, host)
        for name, host in (("my_service", "my_service:80"), ("::2", "[::2]:80")):
            self.assertEqual(self.status(application(allowed_hosts=[name]), host=host), 200, host)
            self.assertEqual(self.status(application(allowed_hosts=[name]), host=f"{host}@evil.example"), 403, host)
        self.assertEqual(self.status(application(allowed_hosts=[""]), host="localhost:80@evil.example"), 403)

    def test_what_a_proxy_passes_on_is_not_of_this_machine(self):
        for name in ("x_forwarded_for", "forwarded", "via", "x_real_ip"):
            self.assertEqual(self.status(application(), **{name: "203.0.113.5"}), 403)
            self.assertEqual(self.status(application(TOKEN), **{name: "203.0.113.5"}, authorization=f"Bearer {TOKEN}"), 200)

    def test_pages_of_other_sites(self):
        for site, mode, target, status in (
            ("cross-site", "no-cors", "image", 403),
            ("same-site", "cors", "empty", 403),
            ("cross-site", "navigate", "document", 200),
            ("cross-site", "navigate", "iframe", 403),
            ("same-site", "navigate", "frame", 403),
            ("cross-site", "navigate", "embed", 403),
            ("cross-site", "no-cors", "document", 403),
            ("same-origin", "cors", "empty", 200),
            ("same-origin", "navigate", "iframe", 200),
            ("none", "navigate", "document", 200),
        ):
            fetch = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": target}
            self.assertEqual(self.status(application(), **fetch), status, fetch)

    def test_a_frame_of_another_site_is_no_base(self):
        app, kept = application(), [allocate(100_000)]
        ask(app, "/debug/memory")
        kept.append(allocate(300_000))
        fetch = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
        self.assertEqual(ask(app, "/debug/memory", **fetch).status, 403)
        self.assertRegex(ask(app, "/debug/memory?plain=1&since=last").body.decode(), r"\+293 KiB</td>.*allocate</td>")
        self.assertEqual(len(kept), 2)

    def test_methods(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", ""):
            answer = ask(application(), method=method)
            self.assertEqual((answer.status, dict(answer.headers)["Allow"]), (405, "GET, HEAD"))

    def test_lengths(self):
        self.assertEqual(self.status(application(), "/" + "x" * 600), 414)
        self.assertEqual(self.status(application(), "/metrics?" + "x" * 2000), 414)

    def test_refused_without_a_snapshot(self):
        app = application(TOKEN)
        with mock.patch("ctracemalloc.web.snapshots.take_snapshot", side_effect=AssertionError):
            self.assertEqual(self.status(app, "/debug/memory"), 401)

    def test_settings(self):
        for message, options in (
            ("at least 16", {"token": "short"}),
            ("printable ASCII", {"token": "with a space in it, long"}),
            ("printable ASCII", {"token": "ä" * 20}),
            (r"top must be in range \[0; 1000\], not 1001", {"token": None, "top": 1001}),
            ("max_seconds must be", {"token": None, "max_seconds": 0}),
            ("max_seconds must be", {"token": None, "max_seconds": float("nan")}),
        ):
            for make in (wsgi_app, asgi_app, serve):
                with self.assertRaisesRegex(ValueError, message):
                    make(**options)
        with self.assertRaisesRegex(TypeError, "one string"):
            wsgi_app(token=None, allowed_hosts="localhost")
        with self.assertRaisesRegex(TypeError, "token must be"):
            wsgi_app(token=TOKEN.encode())
        with self.assertRaises(TypeError):
            wsgi_app()  # whether there is a token has to be said
        with self.assertRaisesRegex(ValueError, "serve\\(\\) needs a token there"):
            serve(host="0.0.0.0")


class LongestTest(TracedTest):
    def test_a_wsgi_application_waits_less_than_gunicorn(self):
        for make, most in ((wsgi_app, 25), (asgi_app, 60), (serve, 60)):
            self.assertEqual(inspect.signature(make).parameters["max_seconds"].default, most)
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/debug/pprof/heap", "QUERY_STRING": "seconds=26"}
        environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}
        answers = []
        (body,) = wsgi_app(token=None)(environ, lambda status, headers: answers.append(status))
        self.assertEqual((answers, body), (["400 Bad Request"], b"seconds must be a whole number of at most 25\n"))


class PathTest(TracedTest):
    def test_mounts(self):
        app = application()
        for mount, path, status in (
            ("", "/debug/memory", 200),
            ("/any/where", "/debug/memory", 200),
            ("/debug", "/memory", 200),
            ("/any/debug", "/pprof/heap", 200),
            ("/any/debug/pprof", "/heap", 200),
            ("/debug/memory", "", 200),
            ("/metrics", "", 200),
            ("/xdebug", "/memory", 404),
            ("/any", "/memory", 404),
            ("", "/any/debug/memory", 404),
            ("/any", "", 404),
            ("", "", 404),
        ):
            self.assertEqual(ask(app, path, mount=mount).status, status, (mount, path))

    def test_tricks(self):
        app = application()
        for path in (
            "/debug/memory/",
            "/debug/../debug/memory",
            "//debug/memory",
            "/debug//memory",
            "/DEBUG/memory",
            "/debug/memory\0",
            "/debug/memory%00",
            "/debug/pprof/../../etc/passwd",
            "/debug/pprof//etc/passwd",
            "/etc/passwd",
            "debug/memory",
            "http://127.0.0.1/debug/memory",
            "*",
            "/debug/pprof/\udc80",
        ):
            answer = ask(app, path)
            self.assertEqual(answer.status, 404, path)
            self.assertEqual(answer.body, b"no such page: see /debug/memory, /debug/pprof/ and /metrics\n")

    def test_links_lead_somewhere(self):
        """From each page with links, wherever the application is mounted."""
        app, seen = application(), set()
        for mount in ("", "/a/b"):
            for page in ("/", "/debug/", "/debug/memory?plain=1", "/debug/pprof", "/debug/pprof/"):
                links = re.findall("href='([^']*)'", ask(app, page, mount=mount).body.decode().replace("&amp;", "&"))
                self.assertGreater(len(links), 2)
                for link in links:
                    target = urljoin(f"http://host{mount}{page}", link).removeprefix("http://host")
                    self.assertTrue(target.startswith(mount))
                    if (target := target.removeprefix(mount)) not in seen and "seconds" not in target:
                        self.assertEqual(ask(app, target).status, 200, (page, link))
                    seen.add(target)
        self.assertGreater(len(seen), 12)

    def test_queries(self):
        app = application(max_seconds=30)
        for path in (
            "/debug/memory?since=x",
            "/debug/memory?top=-1",
            "/debug/memory?plain=2",
            "/debug/memory?top=1001",
            "/debug/memory?top=1e3",
            "/debug/memory?top=%D9%A3",
            "/debug/memory?top=1&top=2",
            "/debug/pprof/heap?seconds=31",
            "/debug/pprof/heap?seconds=99999999999999999999",
            "/debug/pprof/heap?seconds=-1",
            "/debug/pprof/heap?seconds=1.5",
            "/debug/pprof/heap?debug=x",
            "/metrics?" + "&".join(f"x{number}=1" for number in range(40)),
        ):
            answer = ask(app, path)
            self.assertEqual((answer.status, answer.body.count(b"\n")), (400, 1), path)
        for path in ("/metrics?a=b", "/debug/memory?&&=;top=3", "/debug/memory?since=&top="):
            self.assertEqual(ask(app, path).status, 200, path)

    def test_headers(self):
        app = application()
        for path in [*PATHS, "/debug/memory?since=x"]:
            headers = dict(ask(app, path).all_headers())
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
            self.assertNotRegex(headers["Content-Security-Policy"], "unsafe-(eval|hashes)|script-src [^']|script-src 'unsafe")
            self.assertFalse([name for name in headers if name.startswith("Access-Control")])

    def test_head(self):
        app = application()
        for path in ("/debug/memory", "/nothing", "/debug/pprof/heap?debug=1"):
            answer = ask(app, path, method="HEAD")
            self.assertEqual(answer.body, b"")
            self.assertGreater(int(dict(answer.all_headers())["Content-Length"]), 10)
            self.assertEqual(answer.status, ask(app, path).status)

    def test_what_goes_wrong_is_an_answer(self):
        with mock.patch("ctracemalloc.web.page.page_of", side_effect=KeyError("<a secret>")):
            answer = ask(application(), "/debug/memory")
        self.assertEqual((answer.status, answer.body), (500, b"the answer could not be made: KeyError\n"))
        self.assertEqual(ask(application(), "/debug/memory").status, 200)


class PageTest(TracedTest):
    def test_links_to_the_other_pages(self):
        app = application()
        for query, current in (("", "?"), ("?since=last", "?since=last"), ("?since=start", "?since=start")):
            links = page_reader.read(ask(app, f"/debug/memory{query}").body.decode("ascii")).head["links"]
            self.assertEqual([link["href"] for link in links], ["?", "?since=last", "?since=start", "?plain=1"])
            self.assertEqual([link["href"] for link in links if link["current"]], [current])


class StateTest(TracedTest):
    def setUp(self):
        gc.collect()  # what other tests have left would be freed while memory is compared

    def check_busy(self, app, *paths):
        for path in paths:
            answer = ask(app, path)
            self.assertEqual((answer.status, dict(answer.headers)["Retry-After"]), (503, "1"))

    def test_one_at_a_time(self):
        app = application()
        long = ("/debug/memory", "/debug/memory.ctm", "/debug/pprof/heap", "/debug/pprof/delta_heap")
        with answer_turn(0):
            self.check_busy(app, *long)
            self.assertEqual(ask(app, "/metrics").status, 200)  # while a profile is encoded
            self.assertEqual(ask(app, "/debug/pprof/goroutine").status, 200)
        patience = [mock.patch(f"ctracemalloc.web.{name}.PATIENCE", 0.01) for name in ("routes", "profiles")]
        with snapshot_turn(0), patience[0], patience[1]:
            self.check_busy(app, *long, "/metrics")
        self.assertEqual(ask(app, "/debug/memory").status, 200)

    def test_without_tracing(self):
        app = application()
        ctracemalloc.stop()
        self.addCleanup(ctracemalloc.start, 20)
        for path in ("/debug/memory", "/debug/pprof/heap", "/debug/pprof/allocs?seconds=1"):
            answer = ask(app, path)
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.body, b"tracing is off: the program has to call ctracemalloc.start()\n")
        metrics = ask(app, "/metrics")
        self.assertEqual(metrics.status, 200)
        self.assertIn(b"\nctracemalloc_tracing 0\n", metrics.body)
        self.assertEqual(ask(application(), "/debug/").status, 200)

    @mock.patch("ctracemalloc.web.snapshots.RELOAD_SECONDS", 0.0)
    def test_since(self):
        app = application()
        kept = [allocate(100_000)]
        self.assertIn("this is the first request", ask(app, "/debug/memory?plain=1&since=last").body.decode())
        self.assertNotIn("allocate", ask(app, "/debug/memory?plain=1&since=last").body.decode())
        kept.append(allocate(300_000))
        text = ask(app, "/debug/memory?plain=1&since=last").body.decode()
        self.assertRegex(text, r"\+293 KiB</td>.*<td class=place>allocate</td>")
        self.assertNotIn("allocate", ask(app, "/debug/memory?plain=1&since=last").body.decode())
        self.assertRegex(ask(app, "/debug/memory?plain=1&since=start").body.decode(), r"\+391 KiB</td>.*allocate</td>")
        text = ask(app, "/debug/memory?plain=1").body.decode()
        self.assertRegex(text, r"<td class=number>391 KiB</td>.*allocate</td>")
        self.assertEqual(len(kept), 2)

    def test_a_reload_counts_from_the_same_base(self):
        """A page of what has changed since the last request, asked for again within 10 seconds."""
        app = application()

        def sees_change(at):
            with mock.patch("time.time", return_value=1e9 + at):
                text = ask(app, "/debug/memory?plain=1&since=last").body.decode()
            return re.search(r"\+293 KiB</td>.*<td class=place>allocate</td>", text) is not None

        kept = [allocate(100_000)]
        self.assertFalse(sees_change(0))  # the first: there is no difference, and so none to keep
        kept.append(allocate(300_000))
        self.assertTrue(sees_change(5))  # since 0
        for reload in (6, 15, 24.9):  # each within 10 seconds of the one before
            self.assertTrue(sees_change(reload), reload)
        self.assertFalse(sees_change(34.9))  # since 24.9
        kept.append(allocate(300_000))
        self.assertTrue(sees_change(20))  # since 34.9: the clock was set back, and this is no reload
        self.assertTrue(sees_change(21))
        ctracemalloc.clear_traces()
        self.assertFalse(sees_change(22))
        self.assertEqual(len(kept), 3)

    def test_another_page_is_no_reload(self):
        app, kept = application(), []
        for since in ("", "start"):
            ask(app, "/debug/memory")
            kept.append(allocate(100_000))
            self.assertIn(b"allocate</td>", ask(app, "/debug/memory?plain=1&since=last").body)
            ask(app, f"/debug/memory?plain=1&since={since}")
            self.assertNotIn(b"allocate</td>", ask(app, "/debug/memory?plain=1&since=last").body)
        self.assertEqual(len(kept), 2)

    def test_no_difference_over_emptied_tables(self):
        app = application()
        ask(app, "/debug/memory")
        ctracemalloc.clear_traces()
        for path in ("/debug/memory?plain=1&since=last", "/debug/memory?plain=1&since=start"):
            text = ask(app, path).body.decode()
            self.assertRegex(text, r"there is no difference yet|<th>since</th><td>the start \(")
        self.assertNotRegex(text, r">-\d")

    def test_more_than_before_in_emptied_tables(self):
        """What was ever allocated says nothing about whether they were emptied."""

        def stop_and_start():
            ctracemalloc.stop()
            ctracemalloc.start(20)

        def emptied_while_taken():
            snapshot = take()
            ctracemalloc.clear_traces()
            return snapshot

        take = ctracemalloc.take_snapshot
        for empty in (ctracemalloc.clear_traces, stop_and_start, None):
            app, kept = application(), [allocate(100_000)]
            ask(app, "/debug/memory")
            with mock.patch("ctracemalloc.web.snapshots.take_snapshot", emptied_while_taken if empty is None else take):
                ask(app, "/debug/pprof/delta_heap")
            waiting = ask(app, "/debug/pprof/heap?seconds=10")
            if empty is not None:
                empty()
                kept.append(allocate(30_000_000))
                self.assertEqual(waiting.then().status, 503)
            found = read_profile(ask(app, "/debug/pprof/delta_heap").body)
            self.assertGreaterEqual(min(sample.values["alloc_objects"] for sample in found.samples), 0)
            if empty is not None:
                self.assertIn("there is no difference yet", ask(app, "/debug/memory?plain=1&since=last").body.decode())

    def test_a_fork_counts_on(self):
        app, kept = application(), [allocate(100_000)]
        pid = os.fork()
        if not pid:
            try:
                kept.append(allocate(300_000))
                text = ask(app, "/debug/memory?plain=1&since=start").body.decode()
                os._exit(not re.search(r"\+391 KiB</td>.*allocate</td>", text))
            finally:
                os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)

    def test_own_blocks_are_left_out(self):
        app = application(top=1000)
        for path in [*PATHS, "/debug/memory?since=last", "/debug/pprof/heap?debug=1"] * 2:
            text = ask(app, path).body.decode("latin-1")
            self.assertNotIn(f"{PACKAGE}/", text)
        profile = read_profile(ask(app, "/debug/pprof/heap").body)
        files = {profile.names[location][1] for sample in profile.samples for location in sample.locations}
        self.assertFalse([file for file in files if file.startswith(f"{PACKAGE}/web/")])
        self.assertGreater(len(files), 5)

    def test_page(self):
        self.without_collection()
        app, kept = application(), [allocate(100_000)]
        head, data, policy = self.read_page(ask(app, "/debug/memory"))
        self.assertEqual((data["is_diff"], [state["label"] for state in data["states"]]), (False, ["now"]))
        self.assertEqual((head["datasets"][0]["detail"], head["sections"]), ("now", ["flame", "table", "summary"]))
        self.assertNotIn("source", head["sections"])
        self.assertEqual(data["sources"], [])
        kept.append(allocate(3_000_000))
        app.bases.last = app.bases.last._replace(time=app.bases.last.time - 3600)
        head, data, again = self.read_page(ask(app, "/debug/memory?since=last"))
        self.assertTrue(data["is_diff"])
        old, new = (state["totals"]["size"] for state in data["states"])
        self.assertAlmostEqual(new - old, 3_000_000, delta=100_000)  # and caches of the interpreter
        self.assertRegex(head["datasets"][0]["detail"], r"^since the last request \(1:00:0\d earlier\)$")
        base, now = (state["label"] for state in data["states"])
        self.assertRegex(base, r"^base: the last request \(1:00:0\d earlier\)$")
        self.assertEqual(now, "now")
        self.assertIn("allocate", [data["strings"][number] for number in range(len(data["strings"]))])
        self.assertEqual(policy, again)
        self.assertRegex(policy, r"^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src ")

    def test_what_pages_are_called(self):
        app = application()
        head, data, _policy = self.read_page(ask(app, "/debug/memory?since=last"))
        self.assertEqual((head["datasets"][0]["detail"], data["is_diff"]), ("now: there is no difference yet", False))
        head, _data, _policy = self.read_page(ask(app, "/debug/memory?since=start"))
        self.assertRegex(head["datasets"][0]["detail"], r"^since the start \(\d+\.\d s earlier\)$")
        for words, name in (
            (["/srv/shop/run.py", "-x"], "run.py"),
            (["/srv/shop/__main__.py"], "shop"),
            (["-c"], "-c"),
            (["/srv/"], "/srv/"),
            (["/srv/<b>\n\udc80.py"], "<b>\n\udc80.py"),
        ):
            with mock.patch("sys.argv", words):
                answer = ask(app, "/debug/memory")
            self.assertEqual(self.read_page(answer)[0]["title"], f"{name}, pid {os.getpid()}")
        self.assertIn(f"<title>&lt;b&gt;\\n\\udc80.py, pid {os.getpid()}</title>".encode(), answer.body)

    def read_page(self, answer):
        """(the head, the JSON of the data set, the policy of the header)"""
        text = answer.body.decode("ascii")
        self.assertEqual((answer.status, answer.content_type), (200, "text/html; charset=utf-8"))
        in_page = re.search('http-equiv="Content-Security-Policy" content="(.*?)"', text)[1]
        self.assertEqual(answer.policy, f"{in_page}; frame-ancestors 'none'")
        head = json.loads(re.search('id="head">(.*?)</script>', text)[1])
        packed = zlib.decompress(base64.b64decode(re.search('id="data-0">(.*?)</script>', text)[1]))
        length = int.from_bytes(packed[:4], "little")
        return head, json.loads(packed[4 : 4 + length]), answer.policy

    def test_words_of_the_command_are_text(self):
        """The program may have put anything there."""
        words = [pathlib.Path("/srv/shop.py"), b"--key=\xff", 5, None, "text"]
        expected = ["/srv/shop.py", "--key=\udcff", "5", "None", "text"]
        app = application()
        with mock.patch("sys.argv", words), mock.patch("sys.orig_argv", words):
            for path in ("/debug/memory", "/debug/pprof/heap", "/metrics"):
                self.assertEqual(ask(app, path).status, 200, path)
            self.assertIn("/srv/shop.py --key=\\udcff 5 None text", ask(app, "/debug/memory?plain=1").body.decode())
            self.assertIn("/srv/shop.py", ask(app, "/debug/pprof/heap?debug=1").body.decode())
            self.assertEqual(ask(app, "/debug/pprof/cmdline").body, b"/srv/shop.py\0--key=\xff\x005\0None\0text")
            answer = ask(app, "/debug/memory.ctm")
        with tempfile.NamedTemporaryFile(suffix=".ctm") as file:
            file.write(answer.body)
            file.flush()
            self.assertEqual(ctracemalloc.Snapshot.load(file.name).run["command"], expected)
        for first in ([""], [b""], []):
            with mock.patch("sys.argv", first), mock.patch("sys.orig_argv", ["python", "-"]):
                self.assertEqual(command(), ["python", "-"])

    def test_names_are_data(self):
        name = 'evil"\\\n<script>\u2028\udc80&.py'
        scope = {}
        exec(compile("def hold(): return bytearray(500_000)", name, "exec"), scope)
        kept, app = scope["hold"](), application()
        page = ask(app, "/debug/memory?plain=1").body.decode()
        self.assertIn(r"evil&quot;\\n&lt;script&gt;\u2028\udc80&amp;.py:1", page)
        self.assertNotIn("<script>", page)
        self.assertIn('file="evil\\"\\\\\\\\n<script>', ask(app, "/metrics").body.decode())
        self.assertIn("evil", ask(app, "/debug/pprof/heap?debug=1").body.decode())
        files = {file for _name, file in read_profile(ask(app, "/debug/pprof/heap").body).names.values()}
        self.assertIn('evil"\\\n<script>\u2028\\udc80&.py', files)
        self.assertEqual(len(kept), 500_000)


class ProfileTest(TracedTest):
    def test_heap(self):
        kept, app = allocate(700_000), application()
        profile = read_profile(ask(app, "/debug/pprof/heap").body)
        self.assertEqual(profile.types[:4], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"])
        self.assertAlmostEqual(total(profile, "inuse_space", "allocate"), len(kept), delta=100)
        self.assertEqual(profile.default, ["inuse_space"])
        self.assertEqual(read_profile(ask(app, "/debug/pprof/allocs").body).default, ["alloc_space"])

    def test_over_seconds(self):
        app, kept = application(), [allocate(400_000)]
        answer = ask(app, "/debug/pprof/heap?seconds=10")
        self.assertIsInstance(answer, Delayed)
        self.assertEqual(answer.seconds, 10)
        kept[:] = [allocate(100_000)]
        done = answer.then()
        profile = read_profile(done.body)
        self.assertEqual(done.status, 200)
        self.assertEqual(profile.types, ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"])
        self.assertEqual(total(profile, "inuse_space", "allocate"), -300_000)
        self.assertAlmostEqual(total(profile, "alloc_space", "allocate"), 100_000, delta=100)
        self.assertLess(total(profile, "alloc_space"), 200_000)

    def test_over_seconds_is_bounded(self):
        app = application()
        waiting = [ask(app, "/debug/pprof/heap?seconds=10") for _ in range(profiles.MOST_WAITING)]
        self.assertTrue(all(isinstance(one, Delayed) for one in waiting))
        refused = ask(app, "/debug/pprof/heap?seconds=10")
        self.assertEqual((refused.status, dict(refused.headers)["Retry-After"]), (503, "10"))
        with mock.patch("time.monotonic", return_value=float("inf")):
            self.assertIsInstance(ask(app, "/debug/pprof/heap?seconds=10"), Delayed)

    def test_emptied_meanwhile(self):
        answer = ask(application(), "/debug/pprof/heap?seconds=10")
        ctracemalloc.clear_traces()
        self.assertEqual(answer.then().status, 503)
        ctracemalloc.stop()
        self.addCleanup(ctracemalloc.start, 20)
        self.assertEqual(answer.then().status, 503)

    def test_delta(self):
        app, kept = application(), [allocate(400_000)]
        first = read_profile(ask(app, "/debug/pprof/delta_heap").body)
        self.assertGreaterEqual(total(first, "alloc_space", "allocate"), 400_000)
        kept.append(allocate(100_000))
        second = read_profile(ask(app, "/debug/pprof/delta_heap").body)
        self.assertAlmostEqual(total(second, "alloc_space", "allocate"), 100_000, delta=100)
        self.assertAlmostEqual(total(second, "inuse_space", "allocate"), 500_000, delta=100)
        third = read_profile(ask(app, "/debug/pprof/delta_heap").body)
        self.assertEqual(total(third, "alloc_space", "allocate"), 0)
        ctracemalloc.clear_traces()
        self.assertGreaterEqual(total(read_profile(ask(app, "/debug/pprof/delta_heap").body), "alloc_space"), 0)

    def test_what_scrapers_ask_for(self):
        app = application()
        for name, types in profiles.EMPTY.items():
            answer = ask(app, f"/debug/pprof/{name}?seconds=10")
            profile = read_profile(answer.body)
            self.assertEqual((answer.status, profile.types, profile.samples), (200, [kind for kind, _unit in types], []))
            self.assertIn(b"no program in Go", ask(app, f"/debug/pprof/{name}?debug=2").body)
        self.assertEqual(ask(app, "/debug/pprof/symbol").body, b"num_symbols: 0\n")
        self.assertTrue(ask(app, "/debug/pprof/trace?seconds=1").body.startswith(b"go 1."))
        with mock.patch("sys.orig_argv", ["python", "a b.py", "\udcff"]):
            self.assertEqual(ask(app, "/debug/pprof/cmdline").body, b"python\0a b.py\0\xff")

    def test_losses_are_comments(self):
        loss = ctracemalloc.Loss("memory", "blocks without a traceback", 3)
        with mock.patch("ctracemalloc.web.served.losses.shown", return_value=[loss]):
            profile = read_profile(ask(application(), "/debug/pprof/heap").body)
        self.assertEqual(profile.comments, ["for want of memory: blocks without a traceback (3 times)"])


if __name__ == "__main__":
    unittest.main()
