"""The summary: totals, whose code has most, and which functions."""

import unittest

from browser import BrowserTest
from example_pages import KIB, describe_shop, processes, recording, shop
from page_writer import CHURN, LIVE, PEAK, Tree, dataset, page

SUMMARY = "#view=summary"


class SummaryTest(BrowserTest):
    def lists(self, view):
        """{heading: names} of the lists of functions."""
        script = """all => all.filter(heading => heading.textContent.startsWith("Functions")).map(heading => [
            heading.textContent,
            [...heading.nextElementSibling.querySelectorAll("tbody th button.link")].map(name => name.textContent)])"""
        return dict(view.eval_on_selector_all(".summary h3", script))

    def tree_of(self, live, peak, names=LIVE + PEAK):
        tree = describe_shop(Tree(names))
        for name, size in live.items():
            at_peak = peak.get(name, 0)
            own = {"size": size, "count": int(size > 0), "peak_size": at_peak, "peak_count": int(at_peak > 0)}
            more = {"allocated_size": 10 * at_peak, "allocated_count": 10}
            own = {figure: value for figure, value in (own | more).items() if figure in names}
            tree.add((("/srv/shop/main.py", name, 1),), own)
        return tree

    def test_what_was_live_at_a_peak_that_stands_out(self):
        many = {"a": 1, "b": 300 * KIB, "c": 100 * KIB}
        for live, peak, expected in (
            ({"a": 200 * KIB, "b": 3, "c": 0}, many, True),
            ({"a": 0, "b": 0, "c": 0}, many, True),
            ({"a": 300 * KIB, "b": 3, "c": 0}, many, False),
            ({"a": 0, "b": 0, "c": 0}, {"a": 64 * KIB - 1}, False),
            ({"a": 0, "b": 0, "c": 0}, {"a": 64 * KIB}, True),
        ):
            with self.subTest(live=live, peak=peak):
                lists = self.lists(self.open(page([dataset(self.tree_of(live, peak))]), SUMMARY))
                at_peak = sorted((name for name, size in peak.items() if size), key=lambda name: -peak[name])
                live_names = sorted((name for name, size in live.items() if size), key=lambda name: -live[name])
                wanted = {"Functions with most live memory": live_names}
                if expected:
                    wanted["Functions with most memory live at the peak"] = at_peak
                self.assertEqual(lists, wanted)

    def test_nothing_is_live(self):
        view = self.open(page([dataset(self.tree_of({"a": 0}, {"a": 5000 * KIB}))]), SUMMARY)
        self.assertEqual(view.text_content(".summary .empty"), "There is nothing to show: no block is live.")

    def test_the_measure_that_the_page_begins_with(self):
        tree = self.tree_of({"a": 200 * KIB, "b": 3, "c": 0}, {"a": 1, "b": 300 * KIB, "c": 100 * KIB}, LIVE + PEAK + CHURN)
        for measure, heading in (
            ("peak", "Functions with most memory live at the peak"),
            ("allocated", "Functions with most memory ever allocated"),
            ("freed", "Functions with most memory freed again"),
        ):
            start = f'"start": {{"measure": "{measure}", "by": "size"}}, "schema": 1'
            view = self.open(page([dataset(tree)]).replace('"schema": 1', start), SUMMARY)
            with self.subTest(measure):
                self.assertEqual(self.lists(view), {heading: ["b", "c", "a"] if measure != "freed" else ["b", "c"]})

    def test_a_function_is_found_with_the_list_s_measure(self):
        text = page([dataset(self.tree_of({"a": 200 * KIB, "b": 3}, {"a": 1, "b": 400 * KIB}))])
        view = self.open(text, SUMMARY)
        view.get_by_role("button", name="b", exact=True).nth(1).click()
        self.settled(view)
        self.assertEqual(self.control(view, "Memory").input_value(), "peak")
        self.assertEqual(view.text_content("#search-result"), "400 KiB, 100.0% of what is shown")
        view = self.open(text, SUMMARY)
        view.get_by_role("button", name="All rows").nth(1).click()
        self.assertEqual(view.get_attribute("[aria-sort]", "data-column"), "peak.own")

    def totals(self, view):
        table = view.locator(".summary table").first
        script = "rows => rows.slice(0, 2).map(row => [...row.children].slice(0, 3).map(cell => cell.textContent))"
        return table.locator("tr").evaluate_all(script)

    def test_each_column_of_the_totals_has_a_heading_and_times_come_once(self):
        view = self.open(page([recording()], sections=("summary", "flame", "timeline")), SUMMARY)
        self.assertEqual(self.totals(view), [["time", "live", "live blocks"], ["0.0 s", "10.0 KiB", "1"]])
        for text in (page([shop()]), processes()):
            view = self.open(text.replace('"sections": ["flame"', '"sections": ["summary", "flame"'), SUMMARY)
            self.assertEqual(self.totals(view), [["state", "live", "live blocks"], ["total", "881 KiB", "28"]])


if __name__ == "__main__":
    unittest.main()
