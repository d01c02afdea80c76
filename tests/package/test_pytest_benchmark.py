"""What benchmarks say of memory: pytest-benchmark's with an option of the plugin, and asv's with decorators."""

import gc
import importlib.util
import json
import sys
import tempfile
import textwrap
import unittest
import unittest.mock
from pathlib import Path

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc import testing
from pytest_support import PytestCase


def setUpModule():
    skip_most_pythons()


KEPT = []
SOURCE = """
import ctracemalloc
import pytest

KEPT = [None]  # a list that grew would take more memory now and then

def work(kept, temporary):
    assert not ctracemalloc.is_tracing() or CALLS["traced"].append(temporary) is None
    CALLS["all"] += 1
    KEPT[0] = bytearray(kept)
    bytearray(temporary)
    return bytearray(5000)

CALLS = {"traced": [], "all": 0}

def test_call(benchmark):
    assert len(benchmark(work, 1000, temporary=50_000)) == 5000
    assert CALLS["traced"].count(50_000) == TRACED and CALLS["all"] > TRACED

@pytest.mark.parametrize("rounds", [1, 5])
def test_pedantic(benchmark, rounds):
    ended = []
    benchmark.pedantic(
        work, setup=lambda: ((2000,), {"temporary": 80_000 + rounds}), rounds=rounds, teardown=lambda *a, **k: ended.append(a)
    )
    assert CALLS["traced"].count(80_000 + rounds) == TRACED and len(ended) == rounds + TRACED

def test_pedantic_arguments(benchmark):
    benchmark.pedantic(work, (3000, 90_000))
    benchmark.extra_info["mine"] = 1

def test_positions(benchmark):
    benchmark.pedantic(work, (3000, 90_000), {}, None, None, 3)

def test_keyword(benchmark):
    benchmark(function_to_benchmark=work, kept=1000, temporary=60_000)

def test_once_too_often(benchmark):
    numbers = iter(range(3))
    benchmark.pedantic(lambda: next(numbers), rounds=3)

def test_setup_once_too_often(benchmark):
    numbers = [1, 2, 3]
    benchmark.pedantic(lambda n: n, setup=lambda: ((numbers.pop(),), {}), rounds=3)

def test_that_stops_tracing(benchmark):
    benchmark(ctracemalloc.stop)

def test_with_info(benchmark):
    benchmark.extra_info["peak_bytes"] = "mine"
    benchmark(work, 1000, temporary=50_000)
"""
OPTIONS = ("-q", "-p", "benchmark", "--benchmark-max-time=0.01", "--benchmark-min-rounds=2", "--benchmark-json=b.json")


@unittest.skipUnless(importlib.util.find_spec("pytest_benchmark"), "pytest-benchmark is not installed for this Python")
class PytestBenchmarkTests(PytestCase):
    def run_with(self, traced, *options):
        source = SOURCE.replace("TRACED", str(traced))
        result = self.run_pytest(source, *OPTIONS, *options, subprocess=True)
        result.assert_outcomes(passed=10)
        found = json.loads((self.pytester.path / "b.json").read_text())["benchmarks"]
        return {benchmark["name"]: benchmark["extra_info"] for benchmark in found}

    def test_with_the_option(self):
        found = self.run_with(1, "--ctracemalloc-benchmark")
        self.assertEqual(found["test_pedantic_arguments"].pop("mine"), 1)
        for name, kept, peak in (
            ("test_call", 1000, 50_000),
            ("test_pedantic[1]", 2000, 80_001),
            ("test_pedantic[5]", 2000, 80_005),
            ("test_pedantic_arguments", 3000, 90_000),
            ("test_positions", 3000, 90_000),
            ("test_keyword", 1000, 60_000),
        ):
            memory = testing.CallMemory(**found[name])
            self.assertAlmostEqual(memory.peak_bytes, kept + peak, delta=1000, msg=name)
            self.assertAlmostEqual(memory.growth_bytes, kept, delta=500, msg=name)
            self.assertAlmostEqual(memory.allocated_bytes, kept + peak + 5000, delta=1500, msg=name)
            self.assertGreaterEqual(memory.allocated_blocks, 3)
        self.assertEqual(found["test_with_info"].pop("peak_bytes"), "mine")
        self.assertEqual(sorted(found["test_with_info"]), ["allocated_blocks", "allocated_bytes", "growth_bytes"])
        for name, why in (
            ("test_once_too_often", "StopIteration()"),
            ("test_setup_once_too_often", "IndexError('pop from empty list')"),
            ("test_that_stops_tracing", "RuntimeError("),
        ):
            self.assertEqual(list(found[name]), ["memory"])
            self.assertIn(f"not known: one call more raised {why}", found[name]["memory"])

    def test_without_it(self):
        self.assertEqual(self.run_with(0)["test_call"], {})

    def test_benchmarks_that_are_not_run(self):
        source = "def test_it(benchmark):\n    calls = []\n    benchmark(calls.append, 1)\n    assert calls == [1]\n"
        result = self.run_pytest(source, "--ctracemalloc-benchmark", "--benchmark-disable", subprocess=True)
        result.assert_outcomes(passed=1)

    def test_without_pytest_benchmark(self):
        self.pytester.makeconftest("import sys; sys.modules['pytest_benchmark'] = None")
        result = self.run_pytest("def test_it(): pass", "--ctracemalloc-benchmark", "-p", "no:benchmark", subprocess=True)
        result.stderr.fnmatch_lines(["ERROR: --ctracemalloc-benchmark: pytest-benchmark is not installed"])


class CallTests(unittest.TestCase):
    def setUp(self):
        self.addCleanup(KEPT.clear)

    def test_figures(self):
        def work(kept, temporary=0):
            KEPT.append(bytearray(kept))
            bytearray(temporary)
            return bytearray(10_000)

        for is_on in (False, True):
            if is_on:
                ctracemalloc.start()
                self.addCleanup(ctracemalloc.stop)
            KEPT.append(None)
            memory = testing.memory_of_call(work, 3000, temporary=70_000)
            self.assertEqual(ctracemalloc.is_tracing(), is_on)
            self.assertAlmostEqual(memory.peak_bytes, 73_000, delta=1000)
            self.assertAlmostEqual(memory.growth_bytes, 3000, delta=500)
            self.assertAlmostEqual(memory.allocated_bytes, 83_000, delta=1500)

    def test_garbage_is_no_growth(self):
        def work():
            cycle = [bytearray(50_000)]
            cycle.append(cycle)

        gc.disable()
        self.addCleanup(gc.enable)
        memory = testing.memory_of_call(work)
        self.assertLess(memory.growth_bytes, 500)
        self.assertGreater(memory.peak_bytes, 50_000)

    def test_functions_that_run_nothing(self):
        async def coroutine(): ...

        def generator():
            yield

        async def both():
            yield

        for function in (coroutine, generator, both):
            for call in (testing.memory_of_call, testing.tracked_peak, testing.tracked_growth):
                with self.assertRaisesRegex(
                    TypeError, f"^a call of .*{function.__name__} runs nothing: it makes a coroutine or"
                ):
                    call(function)

    def test_an_error_is_the_functions(self):
        with self.assertRaises(ZeroDivisionError):
            testing.memory_of_call(lambda: 1 // 0)
        self.assertFalse(ctracemalloc.is_tracing())


@unittest.skipUnless(importlib.util.find_spec("asv_runner"), "asv-runner is not installed for this Python")
class AsvTests(unittest.TestCase):
    def test_what_asv_finds_in_a_module(self):
        """It takes functions by their names, also those that the module imports."""
        from asv_runner.discovery import disc_benchmarks

        source = """
            from ctracemalloc.testing import tracked_growth, tracked_peak
            @tracked_peak
            def track_it(): bytearray(10_000)
            """
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "asv_suite").mkdir()
            Path(folder, "asv_suite", "__init__.py").write_text("")
            Path(folder, "asv_suite", "some.py").write_text(textwrap.dedent(source))
            self.enterContext(unittest.mock.patch.object(sys, "path", [folder, *sys.path]))
            found = list(disc_benchmarks(str(Path(folder, "asv_suite"))))
        self.assertEqual([(one.name, one.unit) for one in found], [("some.track_it", "bytes")])

    def test_as_asv_runs_it(self):
        from asv_runner.benchmarks.track import TrackBenchmark

        class Suite:
            params = ([1000, 2000],)
            param_names = ("size",)

            def setup(self, size):
                self.size = size

            @testing.tracked_peak
            def track_both(self, size):
                """Documented."""
                KEPT.append(bytearray(size))
                bytearray(50 * self.size)

            @testing.tracked_growth
            def track_kept(self, size):
                KEPT.append(bytearray(size))
                bytearray(50 * self.size)

        self.addCleanup(KEPT.clear)
        for name, factor in (("track_both", 51), ("track_kept", 1)):
            suite = Suite()
            function = getattr(suite, name)
            benchmark = TrackBenchmark(name, function, [function, suite])
            self.assertEqual(benchmark.unit, "bytes")
            for index, size in enumerate((1000, 2000)):
                KEPT.append(None)
                benchmark.set_param_idx(index)
                benchmark.do_setup()
                self.assertAlmostEqual(benchmark.do_run(), factor * size, delta=500)
        self.assertEqual(Suite.track_both.__doc__, "Documented.")
