"""Differences, and ranges of a recording."""

import unittest

from browser import BrowserTest
from example_pages import difference, recording
from page_writer import LIVE, Tree, dataset, page

DIFFERENCE = page([difference()], sections=("summary", "flame", "table", "source"))
RECORDING = page([recording()], sections=("summary", "flame", "table", "timeline"))


class DifferenceTest(BrowserTest):
    def test_the_newer_is_the_width_and_changes_are_said(self):
        view = self.open(DIFFERENCE, "#view=flame&own=off")
        self.open_whole_tree(view)
        items = view.eval_on_selector_all(
            "[role=treeitem]", "all => all.map(item => [...item.querySelectorAll('.name, .number')].map(e => e.textContent))"
        )
        self.assertEqual(
            items,
            [
                ["everything", "135 KiB", "100.0%", "-40.0 KiB"],
                ["main", "135 KiB", "100.0%", "-40.0 KiB"],
                ["fill_cart", "110 KiB", "81.5%", "+30.0 KiB"],
                ["hook", "40.0 KiB", "29.6%", "new +40.0 KiB"],
                ["loads", "10.0 KiB", "7.4%", "-40.0 KiB"],
                ["array", "25.0 KiB", "18.5%", "same"],
            ],
        )

    def test_what_has_gone(self):
        view = self.open(DIFFERENCE, "#view=flame&own=off")
        self.control(view, "Widths").select_option("gone")
        self.open_whole_tree(view)
        self.assertEqual(
            self.tree(view),
            [
                (1, "everything", "110 KiB"),
                (2, "main", "110 KiB"),
                (3, "decode", "70.0 KiB"),
                (3, "fill_cart", "40.0 KiB"),
                (4, "loads", "40.0 KiB"),
            ],
        )

    def test_details_have_both_and_the_change(self):
        figures = self.figures(self.open(DIFFERENCE, "#view=flame"))
        names = ("live.after.total.size", "live.before.total.size", "live.change.total.size", "live.change.total.count")
        self.assertEqual([figures[name] for name in names], ["135 KiB", "175 KiB", "-40.0 KiB", "-40"])

    def test_the_totals_have_their_change(self):
        view = self.open(DIFFERENCE, "#view=summary")
        rows = view.locator(".summary table", has=view.locator("[data-total]")).locator("tbody tr")
        cells = rows.evaluate_all("rows => rows.map(row => [...row.children].map(cell => cell.textContent))")
        expected = [["base: old.ctm", "175 KiB", "175"], ["newer: new.ctm", "135 KiB", "135"], ["change", "-40.0 KiB", "-40"]]
        self.assertEqual(cells, expected)

    def test_the_lines_have_their_change(self):
        view = self.open(DIFFERENCE, "#view=source")
        self.assertEqual(view.locator(".lines th").all_text_contents(), ["live", "change, live", "line", "source (own)"])
        self.assertEqual(self.changes(view), {"21": ("60.0 KiB", "+30.0 KiB", None), "40": ("40.0 KiB", "+40.0 KiB", None)})
        self.control(view, "Totals").check()
        self.assertEqual(self.changes(view), {"21": ("110 KiB", "+30.0 KiB", None), "40": ("40.0 KiB", "+40.0 KiB", None)})

    def test_a_line_that_shrank(self):
        tree = Tree(LIVE)
        for line, before, after in ((3, 8, 2), (4, 1, 0), (5, 6, 6)):
            tree.add((("a.py", "f", line),), *({"size": size * 1024, "count": size} for size in (before, after)))
        source = {"file": list(tree.files).index("a.py"), "text": "\n" * 9, "note": ""}
        both = dataset(tree, ("base", "newer"), is_diff=True, sources=[source])
        view = self.open(page([both], sections=("flame", "source")), "#view=source")
        expected = {"3": ("2048 B", "-6144 B", "5"), "4": ("", "-1024 B", "1"), "5": ("6144 B", "", None)}
        self.assertEqual(self.changes(view), expected)
        self.control(view, "Hide lines without memory").check()
        self.assertEqual(view.locator("[data-line]").count(), 3)

    def changes(self, view):
        """{line: (figure, change, its step of colour if it shrank)} of the lines with any."""
        script = """rows => rows.map(row => [row.dataset.line, row.querySelector("[data-measure]").textContent,
            row.querySelector("[data-change]").textContent, row.querySelector("[data-change]").dataset.shrunk ?? null])"""
        found = view.eval_on_selector_all("[data-line]", script)
        return {line: tuple(cells) for line, *cells in found if any(cells)}

    def test_the_base_is_named_and_the_colours_are_explained(self):
        view = self.open(DIFFERENCE, "#view=flame")
        self.assertIn("from old.ctm, the base, to newer: new.ctm", view.text_content(".flame > .notes"))
        self.assertEqual(view.locator(".flame .legend li").all_text_contents(), ["+ grown", "- shrunk", "* new", "= same"])
        self.control(view, "Colours").select_option("origin")
        self.assertIn("own code", view.text_content(".flame .legend"))
        view.get_by_role("link", name="Summary").click()
        self.assertIn("The base is old.ctm", view.text_content(".summary .notes.base"))

    def test_colours(self):
        view = self.open(DIFFERENCE, "#view=flame&own=off")
        self.settled(view)
        script = """places => {
            const canvas = document.getElementById("flame");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return places.map(([x, row]) => {
                const at = 4 * (canvas.width * (20 * row + 17) + Math.round(canvas.width * x));
                return [...data.slice(at, at + 3)];
            });
        }"""
        shrunk, grown, new, same = view.evaluate(script, [[0.5, 1], [0.5, 2], [0.2, 3], [0.95, 2]])
        self.assertEqual(shrunk, [0x98, 0xC3, 0xEE])
        self.assertEqual(grown, [0xF4, 0xA3, 0x91])
        self.assertEqual(new, [0xC7, 0x9B, 0xF0])
        self.assertEqual(same, [0xD9, 0xDB, 0xE0])

    def test_the_table_has_changes_first(self):
        view = self.open(DIFFERENCE, "#view=table")
        rows = [(row[0], row[1], row[3]) for row in self.rows(view)]
        self.assertEqual(
            rows[:3], [("decode", "-70.0 KiB", "0 B"), ("hook", "+40.0 KiB", "40.0 KiB"), ("loads", "-40.0 KiB", "10.0 KiB")]
        )


class RecordingTest(BrowserTest):
    def moments(self, view):
        return [view.get_attribute(f"[role=slider]:nth-of-type({n})", "aria-valuenow") for n in (3, 4)]

    def test_at_first_the_whole_recording_is_shown(self):
        view = self.open(RECORDING, "#view=flame")
        self.assertEqual(self.moments(view), ["0", "11"])
        self.assertEqual(self.figures(view)["live.after.total.size"], "105 KiB")
        self.assertIn("at the end, 1.1 s, 105 KiB", view.get_attribute(".plot svg", "aria-label"))
        self.assertIn("own code", view.text_content(".flame .legend"), "colours say whose code it is")

    def test_keys_move_the_ends(self):
        view = self.open(RECORDING, "#view=flame")
        end = view.get_by_role("slider", name="End of the range")
        end.focus()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
            view.keyboard.press(key)
        view.get_by_role("slider", name="Begin of the range").focus()
        view.keyboard.press("ArrowRight")
        view.keyboard.press("ArrowUp")
        self.assertEqual(self.moments(view), ["2", "8"])
        self.assertEqual(end.get_attribute("aria-valuetext"), "0.8 s (90.0 KiB)")
        self.assertIn("from=2&to=8", view.url)
        figures = self.figures(view)
        self.assertEqual((figures["live.after.total.size"], figures["live.before.total.size"]), ("90.0 KiB", "100 KiB"))
        self.assertEqual(view.locator(".flame .legend li").first.text_content(), "+ grown")
        for key in ["ArrowRight"] * 20:
            view.keyboard.press(key)
        self.assertEqual(self.moments(view), ["8", "8"], "the ends do not pass each other")

    def test_dragging_selects_a_range(self):
        view = self.open(RECORDING, "#view=flame")
        area = view.locator(".drawing").bounding_box()
        left, width = area["x"] + 74, area["width"] - 88
        view.mouse.move(left + width * 6.1 / 11, area["y"] + 60)
        view.mouse.down()
        view.mouse.move(left + width * 8 / 11, area["y"] + 60)
        view.mouse.move(left + width * 9.2 / 11, area["y"] + 70)
        view.mouse.up()
        self.assertEqual(self.moments(view), ["6", "9"])
        view.get_by_role("button", name="Only the end").click()
        self.assertEqual(self.moments(view), ["9", "9"])
        self.assertEqual(self.figures(view)["live.total.size"], "95.0 KiB")
        view.get_by_role("button", name="Whole recording").click()
        self.assertEqual(self.moments(view), ["0", "11"])
        view.go_back()
        self.assertEqual(self.moments(view), ["9", "9"])

    def test_only_what_grew(self):
        view = self.open(RECORDING, "#view=flame&from=2&to=7")
        self.control(view, "Widths").select_option("grown")
        self.open_whole_tree(view)
        self.assertEqual(
            self.tree(view),
            [(1, "everything", "65.0 KiB"), (2, "main", "65.0 KiB"), (3, "fill_cart", "65.0 KiB"), (4, "json", "40.0 KiB")],
        )

    def test_a_range_in_which_nothing_grew_says_so(self):
        view = self.open(RECORDING, "#view=flame&from=0&to=1&shows=gone")
        self.assertIn("Nothing shrank", view.text_content(".flame .empty"))

    def test_a_link_restores_the_range(self):
        view = self.open(RECORDING, "#view=table&from=3&to=6")
        self.assertEqual(self.moments(view), ["3", "6"])
        self.assertEqual(self.rows(view)[0][:2], ["array", "+80.0 KiB"])

    def test_states_are_in_the_summary(self):
        view = self.open(RECORDING, "#view=summary")
        totals = view.locator(".summary table").first
        totals.wait_for()
        self.assertEqual(totals.locator("tbody tr").count(), 12)
        self.assertFalse(view.locator(".timeline").is_visible())


if __name__ == "__main__":
    unittest.main()
