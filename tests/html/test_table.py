"""The table, and the source of the program."""

import unittest

from browser import BrowserTest
from example_pages import describe_shop, shop
from page_writer import LIVE, Tree, dataset, page

SHOP = page([shop()])
HEADINGS = 9  # the name, and own and total figures of four measures


def alike():
    """Recursion, names that contain one another, one package of two origins, and names that need escapes."""
    tree = Tree(LIVE)
    main, longer, other = "/var/app/main.py", "/var/app/main.pyx", "/usr/lib/main.py"
    for file, module, origin in ((main, "main", "own"), (longer, "mainx", "own"), (other, "other", "stdlib")):
        tree.describe(file, module, "app", origin)
    module, work, again = (main, "<module>", 1), (main, "work", 5), (main, "work", 6)
    odd = (longer, 'a "b"\n\ud83d', 7)
    for size, traceback in enumerate(
        (
            (module, work, again, work),
            (module, work, (main, "work_all", 9), again),
            ((longer, "<module>", 2), work),
            ((longer, "<module>", 2), odd, (other, "work", 3)),
            (module, (other, "work", 3), odd, (other, "work", 3)),
        )
    ):
        tree.add(traceback, {"size": 1000 * 2**size, "count": 1})
    return tree


class TableTest(BrowserTest):
    def columns(self, view, *numbers):
        return [tuple(row[number] for number in numbers) for row in self.rows(view)]

    def test_functions_with_each_block_once(self):
        view = self.open(SHOP, "#view=table")
        self.assertEqual(
            self.columns(view, 0, 1, 2),
            [
                ("array", "800 KiB", "800 KiB"),
                ("decode", "48.0 KiB", "68.0 KiB"),
                ("hook", "20.0 KiB", "28.0 KiB"),
                ("fill_cart", "10.0 KiB", "78.0 KiB"),
                ("main", "1024 B", "881 KiB"),
                ("loads", "0 B", "68.0 KiB"),
            ],
        )
        self.assertEqual(view.locator("thead th").count(), HEADINGS)

    def test_what_is_in_no_row_is_said(self):
        notes = self.open(SHOP, "#view=table").text_content(".table .notes")
        self.assertIn("1,234 places below 0.01% (2048 B, 0.2% of what is shown) are merged", notes)
        self.assertIn("2048 B of these or without a traceback are in no row", notes)
        tree = describe_shop(Tree(LIVE))
        tree.add((), {"size": 7, "count": 1})
        tree.add((("/srv/shop/main.py", "f", 1),), {"size": 2, "count": 1})
        view = self.open(page([dataset(tree)]), "#view=table")
        self.assertEqual(view.text_content(".table .notes"), "7 B without a traceback are in no row.")

    def test_what_was_merged_is_said_above_everything_else(self):
        merged = self.open(SHOP, "#view=flame").text_content(".flame > .notes")
        self.assertIn("1,234 places below 0.01% (2048 B, 0.2% of what is shown) are merged", merged)
        for section, below in (("summary", ".facts"), ("table", "table.rows"), ("source", ".sides")):
            view = self.open(SHOP, f"#view={section}")
            note = view.locator(f".{section} > .notes").first
            with self.subTest(section):
                self.assertTrue(note.text_content().startswith(merged))
                self.assertLess(note.bounding_box()["y"], view.locator(f".{section} {below}").bounding_box()["y"])
            view = self.open(page([dataset(alike())]), f"#view={section}")
            self.assertEqual(view.locator(f".{section} > .notes:visible", has_text="merged").count(), 0)

    def test_other_rows(self):
        view = self.open(SHOP, "#view=table")
        for key, expected in (
            ("package", [("numpy", "800 KiB", "800 KiB"), ("json", "48.0 KiB", "68.0 KiB"), ("shop", "31.0 KiB", "881 KiB")]),
            (
                "module",
                [
                    ("numpy.core", "800 KiB", "800 KiB"),
                    ("json.decoder", "48.0 KiB", "68.0 KiB"),
                    ("cart", "30.0 KiB", "78.0 KiB"),
                    ("main", "1024 B", "881 KiB"),
                    ("json", "0 B", "68.0 KiB"),
                ],
            ),
        ):
            self.control(view, "Rows").select_option(key)
            with self.subTest(key):
                self.assertEqual(self.columns(view, 0, 1, 2), expected)
        self.control(view, "Rows").select_option("line")
        self.assertEqual(
            view.locator("tbody .path").first.text_content(), "/srv/venv/lib/python3.13/site-packages/numpy/core.py:5"
        )

    def test_any_column_sorts(self):
        view = self.open(SHOP, "#view=table")
        view.get_by_role("button", name="live, total").click()
        self.assertEqual(self.columns(view, 0)[:3], [("main",), ("array",), ("fill_cart",)])
        self.assertEqual(view.get_attribute("[data-column='live.total']", "aria-sort"), "descending")
        view.get_by_role("button", name="live, total").click()
        self.assertEqual(self.columns(view, 2)[0], ("28.0 KiB",))
        view.get_by_role("button", name="Function").click()
        self.assertEqual(self.columns(view, 0)[0], ("array",))
        self.assertEqual(view.evaluate("document.activeElement.textContent"), "Function ▲")
        self.assertIn("sort=name", view.url)

    def test_the_search_filters(self):
        view = self.open(SHOP, "#view=table")
        view.fill("#filter", "json")
        self.assertEqual(self.columns(view, 0), [("decode",), ("loads",)])
        self.assertEqual(view.text_content(".table .result"), "showing 2 of 2, filtered from 6")
        view.fill("#filter", "/(/")
        self.assertIn("no regular expression", view.text_content(".table .result"))

    def test_rows_come_in_parts(self):
        tree = describe_shop(Tree(LIVE))
        for i in range(1234):
            tree.add((("/srv/shop/main.py", f"f{i}", 1),), {"size": 2000 - i, "count": 1})
        view = self.open(page([dataset(tree)]), "#view=table")
        self.assertEqual(view.text_content(".table .result"), "showing 100 of 1,234")
        view.get_by_role("button", name="Show 500 more").click()
        self.assertEqual(view.text_content(".table .result"), "showing 600 of 1,234")
        self.assertEqual(len(self.rows(view)), 600)

    def test_a_row_is_found_in_the_graph(self):
        view = self.open(SHOP, "#view=table")
        view.get_by_role("button", name="decode", exact=True).click()
        self.settled(view)
        query = 'function:"decode" file:"/usr/lib/python3.13/json/decoder.py" line:1'
        self.assertEqual((view.get_attribute("html", "data-shown"), view.input_value("#search")), ("0 flame", query))
        view.go_back()
        view.wait_for_selector("html[data-shown='0 table']")

    def test_what_is_found_of_a_row_is_its_total(self):
        text = page([dataset(alike())])
        for key, names in (
            ("function", ["work", "work_all", "<module>", "<module>", 'a "b"\\n\\ud83d', "work"]),
            ("line", ["work", "work_all", "<module>", "<module>", 'a "b"\\n\\ud83d', "work", "work"]),
            ("file", ["/var/app/main.py", "/var/app/main.pyx", "/usr/lib/main.py"]),
            ("module", ["main", "mainx", "other"]),
            ("package", ["app", "app"]),
        ):
            view = self.open(text, f"#view=table&own=off&zoom=2&rows={key}")
            rows = [(row[0], row[2]) for row in self.rows(view)]
            self.assertEqual(sorted(name for name, _total in rows), sorted(names))
            for number, (name, total) in enumerate(rows):
                with self.subTest(key, name=name):
                    view.locator("tbody th button.link").nth(number).click()
                    self.settled(view)
                    self.assertEqual(view.text_content("#search-result").split(",")[0], total)
                    link = view.evaluate("location.hash")
                    self.assertEqual(self.open(text, link).text_content("#search-result").split(",")[0], total)
                    view = self.open(text, f"#view=table&own=off&zoom=2&rows={key}")

    def test_an_exact_search_filters_rows_by_their_frames(self):
        view = self.open(page([dataset(alike())]), "#view=table&rows=file")
        view.fill("#filter", 'function:"work"')
        self.assertEqual(self.columns(view, 0), [("/usr/lib/main.py",), ("/var/app/main.py",)])
        view.fill("#filter", 'function:"work" module:"main"')
        self.assertEqual(self.columns(view, 0), [("/var/app/main.py",)])
        view.fill("#filter", 'function:"Work"')
        self.assertEqual(view.text_content(".table .result"), "showing 0 of 0, filtered from 3")


class SourceTest(BrowserTest):
    def lines(self, view):
        """{line: (live, at the peak)} of the lines with memory."""
        script = """rows => rows.map(row => [Number(row.dataset.line),
            ...[...row.querySelectorAll("[data-measure]")].map(cell => cell.textContent)])"""
        return {line: tuple(texts) for line, *texts in view.eval_on_selector_all("[data-line]", script) if any(texts)}

    def test_lines_have_their_own_figures(self):
        view = self.open(SHOP, "#view=source&totals=off")
        self.assertEqual(self.lines(view), {21: ("10.0 KiB", "10.0 KiB"), 40: ("20.0 KiB", "20.0 KiB")})
        self.assertEqual(view.locator("[data-line]").count(), 60)
        self.assertEqual(view.text_content("[data-line='21'] .text"), "line_21 = 21")

    def test_and_their_totals(self):
        view = self.open(SHOP, "#view=source&totals=on")
        view.get_by_role("button", name="cart.py").click()
        self.assertEqual(self.lines(view), {21: ("78.0 KiB", "138 KiB"), 40: ("28.0 KiB", "28.0 KiB")})

    def test_totals_come_first_if_the_lines_themselves_have_little(self):
        view = self.open(SHOP, "#view=source")  # 31 of 881 KiB
        totals = self.control(view, "Totals")
        self.assertTrue(totals.is_checked())
        self.assertEqual(view.locator(".file .name").all_text_contents(), ["main.py", "cart.py"])
        self.assertEqual(view.locator(".file .number").all_text_contents(), ["881 KiB", "78.0 KiB"])
        totals.uncheck()
        self.assertTrue(view.url.endswith("#view=source&totals=off"))
        self.assertEqual(view.locator(".file .number").all_text_contents(), ["30.0 KiB", "1024 B"])
        for own, expected in ((99, True), (100, False)):
            tree = describe_shop(Tree(LIVE))
            tree.add((("/srv/shop/main.py", "main", 1),), {"size": own, "count": 1})
            tree.add((("/srv/shop/main.py", "main", 1), ("/usr/lib/x.py", "x", 2)), {"size": 1000 - own, "count": 1})
            tree.add((("/usr/lib/x.py", "x", 2),), {"size": 5000, "count": 1})
            source = {"file": list(tree.files).index("/srv/shop/main.py"), "text": "f()\n", "note": ""}
            text = page([dataset(tree, sources=[source])])
            with self.subTest(own):
                view = self.open(text, "#view=source")
                self.assertEqual(self.control(view, "Totals").is_checked(), expected)
        for link, expected in (("on", True), ("off", False)):
            view = self.open(text, "#view=source&totals=" + link)
            self.assertEqual(self.control(view, "Totals").is_checked(), expected)

    def test_the_colour_is_a_share_of_the_largest_line_of_all_files(self):
        view = self.open(SHOP, "#view=source&totals=off")
        heat = "all => all.map(cell => [cell.parentElement.dataset.line, cell.dataset.heat])"
        self.assertEqual(view.eval_on_selector_all("[data-measure=live][data-heat]", heat), [["21", "3"], ["40", "5"]])
        view.get_by_role("button", name="main.py").click()
        self.assertEqual(view.eval_on_selector_all("[data-measure=live][data-heat]", heat), [["10", "1"]])

    def test_files_by_size_and_notes(self):
        view = self.open(SHOP, "#view=source&totals=off")
        self.assertEqual(view.locator(".file .name").all_text_contents(), ["cart.py", "main.py"])
        self.assertEqual(view.locator(".file .number").all_text_contents(), ["30.0 KiB", "1024 B"])
        self.assertEqual(view.locator(".note").first.text_content(), "Note: changed since the program ran.")
        view.get_by_role("button", name="main.py").click()
        self.assertEqual(self.lines(view), {10: ("1024 B", "1024 B")})

    def test_lines_without_memory_are_hidden(self):
        view = self.open(SHOP, "#view=source&totals=off")
        self.control(view, "Hide lines without memory").check()
        self.assertEqual(view.locator(".lines tbody tr").all_text_contents()[0], "20 lines")
        self.assertEqual(view.locator("[data-line]").count(), 2)

    def test_links_lead_to_the_line(self):
        view = self.open(SHOP, "#view=table&rows=line")
        view.get_by_role("button", name="/srv/shop/cart.py:40").click()
        self.assertEqual(view.get_attribute(".lines .current", "data-line"), "40")
        view.go_back()
        view.wait_for_selector("html[data-shown='0 table']")
        view = self.open(SHOP, "#view=flame&by=line")
        self.click_box(view, 2, 0.95)
        view.locator(".detail .link").click()
        self.assertEqual(view.get_attribute(".lines .current", "data-line"), "21")

    def test_why_there_is_none(self):
        view = self.open(page([shop(sources=[], no_source="the files are on another machine")]), "#view=source")
        self.assertEqual(view.text_content(".source .empty"), "the files are on another machine")


if __name__ == "__main__":
    unittest.main()
