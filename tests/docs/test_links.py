"""Every link of a page within the project points to an existing file, and to an existing heading."""

import re
import unittest

import blocks
from test_pages import all_pages

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(path):
    """The headings of a page, in the form that links to them have."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}


class LinkTest(unittest.TestCase):
    def test_links_within_the_project(self):
        checked = 0
        for page in all_pages():
            for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
                if "://" in target:
                    continue
                with self.subTest(page=page.name, target=target):
                    name, _, anchor = target.partition("#")
                    path = (page.parent / name) if name else page
                    self.assertTrue(path.exists(), f"{path} is not there")
                    self.assertTrue(path.resolve().is_relative_to(blocks.ROOT), f"{path} is outside of the project")
                    if anchor:
                        self.assertIn(anchor, anchors(path))
                    checked += 1
        self.assertGreater(checked, 30)


if __name__ == "__main__":
    unittest.main()
