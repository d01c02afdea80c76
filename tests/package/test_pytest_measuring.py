"""The pytest plugin: `--ctracemalloc`, and that it costs nothing and changes nothing when nobody asks."""

import random
import re
import unittest

from cli_support import skip_some_pythons
from ctracemalloc.pytest_plugin.results import PEAK, Ranking
from pytest_support import PytestCase


def setUpModule():
    skip_some_pythons()


TESTS = """
import pytest

KEPT = []

@pytest.fixture
def data():
    return bytearray(300_000)

def test_empty():
    pass

def test_peak(data):
    bytearray(2_000_000)

def test_grow():
    KEPT.append(bytearray(500_000))

def test_fails():
    big = bytearray(1_000_000)
    assert not big
"""
STATE = """
import sys

def test_state(request):
    assert request.config.pluginmanager.hasplugin("ctracemalloc")
    print("modules:", *sorted(name for name in sys.modules if name.partition(".")[0] == "ctracemalloc"))
    module = sys.modules.get("ctracemalloc")
    print("tracing:", module is not None and module.is_tracing())
"""
UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2}
SIZE = re.compile(r"([+-]?[\d.]+) (B|KiB|MiB)")


def sizes(text):
    return [float(number) * UNITS[unit] for number, unit in SIZE.findall(text)]


class RankingTests(unittest.TestCase):
    def test_the_largest_are_taken(self):
        sizes = random.Random(7).choices(range(1, 1000), k=200)
        for number in (0, 1, 3, 5):
            ranking = Ranking(PEAK, number)
            for size in sizes:
                ranking.add(size)
            self.assertEqual(sorted(ranking.sizes), sorted(sizes)[len(sizes) - number :])
            self.assertFalse(ranking.takes(min(sizes)))


class OffTests(PytestCase):
    def test_nothing_of_the_package_is_imported(self):
        result = self.run_pytest(STATE, "-s", subprocess=True)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["*modules:", "tracing: False*"])

    def test_the_plugin_can_be_turned_off(self):
        result = self.run_pytest("def test_a(): pass", "-p", "no:ctracemalloc", subprocess=True)
        result.assert_outcomes(passed=1)
        result = self.run_pytest("def test_a(): pass", "-p", "no:ctracemalloc", "--ctracemalloc", subprocess=True)
        self.assertIn("unrecognized arguments: --ctracemalloc", result.stderr.str())

    def test_markers_are_known(self):
        result = self.run_pytest("", "--markers")
        for name in ("limit_memory(limit", "limit_leaks(location_limit", "limit_leaked_objects(", "limit_growth(limit"):
            self.assertIn("@pytest.mark." + name, result.stdout.str())

    def test_in_a_traced_program_nothing_warns(self):
        self.pytester.makepyfile(test_it="def test_a(): pass")
        command = [self.pytester._getpytestargs()[0], "-m", "ctracemalloc", "run", "-o", "out.ctm", "-m", "pytest", "-p"]
        result = self.pytester.run(*command, "no:cacheprovider", "test_it.py")
        self.assertIn("1 passed", result.stdout.str())
        self.assertNotIn("PytestAssertRewriteWarning", result.stdout.str())


class SummaryTests(PytestCase):
    def test_the_largest_are_shown_with_their_lines(self):
        result = self.run_pytest(TESTS, "--ctracemalloc")
        result.assert_outcomes(passed=3, failed=1)
        lines = self.section(result, "ctracemalloc: memory of the tests")
        self.assertEqual(lines[0], "4 tests measured; of what each allocated in its call:")
        peaks = lines[lines.index("largest peak") : lines.index("largest growth")]
        fixtures = lines.index("largest fixtures, by growth in their set-up")
        growths = lines[lines.index("largest growth") : fixtures]
        named = [line.split()[-1] for line in peaks if "::" in line]
        self.assertEqual(sorted(named), ["test_it.py::" + name for name in ("test_fails", "test_grow", "test_peak")])
        self.assertEqual([line.split()[-1] for line in growths if "::" in line], ["test_it.py::test_grow"])
        place = next(index for index, line in enumerate(growths) if "test_it.py:16 in test_grow" in line)
        self.assertEqual(growths[place + 1].strip(), "KEPT.append(bytearray(500_000))")
        self.assertAlmostEqual(sizes(growths[place])[0], 500_000, delta=2000)

    def test_the_phases_are_told_apart(self):
        result = self.run_pytest(TESTS, "--ctracemalloc", "-k", "test_peak")
        lines = self.section(result, "ctracemalloc: memory of the tests")
        phases = {line.split(":")[0].strip(): sizes(line) for line in lines if ": peak" in line}
        self.assertEqual(list(phases), ["setup", "call", "teardown"])
        self.assertAlmostEqual(phases["setup"][1], 300_000, delta=6000)
        self.assertAlmostEqual(phases["call"][0], 2_000_000, delta=3000)
        self.assertLess(phases["call"][1], 1000)
        self.assertLess(phases["teardown"][0], 3000)

    def test_a_test_that_does_nothing_has_nothing(self):
        """What pytest and the plugin allocate is not the test's."""
        result = self.run_pytest("def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass", "--ctracemalloc")
        lines = self.section(result, "ctracemalloc: memory of the tests")
        self.assertNotIn("largest growth", lines)
        for line in lines:
            if line.strip().startswith("call:"):
                self.assertLess(sizes(line)[0], 1000)

    def test_top(self):
        source = "KEPT = []\n" + "".join(f"def test_{n}(): KEPT.append(bytearray({n}0_000))\n" for n in range(1, 8))
        for options, ini, number in ((("--ctracemalloc-top", "2"), "", 2), ((), "ctracemalloc_top = 3\n", 3)):
            result = self.run_pytest(source, "--ctracemalloc", *options, ini=ini)
            lines = self.section(result, "ctracemalloc: memory of the tests")
            names = [line.split("::")[1] for line in lines if "::" in line]
            self.assertEqual(names, [f"test_{n}" for n in range(7, 7 - number, -1)] * 2)

    def test_garbage_is_no_growth(self):
        source = """
        import gc
        def test_cycles():
            for _ in range(100):
                one = [bytearray(1000)]
                one.append(one)
        def test_many_cycles():
            for _ in range(5000):
                one = [bytearray(100)]
                one.append(one)
            gc.collect(1)
        def test_cycles_that_are_older():
            one = [bytearray(20_000)]
            one.append(one)
            gc.collect(0)
        def test_cycles_that_are_old():
            one = [bytearray(20_000)]
            one.append(one)
            gc.collect()
        """
        result = self.run_pytest(source, "--ctracemalloc")
        for line in self.section(result, "ctracemalloc: memory of the tests"):
            if line.strip().startswith("call:"):
                self.assertLess(sizes(line)[1], 5000)

    def test_what_is_freed_of_before_is_in_no_figure(self):
        source = """
import pytest

@pytest.fixture
def data():
    return [bytearray(400_000)]

def test_replace(data):
    data[0] = None
    data[0] = bytearray(300_000)
"""
        lines = self.section(self.run_pytest(source, "--ctracemalloc"), "ctracemalloc: memory of the tests")
        phases = {line.split(":")[0].strip(): sizes(line) for line in lines if ": peak" in line}
        for figure in (0, 1):
            self.assertAlmostEqual(phases["setup"][figure], 400_000, delta=6000)
            self.assertAlmostEqual(phases["call"][figure], 300_000, delta=2000)
            self.assertLess(0, phases["teardown"][figure])
            self.assertLess(phases["teardown"][figure], 5000)

    def test_free_lists_are_no_growth(self):
        source = """
def test_tuples():
    kept = [[(number, number, number) for number in range(1500)], [float(number) for number in range(300)]]
    assert kept
"""
        result = self.run_pytest(source, "--ctracemalloc")
        self.assertNotIn("largest growth", self.section(result, "ctracemalloc: memory of the tests"))

    def test_the_peak_of_a_run_stays(self):
        conftest = """
        import ctracemalloc
        ctracemalloc.start()
        bytearray(30_000_000)
        def pytest_unconfigure():
            print("peak:", ctracemalloc.get_traced_memory()[1] > 30_000_000)
        """
        self.pytester.makeconftest(conftest)
        result = self.run_pytest("def test_a(): bytearray(1000)", "-s", "--ctracemalloc", subprocess=True)
        self.assertIn("peak: True", result.stdout.str())

    def test_everything_else_is_printed_as_before(self):
        source = TESTS + "\ndef test_prints():\n    print('printed')\n    assert 0, 'too bad'\n"
        plain = self.run_pytest(source, "-rA")
        measured = self.run_pytest(source, "-rA", "--ctracemalloc")
        lines = measured.outlines
        start = next(index for index, line in enumerate(lines) if "ctracemalloc: memory of the tests" in line)
        end = next(index for index, line in enumerate(lines) if index > start and line.startswith("==="))
        rest = lines[:start] + lines[end:]
        self.assertEqual([without_times(line) for line in rest], [without_times(line) for line in plain.outlines])

    def test_tracing_stops_where_the_plugin_started_it_only(self):
        conftest = """
        import ctracemalloc
        {start}
        def pytest_sessionfinish():
            print("at the end:", ctracemalloc.is_tracing())
        def pytest_unconfigure(config):
            config.add_cleanup(lambda: print("in the end:", ctracemalloc.is_tracing(), ctracemalloc.get_traceback_limit()))
        """
        test = "import ctracemalloc\ndef test_a(): print('frames:', ctracemalloc.get_traceback_limit())"
        for start, frames, end in (("", 7, "False 7"), ("ctracemalloc.start(3)", 3, "True 3")):
            self.pytester.makeconftest(conftest.format(start=start))
            result = self.run_pytest(test, "-s", "--ctracemalloc", "--ctracemalloc-nframe=7", subprocess=True)
            result.assert_outcomes(passed=1)
            self.assertIn(f"frames: {frames}", result.stdout.str())
            self.assertIn(f"in the end: {end}", result.stdout.str())

    def test_a_setting_asks_as_well(self):
        result = self.run_pytest("def test_a(): bytearray(9_000_000)", ini="ctracemalloc = true\n")
        self.section(result, "ctracemalloc: memory of the tests")

    def test_bad_numbers_are_named(self):
        result = self.run_pytest("", "--ctracemalloc-nframe=0")
        self.assertIn("argument --ctracemalloc-nframe: invalid number from 1 to 65535 value: '0'", result.stderr.str())
        result = self.run_pytest("", "--ctracemalloc-nframe=65536")
        self.assertIn("argument --ctracemalloc-nframe: invalid number from 1 to 65535 value: '65536'", result.stderr.str())
        result = self.run_pytest("", "--ctracemalloc", ini="ctracemalloc_nframe = 65536\n")
        self.assertIn("ctracemalloc_nframe is '65536', and not a number from 1 to 65535", result.stderr.str())
        result = self.run_pytest("", "--ctracemalloc", ini="ctracemalloc_top = many\n")
        self.assertIn("ctracemalloc_top is 'many', and not a number from 0", result.stderr.str())


def without_times(line):
    return re.sub(r"in \d+\.\d+s|0x[0-9a-f]+|pytest-\d+", "", line)


if __name__ == "__main__":
    unittest.main()
