"""Pages that the package itself writes: what the browser shows is what the package's own functions say."""

import subprocess
import sys
import unittest
from pathlib import Path

import ctracemalloc
from browser import BrowserTest, size
from ctracemalloc import Snapshot
from ctracemalloc.model.figures import PEAK
from ctracemalloc.model.frames import PACKAGE
from ctracemalloc.model.table import View, table_of
from ctracemalloc.notebook.cells import CellStyle
from ctracemalloc.notebook.flame import frame_of
from ctracemalloc.places.files import IMPORTS, OWN, STDLIB, UNKNOWN
from ctracemalloc.render.text.report import further

PROGRAM = """\
import json


def keep(number):
    return [bytes(1000 + i) for i in range(number)]


def load():
    return json.loads("[" + ",".join('{"name": "%d"}' % i for i in range(2000)) + "]")


def temporary():
    return len([bytes(5000) for _ in range(500)])


kept = keep(300), load(), temporary()
"""


class PackageTest(BrowserTest):
    def run_command(self, *arguments):
        command = [sys.executable, "-m", "ctracemalloc", *arguments]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)

    def make(self, *arguments):
        (self.folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        self.run_command("run", "-n", "25", "-o", "program.ctm", "program.py")
        self.run_command("html", "program.ctm", "-o", "program.html", "--threshold", "0", *arguments)
        return (self.folder / "program.html").read_text(encoding="utf-8"), Snapshot.load(str(Path(self.folder, "program.ctm")))

    def test_figures_of_everything(self):
        text, snapshot = self.make()
        tree = snapshot.call_tree()
        shown = self.figures(self.open(text, "#view=flame"))
        self.assertEqual(shown["live.total.size"], size(tree.total_size[0]))
        self.assertEqual(shown["live.total.count"], f"{tree.total_count[0]:,}")
        self.assertEqual(shown["peak.total.size"], size(tree.total_peak_size[0]))
        self.assertEqual(shown["allocated.total.count"], f"{tree.total_allocated_count[0]:,}")
        self.assertEqual(shown["freed.total.size"], size(tree.total_allocated_size[0] - tree.total_size[0]))

    def test_lines_of_the_source(self):
        text, snapshot = self.make()
        path = str((self.folder / "program.py").resolve())
        expected = {
            statistic.traceback[0].lineno: size(statistic.size)
            for statistic in snapshot.statistics("lineno")
            if Path(self.folder, statistic.traceback[0].filename).resolve() == Path(path) and statistic.size
        }
        view = self.open(text, "#view=source")
        script = "rows => rows.map(row => [row.dataset.line, row.querySelector('[data-measure=live]').textContent])"
        found = {int(line): shown for line, shown in view.eval_on_selector_all("[data-line]", script) if shown}
        self.assertEqual(found, expected)
        self.assertIn(5, found)

    def test_the_summary_says_whose_code_it_is(self):
        text, snapshot = self.make()
        table = table_of([snapshot], View(PACKAGE))
        names = {"own code": OWN, "standard library": STDLIB, "import system": IMPORTS, "no Python frame": UNKNOWN}
        view = self.open(text, "#view=summary")
        rows = "rows => rows.map(row => [...row.children].map(cell => cell.firstChild.textContent))"
        shown = (
            view.locator(".summary h3", has_text="Whose code").locator("xpath=following-sibling::div[1]").locator("tbody tr")
        )
        shown.first.wait_for()
        found = {row[0]: row[1:] for row in shown.evaluate_all(rows)}
        self.assertLessEqual(found.keys(), names.keys() | {"this tracer"})
        for name in "own code", "standard library":
            figures = table.by_origin[names[name]]
            freed = figures.allocated_size - figures.size
            self.assertEqual(found[name], [*map(size, (figures.size, figures.peak_size, figures.allocated_size, freed))])
        headings = [heading for heading in view.locator(".summary h3").all_text_contents() if heading.startswith("Functions")]
        at_peak = ["Functions with most memory live at the peak"] * (PEAK in further(table))
        self.assertEqual(headings, ["Functions with most live memory", *at_peak])
        view.get_by_role("button", name="keep", exact=True).first.click()
        self.assertIn("view=flame", view.url)

    def test_what_it_shows_first(self):
        text, _snapshot = self.make("--churn", "--sort", "count")
        view = self.open(text, "#view=flame")
        self.assertEqual([self.control(view, words).input_value() for words in ("Memory", "In")], ["freed", "count"])


class Shell:
    """IPython's, of which this file is a cell."""

    class compile:
        @staticmethod
        def format_code_name(name):
            return ("Cell", "In[3]") if name == __file__ else None


class NotebookTest(BrowserTest):
    def test_the_frame_below_a_cell(self):
        with ctracemalloc.scope(nframe=9) as measured:
            held = [bytes(1000) for _ in range(500)]
        self.assertEqual(len(held), 500)
        text = frame_of([("what made the peak", measured.peak_snapshot())], "In[3]: memory", CellStyle(Shell))
        frame = self.goto(f"<!DOCTYPE html>{text}").frames[1]
        frame.get_by_role("link", name="Source").click()
        frame.wait_for_selector("html[data-shown='0 source']")
        self.assertIn("In[3]", frame.text_content(".files"))
        self.assertIn("held = [bytes(1000) for _ in range(500)]", frame.text_content(".code"))
        frame.get_by_role("link", name="Flame graph").click()
        frame.wait_for_selector("html[data-shown='0 flame']")
        self.assertEqual(frame.text_content("h1"), "In[3]: memory")


if __name__ == "__main__":
    unittest.main()
