"""JSON and CSV of the commands: their form is that of the JSON Schema, their figures are those of the module.

Model: files of every kind are made once. Each test runs commands in this process, by main(), and compares what they print with
what Snapshot says. The published schema allows further fields, for later versions; here none is allowed that it does not name.
"""

import contextlib
import csv
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from itertools import product
from pathlib import Path

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.cli.main import main
from ctracemalloc.model.frames import KEYS
from history_support import snapshot_of_sites
from names_support import names
from types_support import random_traces


def setUpModule():
    skip_some_pythons()


SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "reference" / "report.schema.json"
# What has a form of its own.
STRICT = ("reportRow", "changeRow", "node", "nodeChange", "frame", "loss", "moment", "process", "residentRow")
NAMES = ("size", "count", "peak_size", "peak_count", "allocated_size", "allocated_count")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
STANDARD = """
import sys, tracemalloc
tracemalloc.start(3)
held = [bytes(100 + number) for number in range(50)]
tracemalloc.take_snapshot().dump(sys.argv[1])
"""


def numbers(text):
    """The number of an integer cell, None of an empty one."""
    return int(text) if text else None


def figures(row, prefix="", suffix=""):
    return tuple(row[f"{prefix}{name}{suffix}"] for name in NAMES)


def own_code(number):
    return [bytes(1000 + number) for _ in range(20)]


def make_files(folder):
    """Files of every kind. Returns {name: path}."""
    chance = random.Random(18)
    paths = {name: str(folder / name) for name in ("plain", "history", "later", "no-peak", "odd", "empty", "standard")}
    ctracemalloc.Snapshot(random_traces(chance, 60), 5).dump(paths["plain"])
    places = [(("b.py", 7 + i % 3), ("a.py", i % 5 + 1), ("main.py", 1)) for i in range(30)]
    counts = [(chance.randrange(5), chance.randrange(5)) for _ in places]
    sites = [((0, 10 + i, places[i], 3), *both, chance.randrange(sum(both) + 1)) for i, both in enumerate(counts)]
    snapshot_of_sites(sites, paths["history"])
    later = [(trace, live + chance.randrange(3), freed + 1, peak + 1) for trace, live, freed, peak in sites]
    snapshot_of_sites(later, paths["later"])
    snapshot_of_sites(sites, paths["no-peak"], peak_known=False)
    odd = [*names(18, 20), *FORMULA, "=1+1", 'quote"s, commas', "semi;colon", "a\rb", "\x0b\x0c\x1c\x85"]
    ctracemalloc.Snapshot([(0, 100 + i, ((name, i + 1), ("main.py", 1)), 2) for i, name in enumerate(odd)], 2).dump(
        paths["odd"]
    )
    ctracemalloc.Snapshot([], 1).dump(paths["empty"])
    subprocess.run([sys.executable, "-c", STANDARD, paths["standard"]], check=True)
    paths.update(make_traced_files(folder))
    paths.update(make_merged_file(folder, paths))
    paths["folder"] = str(folder / "processes")
    os.mkdir(paths["folder"])
    for number, name in enumerate(("history", "recording"), 11):
        shutil.copy(paths[name], folder / "processes" / f"ctracemalloc.{number}")
    return paths


def make_traced_files(folder):
    paths = {name: str(folder / name) for name in ("sample", "recording")}
    ctracemalloc.start(3, sample_interval=4096)
    try:
        held = own_code(0) * 10
        ctracemalloc.take_snapshot().dump(paths["sample"])
    finally:
        ctracemalloc.stop()
    ctracemalloc.start(3)
    try:
        with ctracemalloc.record(paths["recording"], 3600) as recorder:
            recorder.tick()
            held += own_code(1)
            recorder.tick()
    finally:
        ctracemalloc.stop()
    return paths


def make_merged_file(folder, paths):
    merged = ctracemalloc.Snapshot.merge([paths["history"], paths["later"]], labels=lambda path: {"source": Path(path).name})
    merged.dump(str(folder / "merged"))
    return {"merged": str(folder / "merged")}


class DocumentTest(unittest.TestCase):
    maxDiff = 3000

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = make_files(Path(folder.name))

    def command(self, *arguments, status=0):
        """What the command prints. Names of files are replaced by their paths."""
        out = io.StringIO(newline="")
        with contextlib.redirect_stdout(out):
            found = main([self.files.get(word, word) for word in arguments])
        self.assertIn(found, (0, 1) if arguments[0] == "doctor" else (status,), arguments)
        return out.getvalue()

    def document(self, *arguments):
        return json.loads(self.command(*arguments, "--json"))

    def loaded(self, name, other=None):
        return ctracemalloc.Snapshot.load(self.files[name])


FEW = ("-l", "8")


def commands():
    """Commands over all kinds of files, keys and measures."""
    for kind in ("plain", "history", "no-peak", "empty", "standard", "sample", "recording", "merged"):
        yield "tree", kind, *FEW
        yield "tree", "empty", kind, *FEW
        yield "diff", "empty", kind, *FEW
        yield "diff", kind, "empty", "-k", "traceback", *FEW
    for key, kind in product(KEYS, ("plain", "sample")):
        yield "report", kind, "-k", key, *FEW
    for key, measure in product(KEYS, ("--at-peak", "--allocated", "--churn")):
        yield "report", "history", "-k", key, measure, "--sort", "count", *FEW
        yield "diff", "history", "later", "-k", key, measure, *FEW
    yield "report", "odd"
    yield "top", "recording", *FEW
    yield "tree", "odd"
    yield "report", "merged", "-k", "label:source"
    yield "diff", "merged", "history", "-k", "label:source"
    yield "diff", "empty", "history", "later"
    yield "tree", "history", "later", "--churn", "-l", "3"
    yield "report", "history", "--cumulative", "-k", "module"
    yield "report", "history", "--include", "b.py", "--threshold", "3%", "-l", "2"
    yield "timeline", "recording"
    yield "timeline", "recording", "-k", "traceback", "--allocated"
    yield "report", "folder"
    yield ("doctor",)
    yield "rss", str(os.getpid())


class FormTest(DocumentTest):
    def validator(self):
        if importlib.util.find_spec("jsonschema") is None:
            self.skipTest("needs jsonschema")
        import jsonschema

        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        schema["unevaluatedProperties"] = False
        for name in STRICT:
            schema["$defs"][name]["unevaluatedProperties"] = False
        return jsonschema.Draft202012Validator(schema)

    def test_every_document_is_of_the_schema(self):
        validator = self.validator()
        for arguments in commands():
            with self.subTest(arguments):
                text = self.command(*arguments, "--json")
                self.assertTrue(text.isascii() and text.count("\n") == 1)
                errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(json.loads(text))]
                self.assertEqual(errors, [])

    def test_the_schema_refuses(self):
        validator = self.validator()
        good = self.document("report", "history")
        changes = ({"schema": 2}, {"rows": [{}]}, {"further": 1}, {"command": "diff"}, {"key": "size"}, {"number": None})
        for change in changes:
            self.assertFalse(validator.is_valid({**good, **change}), change)
        self.assertTrue(validator.is_valid(good))

    def test_csv_has_the_rows(self):
        for arguments in commands():
            if arguments[0] in ("doctor", "rss"):
                continue  # there is no CSV of them
            with self.subTest(arguments):
                document = self.document(*arguments)
                table = list(csv.DictReader(io.StringIO(self.command(*arguments, "--csv"), newline="")))
                self.assertEqual(len(table), len(document["rows"]))
                for cells, row in zip(table, document["rows"], strict=True):
                    self.check_cells(cells, row)

    def check_cells(self, cells, row):
        self.assertEqual(set(row) - set(cells), {"history"} & set(row))
        for name, text in cells.items():
            value = row.get(name)
            if name == "traceback":
                value = ";".join(f"{frame['filename']}:{frame['lineno']}" for frame in value)
            if isinstance(value, int) or name.endswith(("size", "count", "diff", "nframe")):
                self.assertEqual(numbers(text), value, name)
            else:
                self.assertEqual(text, f"'{value}" if (value or "").startswith(FORMULA) else value or "", name)

    def test_columns_of_an_empty_table(self):
        for key in (*KEYS, "label:source"):
            for arguments in (("report", "merged"), ("diff", "merged", "history"), ("timeline", "recording")):
                head, *rows = self.command(*arguments, "-k", key, "--csv").splitlines(keepends=True)
                self.assertTrue(rows)
                self.assertEqual(self.command(*arguments, "-k", key, "-l", "0", "--csv"), head)


class FigureTest(DocumentTest):
    def test_totals_and_rows_of_lines(self):
        for name in ("plain", "history", "odd", "empty", "standard", "merged"):
            with self.subTest(name):
                document, snapshot = self.document("report", name), self.loaded(name)
                traces = [trace.size for trace in snapshot.traces]
                self.assertEqual(figures(document["totals"])[:2], (sum(traces), len(traces)))
                expected = Counter()
                for statistic in snapshot.statistics("lineno"):
                    frame = statistic.traceback[0]
                    expected[frame.filename, frame.lineno, statistic.size, statistic.count] += 1
                rows = Counter(
                    (row["filename"] or "", row["lineno"] or 0, row["size"], row["count"])
                    for row in document["rows"]
                    if row["count"]
                )
                self.assertEqual(rows, expected)
                self.assertEqual(document["number"], len(document["rows"]))

    def test_totals_are_the_sums_of_rows(self):
        for name, key in [
            *product(("plain", "history", "odd", "sample", "recording", "merged"), KEYS),
            ("merged", "label:source"),
        ]:
            with self.subTest(name, key=key):
                known = name not in ("plain", "odd")  # a row is there if it has any of the measure: of what was ever allocated
                document = self.document("report", name, "-k", key, *(["--allocated"] if known else []))
                for figure in NAMES if known else NAMES[:2]:
                    if document["totals"][figure] is None:
                        self.assertEqual((name, figure[:4]), ("recording", "peak"))
                        continue
                    rows = sum(row[figure] for row in document["rows"])
                    rounded = len(document["rows"]) if name == "sample" else 0
                    self.assertLessEqual(abs(rows - document["totals"][figure]), rounded, figure)
                    origins = sum(one[figure] for one in document["origins"].values())
                    self.assertLessEqual(abs(origins - document["totals"][figure]), rounded, figure)

    def test_history(self):
        document, snapshot = self.document("report", "history", "--allocated"), self.loaded("history")
        for sort, first in (("size", 0), ("peak", 2), ("allocated", 4)):
            attributes = ("size", "count") if sort == "size" else (f"{sort}_size", f"{sort}_count")
            expected = {
                (s.traceback[0].filename, s.traceback[0].lineno): tuple(getattr(s, name) for name in attributes)
                for s in snapshot.statistics("lineno", sort=sort)
            }
            found = {(row["filename"], row["lineno"]): figures(row)[first : first + 2] for row in document["rows"]}
            self.assertEqual(
                {place: both for place, both in found.items() if any(both)}, {p: b for p, b in expected.items() if any(b)}
            )

    def test_what_a_file_does_not_have(self):
        for arguments in (("report", "plain"), ("tree", "plain"), ("tree", "empty", "plain"), ("diff", "empty", "plain")):
            document = self.document(*arguments)
            for row in [document["totals"], *document["rows"]]:
                unknown = {name for name, value in row.items() if name.endswith(NAMES) and value is None}
                self.assertTrue(set(NAMES[2:]) <= unknown)
                self.assertFalse({"size", "count"} & unknown)
        document = self.document("report", "no-peak")
        self.assertEqual((document["totals"]["peak_size"], document["totals"]["peak_count"]), (None, None))
        self.assertIsInstance(document["totals"]["allocated_size"], int)

    def test_a_tree_adds_up(self):
        for arguments, suffix in (
            (("tree", "plain"), ""),
            (("tree", "history", "--allocated"), ""),
            (("tree", "odd"), ""),
            (("tree", "history", "later"), "_diff"),
        ):
            document = self.document(*arguments)
            self.assertEqual(document["number"], len(document["rows"]))
            below = {}
            for row in reversed(document["rows"]):
                children = below.pop(row["node"], [])
                for name in NAMES if "--allocated" in arguments else NAMES[:2]:
                    total = row[f"own_{name}{suffix}"] + sum(child[f"{name}{suffix}"] for child in children)
                    self.assertEqual(row[f"{name}{suffix}"], total)
                below.setdefault(row["parent"], []).append(row)
            ((root,),) = below.values()
            self.assertEqual(figures(root, "", suffix), figures(document["totals"], "", suffix))

    def test_a_tree_has_the_totals_of_a_report(self):
        for name in ("plain", "history", "no-peak", "sample", "merged"):
            self.assertEqual(self.document("tree", name)["totals"], self.document("report", name)["totals"])
        tree, diff = self.document("tree", "history", "later"), self.document("diff", "history", "later")
        self.assertEqual(tree["totals"], {name: value for name, value in diff["totals"].items() if name != "history"})
        self.assertEqual((tree["base"], diff["base"]), (self.files["history"], self.files["history"]))

    def test_a_difference(self):
        document = self.document("diff", "history", "later")
        old, new = self.loaded("history"), self.loaded("later")
        expected = {
            (s.traceback[0].filename, s.traceback[0].lineno): (s.size, s.size_diff, s.count, s.count_diff)
            for s in new.compare_to(old, "lineno")
            if s.size_diff or s.count_diff
        }
        found = {
            (row["filename"], row["lineno"]): tuple(row[name] for name in ("size", "size_diff", "count", "count_diff"))
            for row in document["rows"]
        }
        self.assertEqual(found, expected)
        for row in [document["totals"], *document["rows"]]:
            first, last = row["history"]
            self.assertEqual(figures(row), figures(last))
            self.assertEqual(
                figures(row, "", "_diff"), tuple(b - a for a, b in zip(figures(first), figures(last), strict=True))
            )

    def test_tracebacks(self):
        document, snapshot = self.document("report", "odd", "-k", "traceback"), self.loaded("odd")
        expected = {(tuple(s.traceback), s.traceback.total_nframe): s.size for s in snapshot.statistics("traceback")}
        found = {}
        for row in document["rows"]:
            frames = tuple(ctracemalloc.Frame((frame["filename"], frame["lineno"])) for frame in row["traceback"])
            found[frames, row["total_nframe"]] = row["size"]
        self.assertEqual(found, expected)

    def test_a_timeline(self):
        document = self.document("timeline", "recording")
        recording = ctracemalloc.open_recording(self.files["recording"])
        moments = recording.totals()
        self.assertEqual([moment["size"] for moment in document["moments"]], [moment.size for moment in moments])
        self.assertEqual((document["from"], document["to"]), (moments[0].time, moments[-1].time))
        self.assertEqual(document["totals"]["size"], moments[-1].size)
        self.assertEqual(document["totals"]["size_diff"], moments[-1].size - moments[0].size)

    def test_a_sample_is_an_estimate(self):
        for arguments in (("report", "sample"), ("tree", "sample"), ("diff", "empty", "sample")):
            self.assertIs(self.document(*arguments)["estimated"], True)
        self.assertIs(self.document("report", "plain")["estimated"], False)
        document = self.document("report", "sample", "-k", "filename")
        expected = sum(statistic.size for statistic in self.loaded("sample").statistics("filename"))
        self.assertLessEqual(abs(document["totals"]["size"] - expected), len(document["rows"]))

    def test_the_module_counts_the_same(self):
        """A document of a program whose memory get_traced_memory() has said."""
        path = os.path.join(os.path.dirname(self.files["plain"]), "now")
        ctracemalloc.start()
        try:
            held = own_code(2)
            before = ctracemalloc.get_traced_memory()[0]
            snapshot = ctracemalloc.take_snapshot()
        finally:
            ctracemalloc.stop()
        snapshot.dump(path)
        document = json.loads(self.command("report", path, "--json"))
        self.assertEqual(len(held), 20)
        self.assertLess(abs(document["totals"]["size"] - before), 2000)
        self.assertEqual(document["totals"]["size"], sum(trace.size for trace in snapshot.traces))

    def test_facts_of_a_program_may_be_anything(self):
        path = os.path.join(os.path.dirname(self.files["plain"]), "facts")
        snapshot = ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1)
        deep = []
        for _ in range(50):
            deep = [deep]
        snapshot.run = {
            "a": float("nan"),
            "b": 1 << 5000,
            "c": deep,
            "d": {"e": 1},
            "f": [1, "\ud800"],
            "g": float("inf"),
            7: 7,
        }
        snapshot.dump(path)
        self.assertEqual(json.loads(self.command("report", path, "--json"))["run"], {"f": [1, "\ud800"]})


class PrintedTest(ProgramTest):
    """As a process prints it: bytes."""

    def test_odd_names(self):
        odd = ["lone\ud800", "new\nline\r", "\x1b[2J", "日本.py", "=formula", "\x85\u2028"]
        ctracemalloc.Snapshot([(0, 10 + i, ((name, i + 1),), 1) for i, name in enumerate(odd)], 1).dump(
            str(self.folder / "odd.ctm")
        )
        for locale in ("C.UTF-8", "C"):
            environment = {**self.environment, "LC_ALL": locale}
            words = [sys.executable, "-m", "ctracemalloc", "report", "odd.ctm"]
            found = subprocess.run([*words, "--json"], cwd=self.folder, env=environment, capture_output=True, check=True)
            self.assertEqual({row["filename"] for row in json.loads(found.stdout)["rows"]}, set(odd))
            found = subprocess.run([*words, "--csv"], cwd=self.folder, env=environment, capture_output=True, check=True)
            table = list(csv.DictReader(io.StringIO(found.stdout.decode("utf-8"), newline="")))
            shown = {row["filename"] for row in table}
            self.assertTrue({"lone\\ud800", "new\nline\r", "\x1b[2J", "'=formula"} <= shown, shown)
            if locale == "C.UTF-8":
                self.assertTrue({"日本.py", "\x85\u2028"} <= shown, shown)


if __name__ == "__main__":
    unittest.main()
