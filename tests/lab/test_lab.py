"""The notebook extension in JupyterLab, and in the page that nbconvert makes of a notebook: as a user sees it in Chromium.

Model: one server and one notebook. Its cells are run once in JupyterLab, and the tests look at what is shown: they read the
DOM, and measure places and colours. What the page or a frame in it says is an error fails the tests. Pictures of the whole
notebook, light and dark, are in build/lab-pictures for who wants to look.

`tests/lab/run.py` makes the environment that this needs.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from browser import MISSING, the_browser

try:
    import jupyterlab  # noqa: F401 - the server runs it
    import nbconvert  # noqa: F401 - a command
    import nbformat
except ImportError:
    nbformat = None

PICTURES = Path(__file__).resolve().parents[2] / "build" / "lab-pictures"
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR")
FOLDERS += ("JUPYTERLAB_WORKSPACES_DIR",)
HEIGHT = 600  # of a frame
SECONDS = 60
READABLE = 4.5  # contrast of text
CELLS = {
    "load": "%load_ext ctracemalloc",
    "flame": "%%ctracemalloc --flame\ndef make(n):\n    return [bytes(1000) for _ in range(n)]\nrows = make(2000)\nlen(rows)",
    "line": "%ctracemalloc len(bytes(1_000_000))",
    "error": "%%ctracemalloc\nheld = bytes(2_000_000)\n1 / 0",
    "await": "%%ctracemalloc -l 1\nimport asyncio\nawait asyncio.sleep(0.01)\ndata = bytes(4_000_000)",
    "bad": "%%ctracemalloc --flam\nx = 1",
    "follow": "%ctracemalloc --follow",
    "shown": "[bytes(1000) for _ in range(3000)][:2500];\n[bytes(100) for _ in range(3000)]",
    "history": "%ctracemalloc --cell-history",
    "snapshot": "import ctracemalloc\nfirst = ctracemalloc.take_snapshot()\nfirst",
    "statistics": "first.statistics('lineno')[:5]",
    "differences": "more = [bytes(100) for _ in range(1000)]\nctracemalloc.take_snapshot().compare_to(first, 'lineno')[:5]",
    "scope": "with ctracemalloc.scope('load') as s:\n    data = [bytes(2000) for _ in range(100)]\ns",
    "unfollow": "%ctracemalloc --unfollow",
}
REPRS = ("snapshot", "statistics", "differences", "scope")
IDLE = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
# The contrast of each piece of text with what is behind it; the smallest.
CONTRAST = """outputs => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const cells = outputs.flatMap(output => [...output.querySelectorAll("td, th, pre, p, b")]);
    return [cells.length, Math.min(...cells.map(cell => {
        const [a, b] = [light(numbers(getComputedStyle(cell).color)), light(behind(cell))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }))];
}"""


def new_notebook(cells):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    goes_on = {"tags": ["raises-exception"]}  # after a cell that fails
    made = [nbformat.v4.new_code_cell(cell, metadata=goes_on) for cell in cells]
    return nbformat.v4.new_notebook(cells=made, metadata=kernel)


class Server:
    """JupyterLab in a folder of its own, with no settings but those that keep it from asking."""

    def __init__(self, folder):
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.environment = {name: str(folder / name) for name in FOLDERS}
        settings = folder / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet), encoding="utf-8")
        self.token = secrets.token_hex(16)
        self.log = folder / "server.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
        command += ["--expose-app-in-browser", f"--ServerApp.root_dir={self.notebooks}"]
        env = {**os.environ, **self.environment, "JUPYTER_TOKEN": self.token}
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.runtime = folder / "JUPYTER_RUNTIME_DIR"

    def address(self):
        """Waits until it runs."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for path in self.runtime.glob("jpserver-*.json"):
                try:
                    return json.loads(path.read_text(encoding="utf-8"))["url"]
                except ValueError:  # it is being written
                    pass
            time.sleep(0.1)
        raise AssertionError(f"the server does not start:\n{self.log.read_text(encoding='utf-8')[-3000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Page:
    """A page of Chromium, and the errors that it has told."""

    def __init__(self, **options):
        context = the_browser().new_context(viewport={"width": 1400, "height": 1000}, **options)
        context.set_default_timeout(SECONDS * 1000)
        self.page, self.errors = context.new_page(), []
        self.page.on("console", lambda told: told.type == "error" and self.errors.append(told.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def close(self):
        self.page.context.close()


class Lab(Page):
    """A notebook in JupyterLab. Its commands are called by their names, as its menus do."""

    def __init__(self, server, name):
        super().__init__(color_scheme="null")  # what a frame prefers then is what its element has, as for users
        self.page.goto(f"{server.address()}lab/tree/{name}?token={server.token}&reset")
        self.page.wait_for_function(f"globalThis.jupyterapp?.shell.currentWidget?.content?.model && {IDLE}")

    def command(self, name, **options):
        self.page.evaluate("([name, options]) => { jupyterapp.commands.execute(name, options); }", [name, options])

    def run_all(self):
        self.command("notebook:run-all-cells")
        cells = "[...jupyterapp.shell.currentWidget.content.model.cells]"  # the page has those in sight
        self.page.wait_for_function(f"{cells}.every(cell => cell.executionCount) && {IDLE}")

    def save(self):
        self.page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")

    def theme(self, name):
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        is_light = str(name == "Light").lower()
        self.page.wait_for_selector(
            f"body[data-jp-theme-light={is_light}][data-jp-theme-name='JupyterLab {name}']", state="attached"
        )

    def picture(self, name):
        self.page.set_viewport_size({"width": 1400, "height": 5000})
        time.sleep(1)  # it draws cells that were out of sight
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")
        self.page.set_viewport_size({"width": 1400, "height": 1000})

    def outputs(self, name):
        """The outputs of a cell."""
        cell = self.page.locator(".jp-CodeCell").nth(list(CELLS).index(name))
        cell.scroll_into_view_if_needed()
        return cell.locator(".jp-OutputArea-output")


def frame_in(page):
    element = page.wait_for_selector("iframe[srcdoc]")
    element.scroll_into_view_if_needed()
    frame = element.content_frame()
    frame.wait_for_selector("html[data-shown]")
    return element, frame


def settled(frame):
    frame.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))")


class FrameTest(unittest.TestCase):
    def check_frame(self, page):
        """The frame is seen, has the cell's memory, and answers to a click."""
        element, frame = frame_in(page)
        box = element.bounding_box()
        self.assertEqual(box["height"], HEIGHT)
        self.assertGreater(box["width"], 500)
        self.assertEqual(frame.text_content("h1"), "In[2]: memory")
        settled(frame)
        self.assertEqual(frame.text_content("nav.crumbs"), "everything")
        area = frame.locator("#flame").bounding_box()  # in the page
        self.assertGreater(area["width"], 400)
        self.assertGreater(area["height"], 60)
        page.mouse.click(area["x"] + 0.5 * area["width"], area["y"] + 3 * 20 + 10)
        settled(frame)
        self.assertIn("make", frame.text_content("nav.crumbs"))
        self.assertEqual(frame.text_content("#detail-name"), "make")
        frame.get_by_role("button", name="Reset zoom").click()
        settled(frame)
        self.assertEqual(frame.text_content("nav.crumbs"), "everything")
        frame.get_by_role("link", name="Table").click()
        settled(frame)
        self.assertIn("make", frame.locator("table.rows tbody tr").first.text_content())
        frame.get_by_role("link", name="Flame graph").click()


class LabTest(FrameTest):
    @classmethod
    def setUpClass(cls):
        missing = MISSING or ("jupyterlab is not installed: tests/lab/run.py installs it" if nbformat is None else "")
        if missing:
            raise unittest.SkipTest(missing)
        folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.folder, cls.server = folder, Server(folder)
        cls.addClassCleanup(cls.server.stop)
        cls.path = cls.server.notebooks / "cells.ipynb"
        nbformat.write(new_notebook(CELLS.values()), cls.path)
        cls.lab = Lab(cls.server, cls.path.name)
        cls.addClassCleanup(cls.lab.close)
        cls.lab.theme("Light")
        cls.lab.run_all()
        cls.lab.save()

    def tearDown(self):
        self.assertEqual(self.lab.errors, [])

    def convert(self, *arguments):
        command = [sys.executable, "-m", "nbconvert", "--log-level=ERROR", "--to", *map(str, arguments)]
        env = {**os.environ, **self.server.environment}
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def rows(self, name):
        """The cells of each row of a cell's tables."""
        script = "all => all.map(row => [...row.children].map(cell => cell.textContent.trim()))"
        return self.lab.outputs(name).locator("tr").evaluate_all(script)

    def test_report(self):
        self.assertEqual(self.lab.outputs("flame").nth(0).text_content().strip(), "2000")
        rows = self.rows("flame")
        self.assertEqual(rows[0], ["size", "count", "average", "%", "location", "function"])
        self.assertEqual(rows[1][4:], ["In[2]:3", "make"])
        self.assertRegex(rows[1][0], r"^20\d\d KiB$")
        self.assertEqual(rows[2], ["return [bytes(1000) for _ in range(n)]"])
        self.assertEqual(sum(row[0] == "size" for row in rows), 2)

    def test_flame_graph(self):
        self.check_frame(self.lab.page)

    def test_statement(self):
        self.assertIn("peak 977 KiB", self.lab.outputs("line").nth(0).text_content())
        self.assertEqual(self.lab.outputs("line").nth(1).text_content().strip(), "1000000")

    def test_errors(self):
        shown = self.lab.outputs("error")
        self.assertIn("ZeroDivisionError", shown.nth(0).text_content())
        self.assertEqual(self.rows("error")[1][4:], ["In[4]:2", "<module>"])
        self.assertIn("unrecognized arguments: --flam", self.lab.outputs("bad").nth(0).text_content())

    def test_await(self):
        rows = self.rows("await")
        self.assertEqual(rows[1][4], "In[5]:4")
        self.assertEqual(rows[2], ["data = bytes(4_000_000)"])

    def test_history(self):
        rows = self.rows("history")
        self.assertEqual(rows[1][3:], ["In[8]", "[bytes(1000) for _ in range(3000)][:2500];"])
        names = {line.partition(": ")[0] for line in rows[2][0].split("\n")}
        self.assertEqual(names, {"Out[8], _, _8", "what was displayed, in the history of this shell"})

    def test_reprs(self):
        texts = {name: self.lab.outputs(name).nth(0).text_content().strip() for name in REPRS}
        self.assertRegex(texts["snapshot"], r"^Snapshot\s*live: .* in [\d,]+ blocks")
        self.assertRegex(texts["statistics"], "^5 statistics")
        self.assertRegex(texts["differences"], "^5 differences")
        self.assertRegex(texts["scope"], r"^scope load\s*peak \d+ KiB")
        for name in REPRS:
            self.assertTrue(any(row[-1] == "<module>" for row in self.rows(name)), name)

    def test_rows_are_told_apart(self):
        """A row and its line of source have different backgrounds, each as a whole, whatever stands above."""
        script = """rows => rows.map(row => [row.children.length === 1, [row, ...row.querySelectorAll("pre")]
            .map(part => getComputedStyle(part).backgroundColor).filter(colour => colour !== "rgba(0, 0, 0, 0)").join()])"""
        for name in ("flame", *REPRS):
            found = self.lab.outputs(name).locator("tbody tr:has(td)").evaluate_all(script)
            of_rows, of_sources = ({colour for is_source, colour in found if is_source == kind} for kind in (False, True))
            self.assertEqual((len(of_rows), len(of_sources)), (1, 1), name)
            self.assertNotEqual(of_rows, of_sources)

    def test_themes(self):
        _element, frame = frame_in(self.lab.page)
        for name in ("Dark", "Light"):
            self.lab.theme(name)
            self.lab.picture(name.lower())
            for cell in ("flame", "history", *REPRS):
                number, least = self.lab.outputs(cell).evaluate_all(CONTRAST)
                self.assertGreater(number, 5)
                self.assertGreaterEqual(least, READABLE, (name, cell))
            self.lab.outputs("flame").first.scroll_into_view_if_needed()
            page, text = frame.evaluate(
                "() => { const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]; }"
            )
            brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (page, text)]
            self.assertEqual(brightness[0] < 200 < 500 < brightness[1], name == "Dark", (name, page, text))
            self.assertEqual(brightness[1] < 200 < 500 < brightness[0], name == "Light", (name, page, text))

    def test_notebook_of_somebody_else(self):
        """JupyterLab shows no frame of a notebook that the user has not run and does not trust; the tables it shows."""
        cells = [CELLS["load"], CELLS["flame"]]
        path = self.server.notebooks / "other.ipynb"
        nbformat.write(new_notebook(cells), path)
        self.convert("notebook", "--execute", "--inplace", path)
        other = Lab(self.server, "other.ipynb")
        try:
            table = other.page.locator(".jp-OutputArea-output table").first
            self.assertIn("In[2]:3", table.text_content())
            self.assertEqual(other.page.locator("iframe").count(), 0)
            other.command("notebook:trust")
            other.page.locator(".jp-Dialog .jp-mod-accept").click()
            self.check_frame(other.page)
            self.assertEqual(other.errors, [])
        finally:
            other.close()

    def test_nbconvert(self):
        network = ["--HTMLExporter.require_js_url=", "--HTMLExporter.mathjax_url="]  # none is needed
        self.convert("html", *network, "--output-dir", self.folder, self.path)
        for scheme in ("light", "dark"):
            shown = Page(color_scheme=scheme)
            try:
                shown.page.goto((self.folder / "cells.html").as_uri())
                self.check_frame(shown.page)
                self.assertGreaterEqual(shown.page.locator("table").count(), 10)
                number, least = shown.page.locator(".jp-OutputArea-output").evaluate_all(CONTRAST)
                self.assertGreater(number, 50)
                self.assertGreaterEqual(least, READABLE)
                shown.page.screenshot(path=PICTURES / f"nbconvert-{scheme}.png", full_page=True)
                self.assertEqual(shown.errors, [])
            finally:
                shown.close()


if __name__ == "__main__":
    unittest.main()
