"""The flame graph: figures, zoom, links, search, keys, downloads."""

import base64
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from browser import BrowserTest, size
from example_pages import KIB, difference, shop, shop_tree
from page_writer import LIVE, Tree, dataset, page

SHOP = page([shop()], "the shop")
FLAME = "#view=flame"


class FiguresTest(BrowserTest):
    def test_everything_has_the_totals_of_the_data(self):
        shown, totals = self.figures(self.open(SHOP, FLAME)), shop_tree().totals(0)
        expected = {
            "live.total.size": size(totals["size"]),
            "live.total.count": str(totals["count"]),
            "live.own.size": "0 B",
            "peak.total.size": size(totals["peak_size"]),
            "allocated.total.size": size(totals["allocated_size"]),
            "allocated.total.count": str(totals["allocated_count"]),
            "freed.total.size": size(totals["allocated_size"] - totals["size"]),
            "freed.total.count": str(totals["allocated_count"] - totals["count"]),
        }
        self.assertEqual({name: shown[name] for name in expected}, expected)

    def test_own_code_comes_first(self):
        view = self.open(SHOP, FLAME)
        self.open_whole_tree(view)
        self.assertEqual(
            self.tree(view),
            [
                (1, "everything", "881 KiB"),
                (2, "main", "881 KiB"),
                (3, "numpy", "800 KiB"),
                (3, "fill_cart", "78.0 KiB"),
                (4, "json", "68.0 KiB"),
                (5, "hook", "28.0 KiB"),
                (6, "json", "8192 B"),
                (3, "smaller", "2048 B"),
            ],
        )

    def test_without_it_every_frame_is_a_box(self):
        view = self.open(SHOP, FLAME)
        self.control(view, "Own code first").uncheck()
        self.open_whole_tree(view)
        names = [name for _level, name, _amount in self.tree(view)]
        self.assertEqual(
            names,
            ["everything", "main", "array", "fill_cart", "loads", "decode", "hook", "loads", "decode", "smaller"],
        )

    def test_inverted_the_allocating_frame_comes_first(self):
        view = self.open(SHOP, FLAME + "&own=off&inverted=1")
        self.open_whole_tree(view)
        items = self.tree(view)
        self.assertEqual(
            items[:5],
            [
                (1, "everything", "881 KiB"),
                (2, "array", "800 KiB"),
                (3, "main", "800 KiB"),
                (2, "decode", "48.0 KiB"),
                (3, "loads", "48.0 KiB"),
            ],
        )
        self.assertEqual(
            items[5:9], [(4, "fill_cart", "40.0 KiB"), (5, "main", "40.0 KiB"), (4, "hook", "8192 B"), (5, "decode", "8192 B")]
        )

    def test_blocks_and_other_measures(self):
        view = self.open(SHOP, FLAME)
        self.control(view, "In").select_option("count")
        self.settled(view)
        self.assertEqual(self.tree(view)[0][2], "28 blocks")
        self.control(view, "Memory").select_option("freed")
        self.control(view, "In").select_option("size")
        self.assertEqual(self.tree(view)[0][2], "160 KiB")

    def test_the_tooltip_says_what_the_details_say(self):
        view = self.open(SHOP, FLAME)
        area = view.locator("#flame").bounding_box()
        view.mouse.move(area["x"] + 100, area["y"] + 30)
        tip = view.text_content(".tip")
        self.assertIn("main/srv/shop/main.py:1", tip)
        self.assertIn("881 KiB (100.0%), own 1024 B", tip)
        view.mouse.click(area["x"] + 100, area["y"] + 30)
        figures = self.figures(view)
        self.assertEqual((figures["live.total.size"], figures["live.own.size"]), ("881 KiB", "1024 B"))

    def test_merged_places_are_said(self):
        view = self.open(SHOP, FLAME)
        self.assertIn(
            '1,234 places below 0.01% (2048 B, 0.2% of what is shown) are merged into boxes named "smaller"',
            view.text_content(".flame > .notes"),
        )

    def test_a_measure_without_blocks_says_why_it_is_empty(self):
        tree = Tree(LIVE)
        tree.add((("a.py", "f", 1),), {"size": 0, "count": 0})
        view = self.open(page([dataset(tree)]), FLAME)
        self.assertIn("There is nothing to show: no block is live", view.text_content(".flame .empty"))


class ZoomTest(BrowserTest):
    def test_a_click_zooms_and_the_ways_back(self):
        view = self.open(SHOP, FLAME)
        self.click_box(view, 2, 0.95)
        self.assertEqual(self.detail(view), "fill_cart")
        self.assertIn("zoom=", view.url)
        self.assertEqual(view.locator(".crumbs button").all_text_contents(), ["everything", "main", "fill_cart"])
        self.click_box(view, 3, 0.1)
        self.assertEqual(self.detail(view), "json")
        view.go_back()
        self.assertEqual(self.detail(view), "fill_cart")
        view.go_forward()
        self.assertEqual(self.detail(view), "json")
        view.keyboard.press("Escape")
        self.assertEqual(self.detail(view), "fill_cart")
        view.keyboard.press("Backspace")
        self.assertEqual(self.detail(view), "main")
        view.locator(".crumbs button").first.click()
        self.assertEqual(self.detail(view), "everything")

    def test_a_link_restores_the_view(self):
        view = self.open(SHOP, FLAME)
        self.control(view, "Boxes").select_option("line")
        self.control(view, "Root at bottom").check()
        self.click_box(view, 2, 0.2)
        self.settled(view)
        link, detail, figures = view.url[view.url.index("#") :], self.detail(view), self.figures(view)
        again = self.open(SHOP, link)
        self.assertEqual((self.detail(again), self.figures(again)), (detail, figures))
        self.assertTrue(self.control(again, "Root at bottom").is_checked())
        self.assertEqual(self.control(again, "Boxes").input_value(), "line")

    def test_another_link_in_the_same_page(self):
        view = self.open(SHOP, FLAME)
        view.evaluate("location.hash = '#view=table&rows=package'")
        view.wait_for_selector("[data-column]")
        self.assertEqual(self.control(view, "Rows").input_value(), "package")

    def test_a_link_that_means_nothing_is_the_first_view(self):
        view = self.open(SHOP, "#view=no&zoom=zzzz&box=1.999&measure=x&data=77&sort=live.none&from=9&to=8")
        self.assertEqual(view.get_attribute("html", "data-shown"), "0 summary")

    def test_the_keys_of_the_canvas(self):
        view = self.open(SHOP, FLAME)
        view.focus("#flame")
        for keys, expected in (
            (["ArrowDown"], "everything"),
            (["ArrowDown", "ArrowDown"], "numpy"),
            (["ArrowRight"], "fill_cart"),
            (["ArrowRight", "ArrowRight"], "smaller"),
            (["ArrowLeft"], "fill_cart"),
            (["ArrowUp"], "main"),
            (["Enter"], "main"),
            (["ArrowDown", "Enter"], "numpy"),
            (["Home"], "numpy"),
        ):
            for key in keys:
                view.keyboard.press(key)
            with self.subTest(keys):
                self.assertEqual(self.detail(view), expected)
        self.assertEqual(view.locator(".crumbs button").all_text_contents(), ["everything"])

    def test_in_a_flame_the_arrows_go_by_what_is_seen(self):
        view = self.open(SHOP, FLAME + "&flame=1")
        view.focus("#flame")
        view.keyboard.press("ArrowUp")
        view.keyboard.press("ArrowUp")
        self.assertEqual(self.detail(view), "main")
        view.keyboard.press("ArrowDown")
        self.assertEqual(self.detail(view), "everything")


class SearchTest(BrowserTest):
    def result(self, view, query):
        view.fill("#search", query)
        self.settled(view)
        return view.text_content("#search-result"), view.get_attribute("#flame", "data-found")

    def test_the_share_counts_each_byte_once(self):
        view = self.open(SHOP, FLAME)
        whole = shop_tree().totals(0)["size"]
        for query, found in (
            ("loads", 68),
            ("/^(loads|decode)$/", 68),
            ("hook", 28),
            ("MAIN.PY", 881),
            ("nothing", 0),
            ("numpy", 800),
        ):
            share = f"{size(found * KIB)}, {100 * found * KIB / whole:.1f}% of what is shown"
            self.assertEqual(self.result(view, query)[0], share)

    def test_boxes_are_marked(self):
        view = self.open(SHOP, FLAME + "&own=off")
        self.assertEqual(self.result(view, "loads")[1], "2")
        self.assertEqual(self.result(view, "")[1], "")

    def test_an_expression_that_is_none_is_named(self):
        view = self.open(SHOP, FLAME)
        self.assertIn("no regular expression", self.result(view, "/(/")[0])

    def test_the_share_is_of_what_is_zoomed_into(self):
        view = self.open(SHOP, FLAME + "&find=json")
        self.click_box(view, 2, 0.95)
        self.assertIn("68.0 KiB, 87.2% of what is shown", view.text_content("#search-result"))

    def test_the_keys_of_the_search(self):
        view = self.open(SHOP, FLAME + "&own=off")
        view.keyboard.press("/")
        view.keyboard.type("decode")
        view.keyboard.press("Enter")
        self.assertEqual(view.evaluate("document.activeElement.id"), "flame")
        names = []
        for key in ("n", "n", "n", "N"):
            view.keyboard.press(key)
            self.settled(view)
            names.append(view.get_attribute("[aria-selected=true]", "aria-level"))
        self.assertEqual(names, ["5", "8", "5", "8"])
        view.keyboard.press("/")
        view.keyboard.press("Escape")
        self.assertEqual(view.input_value("#search"), "")

    def test_letters_in_the_field_are_no_commands(self):
        view = self.open(SHOP, FLAME)
        view.focus("#search")
        view.keyboard.type("sbi?t")
        self.assertEqual(view.input_value("#search"), "sbi?t")
        self.assertFalse(self.control(view, "Inverted").is_checked())


class KeysTest(BrowserTest):
    def test_help_lists_the_keys_and_switches_letters_off(self):
        view = self.open(SHOP, FLAME)
        view.keyboard.press("?")
        self.assertIn("zoom out by one box", view.text_content("dialog[open]"))
        self.control(view, "Keys of one character are on").uncheck()
        view.keyboard.press("Escape")
        view.wait_for_selector("dialog:not([open])", state="attached")
        view.keyboard.press("i")
        self.assertFalse(self.control(view, "Inverted").is_checked())

    def test_letters_change_the_view(self):
        view = self.open(SHOP, FLAME)
        for key in "iflobm":
            view.keyboard.press(key)
        for words in ("Inverted", "Root at bottom"):
            self.assertTrue(self.control(view, words).is_checked(), words)
        self.assertFalse(self.control(view, "Own code first").is_checked())
        chosen = [self.control(view, words).input_value() for words in ("Boxes", "In", "Memory")]
        self.assertEqual(chosen, ["line", "count", "peak"])
        view.keyboard.press("3")
        self.assertEqual(view.get_attribute("html", "data-shown"), "0 table")

    def test_light_and_dark(self):
        background = "getComputedStyle(document.body).backgroundColor"
        view = self.open(SHOP, FLAME, color_scheme="dark")
        self.assertEqual(view.evaluate(background), "rgb(22, 24, 29)")
        view.keyboard.press("t")
        self.assertEqual(view.evaluate(background), "rgb(255, 255, 255)")
        view.get_by_text("Dark page").click()
        self.assertEqual(view.evaluate(background), "rgb(22, 24, 29)")
        pixel = "[...document.getElementById('flame').getContext('2d').getImageData(300, 5, 1, 1).data]"
        self.settled(view)
        self.assertEqual(view.evaluate(pixel), [0x3A, 0x3F, 0x48, 255])


class DownloadTest(BrowserTest):
    def saved(self, view, button):
        with view.expect_download() as waiting:
            view.get_by_role("button", name=button).click()
        return Path(waiting.value.path()).read_bytes(), waiting.value.suggested_filename

    def test_svg(self):
        data, name = self.saved(self.open(SHOP, FLAME), "SVG")
        self.assertEqual(name, "the-shop-live.svg")
        texts = [node.text for node in ElementTree.fromstring(data).iter("{http://www.w3.org/2000/svg}text")]
        title = "the shop · live, bytes · 2025-11-30 10:53 UTC"
        self.assertEqual(texts[:4], [title, "everything", "main  …/shop/main.py:1", "numpy"])

    def test_png(self):
        data, name = self.saved(self.open(SHOP, FLAME), "PNG")
        self.assertEqual(name, "the-shop-live.png")
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        self.assertEqual((width > 2000, height), (True, 7 * 20 * 2))

    def test_names_and_titles(self):
        text = page([difference()], "/\u202e../a:b*?", names=[("one", "", None)] * 2)
        data, name = self.saved(self.open(text, FLAME + "&measure=peak&unit=count"), "SVG")
        self.assertEqual(name, "a-b-live.svg")
        title = ElementTree.fromstring(data).find("{http://www.w3.org/2000/svg}title").text
        self.assertEqual(title, "/\\u202e../a:b*? · one · live, blocks · old.ctm to newer: new.ctm · 2025-11-30 10:53 UTC")
        tree = Tree(LIVE)
        tree.add((("a.py", "f", 1),), {"size": 1, "count": 1})
        data, name = self.saved(self.open(page([dataset(tree, ("a.ctm",))], "a.ctm"), FLAME), "SVG")
        title = ElementTree.fromstring(data).find("{http://www.w3.org/2000/svg}title").text
        self.assertEqual((name, title), ("a.ctm-live.svg", "a.ctm · live, bytes · 2025-11-30 10:53 UTC"))
        name = self.saved(self.open(page([shop()], "\u65e5" * 90 + "\ud83d"), FLAME + "&measure=peak"), "PNG")[1]
        self.assertEqual(name, "\u65e5" * 80 + "-peak.png")


def deep(rows):
    tree = Tree(LIVE)
    tree.add([("a.py", f"f{row}", 1) for row in range(rows)], {"size": 1000, "count": 1})
    return page([dataset(tree)])


class SizesTest(BrowserTest):
    SCRIPT = """() => {
        const window = document.querySelector(".scroller"), canvas = document.getElementById("flame");
        return {bar: window.offsetWidth - 2 - window.clientWidth, room: window.clientWidth, width: canvas.offsetWidth};
    }"""

    def test_a_scrollbar_has_room_only_where_there_is_one(self):
        for rows, height, scrolls in ((5, 800, False), (19, 800, False), (20, 800, True), (20, 900, False), (90, 800, True)):
            view = self.open(deep(rows), FLAME, viewport={"width": 1280, "height": height})
            self.settled(view)
            sizes = view.evaluate(self.SCRIPT)
            with self.subTest(rows=rows, height=height):
                self.assertEqual(sizes["width"], sizes["room"])
                self.assertEqual(sizes["bar"] > 0, scrolls)
                self.assertEqual(view.evaluate("document.querySelector('.scroller').scrollHeight"), 20 * (rows + 1))

    def test_room_follows_the_window(self):
        view = self.open(deep(25), FLAME, viewport={"width": 1270, "height": 800})
        for width, height, scrolls in ((1000, 1200, False), (900, 700, True), (1270, 800, True), (1270, 1200, False)):
            view.set_viewport_size({"width": width, "height": height})
            self.settled(view)
            self.settled(view)
            sizes = view.evaluate(self.SCRIPT)
            with self.subTest(width=width, height=height):
                self.assertEqual((sizes["width"], sizes["bar"] > 0), (sizes["room"], scrolls))

    def test_narrow_windows(self):
        view = self.open(SHOP, FLAME, viewport={"width": 400, "height": 800})
        self.settled(view)
        self.assertGreater(view.locator(".figures tbody th").first.bounding_box()["width"], 90)
        for section in ("summary", "flame", "table", "source"):
            view = self.open(SHOP, f"#view={section}", viewport={"width": 400, "height": 800})
            self.settled(view)
            with self.subTest(section):
                self.assertLessEqual(view.evaluate("document.documentElement.scrollWidth"), 400)

    def test_a_table_that_is_cut_has_a_shadow_there(self):
        script = """async text => {
            const bytes = Uint8Array.from(atob(text), char => char.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const context = canvas.getContext("2d", { willReadFrequently: true });
            context.drawImage(image, 0, 0);
            const light = x => context.getImageData(x, 12, 1, 1).data[1];
            return [light(1), light(image.width - 2)];
        }"""
        view = self.open(SHOP, "#view=table", viewport={"width": 800, "height": 800})
        table = view.locator(".table .wide")
        for scroll, expected in ((0, (False, True)), (100, (True, True)), (5000, (True, False))):
            table.evaluate("(table, scroll) => { table.scrollLeft = scroll; }", scroll)
            shadows = view.evaluate(script, base64.b64encode(table.screenshot()).decode())
            with self.subTest(scroll):
                self.assertEqual(tuple(light < 220 for light in shadows), expected)
        view = self.open(SHOP, "#view=table", viewport={"width": 1600, "height": 800})
        shadows = view.evaluate(script, base64.b64encode(view.locator(".table .wide").screenshot()).decode())
        self.assertEqual(shadows, [255, 255])


if __name__ == "__main__":
    unittest.main()
