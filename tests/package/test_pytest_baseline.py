"""The pytest plugin's baseline: figures of an earlier run that later ones may not exceed."""

import json
import textwrap
import unittest

from cli_support import skip_some_pythons
from ctracemalloc.pytest_plugin import baseline
from ctracemalloc.render.text.units import format_bytes
from pytest_support import PytestCase


def setUpModule():
    skip_some_pythons()


SOURCE = """
KEPT = []

def test_peak():
    bytearray({peak})

def test_growth():
    KEPT.append(bytearray({growth}))

def test_fails():
    assert {fails} == 0
"""
FIRST = {"peak": 100_000, "growth": 10_000, "fails": 0}


class ToleranceTests(unittest.TestCase):
    def test_texts(self):
        for text, size, allowed in (
            ("10%", 1000, 1100),
            ("2KB", 1000, 3048),
            ("10%, 2KB", 1000, 3048),
            ("2KB,10%", 100_000, 110_000),
            ("10%", 0, 0),
            ("10%, 2KB", 0, 2048),
            ("0%", 7, 7),
        ):
            self.assertAlmostEqual(baseline.parse_tolerance(text).allowed(size), allowed, msg=text)
        for text in ("", "much", "x%", "10", "-5%", "inf%", "nan%"):
            with self.assertRaisesRegex(baseline.BaselineError, "^--ctracemalloc-tolerance: '"):
                baseline.parse_tolerance(text)


class BaselineTests(PytestCase):
    def run_with(self, *options, **changes):
        source = SOURCE.format(**{**FIRST, **changes})
        return self.run_pytest(source, "-rA", "--ctracemalloc-baseline=base.json", *options)

    def update(self, **changes):
        return self.run_with("--ctracemalloc-update-baseline", **changes)

    def figures_in_the_file(self):
        document = json.loads((self.pytester.path / "base.json").read_text(encoding="ascii"))
        return document["pythons"][baseline.PYTHON]

    def test_the_same_passes_each_time(self):
        result = self.update()
        self.assertRegex(result.stdout.str(), r"ctracemalloc: .*base.json has the figures of 3 tests for Python 3\.\d+")
        for _ in range(5):
            result = self.run_with()
            result.assert_outcomes(passed=3)
            self.assertRegex(result.stdout.str(), "ctracemalloc: 3 of 3 tests were compared with .*base.json\n")

    def test_more_fails_with_the_lines(self):
        self.update()
        result = self.run_with(peak=120_480, growth=11_500)  # 118 KiB, and not near to 117.5
        self.assertEqual(self.outcomes(result), {"test_peak": "failed", "test_growth": "failed", "test_fails": "passed"})
        peak = self.figures_in_the_file()["test_it.py::test_peak"]["peak"]
        self.assertEqual(peak // 1000, 100)  # and what the test itself takes, which depends on the version
        limit, found, had = map(format_bytes, (1.1 * peak + 1, peak + 20_480, peak))
        result.stdout.fnmatch_lines([f"Test was limited to {limit} but allocated {found} (it was {had} in */base.json)"])
        self.assertIn("test_it.py:4 in test_peak", " ".join(self.section(result, "ctracemalloc: limit_memory")))
        self.assertIn("test_it.py:7 in test_growth", " ".join(self.section(result, "ctracemalloc: limit_growth")))

    def test_a_leak_of_a_kilobyte_fails(self):
        self.update(growth=0)
        result = self.run_with(growth=1000)
        self.assertEqual(self.outcomes(result)["test_growth"], "failed")

    def test_tolerance(self):
        self.update()
        self.run_with("--ctracemalloc-tolerance=50%", peak=120_000, growth=12_000).assert_outcomes(passed=3)
        self.run_with("--ctracemalloc-tolerance=1MB", peak=120_000, growth=12_000).assert_outcomes(passed=3)
        self.run_with("--ctracemalloc-tolerance=1%", peak=102_000).assert_outcomes(passed=2, failed=1)
        self.run_with(peak=50_000, growth=0).assert_outcomes(passed=3)

    def test_an_update_replaces_what_passed(self):
        self.update()
        before = self.figures_in_the_file()
        self.run_with("--ctracemalloc-update-baseline", "-k", "growth or fails", growth=50_000, fails=1)
        after = self.figures_in_the_file()
        self.assertEqual(list(after), sorted(before))
        self.assertEqual(after["test_it.py::test_peak"], before["test_it.py::test_peak"])
        self.assertEqual(after["test_it.py::test_fails"], before["test_it.py::test_fails"])
        self.assertGreater(after["test_it.py::test_growth"]["growth"], 50_000)

    def test_an_update_by_larger_figures_only(self):
        self.update()
        before = self.figures_in_the_file()
        self.run_with("--ctracemalloc-raise-baseline", peak=200_000, growth=5000).assert_outcomes(passed=3)
        after = self.figures_in_the_file()
        self.assertGreater(after["test_it.py::test_peak"]["peak"], 200_000)
        self.assertEqual(after["test_it.py::test_growth"], before["test_it.py::test_growth"])
        self.assertEqual(after["test_it.py::test_fails"], before["test_it.py::test_fails"])
        (self.pytester.path / "base.json").unlink()
        self.run_with("--ctracemalloc-raise-baseline").assert_outcomes(passed=3)
        self.assertEqual(sorted(self.figures_in_the_file()), sorted(before))

    def test_caches_of_abstract_base_classes_do_not_count(self):
        """Sets, whose memory grows by 8 KiB at the 77th class: in one run that is in the test, in the other before it."""
        source = """
        import abc
        KEPT = []
        class Base(abc.ABC): pass
        def ask(number):
            for n in range(number):
                KEPT.append(type("C", (), {{}}))
                assert not isinstance(KEPT[-1](), Base)
        ask({before})
        def test_classes():
            ask(10)
            KEPT.append(bytearray({size}))
        """

        def run(before, size, *options):
            code = textwrap.dedent(source).format(before=before, size=size)
            files = "--ctracemalloc-baseline=base.json", "--ctracemalloc-tolerance=2KB", "--ctracemalloc-json=j.json"
            result = self.run_pytest(code, "-rA", *files, *options, subprocess=True)  # others have filled caches here
            found = json.loads((self.pytester.path / "j.json").read_text())
            return self.outcomes(result)["test_classes"], found["tests"][0]["call"]["growth"]

        for first, second in ((70, 90), (90, 70)):
            with self.subTest(first=first):
                (_passed, had), (outcome, has) = run(first, 0, "--ctracemalloc-update-baseline"), run(second, 0)
                self.assertEqual(outcome, "passed")
                self.assertGreater(abs(had - has), 6000)
                self.assertEqual(run(second, 4000)[0], "failed")

    def test_a_test_is_a_line_of_the_file(self):
        self.update()
        lines = (self.pytester.path / "base.json").read_text().splitlines()
        self.assertEqual(sum(line.startswith('  "test_it.py::') for line in lines), 3)

    def test_what_has_no_figures_is_not_judged(self):
        self.update()
        path = self.pytester.path / "base.json"
        path.write_text(path.read_text().replace("test_it.py::test_peak", "test_it.py::test_before"))
        result = self.run_with(peak=900_000)
        result.assert_outcomes(passed=3)
        self.assertIn("2 of 3 tests were compared", result.stdout.str())
        self.assertIn("which has no figures of the others for Python", result.stdout.str())

    def test_bad_files_are_named_and_left_alone(self):
        result = self.run_with()
        self.assertRegex(result.stderr.str(), r"ERROR: there is no baseline .*base.json \(--ctracemalloc-update-baseline")
        path = self.pytester.path / "base.json"
        for text in (
            "mine",
            "{}",
            "[]",
            '{"kind": "ctracemalloc pytest baseline", "schema": 1, "pythons": {"3.11": {"a": 1}}}',
            '{"kind": "ctracemalloc pytest baseline", "schema": 1, "pythons": {"3.11": {"a": {"peak": 1, "growth": -1}}}}',
        ):
            path.write_text(text)
            for options in ((), ("--ctracemalloc-update-baseline",)):
                result = self.run_with(*options)
                self.assertRegex(result.stderr.str(), "ERROR: .*base.json is not a baseline")
                self.assertEqual(path.read_text(), text)
        result = self.run_pytest("", "--ctracemalloc-baseline=no/base.json", "--ctracemalloc-update-baseline")
        self.assertRegex(result.stderr.str(), "ERROR: cannot write to .*/no/base.json: there is no directory")
        result = self.run_pytest("", "--ctracemalloc-update-baseline")
        self.assertIn("ERROR: --ctracemalloc-update-baseline: which one?", result.stderr.str())


if __name__ == "__main__":
    unittest.main()
