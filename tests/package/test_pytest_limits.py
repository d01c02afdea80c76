"""The pytest plugin's limits: markers with pytest-memray's meaning, limit_growth, and limits of the configuration.

Blocks are made with bytearray(n): of one that stays, n bytes and one more are in a block of its own, and some 60 in another.
"""

import unittest
from types import SimpleNamespace

from cli_support import skip_some_pythons
from ctracemalloc.pytest_plugin import limits, measure, settings
from ctracemalloc.render.text.style import Style
from pytest_support import QUIET, PytestCase


def setUpModule():
    skip_some_pythons()


WITH_MEMRAY = QUIET[: QUIET.index("no:memray") - 1]
HEAD = """
import pytest

KEPT = []

"""


class SizeTests(unittest.TestCase):
    def test_sizes(self):
        good = {"5B": 5, "1 KB": 1024, "1.5kb": 1536, "24 MB": 24 << 20, "+.5 GB": 1 << 29, "2TB": 2 << 40, " 1 pb ": 1 << 50}
        for text, size in good.items():
            self.assertEqual(limits.parse_size(text), size, text)
        for text in ("", "5", "KB", "-1 KB", "1 KiB", "1 MB each", 5, None):
            with self.assertRaisesRegex(limits.LimitError, "is not a size: a number, and B, KB, MB, GB, TB or PB"):
                limits.parse_size(text)

    def test_an_equal_size_fails(self):
        stack = measure.Stack((("f", "a.py", 1),), 1000, 1)
        lines = {"peak_lines": list, "growth_lines": list, "growth_stacks": lambda: [stack]}
        scope = SimpleNamespace(peak=1000, growth=1000, **lines)
        for make in (limits.limit_memory, limits.limit_leaks, limits.limit_growth):
            for size, expected in ((999, 1), (1000, 1), (1001, 0)):
                found = limits.breaches([make(f"{size} B")], {False: scope}, None, Style(False), None)
                self.assertEqual(len(found), expected, (make, size))

    def test_sizes_that_look_the_same(self):
        self.assertEqual(limits.apart(2048.0, 3000), ("2048 B", "3000 B"))
        self.assertEqual(limits.apart(1048576.0, 1048577), ("1,048,576 B", "1,048,577 B"))
        self.assertEqual(limits.apart(1048576.0, 5 << 20), ("1024 KiB", "5120 KiB"))


class MarkerTests(PytestCase):
    def check(self, source, expected, *options, ini=""):
        """Each test of the source ends as `expected` says. Returns the result of the run."""
        result = self.run_pytest(HEAD + source, "-rA", *options, ini=ini)
        self.assertEqual(self.outcomes(result), expected, result.stdout.str())
        return result

    def test_limit_memory(self):
        source = """
@pytest.mark.limit_memory("100 KB")
def test_below():
    bytearray(90_000)
    bytearray(90_000)

@pytest.mark.limit_memory("100 KB")
def test_above():
    bytearray(60_000), bytearray(60_000)
"""
        for options in ((), ("--ctracemalloc",)):
            result = self.check(source, {"test_below": "passed", "test_above": "failed"}, *options)
            result.stdout.fnmatch_lines(["Test was limited to 100 KiB but allocated 117 KiB"])
            details = self.section(result, "ctracemalloc: limit_memory")
            self.assertEqual(details[0], "What was live at the peak:")
            self.assertRegex(details[1], r"^    117 KiB in \d blocks  test_it.py:13 in test_above$")
            self.assertEqual(details[2].strip(), "bytearray(60_000), bytearray(60_000)")

    def test_the_largest_line_comes_first(self):
        source = """
@pytest.mark.limit_memory("100 KB")
def test_it():
    a = bytearray(20_000)
    b = bytearray(90_000)
    c = bytearray(30_000)
"""
        result = self.check(source, {"test_it": "failed"})
        lines = [line for line in self.section(result, "ctracemalloc: limit_memory") if "test_it.py:" in line]
        self.assertEqual([line.split("test_it.py:")[1].split()[0] for line in lines[:3]], ["9", "10", "8"])

    def test_limit_leaks_is_of_each_call_stack(self):
        source = """
def keep(number):
    KEPT.append(bytearray(number))

@pytest.mark.limit_leaks("50 KB")
def test_two_stacks():
    keep(40_000)
    keep(40_000)

@pytest.mark.limit_leaks("50 KB")
def test_one_stack():
    for _ in range(2):
        keep(40_000)

@pytest.mark.limit_leaks("50 KB")
def test_freed():
    for _ in range(2):
        keep(40_000)
    KEPT.clear()

@pytest.mark.limit_leaks("50 KB")
def test_garbage():
    for _ in range(2):
        cycle = [bytearray(40_000)]
        cycle.append(cycle)
"""
        expected = {"test_two_stacks": "passed", "test_one_stack": "failed", "test_freed": "passed", "test_garbage": "passed"}
        result = self.check(source, expected)
        result.stdout.fnmatch_lines(["Test was allowed to leak 50.0 KiB per location but at least one location leaked more"])
        details = [line.strip() for line in self.section(result, "ctracemalloc: limit_leaks")]
        self.assertEqual(details[2:6:2], ["test_it.py:7 in keep", "test_it.py:17 in test_one_stack"])
        self.assertEqual(details[3:7:2], ["KEPT.append(bytearray(number))", "keep(40_000)"])

    def test_filter_fn(self):
        source = """
def cache():
    KEPT.append(bytearray(40_000))

def without_cache(stack):
    frame = stack.frames[0]
    assert frame.filename.endswith(".py") and frame.lineno > 0 and len(stack.frames) > 1
    return not any(frame.function == "cache" for frame in stack.frames)

@pytest.mark.limit_leaks("1 KB", filter_fn=without_cache)
def test_cache():
    cache()

@pytest.mark.limit_leaks("1 KB", filter_fn=without_cache)
def test_other():
    cache()
    KEPT.append(bytearray(40_000))
"""
        result = self.check(source, {"test_cache": "passed", "test_other": "failed"})
        self.assertNotIn("in cache", result.stdout.str())

    def test_current_thread_only(self):
        source = """
import threading

def in_a_thread():
    thread = threading.Thread(target=lambda: KEPT.append(bytearray(100_000)))
    thread.start()
    thread.join()

@pytest.mark.limit_memory("50 KB")
def test_all():
    in_a_thread()

@pytest.mark.limit_memory("50 KB", current_thread_only=True)
def test_current():
    in_a_thread()

@pytest.mark.limit_memory("50 KB", current_thread_only=True)
def test_current_above():
    bytearray(60_000)

@pytest.mark.limit_leaks("50 KB")
def test_leaks():
    in_a_thread()

@pytest.mark.limit_leaks("50 KB", current_thread_only=True)
def test_leaks_current():
    in_a_thread()
"""
        words = {"test_all": "failed", "test_current": "passed", "test_current_above": "failed"}
        words.update(test_leaks="failed", test_leaks_current="passed")
        for options in ((), ("--ctracemalloc", "--ctracemalloc-nframe=1")):
            self.check(source, words, *options)

    def test_limit_leaked_objects(self):
        source = """
import contextvars

variable = contextvars.ContextVar("variable", default=0)

class Kept:
    pass

def no_text(one):
    return not isinstance(one, str)

@pytest.mark.limit_leaked_objects
def test_nothing(tmp_path):
    one = [Kept(), {"a": "".join("bc")}]
    one.append(one)

@pytest.mark.limit_leaked_objects
def test_objects():
    KEPT.append(Kept())

@pytest.mark.limit_leaked_objects()
def test_not_followed():
    KEPT.append((1, {"number": object()}))

@pytest.mark.limit_memory("1 MB", current_thread_only=True)
@pytest.mark.limit_leaked_objects
def test_with_a_scope_of_its_thread():
    variable.set(variable.get())

@pytest.mark.limit_leaked_objects(filter_fn=no_text)
def test_filtered():
    KEPT.append("".join("abc"))
"""
        words = {"test_nothing": "passed", "test_objects": "failed", "test_not_followed": "failed", "test_filtered": "passed"}
        words["test_with_a_scope_of_its_thread"] = "passed"
        for options in ((), ("--ctracemalloc",)):
            result = self.check(source, words, *options)
            result.stdout.fnmatch_lines(["Test leaked 1 object", "*1 instance of Kept", "Test leaked 3 objects"])

    def test_limit_growth(self):
        source = """
@pytest.mark.limit_growth("10 KB")
def test_spread():
    for _ in range(10):
        exec("KEPT.append(bytearray(2000))")

@pytest.mark.limit_growth("10 KB")
def test_replaced():
    KEPT.clear()
    KEPT.append(bytearray(20_000))
"""
        for options in ((), ("--ctracemalloc",)):  # that older memory is freed is not counted
            result = self.check(source, {"test_spread": "failed", "test_replaced": "failed"}, *options)
        result.stdout.fnmatch_lines(["Test was allowed to grow by 10.0 KiB but grew by *"])

    def test_a_leak_of_a_kilobyte_is_found_every_time(self):
        source = """
@pytest.mark.parametrize("number", range(10))
@pytest.mark.limit_growth("1000 B")
def test_leak(number):
    garbage = [[] for _ in range(number * 100)]
    garbage.append(garbage)
    KEPT.append(bytearray(1000))

@pytest.mark.parametrize("number", range(10))
@pytest.mark.limit_growth("1000 B")
def test_none(number):
    garbage = [[] for _ in range(number * 100)]
    garbage.append(garbage)
"""
        result = self.run_pytest(HEAD + source)
        result.assert_outcomes(failed=10, passed=10)

    def test_several_markers(self):
        source = """
pytestmark = pytest.mark.limit_memory("200 KB")

@pytest.mark.limit_leaks("1 KB")
class TestClass:
    @pytest.mark.limit_growth("1 KB")
    def test_leaks(self):
        KEPT.append(bytearray(2000))

    def test_peak(self):
        bytearray(300_000)

    @pytest.mark.limit_memory("1 MB")
    def test_the_smallest_limit_holds(self):
        bytearray(300_000)

    def test_nothing(self):
        bytearray(3000)
"""
        words = {"test_leaks": "failed", "test_peak": "failed", "test_the_smallest_limit_holds": "failed"}
        words["test_nothing"] = "passed"
        result = self.check(source, {f"TestClass::{name}": word for name, word in words.items()})
        result.stdout.fnmatch_lines(["Test was allowed to grow by*", "Test was allowed to leak*"])

    def test_a_limit_is_no_longer_there_after_its_test(self):
        source = """
import ctracemalloc

def test_before():
    assert not ctracemalloc.is_tracing()

@pytest.mark.limit_memory("1 KB")
def test_it():
    assert ctracemalloc.is_tracing()
    bytearray(10_000)

def test_after(request):
    assert not ctracemalloc.is_tracing()
"""
        self.check(source, {"test_before": "passed", "test_it": "failed", "test_after": "passed"})

    def test_a_test_that_fails_is_not_judged(self):
        source = """
@pytest.mark.limit_memory("1 KB")
def test_fails():
    bytearray(10_000)
    assert 0, "of its own"

@pytest.mark.limit_memory("1 KB")
def test_skips():
    bytearray(10_000)
    pytest.skip("why not")

@pytest.mark.xfail(strict=True)
@pytest.mark.limit_memory("1 KB")
def test_is_expected():
    bytearray(10_000)
"""
        result = self.run_pytest(HEAD + source)
        result.assert_outcomes(failed=1, skipped=1, xfailed=1)
        self.assertEqual([line for line in result.outlines if line.startswith("Test was limited")], [])

    def test_a_bad_marker_fails_its_test(self):
        source = """
@pytest.mark.limit_memory("1 XB")
def test_size():
    pass

@pytest.mark.limit_leaks("1 KB", filter=len)
def test_argument():
    pass

@pytest.mark.limit_leaks
def test_none():
    pass
"""
        result = self.check(source, dict.fromkeys(("test_size", "test_argument", "test_none"), "failed"))
        text = "limit_memory: '1 XB' is not a size: a number, and B, KB, MB, GB, TB or PB"
        self.assertIn(text, result.outlines)
        self.assertTrue(any("limit_leaks() got an unexpected keyword argument 'filter'" in line for line in result.outlines))

    def test_a_test_that_stops_tracing_is_not_judged_and_says_so(self):
        source = """
import ctracemalloc

@pytest.mark.limit_memory("1 KB")
def test_it():
    ctracemalloc.stop()

@pytest.mark.limit_memory("1 KB")
def test_next():
    bytearray(10_000)
"""
        for options in ((), ("--ctracemalloc",)):
            result = self.check(source, {"test_it": "passed", "test_next": "failed"}, *options)
            result.stdout.fnmatch_lines(["*test_it.py:8: PytestWarning: not checked: limit_memory (*"])


class ConfigurationTests(PytestCase):
    SOURCE = """
KEPT = []

def test_small():
    bytearray(10_000)

def test_large():
    bytearray(100_000)

def test_leaks():
    KEPT.append(bytearray(10_000))
"""

    def test_limits_for_all_and_for_some(self):
        self.pytester.makepyfile(test_other="def test_large(): bytearray(100_000)")
        ini = "ctracemalloc_limit_memory =\n    50 KB\n    test_other.py: 1 MB\n    *::test_sm*: 5 KB\n"
        result = self.run_pytest(self.SOURCE, "-rA", ini=ini + "ctracemalloc_limit_growth = 5 KB\n")
        words = [line.split(" - ")[0] for line in result.outlines if line.startswith(("PASSED", "FAILED"))]
        failed = ["FAILED test_it.py::" + name for name in ("test_small", "test_large", "test_leaks")]
        self.assertEqual(words, ["PASSED test_other.py::test_large", *failed])
        wanted = "Test was limited to 50.0 KiB but allocated * (the setting ctracemalloc_limit_memory)"
        result.stdout.fnmatch_lines([wanted])

    def test_what_a_pattern_covers(self):
        limit = limits.limit_memory("1 MB")
        for pattern, test, covers in (
            ("", "tests/a.py::b", True),
            ("tests", "tests/a.py::b", True),
            ("tests/", "tests/a.py::b", True),
            ("tests/large/", "tests/larger/a.py::b", False),
            ("tests/a.py", "tests/a.py::b", True),
            ("tests/a.py::b", "tests/a.py::b[3]", True),
            ("tests/a.py::b[3]", "tests/a.py::b[3]", True),
            ("tests/a.py::b[3]", "tests/a.py::b[4]", False),
            ("*::b*", "tests/a.py::b[4]", True),
        ):
            self.assertIs(settings.Rule(pattern, limit).covers(test), covers, (pattern, test))

    def test_a_marker_replaces_the_setting(self):
        marked = "import pytest\n@pytest.mark.limit_memory('1 MB')\ndef test_it(): bytearray(100_000)"
        self.run_pytest(marked, ini="ctracemalloc_limit_memory = 50 KB\n").assert_outcomes(passed=1)

    def test_bad_settings_are_named(self):
        result = self.run_pytest("", ini="ctracemalloc_limit_leaks = tests: many\n")
        self.assertIn("ctracemalloc_limit_leaks: ' many' is not a size", result.stderr.str())
        self.pytester.makefile(".toml", pyproject="[tool.pytest.ini_options]\nctracemalloc_limit_memory = [2]\n")
        (self.pytester.path / "tox.ini").unlink()
        result = self.run_pytest("")
        self.assertIn("ctracemalloc_limit_memory: 2 is not a text such as '24 MB' or", result.stderr.str())


class OtherPluginTests(PytestCase):
    """pytest-memray acts on its markers without being asked. Here something else has its name."""

    def test_its_markers_are_left_to_pytest_memray(self):
        self.pytester.makeconftest("def pytest_configure(config): config.pluginmanager.register(object(), 'memray')")
        source = """
import pytest

@pytest.mark.limit_memory("1 KB")
def test_peak():
    bytearray(10_000)

@pytest.mark.limit_growth("1 KB")
def test_growth():
    test_growth.kept = bytearray(10_000)
"""
        for options, ini, expected in (
            ((), "", ["passed", "failed"]),
            (("--ctracemalloc",), "", ["failed", "failed"]),
            ((), "ctracemalloc_limit_leaks = 1 GB\n", ["failed", "failed"]),
        ):
            self.pytester.makepyfile(test_it=source)
            self.pytester.makeini("[pytest]\n" + ini)
            result = self.pytester.runpytest_inprocess(*WITH_MEMRAY, "-rA", *options)
            self.assertEqual(self.outcomes(result), dict(zip(("test_peak", "test_growth"), expected)))


if __name__ == "__main__":
    unittest.main()
