"""The fenced blocks of a page, as Sybil's examples.

Model: every fenced block is an example, whatever its language, so that none can be forgotten. A block of `text` that
follows code, with only blank lines and comments between, is that code's output. HTML comments before a block are directives:

    <!--- skip: next "REASON" -->    it is not run; the tests print the reason (Sybil's own)
    <!--- skip: next if(lacks("MODULE OR PROGRAM"), reason="REASON") -->
    <!--- file: NAME -->             it is not run but written into the page's folder as NAME
    <!--- numbers: 20% -->           numbers in its output may differ by that much: see compare.py
    <!--- output from: 3.12 -->      its output is that of CPython 3.12 and newer; on older versions it is run and the output
                                     not compared, which the tests report. The page says in words what is different
    <!--- hidden: sh
    COMMANDS                         run like a block, but not shown: preparation that is not a subject of the page
    -->
"""

import re
from pathlib import Path

from sybil import Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, RawFencedCodeBlockLexer

COMMENT = r"<!--(?:(?!-->).)*-->"
BETWEEN = re.compile(rf"(?:\s|{COMMENT})*", re.DOTALL)
DIRECTIVES = re.compile(rf"((?:{COMMENT}\s*)*)\Z", re.DOTALL)
OUTPUT = ("python", "c")  # languages whose output is a block of its own


class Block:
    """One block: its text and its position in the page."""

    def __init__(self, document, region):
        self.path, self.region = Path(document.path), region
        self.language = (region.lexemes["language"] or "").strip()
        self.start = region.start + region.lexemes["source"].offset
        self.source = self.text_of(document.text[self.start : region.end])
        self.line = document.text.count("\n", 0, region.start) + 1
        before = DIRECTIVES.search(document.text, 0, region.start)[1]
        self.file = self.directive("file", before)
        tolerance = self.directive("numbers", before)
        self.tolerance = None if tolerance is None else float(tolerance.rstrip("%")) / 100
        self.output_from = self.directive("output from", before)
        self.output = None  # the Block with its output
        self.code = None  # the Block whose output it is
        self.ran = False

    def __str__(self):
        return f"{self.path.name}:{self.line}"

    @staticmethod
    def text_of(rest):
        """The block's text as in the page (Sybil's lexeme has lost a common indentation), without its closing fence."""
        lines = rest.splitlines(keepends=True)
        return "".join(lines[:-1] if lines and lines[-1].lstrip().startswith(("```", "~~~")) else lines)

    @staticmethod
    def directive(name, comments):
        found = re.findall(rf"<!--+\s*{name}:\s*(.*?)\s*--+>", comments)
        return found[-1] if found else None


def link_outputs(document, blocks):
    for code, output in zip(blocks, blocks[1:]):
        between = document.text[code.region.end : output.region.start]
        if code.language in OUTPUT and code.file is None and output.language == "text" and BETWEEN.fullmatch(between):
            code.output, output.code = output, code


class BlockParser:
    """All blocks of a page; `evaluate(block, namespace)` runs one."""

    def __init__(self, evaluate):
        self.evaluate = evaluate
        self.fenced = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)\n"))
        self.hidden = DirectiveInHTMLCommentLexer("hidden", mapping={"arguments": "language", "source": "source"})

    def __call__(self, document):
        regions = [*self.fenced(document), *self.hidden(document)]
        blocks = [Block(document, region) for region in sorted(regions, key=lambda region: region.start)]
        link_outputs(document, blocks)
        for block in blocks:
            yield Region(block.region.start, block.region.end, block, self.evaluate_example)

    def evaluate_example(self, example):
        self.evaluate(example.parsed, example.namespace)
