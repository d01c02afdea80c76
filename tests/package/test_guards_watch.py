"""watch(): what keeps growing is logged, whenever it began and however slowly it grows, and nothing else."""

import gc
import logging
import os
import random
import threading
import unittest
import warnings
from unittest import mock

import ctracemalloc
from ctracemalloc import Snapshot, watch
from ctracemalloc.model.growth import PARTS, GrowthWatch
from ctracemalloc.model.watch import Look
from ctracemalloc.places.patterns import Patterns
from guards_support import TracedTest, wait_until

FAR = 86_400  # seconds: the test looks instead of the thread


def look_at(sizes, time, generation=1):
    """A look at lines /app.py:1, 2 ... with these sizes; 0: there is no such line."""
    traces = [(0, size, (("/app.py", line),), 1) for line, size in enumerate(sizes, 1) if size]
    random.shuffle(traces)
    return Look(Snapshot(traces, 1).call_tree(), float(time), generation)


def lines_of(growths):
    return {row.place.lineno: round(growth.seconds / PARTS) for growth in growths for row in growth.table.rows}


def naive(looks):
    """The lines that keep growing, with the length of the steps, from all looks at once."""
    newest, found, length = len(looks) - 1, {}, 1
    while length * PARTS <= newest:
        if newest % length == 0:
            steps = [looks[newest - part * length] for part in range(PARTS, -1, -1)]
            for line in range(len(looks[0])):
                if all(old[line] < new[line] for old, new in zip(steps, steps[1:])):
                    found.setdefault(line + 1, length)
        length *= 2
    return found


def cached(numbers):
    """Something of random size, all from one line."""
    return [bytes(numbers.randrange(1000)) for _ in range(numbers.randrange(20))]


class ModelTest(unittest.TestCase):
    def watched(self, looks):
        watch = GrowthWatch(Patterns((), ()), 1000)
        return [lines_of(watch.add(look_at(sizes, time))) for time, sizes in enumerate(looks)], watch

    def test_as_the_naive_model(self):
        for seed in range(20):
            numbers = random.Random(seed)
            kinds = [numbers.choice((0, 1, 2, 3, 7)) for _ in range(12)]
            looks, sizes = [], [numbers.randrange(50) for _ in kinds]
            for number in range(60):
                for line, kind in enumerate(kinds):
                    if kind == 0:
                        sizes[line] = numbers.randrange(100)
                    elif number % kind == 0:
                        sizes[line] += numbers.randrange(1, 5)
                looks.append([*sizes])
            found, _watch = self.watched(looks)
            self.assertEqual(found, [naive(looks[: number + 1]) for number in range(len(looks))])

    def test_the_looks_that_are_kept_are_few(self):
        watch = GrowthWatch(Patterns((), ()), 10)
        for time in range(1025):
            found = watch.add(look_at([100 + time], time))
            self.assertLessEqual(len(watch.steps), PARTS + 5 * time.bit_length())
        self.assertEqual(lines_of(found), {1: 1})

    def test_a_late_leak_a_slow_one_and_a_cache(self):
        looks = [[50 + max(0, time - 20), 1 + time // 5, min(time + 1, 12), 7] for time in range(100)]
        found, _watch = self.watched(looks)
        self.assertEqual([1 in one for one in found], [time >= 20 + PARTS for time in range(100)])
        self.assertIn({2: 8}, [{line: length for line, length in one.items() if line == 2} for one in found])
        self.assertFalse([time for time, one in enumerate(found) if 3 in one and time > 12])
        self.assertTrue([time for time, one in enumerate(found) if 3 in one])
        self.assertFalse([one for one in found if 4 in one])

    def test_what_it_says(self):
        watch = GrowthWatch(Patterns((), ()), 1)
        for time in range(9):
            growths = watch.add(look_at([10 + time, 100 * (time + 1), 5], 60 * time))
        (growth,) = growths
        self.assertEqual((growth.seconds, growth.table.number, len(growth.table.rows)), (480, 2, 1))
        self.assertEqual([figures.size for figures in growth.table.rows[0].history], [100, 500, 900])
        self.assertEqual([figures.size for figures in growth.table.totals], [115, 519, 923])

    def test_it_begins_anew_when_the_tables_were_emptied(self):
        watch = GrowthWatch(Patterns((), ()), 10)
        for time in range(2 * PARTS + 2):
            found = watch.add(look_at([10 + time], time, generation=time // (PARTS + 1)))
            self.assertEqual(lines_of(found), {1: 1} if time in (PARTS, 2 * PARTS + 1) else {})


class WatchTest(TracedTest):
    def setUp(self):
        super().setUp()
        self.texts, self.held = [], []
        gc.collect()

    def watcher(self, **options):
        """One whose thread has made its first look and waits."""
        guard = watch(FAR, options.pop("log", self.texts.append), **options)
        self.addCleanup(guard.stop)
        self.assertTrue(wait_until(lambda: guard._looks == 1))
        return guard

    def grow(self, guard, times):
        """Hold more before each look."""
        for _ in range(times):
            self.held.append(bytes(10_000))
            guard._look()

    def test_a_leak(self):
        guard = self.watcher()
        self.grow(guard, PARTS - 1)
        self.assertEqual(self.texts, [])
        self.grow(guard, 3)
        self.assertEqual(len(self.texts), 3)
        text = self.texts[0]
        self.assertRegex(text, r"^memory keeps growing, in each of the last 8 times [\d.]+ s: .* live, \+")
        self.assertIn("1 line that grew each time, by growth\n", text)
        self.assertIn("self.held.append(bytes(10_000))", text)
        self.assertRegex(text, r"(?m)^\+78\.\d KiB +0 B +39\.\d KiB +78\.\d KiB +\S*test_guards_watch\.py:\d+ ")

    def test_nothing_is_logged_of_a_program_that_does_not_grow(self):
        numbers = random.Random(1)
        for nframe in (1, 5):
            ctracemalloc.stop()
            ctracemalloc.start(nframe)
            held = cached(numbers)
            guard = self.watcher()
            for _ in range(100):
                held = cached(numbers)
                guard._look()
            del held
            guard.stop()
        self.assertEqual(self.texts, [])

    def test_what_it_logs_is_no_growth(self):
        guard, texts = self.watcher(), [None] * 60
        guard._write = lambda text: texts.insert(0, text) or texts.pop()
        self.grow(guard, 60)
        found = [line for text in filter(None, texts) for line in text.splitlines() if ".py:" in line or "<" in line]
        self.assertTrue(found)
        self.assertEqual([line for line in found if not line.endswith("WatchTest.grow")], [])

    def test_it_makes_no_peak(self):
        guard = self.watcher()
        guard._look()
        ctracemalloc.reset_peak()
        before = ctracemalloc.get_traced_memory()[0]
        guard._look()
        self.assertLess(ctracemalloc.get_traced_memory()[1] - before, 5000)

    def test_tracing_that_stops_and_starts(self):
        guard = self.watcher()
        self.grow(guard, PARTS)
        self.assertEqual(len(self.texts), 1)
        ctracemalloc.stop()
        self.grow(guard, PARTS)
        ctracemalloc.start()
        self.grow(guard, PARTS)
        self.assertEqual(len(self.texts), 1)  # the first look at the new tables is no step
        self.grow(guard, 1)
        self.assertEqual(len(self.texts), 2)

    def test_the_thread(self):
        held, leaked = [], threading.Event()
        with watch(0.01, lambda text: leaked.set()) as guard:
            while not leaked.wait(0.002):
                held.append(bytes(1000))
            self.assertTrue(guard.running)
            self.assertIn("ctracemalloc.watch", [thread.name for thread in threading.enumerate()])
        self.assertFalse(guard.running)
        self.assertTrue(wait_until(lambda: not guard._thread.is_alive()))
        guard.stop()

    def test_loggers(self):
        for log, name in ((None, "ctracemalloc"), (logging.getLogger("mine"), "mine")):
            guard = self.watcher(log=log)
            with self.assertLogs(name, "WARNING") as logs:
                self.grow(guard, PARTS)
            self.assertEqual(len(logs.records), 1)
            self.assertIn("memory keeps growing", logs.records[0].getMessage())

    def test_a_log_that_fails(self):
        failures, calls = [], []

        def broken(text):
            calls.append(text)
            raise KeyError("broken")

        held = []
        with mock.patch("threading.excepthook", failures.append), watch(0.01, broken) as guard:
            while len(calls) < 3:
                held.append(bytes(1000))
            self.assertTrue(guard.running)
            self.assertEqual(guard.error, "KeyError: 'broken'")
        self.assertEqual({failure.exc_type for failure in failures}, {KeyError})
        self.assertIs(failures[0].thread, guard._thread)

    def test_forks(self):
        for children in (False, True):
            guard = watch(0.01, lambda text: None, children=children)
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are threads
                pid = os.fork()
            if pid == 0:
                try:
                    held = []
                    told = threading.Event()
                    guard._write = lambda text, told=told: told.set()
                    running = guard.running
                    for _ in range(2000 if running else 5):
                        held.append(bytes(1000))
                        if told.wait(0.005):
                            break
                    os.write(writer, f"{running} {told.is_set()}".encode())
                finally:
                    os._exit(0)
            os.close(writer)
            with open(reader) as answer:
                self.assertEqual(answer.read(), f"{children} {children}")
            os.waitpid(pid, 0)
            self.assertTrue(guard.running)
            guard.stop()

    def test_what_cannot_be_used(self):
        for every in (0, -1, float("nan"), float("inf"), 1e6):
            with self.assertRaisesRegex(ValueError, r"every must be in range \[0\.01; 86400\] seconds"):
                watch(every)
        with self.assertRaisesRegex(ValueError, "limit must be at least 1"):
            watch(limit=0)
        with self.assertRaisesRegex(TypeError, "log must be a logger, a function or None, not int"):
            watch(log=1)
        self.assertNotIn("ctracemalloc.watch", [thread.name for thread in threading.enumerate()])


if __name__ == "__main__":
    unittest.main()
