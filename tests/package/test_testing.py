"""ctracemalloc.testing: assertions on memory for unittest."""

import asyncio
import subprocess
import sys
import threading
import unittest

import ctracemalloc
from cli_support import skip_some_pythons
from ctracemalloc.testing import MemoryAssertions


def setUpModule():
    skip_some_pythons()


KEPT = []


class AssertionTests(MemoryAssertions, unittest.TestCase):
    def setUp(self):
        self.addCleanup(KEPT.clear)
        self.was_tracing = ctracemalloc.is_tracing()

    def tearDown(self):
        self.assertEqual(ctracemalloc.is_tracing(), self.was_tracing)

    def test_peak(self):
        with self.assertPeakBelow(150_000) as own:
            bytearray(100_000)
            bytearray(100_000)
        self.assertGreater(own.peak, 100_000)
        # 195 KiB, and there is room for what the interpreter takes before it would be 196.
        with self.assertRaises(AssertionError) as caught, self.assertPeakBelow(150_000):
            bytearray(99_840), bytearray(99_840)
        first, second, third = str(caught.exception).splitlines()[:3]
        self.assertEqual(first, "the peak is 195 KiB, and not below 146 KiB")
        self.assertRegex(second, r"^    195 KiB in \d blocks  .*test_testing.py:\d+ in AssertionTests.test_peak$")
        self.assertEqual(third.strip(), "bytearray(99_840), bytearray(99_840)")

    def test_a_size_that_is_equal_fails(self):
        KEPT.append(None)
        for assertion, figure in ((self.assertPeakBelow, "peak"), (self.assertGrowthBelow, "growth")):
            with assertion(10**9) as own:
                KEPT[0] = bytearray(1000)
            size = getattr(own, figure)
            self.assertGreater(size, 1000)
            with assertion(size + 1):
                KEPT[0] = bytearray(1000)
            with self.assertRaises(AssertionError), assertion(size):
                KEPT[0] = bytearray(1000)

    def test_growth(self):
        KEPT.append(bytearray(200_000))
        with self.assertGrowthBelow(150_000) as own:
            KEPT[:] = [bytearray(100_000)]  # what was there before is not counted
            bytearray(300_000)
            cycle = [bytearray(300_000)]
            cycle.append(cycle)
            del cycle
        self.assertGreater(own.peak, 400_000)
        message = r"^the growth is 195 KiB, and not below 146 KiB\n    195 KiB in"
        with self.assertRaisesRegex(AssertionError, message), self.assertGrowthBelow(150_000):
            KEPT.append(bytearray(199_680))

    def test_other_threads(self):
        def work():
            thread = threading.Thread(target=lambda: KEPT.append(bytearray(100_000)))
            thread.start()
            thread.join()

        for assertion in (self.assertPeakBelow, self.assertGrowthBelow):
            with assertion(50_000):
                work()
            with self.assertRaises(AssertionError), assertion(50_000, whole_process=True):
                work()

    def test_tasks(self):
        async def task():
            with self.assertPeakBelow(50_000):
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        async def other():
            bytearray(100_000)
            await asyncio.sleep(0)
            bytearray(100_000)

        async def main():
            await asyncio.gather(task(), other())

        asyncio.run(main())

    def test_an_exception_passes_through(self):
        for assertion in (self.assertPeakBelow, self.assertGrowthBelow):
            with self.assertRaisesRegex(KeyError, "mine"), assertion(0):
                raise KeyError("mine")

    def test_tracing_that_is_on_stays(self):
        ctracemalloc.start(7)
        try:
            with self.assertGrowthBelow(10_000):
                pass
            self.assertEqual(ctracemalloc.get_traceback_limit(), 7)
            self.assertTrue(ctracemalloc.is_tracing())
        finally:
            ctracemalloc.stop()

    def test_no_growth(self):
        self.assertNoGrowth(lambda: bytearray(1000))
        with self.assertRaisesRegex(AssertionError, "grows by"):
            self.assertNoGrowth(lambda: KEPT.append(bytearray(1000)), warmup=1, runs=5)

    def test_the_exception_of_the_class(self):
        class Own(MemoryAssertions):
            failureException = ZeroDivisionError

        with self.assertRaises(ZeroDivisionError), Own().assertPeakBelow(10):
            bytearray(1000)

    def test_it_is_not_imported_with_the_package(self):
        code = "import sys, ctracemalloc; print([name for name in sys.modules if 'testing' in name or 'unittest' in name])"
        self.assertEqual(subprocess.check_output([sys.executable, "-c", code], text=True).strip(), "[]")


if __name__ == "__main__":
    unittest.main()
