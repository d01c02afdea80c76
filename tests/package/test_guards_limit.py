"""on_limit(): something is done once when traced memory passes a limit."""

import gc
import os
import threading
import time
import unittest

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import on_limit
from guards_support import TracedTest, wait_until

FAR = 86_400  # seconds: the test looks instead of the thread
MB = 1_000_000


class LimitTest(TracedTest):
    def setUp(self):
        super().setUp()
        gc.collect()
        self.calls = []

    def guard(self, limit, **options):
        """One whose thread has looked once and waits."""
        guard = on_limit(limit, lambda current, peak: self.calls.append((current, peak)), every=FAR, **options)
        self.addCleanup(guard.cancel)
        self.assertTrue(wait_until(lambda: guard._looks == 1))
        return guard

    def test_once(self):
        guard = self.guard(5 * MB)
        self.assertFalse(guard._look())
        self.assertEqual((self.calls, guard.passed), ([], None))
        held = bytes(6 * MB)
        self.assertTrue(guard._look())
        ((current, peak),) = self.calls
        self.assertTrue(6 * MB < current <= peak < 7 * MB)
        self.assertEqual(guard.passed, (current, peak))
        self.assertFalse(guard.running)
        del held

    def test_a_moment_between_two_looks(self):
        guard = self.guard(5 * MB)
        bytes(6 * MB)
        self.assertTrue(guard._look())
        ((current, peak),) = self.calls
        self.assertLess(current, MB)
        self.assertGreater(peak, 6 * MB)

    def test_exactly_the_limit_does_not_pass_it(self):
        guard = self.guard(5 * MB)
        ctracemalloc.reset_peak()
        bytes(4 * MB)
        self.assertFalse(guard._look())

    def test_a_peak_from_before(self):
        bytes(10 * MB)
        guard = self.guard(5 * MB)
        self.assertFalse(guard._look())
        bytes(6 * MB)
        self.assertFalse(guard._look())  # below the old peak: it cannot be seen
        held = bytes(6 * MB)
        self.assertTrue(guard._look())
        del held

    def test_a_new_peak_and_a_reset_one(self):
        for reset in (False, True):
            ctracemalloc.clear_traces()
            bytes(10 * MB)
            guard = self.guard(5 * MB)
            if reset:
                ctracemalloc.reset_peak()
                self.assertFalse(guard._look())
            bytes((6 if reset else 11) * MB)
            self.assertTrue(guard._look())

    def test_above_it_when_it_is_set(self):
        held = bytes(6 * MB)
        self.assertTrue(self.guard(5 * MB)._look())
        del held

    def test_tracing_that_stops_and_starts(self):
        bytes(10 * MB)
        guard = self.guard(5 * MB)
        ctracemalloc.stop()
        self.assertFalse(guard._look())
        ctracemalloc.start()
        self.assertFalse(guard._look())
        bytes(6 * MB)
        self.assertTrue(guard._look())

    def test_the_thread(self):
        called = threading.Event()
        with on_limit(5 * MB, lambda *totals: called.set(), every=0.01) as guard:
            bytes(6 * MB)
            self.assertTrue(called.wait(60))
            self.assertTrue(wait_until(lambda: not guard._thread.is_alive()))
        with on_limit(50 * MB, lambda *totals: self.calls.append(totals), every=0.01) as guard:
            self.assertTrue(guard.running)
        self.assertTrue(wait_until(lambda: not guard._thread.is_alive()))
        bytes(60 * MB)
        self.assertEqual(self.calls, [])

    def test_an_exception_in_the_main_thread(self):
        with on_limit(5 * MB, "raise", every=0.01) as guard:
            with self.assertRaisesRegex(
                MemoryError, r"^traced memory has passed the limit of 4883 KiB: \d+ KiB are live, .* at the peak$"
            ):
                held = bytes(6 * MB)
                for _ in range(6000):
                    time.sleep(0.01)
            del held
            self.assertFalse(guard.running)

    def test_a_log_line(self):
        with self.assertLogs("ctracemalloc", "WARNING") as logs:
            guard = on_limit(5 * MB, "log", every=0.01)
            bytes(6 * MB)
            self.assertTrue(wait_until(lambda: logs.records))
        self.assertRegex(logs.records[0].getMessage(), "^traced memory has passed the limit of 4883 KiB: ")
        self.assertEqual(len(logs.records), 1)
        guard.cancel()

    def test_an_action_that_fails(self):
        failures = []
        before, threading.excepthook = threading.excepthook, failures.append
        try:
            guard = on_limit(5 * MB, lambda current, peak: 1 // 0, every=0.01)
            bytes(6 * MB)
            self.assertTrue(wait_until(lambda: failures))
        finally:
            threading.excepthook = before
        self.assertRegex(guard.error, "^ZeroDivisionError: (integer division or modulo|division) by zero$")

    def test_what_cannot_be_used(self):
        for limit in (0, -1):
            with self.assertRaisesRegex(ValueError, "limit must be at least 1 byte"):
                on_limit(limit, print)
        with self.assertRaisesRegex(TypeError, "action must be a function, 'raise', 'log' or a path, not int"):
            on_limit(1, 3)
        with self.assertRaisesRegex(ValueError, r"has the fields \{pid\}, \{time\} and \{n\}, not \{name\}"):
            on_limit(1, "{name}.ctm")
        with self.assertRaisesRegex(OSError, "there is no directory /no-such-folder"):
            on_limit(1, "/no-such-folder/x.ctm")


class DumpTest(ProgramTest):
    def test_a_snapshot(self):
        result = self.python(
            "-c",
            "import ctracemalloc, time, os; ctracemalloc.start()\n"
            "guard = ctracemalloc.on_limit(5_000_000, 'limit-{pid}-{n}.ctm', every=0.01)\n"
            "os.mkdir('other'); os.chdir('other')\n"
            "held = bytes(6_000_000)\n"
            "while guard.running or guard._thread.is_alive(): time.sleep(0.01)\n"
            "print(os.getpid(), guard.error)",
        )
        pid, error = result.stdout.split()
        self.assertEqual((error, result.stderr), ("None", ""))
        (path,) = self.snapshots()
        self.assertEqual(path.name, f"limit-{pid}-1.ctm")
        snapshot = ctracemalloc.Snapshot.load(path)
        self.assertEqual(max(trace.size for trace in snapshot.traces), 6_000_033)
        self.assertEqual(snapshot.run["pid"], int(pid))
        self.assertEqual(snapshot.run["folder"], os.path.join(self.folder, "other"))


if __name__ == "__main__":
    unittest.main()
