"""The page of a test run (pytest --ctracemalloc-html): its table can be sorted and filtered, and its rows opened."""

import unittest

from browser import BrowserTest
from ctracemalloc.pytest_plugin import page
from ctracemalloc.pytest_plugin.measure import Line
from ctracemalloc.pytest_plugin.results import FixtureGrowth, Phase, Results

MARKUP = "test_it.py::test_names[<img src=x onerror=alert(1)>]"
FIGURES = {"test_it.py::test_b": (3000, 10, 1), "test_it.py::test_a": (200, 70, 2), MARKUP: (3000, 2_000_000, 3)}


def phase_of(peak, growth, blocks, *, passed=True, lines=(), fixtures=()):
    parts = {"peak_lines": list(lines), "growth_lines": list(lines), "fixtures": list(fixtures)}
    return Phase(peak=peak, growth=growth, blocks=blocks, passed=passed, **parts)


def results_of(figures):
    found = Results()
    for test, (peak, growth, blocks) in figures.items():
        line = Line("/srv/shop/<b>.py", 7, "<lambda>", peak, blocks)
        fixtures = [FixtureGrowth("data<i>", "function", 4096)]
        found.add(test, "setup", "passed", phase_of(5000, 4096, 1, fixtures=fixtures).as_data())
        phase = phase_of(peak, growth, blocks, lines=[line])
        found.add(test, "call", "failed" if test == MARKUP else "passed", phase.as_data())
    found.add("test_it.py::test_error", "setup", "failed", phase_of(0, 0, 0, passed=False).as_data())
    found.add_sections(MARKUP, "call", [("ctracemalloc: limit_memory", "What it had:\n    </pre><b>3000 B")])
    return found


class TestRunPage(BrowserTest):
    def names(self, view):
        return view.eval_on_selector_all("table.tests tbody:not([hidden]) .id", "all => all.map(one => one.textContent)")

    def sort(self, view, title):
        view.locator(f"button[title='Sort by the {title}']").click()
        return [name.rpartition("::")[2][:6] for name in self.names(view)]

    def test_sort(self):
        view = self.open(page.page(results_of(FIGURES)))
        self.assertEqual([name[12:18] for name in self.names(view)], ["test_b", "test_n", "test_a", "test_e"])
        self.assertEqual(self.sort(view, "growth of the call"), ["test_n", "test_a", "test_b", "test_e"])
        self.assertEqual(self.sort(view, "growth of the call"), ["test_e", "test_b", "test_a", "test_n"])
        self.assertEqual(self.sort(view, "id"), ["test_a", "test_b", "test_e", "test_n"])
        self.assertEqual(self.sort(view, "peak of the call"), ["test_b", "test_n", "test_a", "test_e"])
        self.assertEqual(view.locator("th[aria-sort]").text_content(), "Peak")

    def test_filter(self):
        view = self.open(page.page(results_of(FIGURES)))
        view.fill("#filter", "TEST_ IMG")
        self.assertEqual(self.names(view), [MARKUP])
        self.assertEqual(view.text_content("#count"), "1 of 4 tests")
        view.fill("#filter", "")
        view.select_option("#outcome", "failed")
        self.assertEqual(self.names(view), [MARKUP, "test_it.py::test_error"])

    def test_rows_open(self):
        view = self.open(page.page(results_of(FIGURES)))
        self.assertEqual(view.locator(".more:visible").count(), 0)
        view.get_by_text(MARKUP).click()
        shown = view.locator(".more:visible").inner_text()
        self.assertIn("</pre><b>3000 B", shown)
        self.assertIn("/srv/shop/<b>.py:7 in <lambda>", shown)
        self.assertIn("data<i> (function): +4096 B", shown)
        self.assertEqual(view.locator("img, b, i").count(), 0)
        view.get_by_text(MARKUP).click()
        self.assertEqual(view.locator(".more:visible").count(), 0)

    def test_a_narrow_window_scrolls_the_table_alone(self):
        view = self.open(page.page(results_of(FIGURES)), viewport={"width": 400, "height": 800})
        view.get_by_text(MARKUP).click()
        self.assertTrue(view.evaluate("document.documentElement.scrollWidth <= innerWidth"))
        self.assertTrue(view.evaluate("(e => e.scrollWidth > e.clientWidth)(document.querySelector('.wide'))"))

    def test_without_script_all_is_there(self):
        view = self.goto(page.page(results_of(FIGURES)), java_script_enabled=False)
        self.assertEqual(view.locator(".more:visible").count(), len(FIGURES))
        self.assertFalse(view.locator(".toolbar").is_visible())


if __name__ == "__main__":
    unittest.main()
