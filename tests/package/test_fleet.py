"""The examples of docs/howto/fleet.md, run over a small fleet."""

import importlib.util
import subprocess
import sys
import unittest
from pathlib import Path

import ctracemalloc as m
from cli_support import skip_most_pythons
from types_support import Case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def hold():
    return [bytes(100) for _ in range(20)]


def run_example(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class TestFleet(Case):
    def setUp(self):
        super().setUp()
        for package in ("pyarrow", "duckdb"):
            if importlib.util.find_spec(package) is None:
                self.skipTest(f"no {package} here")
        import pyarrow

        if not hasattr(pyarrow.RecordBatchReader, "from_stream"):
            self.skipTest("this pyarrow has no RecordBatchReader.from_stream (15)")
        self.folder = Path(self.folder)
        for host, worker in ((h, w) for h in ("a", "b") for w in (1, 2)):
            (self.folder / "fleet" / host).mkdir(parents=True, exist_ok=True)
            raw = [(0, 1000 * worker, (("work.py", 7), ("main.py", 1)), 2)] * 3
            raw += [(0, 1, (("only.py", 1),), 1)] if host == "b" else []
            m.Snapshot(raw, 2).dump(self.folder / "fleet" / host / f"w{worker}.ctm")
        (self.folder / "fleet" / "c").mkdir()
        m.start(5)
        blocks = hold()
        snapshot = m.take_snapshot().filter_traces([m.Filter(True, __file__, all_frames=True)])
        m.stop()
        snapshot.dump(self.folder / "fleet" / "c" / "traced.ctm")
        self.held = sum(t.size for t in snapshot.traces if any(f.name == "hold" for f in t.traceback))
        del blocks

    def test_parquet_and_duckdb(self):
        done = run_example("fleet_parquet.py", self.folder / "fleet", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 hosts, ", done.stdout)
        done = run_example("fleet_duckdb.py", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
        self.assertIn(["work.py", "7", "18000", "12", "2"], rows)
        self.assertIn(["only.py", "1", "2", "2", "1"], rows)
        self.assertIn(["b", "w2.ctm", "6001"], rows)
        # Only the traced process has the names of its functions.
        self.assertIn(["hold", str(self.held)], rows)


class TestLiveFleet(Case):
    @classmethod
    def setUpClass(cls):
        skip_most_pythons()

    def test_which_line_grows_since_when(self):
        for package in ("pyarrow", "duckdb"):
            if importlib.util.find_spec(package) is None:
                self.skipTest(f"no {package} here")
        out = Path(self.folder, "live")
        done = run_example("fleet_live.py", out, "--every", "2", "--times", "5", "--pause", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.partition(",")[0] for line in done.stdout.splitlines()], ["8 of 8 workers"] * 5)
        self.assertEqual(len([*out.glob("*.parquet")]), 5)
        done = run_example("fleet_growth.py", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        first = done.stdout.splitlines()[0]
        where = r"^(python3\.\d+/string|string/__init__)\.py:\d+  since 1\.1  [\d,]+ KiB a minute on 4 hosts: "
        self.assertRegex(first, where + "web-5, web-6, web-7, web-8$")


class TestGrowth(Case):
    def write_look(self, out, time, rows):
        """rows: (host, release, bytes) of one line."""
        import pyarrow
        import pyarrow.parquet

        labels = [[("host", host), ("release", release), ("time", str(time))] for host, release, _size in rows]
        columns = {
            "labels": pyarrow.array(labels, pyarrow.map_(pyarrow.string(), pyarrow.string())),
            "filename": ["app/leak.py"] * len(rows),
            "lineno": [7] * len(rows),
            "size": [size for _host, _release, size in rows],
            "count": [1] * len(rows),
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), out / f"{time}.parquet")

    def test_since_is_the_release_that_was_seen_first(self):
        for package in ("pyarrow", "duckdb"):
            if importlib.util.find_spec(package) is None:
                self.skipTest(f"no {package} here")
        for number, (releases, since) in enumerate(((("1.9", "1.10"), "1.9"), (("b", "a"), "b"))):
            out = Path(self.folder, str(number))
            out.mkdir()
            for look in range(9):
                size = 1_000_000 * (look + 1)
                rows = [("old", releases[0], size)] + ([("new", releases[1], size)] if look > 3 else [])
                self.write_look(out, 100 + 10 * look, rows)
            done = run_example("fleet_growth.py", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, rf"^app/leak\.py:7  since {since}  [\d,]+ KiB a minute on 2 hosts: new, old\n$")


if __name__ == "__main__":
    unittest.main()
