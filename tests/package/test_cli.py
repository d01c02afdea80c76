"""`python -m ctracemalloc`: report, diff, doctor, refusals; each in its own process."""

import os
import re
import subprocess
import sys
import textwrap
import unittest

import ctracemalloc
from cli_support import ProgramTest
from history_support import snapshot_of_sites


class BadCommandTest(ProgramTest):
    def assert_refused(self, *arguments, words, status=2):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertNotIn("Traceback", result.stderr)

    def test_run(self):
        self.assert_refused("run", words="what to run")
        self.assert_refused("run", "-m", words="-m needs an argument")
        self.assert_refused("run", "-n", "0", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-n", "65536", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-n", "many", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-o", "/nowhere/x.ctm", "x.py", words="cannot write")
        self.assert_refused("run", "--key", "size", "x.py", words="invalid choice")

    def test_missing_script_fails_as_it_does_untraced(self):
        plain, traced = self.python("missing.py"), self.traced("missing.py")
        self.assertEqual(traced.returncode, plain.returncode)
        self.assertIn(plain.stderr.partition("can't open")[2], traced.stderr)

    def test_report(self):
        self.write("text.ctm", "this is no snapshot")
        self.write("empty.ctm", "")
        self.assert_refused("report", "missing.ctm", words="missing.ctm", status=3)
        self.assert_refused("report", "text.ctm", words="text.ctm", status=3)
        self.assert_refused("report", "empty.ctm", words="empty.ctm", status=3)
        self.assert_refused("report", ".", words="irectory", status=3)
        self.assert_refused("diff", "missing.ctm", "text.ctm", words="missing.ctm", status=3)
        self.assert_refused("report", "text.ctm", "--traceback", "--cumulative", words="--cumulative does not go")
        self.assert_refused("report", "text.ctm", "--sort", "weight", words="invalid choice")
        self.assert_refused(words="COMMAND")


class ReportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        frames = {
            "small": (("a.py", 3), ("main.py", 1)),
            "big": (("b.py", 5), ("main.py", 2)),
        }
        old = [(0, 100, frames["small"], 2), (0, 1000, frames["big"], 2)]
        new = [*old, (0, 3000, frames["big"], 2), (0, 3000, frames["big"], 2)]
        ctracemalloc.Snapshot(old, 2).dump(str(self.folder / "old.ctm"))
        ctracemalloc.Snapshot(new, 2).dump(str(self.folder / "new.ctm"))

    def run_command(self, *arguments):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def rows(self, text):
        """The lines below the table's head, split into words."""
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if "location" in line)
        return [line.split() for line in lines[start + 1 :]]

    def test_report(self):
        text = self.run_command("report", "new.ctm")
        self.assertIn("live     7100 B in 4 blocks", text)
        self.assertIn("2 lines", text)
        self.assertEqual(
            self.rows(text),
            [
                ["7000", "B", "3", "2333", "B", "98.6%", "b.py:5"],
                ["100", "B", "1", "100", "B", "1.4%", "a.py:3"],
            ],
        )

    def test_top_and_filename(self):
        text = self.run_command("report", "new.ctm", "--key", "filename", "--top", "1")
        self.assertIn("top 1 of 2 files", text)
        self.assertEqual(self.rows(text), [["7000", "B", "3", "2333", "B", "98.6%", "b.py"]])

    def test_cumulative(self):
        text = self.run_command("report", "new.ctm", "--cumulative", "--key", "filename")
        self.assertEqual(self.rows(text)[0], ["7100", "B", "4", "1775", "B", "100.0%", "main.py"])

    def test_traceback(self):
        text = self.run_command("report", "new.ctm", "--traceback", "--top", "1")
        self.assertEqual([row[-1] for row in self.rows(text)], ["b.py:5", "b.py:5", "main.py:2"])

    def test_diff(self):
        text = self.run_command("diff", "old.ctm", "new.ctm")
        self.assertIn("+6000 B in +2 blocks", text)
        self.assertEqual(self.rows(text), [["+6000", "B", "grown", "7000", "B", "+2", "3", "b.py:5"]])

    def write_sites(self, name, *sites):
        """Write a file of (line, size, live, freed, at_peak)."""
        sites = [((0, size, (("a.py", line),), 1), *counts) for line, size, *counts in sites]
        snapshot_of_sites(sites, str(self.folder / name))

    def test_sort(self):
        self.write_sites("sites.ctm", (1, 1000, 2, 0, 1), (2, 10, 5, 15, 0), (3, 5000, 0, 3, 3))
        text = self.run_command("report", "sites.ctm")
        self.assertIn("live     2050 B in 7 blocks", text)
        self.assertIn("peak     15.6 KiB in 4 blocks", text)
        self.assertIn("churn    14.8 KiB in 18 blocks, allocated and freed again", text)
        self.assertEqual([row[-1] for row in self.rows(text)], ["a.py:1", "a.py:2"])
        text = self.run_command("report", "sites.ctm", "--sort", "count")
        self.assertIn("2 lines, by number of blocks", text)
        self.assertEqual([row[-1] for row in self.rows(text)], ["a.py:2", "a.py:1"])
        text = self.run_command("report", "sites.ctm", "--sort", "peak")
        self.assertEqual(
            [" ".join(row) for row in self.rows(text)],
            [
                "14.6 KiB 3 5000 B 93.8% 0 B a.py:3",
                "1000 B 1 1000 B 6.2% 2000 B a.py:1",
            ],
        )
        text = self.run_command("report", "sites.ctm", "--sort", "allocated", "--top", "1")
        self.assertIn("top 1 of 3 lines, by size of all ever allocated", text)
        self.assertEqual([" ".join(row) for row in self.rows(text)], ["14.6 KiB 3 5000 B 87.2% 0 B a.py:3"])

    def test_at_peak(self):
        self.write_sites("sites.ctm", (1, 1000, 2, 0, 1), (2, 10, 5, 15, 0), (3, 5000, 0, 3, 3))
        text = self.run_command("report", "sites.ctm", "--at-peak")
        self.assertIn("  peak     15.6 KiB in 4 blocks\n", text)
        self.assertEqual(text, self.run_command("report", "sites.ctm", "--sort", "peak"))
        text = self.run_command("report", "sites.ctm", "--churn")
        self.assertIn("2 lines, by size of all freed again", text)
        self.assertEqual(
            [" ".join(row) for row in self.rows(text)], ["14.6 KiB 3 5000 B 99.0% 0 B a.py:3", "150 B 15 10 B 1.0% 50 B a.py:2"]
        )

    def test_diff_with_churn(self):
        self.write_sites("before.ctm", (1, 1000, 2, 0, 1), (2, 10, 5, 15, 0))
        self.write_sites("after.ctm", (1, 1000, 2, 1, 3), (2, 10, 5, 415, 1))
        text = self.run_command("diff", "before.ctm", "after.ctm")
        self.assertEqual(self.rows(text), [])
        text = self.run_command("diff", "before.ctm", "after.ctm", "--sort", "allocated")
        self.assertIn("2 changed lines, by change of size of all ever allocated", text)
        self.assertEqual(
            [" ".join(row) for row in self.rows(text)],
            ["+4000 B grown 4200 B +400 +0 B a.py:2", "+1000 B grown 3000 B +1 +0 B a.py:1"],
        )
        text = self.run_command("diff", "before.ctm", "after.ctm", "--sort", "peak")
        self.assertEqual(
            [" ".join(row) for row in self.rows(text)], ["+2000 B grown 3000 B +2 +0 B a.py:1", "+10 B new 10 B +1 +0 B a.py:2"]
        )
        text = self.run_command("diff", "before.ctm", "after.ctm", "--at-peak")
        self.assertEqual(text, self.run_command("diff", "before.ctm", "after.ctm", "--sort", "peak"))

    def test_not_known(self):
        for options, words in [
            (["--at-peak"], "what was live at the peak is not in this file"),
            (["--sort", "peak"], "what was live at the peak is not in this file"),
            (["--sort", "allocated"], "what was ever allocated is not in this file"),
            (["--churn"], "what was freed again is not in this file"),
        ]:
            for command in (["report", "new.ctm"], ["diff", "old.ctm", "new.ctm"]):
                result = self.python("-m", "ctracemalloc", *command, *options)
                self.assertEqual((result.returncode, result.stdout), (3, ""))
                self.assertIn(words, result.stderr)
                self.assertIn(command[1], result.stderr)
                self.assertNotIn("Traceback", result.stderr)

    def test_reader_that_goes_away(self):
        command = f"{sys.executable} -m ctracemalloc report new.ctm | true"
        result = subprocess.run(command, shell=True, cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stderr, "")

    def test_version(self):
        self.assertEqual(self.run_command("--version"), f"ctracemalloc {ctracemalloc.__version__}\n")

    def test_colours_only_where_wanted(self):
        try:
            for descriptor in os.openpty():
                os.close(descriptor)
        except OSError as error:
            self.skipTest(f"no pseudo-terminals here: {error}")
        script = (
            "import pty, sys, os\n"
            "sys.exit(os.waitstatus_to_exitcode("
            "pty.spawn([sys.executable, '-m', 'ctracemalloc', *sys.argv[1:]])))"
        )
        self.environment["TERM"] = "xterm"
        colored = self.python("-c", script, "report", "new.ctm", stdin=subprocess.DEVNULL)
        plain = self.python("-c", script, "report", "new.ctm", "--no-color", stdin=subprocess.DEVNULL)
        self.assertIn("\x1b[1m", colored.stdout)
        self.assertNotIn("\x1b", plain.stdout)
        self.assertIn("7000 B", plain.stdout)


class DoctorTest(ProgramTest):
    def test_facts(self):
        result = self.python("-m", "ctracemalloc", "doctor")
        self.assertEqual(result.stderr, "")
        lost = re.findall(r"^LOST  (\w+):", result.stdout, re.MULTILINE)
        self.assertEqual(result.returncode, 1 if lost else 0)
        for name in ("python", "free_lists", "tracked_blocks"):
            self.assertIn(f"  {name}: ", result.stdout)

    def test_a_lost_fact_is_said_and_changes_the_status(self):
        code = """
            import sys
            from ctracemalloc.cli import doctor
            doctor._ctracemalloc = fake = type("Fake", (), {})
            fake.__version__ = "0"
            fake._doctor = lambda: {
                "build": "release", "frames": {"ok": True, "detail": "fine"},
                "free_lists": {"ok": False, "detail": "no way in"},
            }
            sys.exit(doctor.print_facts(sys.stdout))
        """
        result = self.python("-c", textwrap.dedent(code))
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("LOST  free_lists: no way in", result.stdout)
        self.assertIn("first owner", result.stdout)
        self.assertIn("ok    frames: fine", result.stdout)
        self.assertIn("      build: release", result.stdout)


if __name__ == "__main__":
    unittest.main()
