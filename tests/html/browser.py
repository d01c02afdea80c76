"""Pages in a headless Chromium, for tests.

Model: one browser for the process, started by the first test that needs it, with a tab for each set of options. A page is
written into a temporary folder and opened from there, as a user opens it. Whatever the page reports (an error, a violation of
its own policy) fails the test.
"""

import atexit
import shutil
import tempfile
import unittest
from pathlib import Path
from tracemalloc import _format_size

CHROMIUM = shutil.which("chromium")
try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None
MISSING = "playwright is not installed" if sync_playwright is None else "chromium is not installed" if CHROMIUM is None else ""

started = {}  # "browser": the one of this process; its tabs by their options
AT_IN_TREE = """() => {
    const items = [...document.querySelectorAll("[role=treeitem]")];
    const at = items.indexOf(document.activeElement);
    return {expanded: items[at]?.getAttribute("aria-expanded"), at, last: items.length - 1};
}"""
DEFAULTS = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}


def the_browser():
    if "browser" not in started:
        manager = sync_playwright().start()
        started["browser"] = manager.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox"],
            ignore_default_args=["--hide-scrollbars"],  # they take room, as a user's do
        )
        atexit.register(manager.stop)
        atexit.register(started["browser"].close)
    return started["browser"]


class Tab:
    """A page of the browser, with what it has said and asked for since the test began."""

    def __init__(self, options):
        context = the_browser().new_context(**{**DEFAULTS, **options})
        context.set_default_timeout(30_000)
        self.page = context.new_page()
        self.said, self.requested = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))


def tab_with(options):
    key = repr(sorted(options.items()))
    if key not in started:
        started[key] = Tab(options)
    return started[key]


def size(number, sign=False):
    """Bytes as the standard module prints them."""
    return _format_size(number, sign)


@unittest.skipIf(MISSING, MISSING)
class BrowserTest(unittest.TestCase):
    """A test opens pages; each is in a context of its own, so nothing is left of it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tabs = []
        self.addCleanup(self.check_tabs)

    def check_tabs(self):
        for tab in self.tabs:
            self.assertEqual(tab.said, [])

    def goto(self, text, link="", **options):
        """The page, as it is loaded."""
        tab = tab_with(options)
        tab.page.goto("about:blank")  # another link alone would not load the page anew
        tab.said.clear()
        tab.requested.clear()
        self.tabs.append(tab)
        path = self.folder / "page.html"
        path.write_text(text, encoding="utf-8")
        tab.page.goto(path.as_uri() + link)
        return tab.page

    def open(self, text, link="", **options):
        """The page, when it is shown."""
        page = self.goto(text, link, **options)
        page.wait_for_selector("html[data-shown]")
        return page

    def settled(self, page):
        """Wait until what was asked for is drawn: the text below the canvas comes two frames after the canvas."""
        page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"
        )

    def control(self, page, words):
        """The control that is seen with this label."""
        return page.get_by_label(words, exact=True).and_(page.locator(":visible"))

    def figures(self, page):
        """{"live.total.size": "12.3 KiB"} of the details."""
        self.settled(page)
        cells = page.eval_on_selector_all("[data-figure]", "all => all.map(cell => [cell.dataset.figure, cell.textContent])")
        return dict(cells)

    def detail(self, page):
        self.settled(page)
        return page.text_content("#detail-name")

    def tree(self, page):
        """(level, name, amount) of the tree's items."""
        self.settled(page)
        script = """all => all.map(item => [
            Number(item.getAttribute("aria-level")),
            item.querySelector(".name")?.textContent ?? item.textContent,
            item.querySelector(".number")?.textContent ?? "",
        ])"""
        return [tuple(item) for item in page.eval_on_selector_all("[role=treeitem]", script)]

    def moved(self, page, before):
        """Where in the tree the focus is when that is another place: a key acts a while after it was pressed."""
        for _ in range(6000):
            now = page.evaluate(AT_IN_TREE)
            if now != before and now["at"] >= 0:  # while the tree is drawn anew no item has the focus
                return now
            page.wait_for_timeout(10)
        self.fail(f"nothing has changed: {before}")

    def open_whole_tree(self, page):
        """Open each item of the tree with the keys, as a user of a screen reader does."""
        self.settled(page)
        page.focus("[role=treeitem][tabindex='0']")
        page.keyboard.press("Home")
        state = page.evaluate(AT_IN_TREE)
        for _ in range(100):
            if state["expanded"] != "false" and state["at"] == state["last"]:
                return
            page.keyboard.press("ArrowRight" if state["expanded"] == "false" else "ArrowDown")
            state = self.moved(page, state)
        self.fail("the tree has no end")

    def click_box(self, page, row, share):
        """Click on the canvas: a row of boxes, and how far from the left (0 to 1)."""
        area = page.locator("#flame").bounding_box()
        page.mouse.click(area["x"] + area["width"] * share, area["y"] + 20 * row + 10)
        self.settled(page)

    def rows(self, page):
        """The cells of the table's rows, without the shares."""
        script = """all => all.map(row => [...row.children].map(cell =>
            (cell.querySelector("button.link") ?? cell.firstChild).textContent))"""
        return page.eval_on_selector_all("table.rows tbody tr", script)
