"""The command `import`: files of pprof, memray, jemalloc and the standard module as snapshots.

The figures of a snapshot that was exported and imported again are the same; Go and memray wrote the other files.
"""

import gzip
import importlib.util
import os
import pickle
import random
import re
import subprocess
import sys
import tracemalloc
import unittest
from unittest import mock

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.cli import import_
from ctracemalloc.export.pprof import pprof_of
from ctracemalloc.export.protobuf import varint
from ctracemalloc.importers import jemalloc, pprof
from ctracemalloc.importers.tables import LABELS_CUT, Counts, Place, Tables
from export_support import ExportTest, run, run_ctracemalloc, stacks_of, tool

FIGURES = ("size", "peak_size", "allocated_size", "freed_size")
JEMALLOC = """heap_v2/1000
  t*: 3: 2100 [5: 2900]
  t0: 3: 2100 [5: 2900]
@ 0x401010 0x401020 0x9000
  t*: 2: 2000 [4: 2800]
  t1: 2: 2000 [4: 2800]
@ 0x401030
  t*: 1: 100 [1: 100]

MAPPED_LIBRARIES:
00401000-00402000 r-xp 00000000 08:01 123    /usr/bin/server
"""
GO = """
package main

import ("os"; "runtime"; "runtime/pprof")

var kept [][]byte

//go:noinline
func keep(n int) { for i := 0; i < n; i++ { kept = append(kept, make([]byte, 4096)) } }

//go:noinline
func drop(n int) { for i := 0; i < n; i++ { kept = append(kept, make([]byte, 8192)) }; kept = nil }

func main() {
    runtime.MemProfileRate = 1
    drop(30)
    keep(100)
    runtime.GC()
    runtime.GC()
    pprof.Lookup("heap").WriteTo(os.Stdout, 0)
    runtime.KeepAlive(kept)
}
"""


def setUpModule():
    skip_most_pythons()


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def profile_of(*messages):
    """A pprof profile of live blocks with these fields; string 5 is f, 6 is f.py."""
    strings = (b"", b"inuse_objects", b"count", b"inuse_space", b"bytes", b"f", b"f.py")
    types = field(1, b"\x08\x01\x10\x02") + field(1, b"\x08\x03\x10\x04")
    return types + b"".join(messages) + b"".join(field(6, text) for text in strings)


BLOCK = field(2, b"\x01\x10")  # of a sample: one of 16 bytes
FUNCTION = field(5, b"\x10\x05\x20\x06")


class ImportTest(ExportTest):
    def imported(self, path, *options, status=0):
        done = run_ctracemalloc("import", path, "-o", "in.ctm", *options, cwd=self.folder)
        self.assertEqual(done.returncode, status, done.stderr)
        if status:
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertFalse((self.folder / "in.ctm").exists())
            return done.stderr
        self.line = done.stdout
        return ctracemalloc.Snapshot.load(str(self.folder / "in.ctm"))

    def write_bytes(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_pprof_and_back(self):
        merged = ctracemalloc.Snapshot.merge([self.snapshot, self.snapshot], labels=lambda _: {"host": "a", "empty": ""})
        for snapshot in (self.snapshot, merged):
            read = self.imported(self.write_bytes("a.pb.gz", pprof_of(snapshot)))
            for measure in FIGURES:
                self.assertEqual(stacks_of(read, measure), stacks_of(snapshot, measure))
            self.assertEqual(read.sample_interval, None)
        self.assertEqual(sorted(trace.size for trace in read.traces), sorted(trace.size for trace in merged.traces))
        self.assertIn("host", read.label_keys)
        self.assertRegex(
            self.line, r"^in\.ctm: .* in [\d,]+ blocks of [\d,]+ tracebacks, from the pprof profile /.*/a\.pb\.gz\n"
        )
        done = run_ctracemalloc("diff", self.path, "in.ctm", "--json", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_labels_with_the_names_of_our_own(self):
        raw = ctracemalloc.Snapshot([(7, 8, (("a.py", 1),), 1), (0, 8, (("b.py", 1),), 1)], 1)
        labels = {"domain": "5", "bytes": "abc"}
        merged = ctracemalloc.Snapshot.merge([raw], labels={**labels, "source": None})
        read = pprof.read(pprof_of(merged)).snapshot()
        self.assertEqual(sorted((trace.domain, trace.size) for trace in read.traces), [(0, 8), (7, 8)])
        for key, value in labels.items():
            (statistic,) = read.statistics(f"label:{key}")
            self.assertEqual((statistic.traceback[0].filename, statistic.count), (value, 2))

    def test_samples_without_locations(self):
        """An empty list is none, and a location 0 is not there."""
        content = profile_of(field(2, field(1, b"") + BLOCK), FUNCTION)
        (trace,) = pprof.read(gzip.compress(content)).snapshot().traces
        self.assertEqual([frame.filename for frame in trace.traceback], ["<unknown>"])
        with self.assertRaisesRegex(ValueError, "^there is no location 0$"):
            pprof.read(profile_of(field(2, b"\x08\x00" + BLOCK), FUNCTION))

    def test_more_labels_than_a_label_set_has(self):
        texts = [b"k%d" % number for number in range(300)]
        labels = [field(3, b"\x08" + varint(7 + number) + b"\x10\x05") for number in range(300)]
        for number, losses in ((300, [LABELS_CUT]), (255, [])):
            content = profile_of(field(2, BLOCK + b"".join(labels[:number]))) + b"".join(field(6, text) for text in texts)
            read = pprof.read(content).snapshot()
            self.assertEqual(len(read.label_keys), 255)
            self.assertEqual([loss.detail for loss in read.losses], losses)

    def test_pprof_of_go(self):
        go = tool("go", "/usr/local/go/bin")
        (self.folder / "main.go").write_text(GO)
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
        run([go, "build", "-o", self.folder / "prog", self.folder / "main.go"], env=environment, cwd=self.folder)
        profile = subprocess.run([self.folder / "prog"], capture_output=True, check=True).stdout
        read = self.imported(self.write_bytes("go.pb.gz", profile))
        by_function = {s.traceback[-1].name: s for s in read.statistics("function", sort="allocated")}
        keep, drop = by_function["main.keep"], by_function["main.drop"]
        slices = [trace for trace in read.traces if trace.traceback[-1].name == "main.keep" and trace.size == 4096]
        self.assertIn(len(slices), (100, 101))  # the list of the slices may have that size once
        self.assertEqual(drop.size, 0)
        self.assertGreaterEqual(keep.size, 409_600)
        self.assertGreaterEqual(drop.allocated_size, 30 * 8192)
        self.assertTrue(keep.traceback[-1].filename.endswith("/main.go"))
        out = run([go, "tool", "pprof", "-top", "-unit=B", "-nodecount=0", "-nodefraction=0", self.folder / "go.pb.gz"])
        self.assertEqual(int(re.search(r"of (\d+)B total", out)[1]), sum(trace.size for trace in read.traces))

    def test_blocks_without_sizes_share_their_bytes(self):
        tables = Tables()
        place = tables.traceback([tables.frame(Place("f", "a.py", 3, 1))])
        tables.add_blocks(place, 3, 10)
        tables.add_blocks(place, 2, 8, freed=True)
        tables.add(tables.traceback([tables.frame(Place("", "b.py"))]), 5, Counts(1, 0))
        snapshot = tables.snapshot()
        self.assertEqual(sorted(trace.size for trace in snapshot.traces), [3, 3, 4, 5])
        (statistic,) = [s for s in snapshot.statistics("function", sort="allocated") if s.traceback[0].name == "f"]
        self.assertEqual((statistic.allocated_size, statistic.allocated_count, statistic.freed_size), (18, 5, 8))

    def test_a_profile_that_is_a_sample_says_so(self):
        content = gzip.decompress(pprof_of(self.snapshot))
        read = self.imported(self.write_bytes("a.pb", content + b"\x60\x80\x80\x20"))  # one more `period`, which counts
        self.assertEqual(read.losses[0].detail, "estimates: the pprof profile is of a sample, about one block in 524,288 bytes")

    def test_memray(self):
        if importlib.util.find_spec("memray") is None:
            self.skipTest("memray is not installed")
        from memray import FileReader

        program = "import sys; sys.held = [bytearray(100_000) for _ in range(20)]\ngone = bytearray(5_000_000)\ndel gone\n"
        (self.folder / "work.py").write_text(program)
        done = subprocess.run(
            [sys.executable, "-m", "memray", "run", "-q", "-o", "a.bin", "work.py"],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        capture = self.folder / "a.bin"
        for options in ([], ["--at-peak"]):
            read = self.imported(capture, *options)
            with FileReader(capture) as reader:
                records = reader.get_high_watermark_allocation_records if options else reader.get_leaked_allocation_records
                found = [(record.size, record.n_allocations) for record in records(merge_threads=True)]
            self.assertEqual(sum(trace.size for trace in read.traces), sum(size for size, _number in found))
            self.assertEqual(len(read.traces), sum(number for _size, number in found))
            lines = {(os.path.basename(s.traceback[0].filename), s.traceback[0].lineno): s for s in read.statistics("lineno")}
            self.assertGreaterEqual(lines["work.py", 1].size, 2_000_000)
            self.assertEqual(("work.py", 2) in lines, bool(options))
        self.assertIn("what was live at the peak, as memray counted it", read.losses[0].detail)
        cut = self.write_bytes("cut.bin", capture.read_bytes()[:40])
        (self.folder / "in.ctm").unlink()
        self.assertIn("cut.bin: not a valid memray capture: ", self.imported(cut, status=3))

    def test_jemalloc(self):
        read = self.imported(self.write_bytes("jeprof.heap", JEMALLOC.encode()))
        # 2 blocks of 1000 bytes, of which one in 1/(1-e^-1) is counted; 1 of 100.
        self.assertEqual(len(read.traces), round(2 / (1 - 2.718281828**-1)) + round(1 / (1 - 2.718281828**-0.1)))
        (server,) = [s for s in read.statistics("function", sort="allocated") if s.traceback[0].name == "0x401010"]
        self.assertEqual(server.traceback[0].filename, "/usr/bin/server")
        self.assertEqual(server.size, round(2000 / (1 - 2.718281828**-1)))
        stack = next(t.traceback for t in read.traces if t.traceback[-1].name == "0x401010")
        self.assertEqual([frame.name for frame in stack], ["0x9000", "0x401020", "0x401010"])
        self.assertIn("one block in 1,000 bytes", read.losses[0].detail)

    def test_stdlib_pickle(self):
        path = self.folder / "a.pickle"
        run_ctracemalloc("export", self.path, "-o", path, cwd=self.folder)
        read = self.imported(path)
        self.assertEqual(read.traces, self.snapshot.traces)
        self.assertEqual(len(tracemalloc.Snapshot.load(str(path)).traces), len(read.traces))

    def test_bad_files(self):
        cpu = gzip.compress(b"\x0a\x04\x08\x01\x10\x02" + b"\x32\x00\x32\x03cpu\x32\x0bnanoseconds")
        for name, content, reason in (
            ("cpu.pb.gz", cpu, "it is no heap profile: it has no sample type inuse_space (it has cpu)"),
            ("cut.pb.gz", pprof_of(self.snapshot)[:300], "the compressed data end too early"),
            ("bad.pb.gz", b"\x1f\x8b" + bytes(50), "the compressed data are damaged"),
            ("text", b"some text\n", "it is neither a pprof heap profile"),
            ("empty", b"", "it is empty"),
            ("jeprof.heap", b"heap_v2/x\n", "the first line is not heap_v2/INTERVAL"),
            ("names.heap", b"heap_v2/10\n@ 0x12 zz\n", "not addresses"),
        ):
            with self.subTest(name):
                message = self.imported(self.write_bytes(name, content), status=3)
                self.assertIn(f"/{name}: ", message)
                self.assertIn(reason, message)
        self.assertIn("No such file", self.imported("nothing", status=3))
        self.assertIn("to? import", run_ctracemalloc("import", "a", cwd=self.folder).stderr)
        message = self.imported(self.write_bytes("a.pb.gz", pprof_of(self.snapshot)), "--at-peak", status=2)
        self.assertIn("--at-peak is for memray captures", message)

    def test_a_snapshot_of_a_user_is_not_overwritten_by_another_kind(self):
        (self.folder / "in.ctm").write_text("mine")
        done = run_ctracemalloc("import", self.write_bytes("a.pb.gz", pprof_of(self.snapshot)), "-o", "in.ctm", cwd=self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertEqual((self.folder / "in.ctm").read_text(), "mine")

    def test_damaged_files_are_value_errors(self):
        """Truncated, and with random bytes; whatever is read is a whole snapshot."""
        raw = [(0, 8, (("a.py", 1), ("b.py", 2)), 2)] * 3
        content = gzip.decompress(pprof_of(ctracemalloc.Snapshot(raw, 2), comments=["x"]))
        generator, outcomes = random.Random(19), {"read": 0, "refused": 0}
        for reader, whole in ((pprof.read, content), (jemalloc.read, JEMALLOC.encode())):
            damaged = [whole[:size] for size in range(len(whole))]
            for _ in range(1500):
                copy = bytearray(whole)
                for _byte in range(generator.randrange(1, 4)):
                    copy[generator.randrange(len(copy))] = generator.randrange(256)
                damaged.append(bytes(copy))
            for each in damaged:
                try:
                    snapshot = reader(each).snapshot()
                except ValueError as error:
                    self.assertNotIn("\n", str(error))
                    outcomes["refused"] += 1
                else:
                    outcomes["read"] += snapshot.call_tree().total_size[0] >= 0
        self.assertGreater(min(outcomes.values()), 100, outcomes)

    # --- what a file of few bytes may stand for ---

    def test_the_most_recent_frames_are_kept(self):
        sample = field(2, field(1, b"\x01" * 70_000 + b"\x02") + BLOCK)
        lines = b"".join(field(4, b"\x10" + varint(line)) for line in (1, 2))
        content = profile_of(sample, field(4, b"\x08\x01" + lines), field(4, b"\x08\x02\x22\x00"), FUNCTION)
        snapshot = self.imported(self.write_bytes("deep.pb.gz", gzip.compress(content)))
        traceback = snapshot.traces[0].traceback
        self.assertEqual([frame.lineno for frame in traceback[-4:]], [2, 1, 2, 1])
        self.assertEqual(len(traceback), 65_535)
        self.assertGreaterEqual(traceback.total_nframe, 70_001)

    def test_small_files_that_stand_for_very_much(self):
        """Each would need hours, or more memory than there is."""
        inlined = field(4, b"\x08\x01" + b"\x22\x00" * 70_000)
        others = b"".join(field(4, b"\x08" + varint(number) + b"\x22\x02\x10" + varint(number)) for number in range(2, 100))
        of_roots = b"".join(field(2, field(1, b"\x01" + varint(number)) + BLOCK) for number in range(2, 100))
        of_leaves = b"".join(field(2, field(1, varint(number) + b"\x01") + BLOCK) for number in range(2, 100))
        shorter = field(4, b"\x08\x01" + b"\x22\x00" * 60_000)
        for name, content, reason in (
            ("inlined", profile_of(field(2, field(1, b"\x01" * 300_000) + BLOCK), inlined, FUNCTION), ""),
            ("roots", profile_of(of_roots, shorter, others, FUNCTION), "frames of different tracebacks, too many for"),
            ("leaves", profile_of(of_leaves, shorter, others, FUNCTION), "frames, too many for"),
            ("locations", profile_of(field(4, b"\x08\x01") * 600_000), "locations, too many for"),
            ("samples", profile_of(field(2, b"") * 600_000), "samples, too many for"),
            ("labels", profile_of(field(2, BLOCK + b"\x1a\x00" * 1000) * 1200), "labels, too many for"),
        ):
            with self.subTest(name):
                packed = gzip.compress(content)
                if reason:
                    with self.assertRaisesRegex(ValueError, rf"^it has more than [\d,]+ {reason} [\d,]+ bytes$"):
                        pprof.read(packed)
                else:
                    self.assertEqual(len(pprof.read(packed).snapshot().traces), 1)

    def test_no_memory_is_one_line(self):
        no_memory = mock.patch.object(import_, "read", side_effect=MemoryError)
        reason = r"^a\.pb: there is not enough memory to read it$"
        with no_memory, self.assertRaisesRegex(ctracemalloc.FileError, reason):
            import_.imported("a.pb", "a.pb", None, False)

    def test_no_frames_are_no_python_frame(self):
        heap = "heap_v2/1\n@\n  t*: 1: 100 [1: 100]\n"
        for name, content in (("a.pprof", profile_of(field(2, BLOCK))), ("jeprof.heap", heap.encode())):
            with self.subTest(name):
                (trace,) = self.imported(self.write_bytes(name, content)).traces
                self.assertEqual([(frame.filename, frame.lineno) for frame in trace.traceback], [("<unknown>", 0)])
                done = run_ctracemalloc("report", "in.ctm", cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("<unknown>:0", done.stdout)

    # --- what is no regular file ---

    def test_pipes_and_standard_input(self):
        pickled = self.folder / "a.pickle"
        run_ctracemalloc("export", self.path, "-o", pickled, cwd=self.folder)
        os.mkfifo(self.folder / "pipe")
        for content in (pprof_of(self.snapshot), JEMALLOC.encode(), pickled.read_bytes()):
            wanted = stacks_of(self.imported(self.write_bytes("file", content)))
            command = [sys.executable, "-m", "ctracemalloc", "import"]
            with (self.folder / "file").open("rb") as file:
                subprocess.run([*command, "-", "-o", "in.ctm"], stdin=file, cwd=self.folder, check=True, capture_output=True)
            self.assertEqual(stacks_of(ctracemalloc.Snapshot.load(str(self.folder / "in.ctm"))), wanted)
            with subprocess.Popen(["cp", "file", "pipe"], cwd=self.folder):
                self.assertEqual(stacks_of(self.imported("pipe")), wanted)
        (self.folder / "in.ctm").unlink()
        done = run_ctracemalloc("import", "-", "-o", "in.ctm", cwd=self.folder, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"\A.*: -: .*\n\Z")
        self.assertIn("/dev/zero: it is neither a pprof heap profile", self.imported("/dev/zero", status=3))

    def test_a_pickle_runs_no_code(self):
        path = self.write_bytes("evil.pickle", pickle.dumps(os.system))
        self.assertIn("evil.pickle", self.imported(path, status=3))


if __name__ == "__main__":
    unittest.main()
