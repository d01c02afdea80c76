"""Recordings: they hold what the tracer reported; and the commands that read them."""

import math
import os
import random
import sys
import tempfile
import time
import unittest
from pathlib import Path

import ctracemalloc
from cli_support import ProgramTest

WORK = """
held = {}
def hold(key, size):
    held[key] = bytearray(size)
def name(key, length):
    held[key] = "x" * length + str(key)
def drop(key):
    held.pop(key, None)
"""
FILE = "<work of test_recording>"


class Workload:
    """Allocates at lines of a file of its own, where nothing else allocates."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.functions = {}
        exec(compile(WORK, FILE, "exec"), self.functions)

    def run(self, count):
        for _ in range(count):
            key = self.random.randrange(200)
            kind = self.random.choice(("hold", "name", "drop"))
            if kind == "drop":
                self.functions["drop"](key)
            else:
                self.functions[kind](key, self.random.choice((1, 100, 5000)))


def at_work(snapshot):
    """{line: (size, count)} of the workload's lines."""
    snapshot = snapshot.filter_traces([ctracemalloc.Filter(True, FILE)])
    return {s.traceback[-1].lineno: (s.size, s.count) for s in snapshot.statistics("lineno")}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "test.ctr")
        ctracemalloc.start(3)
        self.addCleanup(ctracemalloc.stop)

    def record(self, interval=3600, **options):
        recorder = ctracemalloc.record(self.path, interval, **options)
        self.addCleanup(recorder.stop)
        return recorder


class WritingTest(Case):
    def test_ticks_are_what_snapshots_say(self):
        work = Workload(1)
        expected = []
        with self.record() as recorder:
            for _ in range(8):
                work.run(50)
                recorder.tick()
                expected.append(at_work(ctracemalloc.take_snapshot()))
            self.assertTrue(recorder.recording)
            self.assertEqual(recorder.ticks, 9)
            self.assertEqual(recorder.size, os.path.getsize(self.path))
        self.assertFalse(recorder.recording)
        self.assertIsNone(recorder.error)
        recording = ctracemalloc.open_recording(self.path)
        self.assertEqual(len(recording), 10)
        times = recording.times
        self.assertEqual(times, sorted(times))
        for index, lines in enumerate(expected):
            self.assertEqual(at_work(recording.snapshot(times[index + 1])), lines)
        for index in random.Random(2).sample(range(8), 8):  # in any order
            self.assertEqual(at_work(recording.snapshot(times[index + 1])), expected[index])

    def test_totals_are_sums_over_the_sites(self):
        work = Workload(3)
        with self.record(0.01) as recorder:
            while recorder.ticks < 12:
                work.run(20)
        recording = ctracemalloc.open_recording(self.path)
        self.assertGreaterEqual(len(recording), 12)
        for moment in recording.totals():
            statistics = recording.snapshot(moment.time).statistics("traceback")
            self.assertEqual(sum(s.size for s in statistics), moment.size)
            self.assertEqual(sum(s.count for s in statistics), moment.count)
            self.assertGreater(moment.resident, 0)

    def test_what_it_says_of_itself(self):
        before = time.time()
        self.record(0.5).stop()
        recording = ctracemalloc.open_recording(self.path)
        self.assertEqual(recording.pid, os.getpid())
        self.assertEqual(recording.interval, 0.5)
        self.assertEqual(recording.ended, "stopped")
        self.assertIsNone(recording.truncated)
        self.assertIn(os.path.basename(sys.orig_argv[0]), recording.command)
        self.assertLess(abs(recording.started - before), 60)
        self.assertEqual([event.what for event in recording.events], ["start"])
        snapshot = recording.snapshot()
        self.assertEqual(snapshot.traceback_limit, 3)
        self.assertIsNone(snapshot.sample_interval)
        self.assertEqual(recording.path, self.path)

    def test_clear_and_restart(self):
        work = Workload(4)
        recorder = self.record()
        work.run(100)
        recorder.tick()
        ctracemalloc.clear_traces()
        work.run(20)
        recorder.tick()
        cleared = at_work(ctracemalloc.take_snapshot())
        ctracemalloc.stop()
        with self.assertRaisesRegex(RuntimeError, "not tracing"):
            recorder.tick()
        ctracemalloc.start(7, sample_interval=1)
        work.run(50)
        recorder.stop()
        recording = ctracemalloc.open_recording(self.path)
        # stop and start were between two ticks: the recording has the start only.
        self.assertEqual([event.what for event in recording.events], ["start", "clear", "clear"])
        self.assertEqual(at_work(recording.snapshot(recording.times[2])), cleared)
        last = recording.snapshot()
        self.assertEqual(last.traceback_limit, 7)
        self.assertEqual(last.sample_interval, 1)
        self.assertTrue(last.statistics("lineno")[0].estimated)

    def test_sampled_totals_are_estimates(self):
        ctracemalloc.stop()
        ctracemalloc.start(1, sample_interval=4096)
        recorder = self.record()
        held = [bytearray(3000) for _ in range(2000)]
        current, _peak = ctracemalloc.get_traced_memory()
        recorder.stop()
        moment = ctracemalloc.open_recording(self.path).moment()
        self.assertLess(abs(moment.size - current), current / 10)
        self.assertGreater(moment.size, 3_000_000)
        self.assertEqual(len(held), 2000)

    def test_the_peak_between_ticks(self):
        recorder = self.record()
        block = bytearray(20_000_000)
        del block
        recorder.tick()
        recorder.stop()
        recording = ctracemalloc.open_recording(self.path)
        self.assertGreater(recording.peak.size, 20_000_000)
        self.assertEqual(recording.peak.time, recording.times[1])
        self.assertLess(max(moment.size for moment in recording.totals()), 20_000_000)

    def test_arguments(self):
        for interval in (0, 0.009, 3601, -1, math.nan, math.inf):
            with self.assertRaisesRegex(ValueError, "interval must be in range"):
                ctracemalloc.record(self.path, interval)
        with self.assertRaises(TypeError):
            ctracemalloc.record(self.path, "a second")
        with self.assertRaises(ValueError):
            ctracemalloc.record("a\0b")
        with self.assertRaises(TypeError):
            ctracemalloc.record(3)
        with self.assertRaises(FileNotFoundError) as caught:
            ctracemalloc.record("/no/such/folder/x.ctr")
        self.assertEqual(caught.exception.filename, "/no/such/folder/x.ctr")
        with self.assertRaisesRegex(OSError, "regular file"):
            ctracemalloc.record("/dev/null")
        self.record(1)
        with self.assertRaisesRegex(RuntimeError, "being recorded already"):
            ctracemalloc.record(self.path)
        ctracemalloc.stop()

    def test_needs_tracing(self):
        ctracemalloc.stop()
        with self.assertRaisesRegex(RuntimeError, "not tracing"):
            ctracemalloc.record(self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_paths_of_all_kinds_and_one_after_another(self):
        for path in (self.path, os.fsencode(self.path), Path(self.path), self.path + "\udcff"):
            recorder = ctracemalloc.record(path)
            recorder.stop()
            recorder.stop()
            recording = ctracemalloc.open_recording(path)
            self.assertEqual(len(recording), 2)

    def test_a_recorder_that_is_dropped_ends(self):
        import gc

        self.record().stop()
        recorder = ctracemalloc.record(self.path)
        text = repr(recorder)
        self.assertIn("recording", text)
        recorder.stop()
        del recorder
        gc.collect()
        self.assertEqual(ctracemalloc.open_recording(self.path).ended, "stopped")

    def test_the_file_was_changed_by_another_program(self):
        recorder = self.record()
        os.truncate(self.path, 3)
        with self.assertRaises(OSError):
            recorder.tick()
        self.assertFalse(recorder.recording)
        self.assertIn("changed while it was recorded to", str(recorder.error))
        recorder.stop()
        again = ctracemalloc.record(self.path)
        self.assertTrue(again.recording)
        again.stop()


class ReadingTest(Case):
    def make(self, rounds=6):
        work = Workload(5)
        recorder = self.record()
        for _ in range(rounds):
            work.run(100)
            recorder.tick()
        recorder.stop()
        return ctracemalloc.open_recording(self.path)

    def test_diff_and_series(self):
        recording = self.make()
        times = recording.times
        old, new = recording.snapshot(times[1]), recording.snapshot(times[4])
        for key in ("lineno", "filename", "function", "traceback"):
            self.assertEqual(recording.diff(times[1], times[4], key), new.compare_to(old, key))
        self.assertEqual(recording.diff(), recording.snapshot().compare_to(recording.snapshot(times[0]), "lineno"))
        for key in ("lineno", "filename", "function"):
            series = recording.series(key, top=4)
            self.assertEqual(len(series), 4)
            for one, difference in zip(series, recording.diff(key_type=key)):
                self.assertEqual(one.place, difference.traceback[-1])
                self.assertEqual(one.growth, difference.size_diff)
                self.assertEqual(one.times, times)
                for index in (0, 3, 6):
                    wanted = {
                        (s.traceback[-1], s.traceback[-1].name): (s.size, s.count)
                        for s in recording.snapshot(times[index]).statistics(key)
                    }
                    found = (one.sizes[index], one.counts[index])
                    self.assertEqual(found, wanted.get((one.place, one.place.name), (0, 0)), (key, one.place))

    def test_series_of_chosen_places(self):
        recording = self.make()
        statistics = recording.snapshot().filter_traces([ctracemalloc.Filter(True, FILE)]).statistics("lineno")
        for places in (statistics, [s.traceback for s in statistics], [s.traceback[-1] for s in statistics]):
            series = recording.series(places=places, start=recording.times[2], end=recording.times[5])
            self.assertEqual([one.place for one in series], [s.traceback[-1] for s in statistics])
            self.assertEqual(series[0].times, recording.times[2:6])
        with self.assertRaises(TypeError):
            recording.series(places=["a.py"])
        with self.assertRaises(ValueError):
            recording.series("traceback")
        self.assertEqual(recording.series(places=[]), [])

    def test_moments(self):
        recording = self.make()
        times = recording.times
        self.assertEqual(recording.moment(times[2]), recording.totals()[2])
        self.assertEqual(recording.moment(), recording.totals()[-1])
        with self.assertRaisesRegex(ValueError, "has moments from"):
            recording.snapshot(-1)
        with self.assertRaisesRegex(ValueError, "not before"):
            recording.diff(times[4], times[1])

    def test_cut_off_and_damaged(self):
        whole = self.make()
        data = Path(self.path).read_bytes()
        moments = whole.totals()
        for size in range(64, len(data), 97):
            Path(self.path).write_bytes(data[:size])
            recording = ctracemalloc.open_recording(self.path)
            self.assertEqual(recording.totals(), moments[: len(recording)])
            if len(recording):
                recording.snapshot()
                recording.series(top=2)
        # One byte short: a cut between two ticks, which a size of the loop may be, is how a killed process leaves its file.
        Path(self.path).write_bytes(data[:-1])
        recording = ctracemalloc.open_recording(self.path)
        self.assertIn("cut off", recording.truncated)
        self.assertIsNone(recording.ended)
        Path(self.path).write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
        self.assertIn("checksum", ctracemalloc.open_recording(self.path).truncated)
        Path(self.path).write_bytes(data[:64])
        empty = ctracemalloc.open_recording(self.path)
        self.assertEqual((len(empty), empty.totals(), empty.events), (0, [], []))
        for ask in (empty.snapshot, empty.diff, empty.series, empty.moment, lambda: empty.peak):
            with self.assertRaisesRegex(ValueError, "no moments"):
                ask()

    def test_no_recording(self):
        for content, offset in ((b"", 0), (b"\x89CTM\r\n\x1a\n" + bytes(99), 0), (b"\x89CTR\r\n\x1a\n", 8)):
            Path(self.path).write_bytes(content)
            with self.assertRaisesRegex(ctracemalloc.FileError, "not a valid recording") as caught:
                ctracemalloc.open_recording(self.path)
            self.assertEqual(caught.exception.offset, offset)
        with self.assertRaises(FileNotFoundError):
            ctracemalloc.open_recording(self.path + ".other")
        with self.assertRaises(IsADirectoryError):
            ctracemalloc.open_recording("/")


class CommandTest(ProgramTest):
    PROGRAM = """
        import time
        held = []
        for number in range(12):
            held.append(bytearray(100_000))
            time.sleep(0.02)
    """

    def test_run_and_print(self):
        self.write("program.py", self.PROGRAM)
        result = self.traced("--record", "it.ctr", "--record-interval", "0.01", "program.py")
        self.assert_reported(result)
        self.assertEqual(result.returncode, 0)
        recording = ctracemalloc.open_recording(self.folder / "it.ctr")
        self.assertEqual(recording.ended, "exit status 0")
        self.assertGreater(len(recording), 3)
        self.assertIn("program.py", recording.command)
        self.assertNotIn("ctracemalloc_run", recording.command)
        last = recording.snapshot().filter_traces([ctracemalloc.Filter(True, "*program.py")])
        report = self.load_only_snapshot().filter_traces([ctracemalloc.Filter(True, "*program.py")])
        self.assertEqual(last.statistics("lineno"), report.statistics("lineno"))

        printed = self.python("-m", "ctracemalloc", "recording", "it.ctr", "--top", "2")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        for word in ("exit status 0", "live memory", "process", "program.py:5", "held.append", "█"):
            self.assertIn(word, printed.stdout)
        self.assertNotIn("cut off", printed.stdout)

        middle = str(recording.times[2])
        done = self.python("-m", "ctracemalloc", "recording", "it.ctr", "--to", middle, "-o", "moment.ctm")
        self.assertEqual(done.returncode, 0, done.stderr)
        moment = ctracemalloc.Snapshot.load(self.folder / "moment.ctm")
        self.assertEqual(moment.statistics("lineno"), recording.snapshot(recording.times[2]).statistics("lineno"))

    def test_sigterm_ends_it_well(self):
        self.write("program.py", "import os, signal\nheld = bytearray(10**6)\nos.kill(os.getpid(), signal.SIGTERM)\n")
        result = self.traced("--record", "it.ctr", "program.py")
        self.assertEqual(result.returncode, -15)
        recording = ctracemalloc.open_recording(self.folder / "it.ctr")
        self.assertEqual(recording.ended, "SIGTERM")
        self.assertGreater(recording.moment().size, 10**6)

    def test_children(self):
        self.write(
            "program.py",
            """
            import os, sys, time
            pid = os.fork()
            held = bytearray(300_000 if pid else 700_000)
            if pid:
                os.waitpid(pid, 0)
                print(pid)
            """,
        )
        result = self.traced("--record", "it,a b.ctr", "--record-children", "program.py")
        self.assertEqual(result.returncode, 0, result.stderr)
        child = self.folder / f"it,a b.ctr.{int(result.stdout)}"
        sizes = [ctracemalloc.open_recording(path).moment().size for path in (self.folder / "it,a b.ctr", child)]
        self.assertLess(300_000, sizes[0])
        self.assertLess(sizes[0], 700_000)
        self.assertLess(700_000, sizes[1])
        self.assertEqual(ctracemalloc.open_recording(child).pid, int(result.stdout))

    def test_refusals(self):
        self.write("program.py", "print('ran')")
        for options in (
            ("--record", "no/such/it.ctr"),
            ("--record", "."),
            ("--record", "it.ctr", "--record-interval", "0"),
            ("--record", "it.ctr", "--record-interval", "often"),
        ):
            result = self.traced(*options, "program.py")
            self.assertEqual((result.returncode, result.stdout), (2, ""), options)
        result = self.traced("--record", "/dev/null", "program.py")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("cannot record", result.stderr)
        self.write("it.ctr", "no recording")
        result = self.python("-m", "ctracemalloc", "recording", "it.ctr")
        self.assertEqual(result.returncode, 3)
        self.assertIn("not a valid recording", result.stderr)
        self.assertEqual(self.python("-m", "ctracemalloc", "recording", "nothing.ctr").returncode, 3)

    def test_example(self):
        example = Path(__file__).resolve().parent.parent.parent / "examples" / "python" / "memory_over_time.py"
        result = self.python(example)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("memory_over_time.py:18\n", result.stdout)
        self.assertIn("bytes in handle\n", result.stdout)

    def test_moments_that_are_not_there(self):
        self.write("program.py", self.PROGRAM)
        self.traced("--record", "it.ctr", "program.py")
        for options in (("--from", "0.25", "--to", "0.001"), ("--from", "3"), ("--from", "-1"), ("--to", "x")):
            result = self.python("-m", "ctracemalloc", "recording", "it.ctr", *options)
            self.assertEqual(result.returncode, 2, result.stdout)


if __name__ == "__main__":
    unittest.main()
