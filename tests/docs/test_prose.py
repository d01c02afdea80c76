"""The form of the pages: one sentence a line, plain words, existing paths and pages.

Model: prose is every line that is not part of a table, heading, comment or fenced block. A sentence begins a line, and a line
ends where a sentence does. Whether a mark ends a sentence depends on what follows: a capital letter, a code span, bold or a
bracket.
"""

import re
import unittest

import blocks
from test_pages import all_pages

HIDDEN = re.compile(r"^```.*?^```|<!--.*?-->", re.M | re.S)
SPAN = re.compile(r"`[^`\n]+`")
NOT_PROSE = ("|", "#", "!")
# A mark at the end of a sentence, maybe inside quotes, brackets or bold, then what can begin the next sentence.
TWO_SENTENCES = re.compile(r"""[.!?]["')*]* +[A-Z"'(*`\[]""")
END = re.compile(r"""[.:!?;,]["')*]*$""")
ITEM = re.compile(r"(- |\d+\. )")
# A thread, a process or a caller is "it"; the rest are words that the glossary has replaced.
NOT_PLAIN = re.compile(r"\b(who(so)?ever|he|she|his|him|her|astray|nears|hops)\b", re.I)
PATH = re.compile(r"`((?:src|include|python|tests|tools|benchmarks|examples|third_party|docs)/[\w./-]+)`")
PLACEHOLDER = re.compile(r"[A-Z]{4}(?!.*\.md$)")  # of a path: fuzz_NAME.c


def without_blocks(page):
    """The page's text with the same line numbers, without its fenced blocks and comments."""
    return HIDDEN.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))


def prose(page):
    """(number, line) of each line of prose, with code spans as one word."""
    for number, line in enumerate(without_blocks(page).split("\n"), 1):
        text = SPAN.sub("`x`", line).strip()
        if text and not text.startswith(NOT_PROSE):
            yield number, text


def pages():
    return [*all_pages(), *sorted((blocks.ROOT / "third_party").glob("*/README.md"))]


class ProseTest(unittest.TestCase):
    def test_plain_words(self):
        for page in pages():
            for number, line in prose(page):
                with self.subTest(f"{page.relative_to(blocks.ROOT)}:{number}"):
                    self.assertIsNone(NOT_PLAIN.search(line), line)

    def test_a_line_has_one_sentence(self):
        lines = 0
        for page in pages():
            for number, line in prose(page):
                lines += 1
                with self.subTest(f"{page.relative_to(blocks.ROOT)}:{number}"):
                    self.assertIsNone(TWO_SENTENCES.search(ITEM.sub("", line, count=1)), line)
        self.assertGreater(lines, 500)

    def test_a_sentence_has_one_line(self):
        """If a line ends without a mark, the next line must not continue its sentence."""
        for page in pages():
            before = (0, ".")
            for number, line in prose(page):
                goes_on = number == before[0] + 1 and not ITEM.match(line)
                with self.subTest(f"{page.relative_to(blocks.ROOT)}:{number}"):
                    self.assertFalse(goes_on and not END.search(before[1]), f"{before[1]}\n{line}")
                before = (number, line)

    def test_finds_what_it_forbids(self):
        for line in ("One. Two.", "It is `x`. `y` is not.", "**Bold.** Next.", "(One.) Two.", 'He says "no." Then'):
            self.assertIsNotNone(TWO_SENTENCES.search(SPAN.sub("`x`", line)), line)
        for line in ("One, two; three: four.", "Version 3.13 and newer.", "`a. B` is code.", "Python 3.12 and 3.13."):
            self.assertIsNone(TWO_SENTENCES.search(SPAN.sub("`x`", line)), line)


class PathTest(unittest.TestCase):
    def test_files_that_pages_name(self):
        checked = 0
        for page in pages():
            for path in PATH.findall(without_blocks(page)):
                if PLACEHOLDER.search(path):
                    continue
                with self.subTest(page=page.name, path=path):
                    self.assertTrue((blocks.ROOT / path).exists(), f"{path} is not there")
                    checked += 1
        self.assertGreater(checked, 100)

    def test_the_index_has_every_page(self):
        docs = blocks.ROOT / "docs"
        index = (docs / "index.md").read_text(encoding="utf-8")
        linked = set(re.findall(r"^- \[.*?\]\((.*?)\): ", index, re.M))
        self.assertEqual(linked, {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"index.md"})


class GlossaryTest(unittest.TestCase):
    def test_terms_are_in_order_and_have_a_file(self):
        text = (blocks.ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
        entries = re.findall(r"^- \*\*(.*?)\*\*.*\n((?:  .*\n)+)", text, re.M)
        terms = [term for term, _rest in entries]
        self.assertGreater(len(terms), 40)
        self.assertEqual(terms, sorted(terms, key=str.casefold))
        for term, rest in entries:
            with self.subTest(term):
                self.assertRegex(rest, r"(?m)^  File: `[^`]+`\.$")


if __name__ == "__main__":
    unittest.main()
