"""pprof profiles, read by Go's own tool: its figures are those of the API."""

import gzip
import math
import os
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.export.pprof import pprof_of
from ctracemalloc.places.patterns import Patterns
from export_support import ExportTest, run, tool, traced_program

AMOUNTS = {
    "inuse_space": ("size", "size"),
    "inuse_objects": ("size", "count"),
    "alloc_space": ("allocated", "allocated_size"),
    "alloc_objects": ("allocated", "allocated_count"),
    "peak_space": ("peak", "peak_size"),
    "peak_objects": ("peak", "peak_count"),
}
EVERYTHING = ("-nodecount=0", "-nodefraction=0", "-edgefraction=0")
ROW = re.compile(r" *(-?\d+)B? +\S+ +\S+ +(-?\d+)B? +\S+  (.*)")


def setUpModule():
    skip_most_pythons()


class PprofTest(ExportTest):
    def setUp(self):
        super().setUp()
        self.go = tool("go", "/usr/local/go/bin")

    def pprof(self, *arguments):
        return run([self.go, "tool", "pprof", *arguments], env={**os.environ, "PPROF_TMPDIR": str(self.folder)})

    def profile(self, snapshot=None, name="prog.pb.gz", **options):
        path = self.folder / name
        path.write_bytes(pprof_of(snapshot or self.snapshot, **options))
        return path

    def top(self, path, kind, *arguments):
        """{"function file:line": (flat, cum)} as `pprof -top -lines` prints them; kind: a sample type."""
        out = self.pprof("-top", "-lines", "-unit=B", *EVERYTHING, f"-sample_index={kind}", *arguments, path)
        return {match[3]: (int(match[1]), int(match[2])) for match in map(ROW.fullmatch, out.splitlines()) if match}

    def expected(self, kind, snapshot=None):
        """The same from the API."""
        sort, name = AMOUNTS[kind]
        found = {}
        for cumulative in (False, True):
            # Frames of two functions on one line (a comprehension and its caller) are one row of "lineno" here.
            for statistic in (snapshot or self.snapshot).statistics("lineno", cumulative, sort=sort):
                frame = statistic.traceback[-1]
                own = found.setdefault((frame.filename, frame.lineno), [0, 0])
                own[cumulative] = getattr(statistic, name)
        return {place: tuple(amounts) for place, amounts in found.items() if any(amounts)}

    def test_figures_are_those_of_the_api(self):
        path = self.profile()
        for kind in AMOUNTS:
            with self.subTest(kind):
                flat, total = {}, 0
                for place, (own, _cum) in self.top(path, kind).items():
                    match = re.fullmatch(r"(.*?) (/.*?|<.*?>|<.*?\.py)(?::(\d+))?", place)
                    self.assertIsNotNone(match, place)
                    key = match[2], int(match[3] or 0)
                    flat[key] = flat.get(key, 0) + own
                    total += own
                expected = {place: own for place, (own, _cum) in self.expected(kind).items() if own}
                self.assertEqual({place: own for place, own in flat.items() if own}, expected)
                self.assertGreater(total, 100)

    def test_cumulative_figures(self):
        snapshot = ctracemalloc.Snapshot(
            [(0, 100, (("b.py", 2), ("a.py", 1)), 2), (0, 10, (("b.py", 2), ("b.py", 2), ("a.py", 1)), 3)], 5
        )
        rows = self.top(self.profile(snapshot), "inuse_space")
        self.assertEqual(rows, {"b.py b.py:2": (110, 110), "a.py a.py:1": (0, 110)})

    def test_sample_types_and_head(self):
        out = self.pprof("-raw", self.profile(comments=["lost: 3 blocks"]))
        self.assertIn(
            "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt] peak_objects/count "
            "peak_space/bytes",
            out,
        )
        self.assertIn("PeriodType: space bytes\nPeriod: 1\n", out)
        self.assertIn("Comment: lost: 3 blocks", out)
        self.assertRegex(out, r"1: 0x0/0x0/0x0 .*prog\.py +\[FN\]\[FL\]\[LN\]")
        self.assertIn("File: prog.py", self.pprof("-top", self.profile()))

    def test_what_is_not_known_has_no_sample_type(self):
        out = self.pprof("-raw", self.profile(ctracemalloc.Snapshot([(0, 8, (("a.py", 1),), 1)], 1)))
        self.assertRegex(out, r"Samples:\ninuse_objects/count inuse_space/bytes\[dflt\]\n")

    def test_names_stay_as_they_are(self):
        out = self.pprof("-top", *EVERYTHING, self.profile())
        self.assertIn("  <module>\n", out)
        self.assertIn("  Cache.fill\n", out)
        self.assertIn("<genexpr>", self.pprof("-top", *EVERYTHING, "-sample_index=alloc_space", self.profile()))
        self.assertIn("<b onclick=x>&;.py:1", self.pprof("-top", "-lines", *EVERYTHING, self.profile()))

    def test_labels(self):
        merged = ctracemalloc.Snapshot.merge([self.snapshot, self.snapshot], labels=lambda _: {"host": "h 1"})
        out = self.pprof("-tags", "-unit=B", self.profile(merged))
        self.assertRegex(out, r"(?m)^ host: Total \d+B of \d+B \( +100%\)\n +\d+B \( +100%\): h 1$")
        pages = sum(trace.size for trace in self.snapshot.traces if 1000 <= trace.size < 1100)
        self.assertGreater(pages, 300_000)
        chosen = self.pprof("-top", "-unit=B", "-tagfocus=1000b:1099b", self.profile())
        self.assertRegex(chosen, rf"nodes accounting for {pages}B, ")

    def test_diff_base(self):
        base = self.profile(self.snapshot, "base.pb.gz")
        merged = self.profile(ctracemalloc.Snapshot.merge([self.snapshot, self.snapshot]), "both.pb.gz")
        rows = self.top(merged, "inuse_space", f"-diff_base={base}")
        self.assertEqual(rows, {place: own for place, own in self.top(base, "inuse_space").items() if any(own)})

    def test_patterns(self):
        for any_frame in (False, True):
            rows = self.top(self.profile(patterns=Patterns(["prog.py"], []), any_frame=any_frame), "inuse_space")
            if any_frame:
                view = self.snapshot.filter_traces([ctracemalloc.Filter(True, "*/prog.py", all_frames=True)])
            else:
                view = self.snapshot.filter_traces([ctracemalloc.Filter(True, "*/prog.py")])
            self.assertEqual(sum(own for own, _cum in rows.values()), sum(trace.size for trace in view.traces))
        rows = self.top(self.profile(patterns=Patterns([], ["prog.py"]), any_frame=True), "inuse_space")
        self.assertFalse([place for place in rows if "prog.py" in place])

    def test_estimates_of_a_sample(self):
        snapshot = ctracemalloc.Snapshot.load(str(traced_program(interval=4096)[0]))
        path = self.profile(snapshot)
        self.assertIn("Period: 4096\n", self.pprof("-raw", path))
        weights = [1 / (1 - math.exp(-trace.size / 4096)) for trace in snapshot.traces]
        rows = self.top(path, "inuse_objects")
        self.assertAlmostEqual(sum(own for own, _cum in rows.values()), sum(weights), delta=1)
        sizes = [trace.size * weight for trace, weight in zip(snapshot.traces, weights)]
        rows = self.top(path, "inuse_space")
        self.assertAlmostEqual(sum(own for own, _cum in rows.values()), sum(sizes), delta=1)
        self.assertGreater(sum(sizes), 2 * sum(trace.size for trace in snapshot.traces if trace.size < 1000))

    def test_pages_of_its_web_server(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [self.go, "tool", "pprof", f"-http={address}", "-no_browser", self.profile()]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(server.wait)
        self.addCleanup(os.killpg, server.pid, signal.SIGTERM)
        for page in ("top", "flamegraph", "peek?f=Cache.page"):
            text = self.fetched(f"http://{address}/ui/{page}")
            self.assertIn("Cache.page", text)
            self.assertIn("prog.py inuse_space", text)

    def fetched(self, address):
        """The page, once the server answers."""
        for _attempt in range(100):
            try:
                with urllib.request.urlopen(address, timeout=60) as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                time.sleep(0.1)
        raise AssertionError(f"{address} does not answer")

    def test_equal_snapshots_are_equal_files(self):
        self.assertEqual(pprof_of(self.snapshot), pprof_of(self.snapshot))

    def test_a_surrogate_is_an_escape(self):
        snapshot = ctracemalloc.Snapshot([(0, 8, (("\udc80.py", 1),), 1)], 1)
        self.assertIn(b"\\udc80.py", gzip.decompress(pprof_of(snapshot)))
        self.assertEqual(self.top(self.profile(snapshot), "inuse_space"), {r"\udc80.py \udc80.py:1": (8, 8)})


if __name__ == "__main__":
    unittest.main()
