"""Every block of commands and code in PAGES is run, or its page says why not."""

import os
import shutil
import unittest

import blocks
from pages import Block, BlockParser
from sybil import Sybil
from sybil.integration.unittest import TestCase
from sybil.parsers.markdown import SkipParser

PAGES = ["README.md", "CONTRIBUTING.md", "RELEASING.md", "changes/README.md", "docs/**/*.md"]


class PageTest(TestCase):
    """One block, with the directives before it; a class for each page."""

    def __init__(self, examples):
        super().__init__(examples[-1])
        self.examples = examples

    def runTest(self):
        for example in self.examples:
            example.evaluate()

    @classmethod
    def setUpClass(cls):
        cls.namespace["page"] = blocks.Page(cls.namespace["path"].stem.lower())

    def id(self):
        return f"{os.path.relpath(self.namespace['path'], blocks.ROOT)}:{self.example.line}"

    __str__ = __repr__ = id


def teardown(namespace):
    namespace["page"].close()


def lacks(name):
    """For `skip: next if(...)`: is there neither a module nor a program of this name?"""
    return blocks.Tested.lacks(name) and shutil.which(name) is None


def all_pages():
    return sorted(path for pattern in PAGES for path in blocks.ROOT.glob(pattern))


def make_sybil():
    return Sybil([BlockParser(blocks.run_block), SkipParser()], path=str(blocks.ROOT), patterns=PAGES, teardown=teardown)


def load_tests(loader, tests, pattern):
    sybil, suite = make_sybil(), unittest.TestSuite()
    for path in all_pages():
        suite.addTest(page_suite(sybil, path))
    return suite


def page_suite(sybil, path):
    document = sybil.parse(path)
    document.namespace["path"] = path
    document.namespace["lacks"] = lacks
    case = type(path.stem, (PageTest,), {"sybil": sybil, "namespace": document.namespace})
    suite, waiting = unittest.TestSuite(), []
    for example in document.examples():
        waiting.append(example)
        if isinstance(example.parsed, Block):
            suite.addTest(case(waiting))
            waiting = []
    return suite
