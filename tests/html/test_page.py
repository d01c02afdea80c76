"""The page as a file: its policy, odd names, several datasets, broken data, frames, and many nodes."""

import base64
import html
import re
import unittest

from browser import BrowserTest
from example_pages import TRICKY, large, processes, shop, tricky
from page_writer import escaped, page

SHOP = page([shop()], "the shop")


class PolicyTest(BrowserTest):
    def test_nothing_is_loaded_and_nothing_is_refused(self):
        view = self.open(SHOP, "#view=flame")
        for section in ("table", "source", "summary"):
            view.evaluate(f"location.hash = '#view={section}'")
            view.wait_for_selector(f"html[data-shown='0 {section}']")
        self.assertEqual([url.split("/")[-1] for url in self.tabs[0].requested], ["page.html"])

    def test_it_works_in_a_frame_without_an_address(self):
        for sandbox in ("", ' sandbox="allow-scripts"'):
            outer = f'<!DOCTYPE html><iframe{sandbox} width=1200 height=700 srcdoc="{html.escape(SHOP)}"></iframe>'
            view = self.goto(outer)
            frame = view.frames[1]
            frame.get_by_role("link", name="Flame graph").click()
            frame.get_by_label("Inverted").check()
            frame.wait_for_selector("[role=treeitem] >> text=numpy")
            frame.get_by_role("link", name="Table").click()
            self.assertEqual(frame.get_attribute("html", "data-shown"), "0 table")


class NamesTest(BrowserTest):
    def test_names_are_never_markup(self):
        sections = ("summary", "flame", "table", "source")
        view = self.open(page([tricky()], TRICKY, sections, [(TRICKY, TRICKY, None)] * 2), "#view=flame")
        for section in sections:
            view.evaluate(f"location.hash = '#view={section}'")
            view.wait_for_selector(f"html[data-shown='0 {section}']")
            self.settled(view)
            self.assertEqual(view.title(), TRICKY)
            self.assertEqual(view.locator("#app script").count(), 0)
            self.assertIn(TRICKY, view.text_content("main"))
        self.assertEqual(view.text_content("h1"), TRICKY)

    def test_what_is_not_seen_is_escaped(self):
        view = self.open(page([tricky()]), "#view=flame")
        self.open_whole_tree(view)
        names = [name for _level, name, _amount in self.tree(view)]
        self.assertEqual(names, ["everything", TRICKY, "half \\ud83d of a pair"])
        self.assertEqual(view.text_content(".detail .path .link"), "/srv/\\u202egnp.py\\x1b[2J:1")
        self.assertIsNone(re.search("[\\x00-\\x08\\x1b\\u202e\\ud800-\\udfff]", view.text_content("#app")))

    def test_losses_are_beside_every_number(self):
        for section in ("summary", "flame", "table", "source"):
            view = self.open(page([shop(losses=["12 blocks are missing"], estimated=True)]), f"#view={section}")
            self.assertTrue(view.get_by_text("12 blocks are missing").is_visible())
            self.assertTrue(view.get_by_text("All figures are estimates from a sample.").first.is_visible())


class DatasetsTest(BrowserTest):
    def test_one_is_chosen_and_the_link_says_it(self):
        view = self.open(processes(), "#view=flame")
        self.assertEqual(self.figures(view)["live.total.size"], "881 KiB")
        self.control(view, "Data").select_option("1")
        view.wait_for_selector("html[data-shown='1 flame']")
        self.assertEqual(self.figures(view)["live.total.size"], "3072 B")
        self.assertIn("data=1", view.url)
        view.go_back()
        view.wait_for_selector("html[data-shown='0 flame']")

    def test_processes_lead_to_their_data(self):
        view = self.open(processes(), "#view=processes")
        self.assertEqual(
            [row[:3] for row in self.rows(view)], [["all", "10", "1 B"], ["worker", "11", "5 B"], ["gone", "12", "not known"]]
        )
        view.get_by_role("button", name="worker").click()
        view.wait_for_selector("html[data-shown='1 flame']")

    def test_a_broken_one_is_said_and_the_others_stay(self):
        text = re.sub('(id="data-1">).{40}', r"\1" + base64.b64encode(b"no zlib stream at all, really.").decode(), processes())
        view = self.open(text, "#view=flame")
        self.control(view, "Data").select_option("1")
        view.wait_for_selector("[role=alert]:visible")
        self.assertIn("This data cannot be shown", view.text_content("[role=alert]"))
        self.control(view, "Data").select_option("0")
        view.wait_for_selector("[role=alert]", state="hidden")


class StartTest(BrowserTest):
    def test_the_maker_of_the_page_chooses_what_is_shown_first(self):
        start = '"start": {"measure": "peak", "by": "count"}, "schema": 1'
        view = self.open(SHOP.replace('"schema": 1', start), "#view=flame")
        self.assertEqual([self.control(view, words).input_value() for words in ("Memory", "In")], ["peak", "count"])
        self.control(view, "In").select_option("size")
        self.assertTrue(view.url.endswith("#view=flame&unit=size"))


class LinksTest(BrowserTest):
    def test_links_of_a_service_lead_to_its_other_pages(self):
        links = [
            {"text": "now", "href": "?", "current": True},
            {"text": TRICKY + "\u202e\ud83d", "href": "?since=a%20b&x=1"},
            {"text": "script", "href": "javascript:alert(1)"},
            {"text": "elsewhere", "href": "https://example.org/?"},
            {"text": "beside", "href": "//example.org/?"},
            {"text": "fragment", "href": "#view=table"},
        ]
        text = SHOP.replace('"schema": 1', f'"links": {escaped(links)}, "schema": 1')
        view = self.open(text, "#view=flame")
        script = "all => all.map(link => [link.textContent, link.getAttribute('href'), link.getAttribute('aria-current')])"
        self.assertEqual(
            view.eval_on_selector_all("header nav.pages a", script),
            [["now", "?", "page"], [TRICKY + "\\u202e\\ud83d", "?since=a%20b&x=1", None]],
        )
        view.locator("nav.pages a").nth(1).click()
        view.wait_for_selector("html[data-shown='0 summary']")
        self.assertTrue(view.url.endswith("/page.html?since=a%20b&x=1"))

    def test_a_page_of_its_own_has_none(self):
        self.assertEqual(self.open(SHOP).locator("nav.pages").count(), 0)


class BrokenTest(BrowserTest):
    def opened(self, text):
        view = self.goto(text)
        view.wait_for_selector("[role=alert]")
        return view.text_content("[role=alert]")

    def test_another_schema_is_named(self):
        self.assertIn("data of schema 2", self.opened(SHOP.replace('"schema": 1', '"schema": 2')))

    def test_a_file_that_is_cut_off(self):
        cut = re.sub('id="data-0">[^<]*<', 'id="data-0"><', SHOP)
        self.assertIn('no element "data-0": it is cut off', self.opened(cut))


class ManyNodesTest(BrowserTest):
    def test_300_000_nodes(self):
        view = self.open(page([large(300_000)], sections=("flame", "table")), "#own=off")
        view.wait_for_selector("html[data-painted]")
        self.settled(view)
        boxes = int(view.get_attribute("#flame", "data-boxes"))
        self.assertTrue(1000 < boxes < 60_000, boxes)
        for link in (
            "#by=line&inverted=1&own=off",
            "#find=function_12",
            "#find=function_12&inverted=1",
            "#view=table&rows=line",
        ):
            view.evaluate("link => { location.hash = link; }", link)
            self.settled(view)
        self.assertRegex(view.text_content(".table .result"), "showing 100 of [0-9,]+")


if __name__ == "__main__":
    unittest.main()
