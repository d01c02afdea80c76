"""Perfetto traces of recordings, decoded with the descriptors that Perfetto publishes (the package perfetto).

Its trace processor, a program that the package downloads, is not run: that the messages mean counters is Perfetto's own
documentation, and what is checked here is that each has the values of the recording.
"""

import importlib.util
import unittest

import ctracemalloc
from cli_support import skip_most_pythons
from export_support import ExportTest, run_ctracemalloc, traced_program


def setUpModule():
    skip_most_pythons()


class PerfettoTest(ExportTest):
    def setUp(self):
        super().setUp()
        if importlib.util.find_spec("perfetto") is None:
            self.skipTest("the package perfetto is not installed")
        from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

        self.message, self.counter = Trace, TrackEvent.TYPE_COUNTER
        self.path = traced_program()[1]
        self.recording = ctracemalloc.open_recording(str(self.path))

    def trace(self):
        done = run_ctracemalloc("export", self.path, "-o", "out.pftrace", cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^out\.pftrace: Perfetto trace of /.*/prog\.ctr, [\d.]+ (B|KiB)\n$")
        return self.message.FromString((self.folder / "out.pftrace").read_bytes())

    def values(self, trace):
        """{name of a track: its value at each moment of the recording}"""
        tracks = {packet.track_descriptor.uuid: packet.track_descriptor for packet in trace.packet}
        changes = {}
        for packet in trace.packet:
            if packet.HasField("track_event"):
                self.assertEqual(packet.track_event.type, self.counter)
                name = tracks[packet.track_event.track_uuid].name
                changes.setdefault(name, []).append((packet.timestamp, packet.track_event.counter_value))
        times = [round(time * 1e9) for time in self.recording.times]
        return {name: [max(c for c in found if c[0] <= time)[1] for time in times] for name, found in changes.items()}

    def test_sums_and_lines(self):
        trace = self.trace()
        values = self.values(trace)
        moments = self.recording.totals()
        self.assertGreater(len(moments), 1)
        self.assertEqual(values["live"], [moment.size for moment in moments])
        self.assertEqual(values["live blocks"], [moment.count for moment in moments])
        self.assertEqual(values["peak until then"], [moment.peak for moment in moments])
        self.assertEqual(values["resident memory of the process"], [moment.resident for moment in moments])
        page = next(s for s in self.recording.snapshot().statistics("lineno") if s.traceback[0].filename.endswith("prog.py"))
        (series,) = self.recording.series("lineno", [page])
        self.assertEqual(values[f"{page.traceback[0].filename}:{page.traceback[0].lineno}"], series.sizes)
        process = trace.packet[0].track_descriptor.process
        self.assertEqual((process.pid, process.cmdline[-1]), (self.recording.pid, "prog.py"))
        units = {packet.track_descriptor.name: packet.track_descriptor.counter.unit for packet in trace.packet}
        self.assertEqual((units["live"], units["live blocks"]), (3, 2))  # UNIT_SIZE_BYTES, UNIT_COUNT

    def test_only_of_recordings(self):
        done = run_ctracemalloc("export", traced_program()[0], "-f", "perfetto", cwd=self.folder)
        self.assertEqual(done.returncode, 3)
        self.assertIn("it is a snapshot, not a recording", done.stderr)
        for option in (["--at", "0"], ["--include", "prog.py"]):
            done = run_ctracemalloc("export", self.path, "-f", "perfetto", *option, cwd=self.folder)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{option[0]} does not go with -f perfetto", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
