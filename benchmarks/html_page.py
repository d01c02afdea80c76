#!/usr/bin/env python3
"""Measures the HTML page in a headless Chromium: how long until it is painted, a zoom, a search, another view.

Model: a page of so many nodes is made as the tests make theirs (tests/html). Each figure is the best of some rounds, so that
other load matters little. Painted: from the start of the navigation to the end of the first painting. The others are from the
event to the end of the next painting.

usage: html_page.py [--nodes N] [--rounds N]     needs playwright and chromium
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "html"))

from example_pages import large
from page_writer import page
from playwright.sync_api import sync_playwright

UNTIL_PAINTED = """async ([what, argument]) => {
    const canvas = document.getElementById("flame");
    const area = canvas.getBoundingClientRect();
    const events = {
        click: () => canvas.dispatchEvent(new MouseEvent("click", {clientX: area.left + 40, clientY: area.top + argument})),
        key: () => document.body.dispatchEvent(new KeyboardEvent("keydown", {key: argument, bubbles: true})),
        search: () => {
            const input = document.getElementById("search");
            input.value = argument;
            input.dispatchEvent(new Event("input"));
        },
    };
    const before = canvas.dataset.paints;
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const start = performance.now();
    events[what]();
    const handled = performance.now() - start;
    while (canvas.dataset.paints === before) {
        if (performance.now() > start + 10000) {
            throw new Error(`nothing was painted after: ${what} ${argument}`);
        }
        await new Promise(done => requestAnimationFrame(done));
    }
    return [handled, performance.now() - start];
}"""
STEPS = (
    ("zoom in", "click", 50),
    ("zoom in again", "click", 90),
    ("zoom out", "key", "0"),
    ("search", "search", "function_12"),
    ("search with an expression", "search", "/mod_[0-9]7/"),
    ("inverted", "key", "i"),
    ("by line", "key", "l"),
)


def measured(browser, path):
    """{step: milliseconds, or (of the event's handler, until it is painted)} of one round."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.goto(path.as_uri() + "#own=off")
    tab.wait_for_selector("html[data-painted]")
    found = {"painted": (float(tab.get_attribute("html", "data-painted")),)}
    for name, what, argument in STEPS:
        tab.wait_for_timeout(300)
        found[name] = tuple(tab.evaluate(UNTIL_PAINTED, [what, argument]))
    found["heap"] = (tab.evaluate("performance.memory.usedJSHeapSize / 1e6"),)
    context.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "page.html")
        path.write_text(page([large(options.nodes)], sections=("flame", "table")), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        rounds = [measured(browser, path) for _ in range(options.rounds)]
        browser.close()
        print(f"{options.nodes:,} nodes, {path.stat().st_size / 2**20:.1f} MiB, best of {options.rounds}")
    for name in rounds[0]:
        best = [min(values) for values in zip(*(one[name] for one in rounds), strict=True)]
        unit = "MB" if name == "heap" else "ms"
        text = (
            f"{best[0]:.0f} {unit}"
            if len(best) == 1
            else f"{best[0]:.1f} ms for the event, {best[1]:.1f} ms until it is painted"
        )
        print(f"{name}: {text}")


if __name__ == "__main__":
    main()
