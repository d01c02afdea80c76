"""A second reader, written from the specification alone, reads the same from recordings."""

import random
import threading
import unittest
from pathlib import Path

import ctracemalloc
import recording_reader
from test_recording import Case, Workload


class SecondReaderTest(Case):
    def compare(self, recording):
        header, ticks = recording_reader.read(Path(self.path).read_bytes())
        self.assertEqual(header["pid"], recording.pid)
        self.assertEqual(header["command"], recording.command)
        self.assertEqual({1: "stopped", 2: "exit", None: None}[header["end"]], recording.ended)
        self.assertEqual([head["time"] / 1e9 for head, _ in ticks], recording.times)
        for moment, (head, sums) in zip(recording.totals(), ticks):
            self.assertEqual(
                (moment.size, moment.count, moment.peak, moment.resident),
                (head["bytes"], head["blocks"], head["peak"], head["resident"]),
            )
            found = {}
            for trace in recording.snapshot(moment.time).traces:
                frames = tuple((f.filename, f.lineno, f.name or "") for f in reversed(list(trace.traceback)))
                key = (trace.size, trace.domain, frames)
                found[key] = found.get(key, 0) + 1
            self.assertEqual(found, {key: live for key, (_, live) in sums.items() if live})

    def test_a_busy_program(self):
        chance = random.Random(1)
        work = Workload(2)
        recorder = self.record()
        for number in range(60):
            # Bursts; pauses that end; pauses that last.
            work.run(chance.choice((0, 10, 40)) if number % 30 < 12 else 0)
            if number % 17 == 3:
                thread = threading.Thread(target=work.run, args=(20,))
                thread.start()
                thread.join()
            if number == 40:
                ctracemalloc.clear_traces()
            recorder.tick()
        recorder.stop()
        self.compare(ctracemalloc.open_recording(self.path))

    def test_golden_file(self):
        golden = Path(__file__).resolve().parent.parent / "data" / "recording-v1.ctr"
        self.path = str(golden)
        self.compare(ctracemalloc.open_recording(golden))

    def test_by_itself(self):
        work = Workload(3)
        with self.record(0.01) as recorder:
            while recorder.ticks < 15:
                work.run(10)
        self.compare(ctracemalloc.open_recording(self.path))


if __name__ == "__main__":
    unittest.main()
