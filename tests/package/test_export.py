"""The command `export`: which format, which file, what is refused, and the formats that Python itself reads."""

import csv
import importlib.util
import io
import json
import os
import pickle
import subprocess
import sys
import unittest

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.export import rows
from ctracemalloc.export.formats import FORMATS, format_of_name, kind_of
from ctracemalloc.export.selected import Selected
from ctracemalloc.model.figures import LIVE
from export_support import ExportTest, run_ctracemalloc, stacks_of, traced_program

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


def setUpModule():
    skip_most_pythons()


def deep_strings(value):
    """All texts in a document."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(deep_strings, inner))


class CommandTest(ExportTest):
    def export(self, *arguments, status=0, **options):
        done = run_ctracemalloc("export", *arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def written(self, form, *arguments):
        path = self.folder / f"out.{form}"
        self.export(self.path, "-f", form, "-o", path, *arguments)
        return path

    def need_pyarrow(self):
        if not HAS_PYARROW:
            self.skipTest("pyarrow is not installed")

    # --- formats that Python reads ---

    def test_csv(self):
        text = self.written("csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        tree = self.snapshot.call_tree()
        for column, figure in (
            ("size", tree.total_size),
            ("count", tree.total_count),
            ("peak_size", tree.total_peak_size),
            ("peak_count", tree.total_peak_count),
            ("allocated_size", tree.total_allocated_size),
            ("allocated_count", tree.total_allocated_count),
        ):
            self.assertEqual(sum(int(row[column]) for row in rows), figure[0])
        pages = [row for row in rows if row["function"] == "Cache.page"]
        self.assertEqual(len(pages), 1)
        self.assertRegex(pages[0]["traceback"], r"^<module> \(.*/prog\.py:\d+\);Cache\.fill \(.*\);Cache\.page \(.*:\d+\)$")
        self.assertTrue([row for row in rows if row["filename"] == "<b onclick=x>&;.py"])

    def test_csv_of_names_that_are_not_harmless(self):
        names = ["=1+1", 'a"b,c', "a\rb\n", "\udc80"]
        ctracemalloc.Snapshot([(0, 8, ((name, 1),), 1) for name in names], 1).dump(self.folder / "names.ctm")
        self.export("names.ctm", "-f", "csv")
        with open(self.folder / "names.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual({row["filename"] for row in rows}, {"'=1+1", 'a"b,c', "a\rb\n", r"\udc80"})
        self.assertEqual({(row["peak_size"], row["allocated_size"]) for row in rows}, {("", "")})

    def test_csv_of_deep_stacks_is_made_in_pieces(self):
        frames = tuple(("module_of_a_long_name.py", line) for line in range(4000))
        snapshot = ctracemalloc.Snapshot([(0, 8, frames[start:], 4000 - start) for start in range(60)], 4000)
        pieces = list(rows.pieces(Selected(snapshot), LIVE, []))
        self.assertGreater(sum(map(len, pieces)), 5 * rows.PIECE)
        self.assertLess(max(map(len, pieces)), 2 * rows.PIECE)
        self.assertEqual(b"".join(pieces).count(b"\n"), 61)

    def test_stdlib_pickle(self):
        for options, snapshot in (([], self.snapshot), (["--at-peak"], self.snapshot.at_peak)):
            path = self.folder / "out.pickle"
            self.export(self.path, "-o", path, *options)
            code = (
                "import sys, tracemalloc; s = tracemalloc.Snapshot.load(sys.argv[1]);"
                "print(len(s.traces), sum(t.size for t in s.traces), s.traceback_limit,"
                " max(len(t.traceback) for t in s.traces))"
            )
            out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
            traces = snapshot.traces
            longest = max(len(trace.traceback) for trace in traces)
            self.assertEqual(out.split(), [str(n) for n in (len(traces), sum(t.size for t in traces), 20, longest)])

    def test_stdlib_pickle_of_some_code(self):
        for options in ([], ["--all-frames"]):
            read = ctracemalloc.Snapshot.load(str(self.written("stdlib", "--include", "prog.py", *options)))
            wanted = ctracemalloc.Filter(True, "*/prog.py", all_frames=bool(options))
            self.assertEqual(read.traces, self.snapshot.filter_traces([wanted]).traces)

    def test_a_sample_is_not_for_the_standard_module(self):
        path = traced_program(interval=4096)[0]
        done = self.export(path, "-f", "stdlib", status=3)
        self.assertIn("prog.ctm: it is of a sample", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_text(self):
        lines = self.written("text").read_text(encoding="utf-8").splitlines()
        self.assertEqual(lines[0], str(self.snapshot.statistics("lineno")[0]))
        peak = self.written("text", "--at-peak", "--force").read_text(encoding="utf-8").splitlines()
        first = self.snapshot.statistics("lineno", sort="peak")[0]
        self.assertEqual(peak[0].partition(": ")[0], f"{first.traceback[0].filename}:{first.traceback[0].lineno}")

    def test_parquet_and_arrow(self):
        self.need_pyarrow()
        import pyarrow
        import pyarrow.parquet

        expected = pyarrow.table(self.snapshot)
        self.assertTrue(pyarrow.parquet.read_table(self.written("parquet")).equals(expected))
        with pyarrow.ipc.open_file(self.written("arrow")) as file:
            self.assertTrue(file.read_all().equals(expected))
            self.assertEqual(file.schema.metadata[b"ctracemalloc.program"], b"prog.py")
        some = pyarrow.parquet.read_table(self.written("parquet", "--include", "prog.py", "--all-frames", "--force"))
        self.assertLess(some.num_rows, expected.num_rows)
        stacks = [stack for stack in stacks_of(self.snapshot).items() if any(f[1].endswith("prog.py") for f in stack[0])]
        self.assertEqual(sum(some["size"].to_pylist()), sum(size for _stack, size in stacks))

    def test_pyarrow_is_named_where_it_is_missing(self):
        (self.folder / "pyarrow.py").write_text("raise ImportError('no such package')")
        code = "import sys; sys.path.insert(0, '.'); from ctracemalloc.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "export", self.path, "-f", "parquet"], cwd=self.folder, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("need pyarrow 15: pip install 'ctracemalloc[arrow]'", done.stderr)
        self.assertFalse((self.folder / "prog.parquet").exists())

    def test_names_are_data_in_all_formats(self):
        names = ["\udc80\n.py", 'a"b\\', "<script>;&", "x" * 5000, "é\u2028", "0x12: f (a:1)", " 12", ""]
        stack = tuple((name, number) for number, name in enumerate(names))
        ctracemalloc.Snapshot([(3, 8, stack, len(stack)), (0, 5, stack[:1], 1)], 9).dump(self.folder / "names.ctm")
        for name, form in FORMATS.items():
            if form.over_time or form.needs or (form.module == "arrow" and not HAS_PYARROW):
                continue
            with self.subTest(name):
                done = self.export("names.ctm", "-f", name)
                self.assertEqual((done.stderr, done.stdout.count("\n")), ("", 1))
                written = (self.folder / f"names{form.endings[0]}").read_bytes()
                if written.startswith(b"{"):
                    self.assertIn("\udc80\n.py", deep_strings(json.loads(written)))
                if name == "collapsed":
                    self.assertEqual(written.count(b"\n"), 2)
                    self.assertEqual(written.count(b";"), len(names) - 1)

    # --- which format, which file ---

    def test_the_ending_says_the_format(self):
        for name, form in FORMATS.items():
            for ending in form.endings:
                self.assertEqual(format_of_name(f"a.b{ending}").name, name)
        self.assertIsNone(format_of_name("a.ctm"))
        done = self.export(self.path, "-o", "a.folded")
        self.assertRegex(done.stdout, r"\Aa\.folded: file of collapsed stacks of /.*/prog\.ctm, [\d.]+ (B|KiB)\n\Z")

    def test_no_format(self):
        for options in ([], ["-o", "a.json"]):
            done = self.export(self.path, *options, status=2)
            self.assertIn("which format? -f NAME", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_the_newest_file_and_its_name(self):
        self.snapshot.dump(self.folder / "ctracemalloc.77.ctm")
        done = self.export("-f", "pprof")
        self.assertRegex(
            done.stdout, r"^ctracemalloc\.77\.pb\.gz: pprof profile of ctracemalloc\.77\.ctm, the newest file here, "
        )

    def test_standard_output(self):
        done = self.export(self.path, "-f", "collapsed", "-o", "-")
        self.assertEqual(done.stderr, "")
        total = sum(int(line.rpartition(" ")[2]) for line in done.stdout.splitlines())
        self.assertEqual(total, sum(stacks_of(self.snapshot).values()))
        with open(self.path, "rb") as file:
            done = self.export("-", "-f", "pprof", "-o", "-", stdin=file, text=False)
        self.assertEqual(done.stdout[:2], b"\x1f\x8b")

    def test_no_binary_on_a_terminal(self):
        import pty

        main, side = pty.openpty()
        streams = {"stdout": side, "stderr": subprocess.PIPE, "capture_output": False}
        done = run_ctracemalloc("export", self.path, "-f", "pprof", "-o", "-", cwd=self.folder, **streams)
        self.assertEqual(done.returncode, 2)
        self.assertIn("standard output is a terminal, and a pprof profile is no text", done.stderr)
        os.close(main)
        os.close(side)

    def test_a_measure_that_a_format_has_anyway(self):
        done = self.export(self.path, "-f", "pprof", "--at-peak", status=2)
        self.assertIn("--at-peak does not go with -f pprof: a pprof profile has all figures", done.stderr)
        done = self.export(self.path, "-f", "stdlib", "--churn", status=2)
        self.assertIn("--churn does not go with -f stdlib", done.stderr)

    def test_the_moment_of_a_recording(self):
        recording = traced_program()[1]
        done = self.export(recording, "--at", "0", "-f", "collapsed", "-o", "-")
        snapshot = ctracemalloc.open_recording(str(recording)).snapshot(0)
        self.assertEqual(
            sum(int(line.rpartition(" ")[2]) for line in done.stdout.splitlines()), sum(trace.size for trace in snapshot.traces)
        )
        self.assertIn("--at is a moment of a recording", self.export(self.path, "--at", "0", "-f", "text", status=3).stderr)

    def test_what_is_lost_is_said(self):
        path = traced_program(interval=4096)[0]
        done = self.export(path, "-f", "collapsed", "-o", "a.collapsed")
        self.assertIn("\n  sample   ", done.stdout)
        self.assertIn("all sizes and counts are estimates", done.stdout.replace("\n           ", " "))

    # --- files that are there already ---

    def test_kinds_of_files(self):
        without = set() if HAS_PYARROW else {"parquet", "arrow"}
        names = [name for name, form in FORMATS.items() if name not in without and not form.over_time]
        for name in names:
            with self.subTest(name):
                self.assertEqual(kind_of(str(self.written(name))), FORMATS[name].kind)
        self.export(traced_program()[1], "-o", "out.pftrace")
        self.assertEqual(kind_of(str(self.folder / "out.pftrace")), "Perfetto trace")
        self.assertEqual(kind_of(str(self.path)), "snapshot")
        deep = tuple((f"{'x' * 90}.py", line) for line in range(1, 100))
        ctracemalloc.Snapshot([(0, 8, deep, 99)], 99).dump(self.folder / "deep.ctm")
        for form in ("collapsed", "csv", "speedscope"):
            self.export("deep.ctm", "-f", form, "-o", f"deep.{form}")
            self.assertEqual(kind_of(str(self.folder / f"deep.{form}")), FORMATS[form].kind)
        (self.folder / "mine").write_text("a text of mine\n")
        self.assertIsNone(kind_of(str(self.folder / "mine")))

    def test_files_of_users_are_none_of_ours(self):
        """Each begins as a format might."""
        for name, text in (
            ("novel.txt", "It was the year 1984\nThe clocks; they struck 13\nand so on.\n"),
            ("ledger", "lunch at 12:30 15\ndinner; with Max 20:15 40\n1.5.2024 12:30 250\n"),
            ("hosts", "db.example.com:5432 3\nwww.example.com:443 70\n"),
            ("one-line", "a.py:12: size=1 KiB, count=3, average=300 B"),
            ("notes", "a.py:12: size=1 KiB, count=3, average=300 B\nwhy is that so much?\n"),
            ("flat", "work (a.py:12) 300\nnot this one\n"),
            ("cut", "work (a.py:12) 300\nwork (a.py:13) 3"),
            ("header.csv", "filename,lineno,function,size,mine\n"),
            ("long", "a word " * 2000),
        ):
            with self.subTest(name):
                (self.folder / name).write_text(text)
                self.assertIsNone(kind_of(str(self.folder / name)))
                for form in ("collapsed", "text", "csv"):
                    self.assertIn("(--force over", self.export(self.path, "-f", form, "-o", name, status=2).stderr)
                self.assertEqual((self.folder / name).read_text(), text)
        (self.folder / "mine.pickle").write_bytes(pickle.dumps(["tracemalloc", 1]))
        self.assertIsNone(kind_of(str(self.folder / "mine.pickle")))

    def test_tables_of_other_tools_are_none_of_ours(self):
        self.need_pyarrow()
        import pyarrow
        from pyarrow import feather, parquet

        table = pyarrow.table({"ctracemalloc": ["ctracemalloc"] * 3})
        parquet.write_table(table, self.folder / "data.parquet")
        feather.write_feather(table, self.folder / "data.arrow", compression="uncompressed")
        for name in ("data.parquet", "data.arrow"):
            before = (self.folder / name).read_bytes()
            self.assertIn("(--force overwrites it)", self.export(self.path, "-o", name, status=2).stderr)
            self.assertEqual((self.folder / name).read_bytes(), before)
            self.export(self.path, "-o", name, "--force")
            self.export(self.path, "-o", name)  # it is one of ours now
            for cut in (3, 9, 20):
                (self.folder / "cut").write_bytes((self.folder / name).read_bytes()[:-cut][: 10 * cut])
                self.assertIsNone(kind_of(str(self.folder / "cut")))

    def test_what_may_be_overwritten(self):
        path = self.written("collapsed")
        self.export(self.path, "-f", "collapsed", "-o", path)
        before = path.read_bytes()
        done = self.export(self.path, "-f", "pprof", "-o", path, status=2)
        self.assertIn("it is a file of collapsed stacks, not a pprof profile (--force overwrites it)", done.stderr)
        self.assertEqual(path.read_bytes(), before)
        self.export(self.path, "-f", "pprof", "-o", path, "--force")
        self.assertEqual(kind_of(str(path)), "pprof profile")
        (self.folder / "notes.csv").write_text("my,own,table\n")
        done = self.export(self.path, "-o", "notes.csv", status=2)
        self.assertIn("it exists and is not a CSV file of tracebacks (--force overwrites it)", done.stderr)
        self.snapshot.dump(self.folder / "mine.ctm")
        done = self.export("mine.ctm", "-f", "csv", "-o", "mine.ctm", status=2)
        self.assertIn("it is one of the files that are read", done.stderr)
        self.assertEqual((self.folder / "mine.ctm").read_bytes()[:4], b"\x89CTM")

    def test_how_much_the_patterns_left_is_said(self):
        said = self.export(self.path, "-o", "a.csv", "--include", "nothinghere").stdout
        self.assertEqual(said.split("\n")[1], "  selected 0 B, 0.0% of what is live: the file is of these blocks")
        self.assertRegex(
            self.export(self.path, "-o", "a.csv", "--include", "prog.py").stdout, r"selected [1-9].*[1-9]% of what is live"
        )
        self.assertNotIn("selected", self.export(self.path, "-o", "a.csv").stdout)

    def test_what_it_is_not_of(self):
        done = self.export(self.folder, "-f", "pprof", "-o", "a.pb.gz", status=3)
        self.assertIn(f"`merge -o all.ctm {self.folder}/*.ctm` makes one snapshot", done.stderr)
        done = self.export(self.path, "-f", "perfetto", status=3)
        self.assertIn("it is a snapshot, not a recording, which `run --record FILE` makes and -f perfetto is of", done.stderr)

    def test_a_full_disk_leaves_no_file(self):
        done = self.export(self.path, "-f", "pprof", "-o", "/dev/full", status=3)
        self.assertRegex(done.stderr, r"\A.*: /dev/full: No space left on device\n\Z")
        done = self.export(self.path, "-f", "text", "-o", "no/such/folder.txt", status=2)
        self.assertIn("there is no directory", done.stderr)

    def test_an_empty_name_is_none(self):
        """A shell's variable that is not set."""
        before = sorted(os.listdir(self.folder))
        done = self.export(self.path, "-f", "pprof", "-o", "", status=2)
        self.assertIn("cannot write to a file without a name", done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_file_that_is_none_of_ours(self):
        (self.folder / "bad").write_bytes(b"\x89CTM\r\n\x1a\n" + bytes(90))
        done = self.export("bad", "-f", "pprof", status=3)
        self.assertRegex(done.stderr, r"\A.*: bad: not a valid snapshot: .*\n\Z")


if __name__ == "__main__":
    unittest.main()
