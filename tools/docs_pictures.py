#!/usr/bin/env python3
"""`make docs-pictures`: makes every picture of the documentation anew.

Model: examples/python/orders.py runs twice, as it is and mended, traced and recorded. Its files become HTML pages, of which a
browser takes pictures, and terminal output, which becomes SVG. Charts are drawn from the results in benchmarks/, graphs from
the sources. The pictures "before" of docs/design/graphs.md are of sources that are gone: they stay.

usage: docs_pictures.py [pages] [terminal] [charts] [graphs]     (default: all)

Needs the package with playwright, rich and matplotlib, the browser chromium, and Graphviz; says what is missing.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DESIGN_IMAGES = ROOT / "docs" / "design" / "images"
PROGRAM = "examples/python/orders.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 800  # of a picture of a page, in CSS pixels
COLUMNS = 100  # of a terminal
# Pictures of pages: name, page, what the address ends in, theme.
PAGES = (
    ("flame-graph", "orders.html", "#view=flame", "light"),
    ("flame-graph-dark", "orders.html", "#view=flame", "dark"),
    ("flame-graph-difference", "change.html", "#view=flame", "light"),
    ("table", "orders.html", "#view=table", "light"),
    ("source", "orders.html", "#view=source", "light"),
    ("timeline", "recording.html", "#view=timeline", "light"),
    ("summary", "orders.html", "#view=summary", "light"),
    ("processes", "processes.html", "#view=processes", "light"),
)
TERMINAL = (
    ("report", ["report", "orders.ctm", "--own", "-l", "6"]),
    ("tree", ["tree", "orders.ctm", "-l", "14", "--no-interactive"]),
    ("diff", ["diff", "fixed.ctm", "orders.ctm", "--own", "-l", "5"]),
)


def command(*arguments, folder, **options):
    return subprocess.run([sys.executable, "-m", "ctracemalloc", *arguments], cwd=folder, check=True, **options)


def make_files(folder):
    """orders.ctm and its recording, fixed.ctm, and the folder of a run with children."""
    shutil.copy(ROOT / PROGRAM, folder)
    program, quiet = os.path.basename(PROGRAM), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    traced = ["run", "-n", "25"]
    command(*traced, "--record", "orders.ctr", "--record-interval", "0.1", "-o", "orders.ctm", program, folder=folder, **quiet)
    command(*traced, "-o", "fixed.ctm", program, "--fixed", folder=folder, **quiet)
    workers = Path(folder, "workers.py")
    workers.write_text(WORKERS, encoding="utf-8")
    command(*traced, "--follow-children", "-o", "workers", workers.name, folder=folder, **quiet)
    command("html", "orders.ctm", "-o", "orders.html", folder=folder, **quiet)
    command("html", "fixed.ctm", "orders.ctm", "-o", "change.html", folder=folder, **quiet)
    command("html", "orders.ctr", "-o", "recording.html", folder=folder, **quiet)
    command("html", "workers", "-o", "processes.html", folder=folder, **quiet)


WORKERS = """\
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from orders import Archive, Service, make_requests

service = Service(Archive())


def work(number):
    service.serve(make_requests(random.Random(number), 300 * number))
    return service.served


if __name__ == "__main__":
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        print(sum(pool.map(work, range(1, 9))))
"""


def browser():
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    sys.exit("docs_pictures: chromium is missing (Debian: apt install chromium)")


def draw_pages(folder):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        for name, page, address, theme in PAGES:
            context = chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)
            tab = context.new_page()
            tab.goto(f"file://{folder}/{page}{address}")
            tab.wait_for_timeout(1500)  # the page's policy forbids scripts that wait for something
            tab.screenshot(path=IMAGES / f"{name}.png")
            context.close()
        chromium.close()


def draw_terminal(folder):
    from rich.console import Console
    from rich.text import Text

    for name, arguments in TERMINAL:
        environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        shown = command(*arguments, folder=folder, capture_output=True, text=True, env=environment).stdout
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
            console.print(Text.from_ansi(f"$ ctracemalloc {' '.join(arguments)}\n{shown}"), no_wrap=True, end="")
            picture = console.export_svg(title="ctracemalloc", unique_id=name)
            # Without the fonts from the network: the page falls back to a font that is there.
            picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
            lines = [line.rstrip() for line in picture.splitlines()]
            (IMAGES / f"{name}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw_charts(_folder):
    for version in ("3.13", "3.14"):
        results, chart = ROOT / f"benchmarks/results-{version}.json", DESIGN_IMAGES / f"performance-{version}.png"
        subprocess.run(
            [sys.executable, ROOT / "benchmarks/report.py", results, "--plot", chart], check=True, stdout=subprocess.DEVNULL
        )


def draw_graphs(folder):
    if shutil.which("dot") is None:
        sys.exit("docs_pictures: Graphviz is missing (Debian: apt install graphviz)")
    for name, source in (("library", "src/libctm"), ("extension", "src/pyext")):
        graph = f"{folder}/{name}.dot"
        tool = ROOT / "tools/link_graph.py"
        subprocess.run([sys.executable, tool, "--dot", graph, source], check=True, stdout=subprocess.DEVNULL)
        write_graph(Path(graph).read_bytes(), f"{name}-links-after")
    imports = subprocess.run([sys.executable, ROOT / "tools/check_imports.py", "--dot"], check=True, stdout=subprocess.PIPE)
    write_graph(imports.stdout, "package-imports-after")


def write_graph(graph, name):
    drawn = subprocess.run(["dot", "-Tsvg"], input=graph, check=True, stdout=subprocess.PIPE).stdout
    (DESIGN_IMAGES / f"{name}.svg").write_bytes(drawn)


PARTS = {"pages": draw_pages, "terminal": draw_terminal, "charts": draw_charts, "graphs": draw_graphs}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f"docs_pictures: no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "shop")  # its name is in the pictures
        os.mkdir(folder)
        if {"pages", "terminal"} & set(wanted):
            make_files(folder)
        for name in wanted:
            PARTS[name](folder)
            print(f"docs_pictures: {name}: done")


if __name__ == "__main__":
    main()
