"""The pytest plugin: the fixture `ctracemalloc`, and fixtures' memory told apart from the test's."""

import unittest

from cli_support import skip_some_pythons
from pytest_support import PytestCase


def setUpModule():
    skip_some_pythons()


HEAD = """
import ctracemalloc as module
import pytest

KEPT = []

"""


class FixtureTests(PytestCase):
    def check(self, source, *options, **outcomes):
        result = self.run_pytest(HEAD + source, *options)
        result.assert_outcomes(**outcomes)
        return result

    def test_what_a_test_can_ask(self):
        source = """
def test_it(ctracemalloc):
    assert ctracemalloc.allocated < 1000  # that it is called with a fixture
    bytearray(100_000)
    assert 100_000 < ctracemalloc.peak < 101_000
    KEPT.append(bytearray(50_000))
    assert 50_000 < ctracemalloc.growth < 51_000 and ctracemalloc.growth_blocks < 20
    assert ctracemalloc.allocated > 150_000 and ctracemalloc.allocated_blocks > 3
    row, frame = ctracemalloc.diff()[0], ctracemalloc.diff()[0].traceback[0]
    assert (frame.filename, frame.lineno, frame.name) == (__file__, 11, "test_it")
    assert 50_000 < row.size_diff < 51_000 and row.count_diff in (2, 3)
    assert ctracemalloc.top(1)[0].traceback[0].lineno == 9
    assert ctracemalloc.peak < 105_000 and ctracemalloc.growth < 55_000
    assert ctracemalloc.live_snapshot().statistics("lineno")[0].size < 51_000
    assert ctracemalloc.peak_snapshot().statistics("filename")[0].size > 100_000

def test_what_it_takes_to_answer_is_not_in_it(ctracemalloc):
    KEPT.append([bytes(n) for n in range(1000, 1100)])
    before = ctracemalloc.peak
    answers = ctracemalloc.live_snapshot(), ctracemalloc.top(100), ctracemalloc.diff("traceback"), ctracemalloc.peak_snapshot()
    assert ctracemalloc.peak - before < 1000

def test_older_memory_is_not_in_it(ctracemalloc):
    KEPT.clear()
    assert ctracemalloc.growth < 1000

def test_garbage_is_no_growth(ctracemalloc):
    cycle = [bytearray(100_000)]
    cycle.append(cycle)
    del cycle
    assert ctracemalloc.growth < 2000
"""
        for options in ((), ("--ctracemalloc",)):
            self.check(source, *options, passed=4)

    def test_it_counts_from_where_the_test_begins(self):
        source = """
@pytest.fixture
def data(ctracemalloc):
    kept = bytearray(200_000)
    assert ctracemalloc.growth > 200_000
    yield kept
    assert ctracemalloc.growth < 50_000

def test_it(data, ctracemalloc):
    assert ctracemalloc.growth < 2000
    assert ctracemalloc.peak < 10_000
"""
        for options in ((), ("--ctracemalloc",)):
            self.check(source, *options, passed=1)

    def test_it_traces_for_its_test_only(self):
        source = """
def test_before():
    assert not module.is_tracing()

def test_it(ctracemalloc):
    assert module.is_tracing()

def test_after():
    assert not module.is_tracing()

def test_by_name(request):
    request.getfixturevalue("ctracemalloc")
    assert module.is_tracing()

def test_at_last():
    assert not module.is_tracing()
"""
        self.check(source, passed=5)

    def test_it_does_not_disturb_a_limit(self):
        source = """
@pytest.mark.limit_growth("100 KB")
def test_below(ctracemalloc):
    KEPT.append(bytearray(90_000))
    assert ctracemalloc.growth > 90_000
    assert ctracemalloc.top() and ctracemalloc.diff()

@pytest.mark.limit_memory("100 KB")
def test_above(ctracemalloc):
    bytearray(110_000)
    ctracemalloc.peak
"""
        self.check(source, passed=1, failed=1)


class ApartTests(PytestCase):
    SOURCE = """
import pytest

@pytest.fixture(scope="module")
def shared():
    return bytearray(400_000)

@pytest.fixture
def outer(request):
    return bytearray(100_000), request.getfixturevalue("inner")

@pytest.fixture
def inner():
    return bytearray(200_000)

@pytest.mark.parametrize("given", [bytearray(90_000)])
def test_one(shared, outer, given):
    pass

def test_two(shared, request):
    request.getfixturevalue("inner")
"""

    def test_fixtures_are_shown_with_what_they_keep(self):
        result = self.run_pytest(self.SOURCE, "--ctracemalloc")
        lines = self.section(result, "ctracemalloc: memory of the tests")
        shown = [line.split(maxsplit=2) for line in lines[lines.index("largest fixtures, by growth in their set-up") + 1 :]]
        expected = [
            (391, "shared (module), for test_it.py::test_one[given0]"),
            (195, "inner (function), for test_it.py::test_one[given0]"),
            (195, "inner (function), for test_it.py::test_two"),
            (98, "outer (function), for test_it.py::test_one[given0]"),
        ]
        self.assertEqual(sorted(text for _size, _unit, text in shown), sorted(text for _size, text in expected))
        for (size, unit, _text), (kilobytes, _) in zip(shown, expected):
            self.assertEqual(unit, "KiB")
            self.assertAlmostEqual(float(size), kilobytes, delta=3)


if __name__ == "__main__":
    unittest.main()
