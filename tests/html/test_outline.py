"""The tree of text and the rest of what a screen reader needs."""

import unittest

from browser import BrowserTest
from example_pages import describe_shop, shop
from page_writer import LIVE, Tree, dataset, page

SHOP = page([shop()])
FLAME = "#view=flame&own=off"


class OutlineTest(BrowserTest):
    def attributes(self, view, *names):
        script = "(all, names) => all.map(item => names.map(name => item.getAttribute(name)))"
        return view.eval_on_selector_all("[role=treeitem]", script, list(names))

    def test_items_say_where_they_are(self):
        view = self.open(SHOP, FLAME)
        self.settled(view)
        view.focus("[role=treeitem][tabindex='0']")
        for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown"):
            view.keyboard.press(key)
            self.settled(view)
        self.assertEqual(
            self.attributes(view, "aria-level", "aria-posinset", "aria-setsize", "aria-expanded", "aria-selected"),
            [
                ["1", "1", "1", "true", "false"],
                ["2", "1", "1", "true", "false"],
                ["3", "1", "3", None, "false"],
                ["3", "2", "3", "false", "true"],
                ["3", "3", "3", None, "false"],
            ],
        )

    def test_it_is_made_as_it_is_opened(self):
        view = self.open(SHOP, FLAME)
        self.assertEqual([item[1] for item in self.tree(view)], ["everything", "main"])

    def test_one_item_is_in_the_order_of_tabs(self):
        view = self.open(SHOP, FLAME)
        self.settled(view)
        self.assertEqual([tab for (tab,) in self.attributes(view, "tabindex")], ["0", "-1"])

    def test_it_follows_the_canvas_and_the_canvas_follows_it(self):
        view = self.open(SHOP, FLAME)
        self.click_box(view, 3, 0.93)
        self.assertEqual(view.text_content("[aria-selected=true] .name"), "loads")
        view.focus("[aria-selected=true]")
        view.keyboard.press("ArrowLeft")
        view.keyboard.press("ArrowLeft")
        self.assertEqual(self.detail(view), "fill_cart")
        self.assertIn("fill_cart", view.get_attribute("#flame", "aria-label"))
        view.keyboard.press("Enter")
        self.settled(view)
        self.assertEqual(view.locator(".crumbs button").last.text_content(), "fill_cart")
        self.assertEqual(view.evaluate("document.activeElement.getAttribute('role')"), "treeitem")

    def test_many_children_come_in_parts(self):
        tree = describe_shop(Tree(LIVE))
        for i in range(300):
            tree.add((("/srv/shop/main.py", f"f{i}", 1),), {"size": 1000 - i, "count": 1})
        view = self.open(page([dataset(tree)]), "#view=flame")
        items = self.tree(view)
        self.assertEqual((len(items), items[-1][1]), (52, "250 more"))
        view.focus("[role=treeitem][tabindex='0']")
        view.keyboard.press("End")
        view.keyboard.press("Enter")
        items = self.tree(view)
        self.assertEqual((len(items), items[51], items[-1][1]), (252, (2, "f50", "950 B"), "50 more"))


class LandmarksTest(BrowserTest):
    def test_headings_landmarks_and_names(self):
        view = self.open(SHOP, FLAME)
        self.settled(view)
        self.assertEqual(view.get_attribute("html", "lang"), "en")
        for selector in (
            "header",
            "main",
            "footer",
            "nav[aria-label=Sections]",
            "nav[aria-label=Zoom]",
            "#search-result[role=status]",
        ):
            self.assertEqual(view.locator(selector).count(), 1, selector)
        self.assertEqual(view.locator(".tabs [aria-current=page]").text_content(), "Flame graph")
        unnamed = """all => all.filter(each => !each.closest("[hidden]") && !(each.labels?.[0]?.textContent || each.textContent
            || each.getAttribute("aria-label"))).map(each => each.outerHTML)"""
        self.assertEqual(view.eval_on_selector_all("button, select, input, canvas, [tabindex]", unnamed), [])

    def test_headings_have_no_gaps(self):
        for section in ("summary", "flame", "table", "source"):
            view = self.open(SHOP, f"#view={section}")
            self.settled(view)
            script = "all => all.filter(each => !each.closest('[hidden]') && !each.closest('dialog')).map(each => each.tagName)"
            levels = [int(name[1]) for name in view.eval_on_selector_all("h1, h2, h3, h4", script)]
            self.assertEqual(levels[:2], [1, 2], section)
            self.assertTrue(all(b - a <= 1 for a, b in zip(levels, levels[1:])), section)

    def test_focus_is_seen(self):
        view = self.open(SHOP, FLAME)
        for selector in ("#flame", "#search", ".tabs a", "[role=treeitem]"):
            self.settled(view)
            view.focus(selector)
            view.keyboard.press("Shift")
            style = view.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            self.assertNotEqual(style, "none", selector)

    def test_text_has_contrast(self):
        """Of each element's text on the nearest background that is painted, as WCAG computes it."""
        script = """() => {
            const parts = color => color.match(/[\\d.]+/g).map(Number);
            const light = color => parts(color).slice(0, 3).map(c => c / 255)
                .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = each => {
                for (; each; each = each.parentElement) {
                    const color = getComputedStyle(each).backgroundColor;
                    if (color !== "rgba(0, 0, 0, 0)") return color;
                }
                return "rgb(255, 255, 255)";
            };
            const bad = [];
            for (const each of document.querySelectorAll("#app *")) {
                const text = [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
                if (!text || each.closest("[hidden], dialog, svg, option")) continue;
                const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x);
                if ((a + 0.05) / (b + 0.05) < 4.5) bad.push([each.className, each.textContent]);
            }
            return bad;
        }"""
        losses = page([shop(losses=["2 blocks are missing"])])
        for scheme in ("light", "dark"):
            for section in ("summary", "flame", "table", "source"):
                view = self.open(losses, f"#view={section}", color_scheme=scheme)
                self.settled(view)
                with self.subTest(scheme=scheme, section=section):
                    self.assertEqual(view.evaluate(script), [])


if __name__ == "__main__":
    unittest.main()
