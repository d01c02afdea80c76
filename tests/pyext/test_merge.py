"""Snapshot.merge, labels, and the commands that use them."""

import collections
import os
import pathlib
import pickle
import random
import subprocess
import sys
import threading
import tracemalloc
import unittest

import arrow_support as arrow
import ctracemalloc as m
from types_support import Case, plain, random_traces


def run_cli(*arguments):
    command = [sys.executable, "-m", "ctracemalloc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def grouped(snapshot, key):
    return {s.traceback[0].filename: (s.size, s.count) for s in snapshot.statistics(key)}


class MergeCase(Case):
    def setUp(self):
        super().setUp()
        self.rng = random.Random(4)

    def write(self, name, raw=None, limit=5):
        path = os.path.join(self.folder, name)
        m.Snapshot(random_traces(self.rng, 20) if raw is None else raw, limit).dump(path)
        return path


class TestMerge(MergeCase):
    def test_adds_up(self):
        """Code that does not ask for labels gets the blocks of all together."""
        paths = [self.write(f"{i}.ctm") for i in range(5)]
        merged = m.Snapshot.merge(paths)
        together = m.Snapshot([t for p in paths for t in m.Snapshot.load(p).traces._traces], 5)
        self.assertEqual(sorted(map(repr, merged.traces)), sorted(map(repr, together.traces)))
        for key in ("lineno", "filename", "traceback"):
            self.assertEqual(plain(merged.statistics(key)), plain(together.statistics(key)))
        self.assertEqual(merged.traceback_limit, 5)

    def test_sources(self):
        paths = [self.write(f"{i}.ctm") for i in range(3)]
        merged = m.Snapshot.merge(paths)
        self.assertEqual(merged.label_keys, ["source"])
        self.assertEqual(
            grouped(merged, "label:source"),
            {path: (sum(t.size for t in one.traces), len(one.traces)) for path in paths for one in [m.Snapshot.load(path)]},
        )
        counts = collections.Counter(trace.labels["source"] for trace in merged.traces)
        self.assertEqual(counts, {path: len(m.Snapshot.load(path).traces) for path in paths})

    def test_kinds_of_inputs(self):
        raw = [(0, 10, (("a.py", 1),), 1)]
        path = self.write("a.ctm", raw)
        inputs = [path, os.fsencode(path), pathlib.Path(path), m.Snapshot.load(path), m.Snapshot(raw, 7)]
        merged = m.Snapshot.merge(iter(inputs))
        self.assertEqual(grouped(merged, "label:source"), {path: (30, 3), "snapshot 3": (10, 1), "snapshot 4": (10, 1)})
        self.assertEqual(merged.traceback_limit, 7)
        self.assertEqual(len(m.Snapshot.merge([]).traces), 0)
        self.assertEqual(m.Snapshot.merge([]).label_keys, [])

    def test_stdlib_files(self):
        path = os.path.join(self.folder, "stdlib")
        tracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)] * 3, 2).dump(path)
        self.assertEqual(grouped(m.Snapshot.merge([path]), "label:source"), {path: (30, 3)})

    def test_processes_are_told(self):
        m.start()
        kept = [bytes(100) for _ in range(10)]
        snapshot = m.take_snapshot()
        m.stop()
        merged = m.Snapshot.merge([snapshot, snapshot])
        self.assertIn(str(os.getpid()), grouped(merged, "label:pid"))
        self.assertEqual(len(merged.traces), 2 * len(snapshot.traces))
        del kept

    def test_given_labels(self):
        one, two = self.write("1.ctm"), self.write("2.ctm")
        merged = m.Snapshot.merge([one, two], labels={"service": "web", "source": None})
        self.assertEqual(merged.label_keys, ["service"])
        self.assertEqual(list(grouped(merged, "label:service")), ["web"])
        merged = m.Snapshot.merge([one, two], labels=lambda path: {"host": os.path.basename(path)[0]})
        self.assertEqual(merged.label_keys, ["host", "source"])
        self.assertEqual(sorted(grouped(merged, "label:host")), ["1", "2"])
        merged = m.Snapshot.merge([one], labels=lambda path: None)
        self.assertEqual(merged.label_keys, ["source"])
        self.assertEqual({tuple(t.labels.items()) for t in merged.traces}, {(("source", one),)})

    def test_no_labels_is_smaller(self):
        path = self.write("1.ctm")
        merged = m.Snapshot.merge([path] * 10, labels={"source": None})
        self.assertEqual(len(arrow.read_rows(merged)), len(arrow.read_rows(m.Snapshot.merge([path], labels={"source": None}))))
        self.assertEqual(merged.label_keys, [])
        self.assertEqual(merged.traces[0].labels, {})

    def test_first_origin_stays(self):
        one, two = self.write("1.ctm"), self.write("2.ctm")
        half = os.path.join(self.folder, "half.ctm")
        m.Snapshot.merge([one]).dump(half)
        merged = m.Snapshot.merge([half, two])
        self.assertEqual(grouped(merged, "label:source"), grouped(m.Snapshot.merge([one, two]), "label:source"))

    def test_file_and_pickle_keep_labels(self):
        merged = m.Snapshot.merge([self.write("1.ctm"), self.write("2.ctm")], labels={"a": "\udc80ü"})
        merged.dump(self.path)
        for copy in (m.Snapshot.load(self.path), pickle.loads(pickle.dumps(merged))):
            self.assertEqual(grouped(copy, "label:source"), grouped(merged, "label:source"))
            self.assertEqual({t.labels["a"] for t in copy.traces}, {"\udc80ü"})
        trace = pickle.loads(pickle.dumps(merged.traces[0]))
        self.assertEqual(trace.labels, merged.traces[0].labels)
        filtered = merged.filter_traces([m.DomainFilter(True, 0)])
        self.assertEqual(filtered.label_keys, ["a", "source"])

    def test_arrow(self):
        paths = [self.write("1.ctm"), self.write("2.ctm")]
        merged = m.Snapshot.merge(paths, labels={"host": "h"})
        found = collections.Counter()
        for row in arrow.read_rows(merged):
            labels = dict(row["labels"])
            self.assertEqual(labels["host"], "h")
            found[labels["source"]] += row["count"]
        self.assertEqual(found, {path: len(m.Snapshot.load(path).traces) for path in paths})

    def test_samples(self):
        def sample(interval):
            m.start(sample_interval=interval)
            kept = [bytes(10_000) for _ in range(50)]
            snapshot = m.take_snapshot()
            m.stop()
            del kept
            return snapshot

        one, two, exact = sample(4096), sample(8192), self.write("exact.ctm")
        merged = m.Snapshot.merge([one, one])
        self.assertEqual(merged.sample_interval, 4096)
        self.assertAlmostEqual(
            sum(s.size for s in merged.statistics("filename")), 2 * sum(s.size for s in one.statistics("filename")), delta=500
        )
        with self.assertRaisesRegex(ValueError, "one block in 8192 bytes, but the first .* in 4096 bytes"):
            m.Snapshot.merge([one, two])
        with self.assertRaisesRegex(ValueError, "exact.ctm.*it has every block, but the first .* sample"):
            m.Snapshot.merge([one, exact])

    def test_errors(self):
        good, bad = self.write("good.ctm"), os.path.join(self.folder, "bad.ctm")
        with open(good, "rb") as source, open(bad, "wb") as target:
            target.write(source.read()[:-3])
        with self.assertRaisesRegex(m.FileError, "bad.ctm"):
            m.Snapshot.merge([good, bad])
        with self.assertRaisesRegex(OSError, "missing"):
            m.Snapshot.merge([good, os.path.join(self.folder, "missing")])
        for arguments in ([], [good], [b"x"], [5], [None], [[good], {}]):
            self.assertRaises(TypeError, m.Snapshot.merge, *arguments)
        for inputs, labels, error in (
            ([5.5], None, TypeError),
            ([good], 5, TypeError),
            ([good], {"a": 5}, TypeError),
            ([good], {5: "a"}, TypeError),
            ([good], {"": "a"}, ValueError),
            ([good], {"a": "\0"}, ValueError),
            ([good], lambda path: 5, TypeError),
            ([good], lambda path: 1 / 0, ZeroDivisionError),
            ([good], {str(i): "x" for i in range(300)}, ValueError),
        ):
            with self.subTest(inputs=inputs, labels=labels):
                self.assertRaises(error, m.Snapshot.merge, inputs, labels=labels)

    def test_threads(self):
        paths = [self.write(f"{i}.ctm") for i in range(10)]
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(grouped(m.Snapshot.merge(paths), "label:source"))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, results[:1] * 4)

    def test_no_leaks(self):
        good = self.write("good.ctm")
        merged = m.Snapshot.merge([good] * 2, labels={"a": "b"})

        def fail():
            for labels in ({"a": 5}, lambda path: 5, 5):
                self.assertRaises(TypeError, m.Snapshot.merge, [good], labels=labels)

        for function in (
            lambda: m.Snapshot.merge([good, merged], labels={"a": "b"}),
            fail,
            lambda: (merged.statistics("label:a"), merged.compare_to(merged, "label:a")),
            lambda: (merged.label_keys, [t.labels for t in merged.traces]),
        ):
            for _ in range(6):
                before = sys.getallocatedblocks()
                for _ in range(100):
                    function()
                if sys.getallocatedblocks() - before < 25:
                    break
            else:
                self.fail("blocks are left behind")


class TestLabelKeys(MergeCase):
    def test_values(self):
        one = self.to_core([(0, 10, (("a.py", 1),), 1)] * 2)
        two = self.to_core([(0, 5, (("a.py", 2),), 1)])
        merged = m.Snapshot.merge([m.Snapshot.merge([one], labels={"tag": "x", "source": None}), two], labels={"source": None})
        self.assertEqual(grouped(merged, "label:tag"), {"x": (20, 2), "": (5, 1)})
        self.assertEqual(grouped(merged, "label:other"), {"": (25, 3)})
        self.assertEqual(
            [str(s) for s in merged.statistics("label:tag")],
            ["x:0: size=20 B, count=2, average=10 B", ":0: size=5 B, count=1, average=5 B"],
        )
        self.assertEqual(grouped(m.Snapshot([(0, 10, (("a.py", 1),), 1)], 1), "label:x"), {"": (10, 1)})

    def test_compare(self):
        old = m.Snapshot.merge([self.to_core([(0, 10, (("a.py", 1),), 1)])], labels={"source": "s"})
        new = m.Snapshot.merge([self.to_core([(0, 10, (("b.py", 1),), 1)] * 3)], labels={"source": "s"})
        (diff,) = new.compare_to(old, "label:source")
        self.assertEqual((diff.traceback[0].filename, diff.size_diff, diff.count_diff), ("s", 20, 2))

    def test_errors(self):
        snapshot = self.to_core([(0, 10, (("a.py", 1),), 1)])
        self.assertRaises(ValueError, snapshot.statistics, "label:a", True)
        self.assertRaises(ValueError, snapshot.statistics, "label")
        self.assertRaises(ValueError, snapshot.statistics, "label:\0")
        self.assertRaises(AttributeError, setattr, snapshot, "label_keys", 1)

    def test_trace(self):
        trace = m.Trace((0, 1, (("a", 1),), 1))
        self.assertEqual(trace.labels, {})
        merged = m.Snapshot.merge([m.Snapshot([trace._trace], 1)], labels={"b": "2", "a": "1", "source": None})
        labels = merged.traces[0].labels
        self.assertEqual(list(labels.items()), [("a", "1"), ("b", "2")])
        labels.clear()
        self.assertEqual(len(merged.traces[0].labels), 2)
        self.assertEqual(merged.traces[0], trace)
        changed = merged.traces[0]
        changed._trace = trace._trace
        self.assertEqual(changed.labels, {})


class TestLabelFilter(MergeCase):
    def setUp(self):
        super().setUp()
        inputs = [self.to_core([(0, 10, ((f"{name}.py", 1),), 1)] * count) for name, count in (("a", 1), ("b", 2))]
        merged = m.Snapshot.merge(inputs, labels=lambda one: {"host": f"web-{len(one.traces)}", "source": None})
        self.merged = m.Snapshot.merge([merged, self.to_core([(1, 5, (("c.py", 1),), 1)])], labels={"source": None})

    def files(self, *filters):
        return sorted(trace.traceback[0].filename for trace in self.merged.filter_traces(filters).traces)

    def test_matches(self):
        self.assertEqual(self.files(m.LabelFilter(True, "host", "web-2")), ["b.py", "b.py"])
        self.assertEqual(self.files(m.LabelFilter(True, "host", "web-*")), ["a.py", "b.py", "b.py"])
        self.assertEqual(self.files(m.LabelFilter(False, "host", "web-2")), ["a.py", "c.py"])
        self.assertEqual(self.files(m.LabelFilter(True, "other", "*")), [])
        self.assertEqual(self.files(m.LabelFilter(True, "host", "*-1"), m.Filter(True, "c.py")), ["a.py", "c.py"])
        self.assertEqual(self.files(m.LabelFilter(False, "host", "*"), m.DomainFilter(True, 1)), ["c.py"])
        self.assertEqual(self.merged.filter_traces([m.LabelFilter(True, "host", "web-1")]).traces[0].labels, {"host": "web-1"})

    def test_attributes_and_errors(self):
        one = m.LabelFilter(False, label="host", value_pattern="x")
        self.assertEqual((one.inclusive, one.label, one.value_pattern), (False, "host", "x"))
        self.assertRaises(AttributeError, setattr, one, "label", "y")
        for arguments in ((True,), (True, 5, "x"), (True, "x", None), (True, "x", "y", "z")):
            self.assertRaises(TypeError, m.LabelFilter, *arguments)
        mine = type("Mine", (m.BaseFilter,), {"_match": lambda self, trace: True})(True)
        self.assertRaisesRegex(TypeError, "raw traces", self.merged.filter_traces, [one, mine])
        self.assertRaisesRegex(TypeError, "raw traces", one._match, (0, 1, (), 0))


class TestExample(MergeCase):
    def test_workers(self):
        script = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python" / "merge_workers.py"
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("3 processes other than", lines[0])
        self.assertEqual([line.split(":")[0] for line in lines[1:4]], ["worker-3", "worker-2", "worker-1"])
        self.assertIn("6.2 MB by work", lines[4])


class TestCommands(MergeCase):
    def test_merge_and_report(self):
        paths = [self.write(f"{i}.ctm") for i in range(3)]
        out = os.path.join(self.folder, "all.ctm")
        done = run_cli("merge", "--label", "host=h=1", "-o", out, *paths)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 snapshots", done.stdout)
        self.assertEqual(m.Snapshot.load(out).label_keys, ["host", "source"])
        report = run_cli("report", out, "--key", "label:source")
        self.assertIn("3 values of label:source", report.stdout)
        for path in paths:
            self.assertIn(path, report.stdout)
        self.assertIn("h=1", run_cli("report", out, "--key", "label:host").stdout)
        self.assertIn("(no such label)", run_cli("report", out, "--key", "label:x").stdout)

    def test_mistakes(self):
        good, out = self.write("good.ctm"), os.path.join(self.folder, "out")
        for arguments in (
            ["merge", "-o", out],
            ["merge", out, good],
            ["merge", "-o", out, good, "--label", "x"],
            ["report", good, "--key", "label:"],
            ["report", good, "--key", "x"],
        ):
            self.assertEqual(run_cli(*arguments).returncode, 2, arguments)
        for bad in (os.path.join(self.folder, "missing"), __file__):
            self.assertEqual(run_cli("merge", "-o", out, bad).returncode, 3, bad)
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    unittest.main()
