"""The rule by which a time selects a tick is the same in text, in files and from Python."""

import random
import re
import unittest
from pathlib import Path

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import _words
from ctracemalloc.recording.ticks import Ticks
from recording_reader import crc32c

SPAN, TICK, END = 2, 4, 5


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def after_varint(data):
    length = next(i for i, byte in enumerate(data) if byte < 0x80) + 1
    return data[length:]


def retime(path, times, interval=1.0):
    """Change the times of a recording's ticks, in seconds."""
    data = Path(path).read_bytes()
    header = data[:32] + int(interval * 1e9).to_bytes(8, "little") + data[40:60]
    out, at, left = [header + crc32c(header).to_bytes(4, "little")], 64, [round(time * 1e9) for time in times]
    now = 0
    while at < len(data):
        size, kind = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        payload = data[at + 12 : at + 12 + size]
        if kind == TICK:
            now = left.pop(0)
        if kind in (SPAN, TICK, END):
            payload = varint(now) + after_varint(payload)
        head = len(payload).to_bytes(4, "little") + kind.to_bytes(4, "little")
        out += [head, crc32c(head + payload).to_bytes(4, "little"), payload]
        at += 12 + size
    assert not left
    Path(path).write_bytes(b"".join(out))


def short_clocks(recording):
    ticks = Ticks(recording.times, recording.interval)
    return [_words.short_clock(ticks.short_time(index)) for index in range(len(recording))]


class TimesTest(ProgramTest):
    def make(self, times, interval=1.0):
        """A recording with a tick at each of these times; the number of live bytes differs in each."""
        path = self.folder / "it.ctr"
        ctracemalloc.start()
        held = []
        recorder = ctracemalloc.record(path, 3600)
        for _ in times[2:]:
            held.append(bytes(100_000))
            recorder.tick()
        held.append(bytes(100_000))
        recorder.stop()
        ctracemalloc.stop()
        retime(path, times, interval)
        recording = ctracemalloc.open_recording(path)
        self.assertEqual(recording.times, [round(time * 1e9) / 1e9 for time in times])
        self.assertEqual(len({moment.size for moment in recording.totals()}), len(times))
        return recording

    def command(self, *arguments):
        return self.python("-m", "ctracemalloc", "recording", "it.ctr", *arguments)

    def test_the_nearest_tick(self):
        recording = self.make([0.0001, 1.0001, 2.0003, 2.9998, 4.2, 9.0])
        for at, index in (
            (0, 0),
            (0.4, 0),
            (0.6, 1),
            (1, 1),
            (2, 2),
            (3, 3),
            (3.5, 3),
            (3.7, 4),
            (6.6, 4),
            (6.7, 5),
            (9, 5),
            (9.5, 5),
            (None, 5),
        ):
            self.assertEqual(recording.moment(at), recording.totals()[index], at)
        for index, time in enumerate(recording.times):
            self.assertEqual(recording.moment(time), recording.totals()[index])

    def test_at_equal_distance_the_earlier(self):
        recording = self.make([0.0, 1.0, 3.0])
        self.assertEqual(recording.moment(2).time, 1.0)
        self.assertEqual(recording.moment(2.0000001).time, 3.0)

    def test_outside(self):
        recording = self.make([0.0001, 1.0001, 2.0001, 10.0002])
        words = r"the recording has moments from 0\.0 s to 10\.0 s"
        for at in (-0.001, 10.6, 1e9, float("inf"), float("-inf"), float("nan"), 10**400, -(10**400)):
            for ask in (
                recording.moment,
                recording.snapshot,
                lambda at: recording.diff(0, at),
                lambda at: recording.series(start=at),
                lambda at: recording.series(end=at),
            ):
                with self.assertRaisesRegex(ValueError, words):
                    ask(at)
        self.assertEqual(recording.moment(10.5).time, 10.0002)
        for options in (("--from", "11"), ("--to", "11"), ("--to", "1:00"), ("--to", "11", "-o", "x.ctm")):
            result = self.command(*options)
            self.assertEqual((result.returncode, result.stdout), (2, ""), options)
            self.assertRegex(result.stderr, words)
        self.assertFalse((self.folder / "x.ctm").exists())
        self.assertRaises(TypeError, recording.moment, "1")

    def test_text_and_files_and_api_agree(self):
        """The label of a row, given as --to, selects the moment of that row; the same from Python."""
        chance = random.Random(8)
        late = [k + chance.uniform(0, 0.0004) for k in range(12)]
        for times, interval in (
            (late, 1.0),
            ([3600 + time for time in late], 1.0),
            ([*late[:-1], late[-2] + 0.003], 1.0),
            ([time / 100 for time in late], 0.01),
            ([58.96, 59.96, 60.97, 61.4, 3599.7, 3600.4, 3600.6], 1.0),
        ):
            recording = self.make(times, interval)
            printed = self.command()
            self.assertEqual(printed.returncode, 0, printed.stderr)
            lines = printed.stdout.splitlines()
            start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["time", "live"])
            rows = [re.match(r" *(\S+(?: s)?) +([\d.]+ \w+) ", line) for line in lines[start + 1 : start + 1 + len(times)]]
            for row, moment in zip(rows, recording.totals()):
                text, live = row.groups()
                self.assertEqual(recording.moment(_words.parse_clock(text)), moment, text)
                self.assertEqual(live, ctracemalloc._format_size(moment.size, False))
            middle = len(times) // 2
            text = rows[middle].group(1)
            self.assertEqual(self.command("--to", text, "-o", "moment.ctm").returncode, 0)
            found = ctracemalloc.Snapshot.load(self.folder / "moment.ctm")
            self.assertEqual(sum(s.size for s in found.statistics("filename")), recording.totals()[middle].size)
            part = self.command("--from", text).stdout
            self.assertIn(f"from {text} to {rows[-1].group(1)}\n", part)
            self.assertIn(f"old     {rows[middle].group(2)} in", part)

    def test_digits_that_tell_ticks_apart(self):
        recording = self.make([0.0, 1.0002, 1.0341, 5.0001])
        self.assertEqual(short_clocks(recording), ["0.0 s", "1.0 s", "1.03 s", "5.0 s"])
        recording = self.make([0.0, 65.0001, 65.2, 3725.6])
        self.assertEqual(short_clocks(recording), ["0.0 s", "1:05", "1:05.2", "1:02:06"])

    def test_clock(self):
        for seconds, digits, text in (
            (0, 0, "0.0 s"),
            (59.94, 0, "59.9 s"),
            (59.96, 0, "1:00"),
            (59.96, 2, "59.96 s"),
            (61.25, 1, "1:01.2"),
            (3599.6, 0, "1:00:00"),
            (3661.007, 3, "1:01:01.007"),
        ):
            self.assertEqual(_words.clock(seconds, digits), text)
            self.assertAlmostEqual(_words.parse_clock(text), seconds, delta=0.5)
        self.assertEqual(
            [_words.parse_clock(text) for text in ("5", "5.5 s", "4:05", "1:02:03.5", "90:00")], [5, 5.5, 245, 3723.5, 5400]
        )
        for text in ("", "x", "-1", "nan", "inf", "1:60", "1:-5", "-1:05", "1:2:3:4", "1:", ":5", "s"):
            self.assertRaises(ValueError, _words.parse_clock, text)
        chance = random.Random(3)
        for _ in range(2000):
            seconds, digits = 10 ** chance.uniform(-4, 5), chance.randrange(1, 6)
            parsed = _words.parse_clock(_words.clock(seconds, digits))
            self.assertAlmostEqual(parsed, seconds, delta=0.5001 * 10**-digits)


if __name__ == "__main__":
    unittest.main()
