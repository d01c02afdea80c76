"""Any name, any terminal, in real programs: names are shown escaped, rows fit, and no encoding is an error."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import unittest

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc import _words
from ctracemalloc.recording.ticks import Ticks
from ctracemalloc.render.text import locations, units
from ctracemalloc.render.text import style as styles
from ctracemalloc.render.text.columns import columns
from names_support import SPECIAL


def setUpModule():
    skip_some_pythons()


class TerminalTest(ProgramTest):
    PROGRAM = r"""
        import os
        def compiled(name, function):
            def work(): return bytes(50_000)
            code = work.__code__
            inner = code.replace(co_filename=name, co_name=function)
            if hasattr(inner, "co_qualname"):
                inner = inner.replace(co_qualname=function)
            return type(work)(inner, globals())
        kept = []
        for number, name in enumerate(NAMES):
            kept.append(compiled(name, "f" + name)())
        kept.append([b"\x1b" * 900 for _ in range(200)])  # [2J and 漢字 in a comment
        print("ran")
        """

    def setUp(self):
        super().setUp()
        self.environment.pop("COLUMNS", None)
        self.environment["TERM"] = "xterm"
        special = [name for name in SPECIAL if name]
        source = self.PROGRAM.replace("NAMES", ascii(special)).replace("[2J", "\x1b[2J")
        self.write("sub/prog.py", source)

    def bytes_of(self, *arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "ctracemalloc", *arguments],
            cwd=self.folder,
            timeout=120,
            env={**self.environment, **environment},
            capture_output=True,
        )
        self.assertNotIn(b"Traceback", done.stderr)
        self.assertNotIn(b"no report", done.stderr)
        return done

    def in_terminal(self, columns, *arguments, **environment):
        """What a terminal with `columns` columns receives from stdout and stderr."""
        try:
            controller, terminal = pty.openpty()
        except OSError as error:  # a chroot without /dev/pts
            self.skipTest(f"no pseudo-terminal is to be had: {error}")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown = bytearray()

        def read():
            try:
                while data := os.read(controller, 65536):
                    shown.extend(data)
            except OSError:
                pass  # the other end is closed

        reader = threading.Thread(target=read)
        reader.start()
        done = subprocess.run(
            [sys.executable, "-m", "ctracemalloc", *arguments],
            cwd=self.folder,
            timeout=120,
            env={**self.environment, **environment},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        reader.join()
        os.close(controller)
        self.assertEqual(done.returncode, 0, shown)
        return shown.decode().replace("\r\n", "\n")

    def assert_fits(self, text, width):
        for line in re.sub("\x1b\\[[0-9]*m", "", text).splitlines():
            self.assertTrue(line.isprintable(), line)
            self.assertLessEqual(columns(line), width, line)

    def test_terminals(self):
        for width in (40, 80, 200):
            shown = self.in_terminal(width, "run", "-n", "3", "-o", "a.ctm", "--top", "30", "sub/prog.py")
            self.assertIn("\x1b[1m", shown)
            self.assert_fits(shown, width)
            for options in ([], ["--key", "traceback"], ["--key", "function"], ["--sort", "peak"], ["--sort", "allocated"]):
                self.assert_fits(self.in_terminal(width, "report", "a.ctm", "--top", "30", *options), width)
            self.assert_fits(self.in_terminal(width, "diff", "a.ctm", "a.ctm"), width)
            dumb = self.in_terminal(width, "report", "a.ctm", TERM="dumb")
            self.assertNotIn("\x1b", dumb)
            self.assert_fits(dumb, width)
        self.assert_fits(self.in_terminal(200, "report", "a.ctm", COLUMNS="50"), 50)
        self.assert_fits(self.in_terminal(0, "report", "a.ctm"), 80)

    def test_recordings_on_terminals(self):
        self.traced("-n", "3", "--record", "r.ctr", "--record-interval", "0.01", "-o", "a.ctm", "sub/prog.py")
        for width in (40, 80, 200):
            shown = self.in_terminal(width, "recording", "r.ctr")
            self.assert_fits(shown, width)
            self.assertIn("█", shown)
            self.assert_fits(self.in_terminal(width, "report", "r.ctr"), width)

    def test_in_a_pipe_rows_are_whole(self):
        text = self.bytes_of("run", "-o", "a.ctm", "--top", "40", "sub/prog.py").stderr.decode()
        for name in SPECIAL:
            if name:
                self.assertIn(f"{_words.printable(name)}:4 ", text)
        self.assertEqual([line for line in text.splitlines() if not line.isprintable()], [])

    def test_run_and_report_show_the_same(self):
        for options in ([], ["--key", "function"], ["-k", "module", "--own"], ["--traceback", "--no-source"]):
            # The program changes its directory; the command was given in this one.
            run = self.bytes_of(
                "run",
                "-o",
                "a.ctm",
                "--top",
                "60",
                *options,
                "-c",
                "import sys, os, json, runpy; sys.path.insert(0, os.path.abspath('sub'));"
                "runpy.run_path('sub/prog.py'); os.chdir('/')",
            ).stderr.decode()
            report = self.bytes_of("report", "a.ctm", "--top", "60", *options).stdout.decode()
            run = [line for line in run.splitlines() if not line.startswith("  saved ")]
            report_lines = report.splitlines()
            self.assertEqual(report_lines.pop(0), f"{run.pop(0)}  a.ctm")
            self.assertEqual(run, report_lines)
            self.assertIn("  prog" if "module" in options else "  sub/prog.py", report)

    def test_encodings(self):
        self.bytes_of("run", "-o", "a.ctm", "--record", "r.ctr", "--record-interval", "0.01", "sub/prog.py")
        for name in ("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE"):
            self.environment.pop(name, None)  # the environment of the tests may have it
        for environment, encoding, bars in (
            ({"LC_ALL": "C"}, "ascii", styles.ASCII_BARS),
            ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii", styles.ASCII_BARS),
            ({"LC_ALL": "POSIX"}, "ascii", styles.ASCII_BARS),
            ({"PYTHONIOENCODING": "ascii"}, "ascii", styles.ASCII_BARS),
            ({"PYTHONIOENCODING": "ascii:strict"}, "ascii", styles.ASCII_BARS),
            ({"PYTHONIOENCODING": "cp1252"}, "cp1252", styles.ASCII_BARS),
            ({"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, "utf-8", styles.BARS),
            ({"LC_ALL": "C", "PYTHONUTF8": "1"}, "utf-8", styles.BARS),
        ):
            with self.subTest(environment=environment):
                report = self.bytes_of("report", "a.ctm", "--top", "40", **environment).stdout
                self.assertIn(_words.printable("ü/ö/ä.py:4", encoding).encode(encoding), report)
                run = self.bytes_of("run", "-o", "b.ctm", "--top", "40", "sub/prog.py", **environment).stderr
                self.assertIn(_words.printable("ü/ö/ä.py:4", encoding).encode(encoding), run)
                recording = self.bytes_of("recording", "r.ctr", **environment).stdout
                self.assertIn(bars[-1], recording.decode(encoding))
                for data in (report, run, recording):
                    lines = data.decode(encoding).splitlines()  # strict
                    self.assertEqual([line for line in lines if not line.isprintable()], [])
                self.assertNotIn(b"\\u25", recording)

    def test_file_names_that_are_no_text(self):
        """Names given on the command line as bytes that are not UTF-8, or with an escape sequence."""
        for name in (b"\xff\xfe", b"\x1b[2J", b"two\nlines", "漢".encode()):
            script, out, merged = (os.path.join(os.fsencode(self.folder), name + end) for end in (b".py", b".ctm", b".all"))
            with open(script, "w") as file:
                file.write("x = [bytes(1000) for _ in range(100)]\n")
            shown = _words.printable(os.path.basename(os.fsdecode(script)))
            self.assertIn(f"{shown}:1 ".encode(), self.bytes_of("run", "-o", out, script).stderr)
            self.assertIn(f"{shown}:1 ".encode(), self.bytes_of("report", out).stdout)
            done = self.bytes_of("merge", "-o", merged, out, out)
            self.assertIn(f"{os.fsdecode(merged)}: 2 snapshots".encode("ascii", "ignore")[-13:], done.stdout)
            refused = [self.bytes_of("run", "-o", script, script), self.bytes_of("merge", "-o", script, out)]
            wrong = [
                self.bytes_of("report", script),
                self.bytes_of("report", name + b".missing"),
                self.bytes_of("timeline", out),
                self.bytes_of("attach", out),
            ]
            self.assertEqual([result.returncode for result in (*refused, *wrong)], [2, 2, 3, 3, 3, 3])
            wrong += refused
            for result in wrong:
                self.assertIn(_words.printable(os.fsdecode(name)), result.stderr.decode())
            for result in (done, *wrong):
                for line in (result.stdout + result.stderr).decode().splitlines():
                    self.assertTrue(line.isprintable(), line)


class MessagesTest(ProgramTest):
    def setUp(self):
        super().setUp()
        ctracemalloc.start()
        self.kept = [bytes(1000) for _ in range(20)]
        with ctracemalloc.record(self.folder / "r.ctr"):
            ctracemalloc.take_snapshot().dump(self.folder / "a.ctm")
        ctracemalloc.stop()

    def command(self, *arguments, status=0):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout + result.stderr

    def test_a_recording_is_reported(self):
        recording = ctracemalloc.open_recording(self.folder / "r.ctr")
        text = self.command("report", "r.ctr")
        self.assertRegex(text, r"\n  moment   \d+\.\d+ s of a recording of \d+\.\d+ s\n")
        self.assertIn(f", pid {recording.pid}\n", text)
        self.assertIn("  ended    stopped\n", text)
        self.assertRegex(text, r"\n  began    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, pid")
        self.assertIn("  program  ", text)
        self.assertIn(f"{units.format_bytes(recording.moment().size)} in {recording.moment().count:,} blocks", text)
        self.assertIn("old  ", self.command("diff", "a.ctm", "r.ctr"))
        self.command("recording", "r.ctr", "--to", "0", "-o", "m.ctm")
        facts = ctracemalloc.Snapshot.load(self.folder / "m.ctm").run
        self.assertEqual((facts["began"], facts["ended"]), (recording.started, "stopped"))
        self.assertAlmostEqual(facts["moment"], recording.times[0], delta=recording.interval)
        self.assertAlmostEqual(facts["length"], recording.times[-1], delta=recording.interval)
        written = self.command("report", "m.ctm")
        self.assertRegex(written, r"\n  moment   0\.\d+ s of a recording of \d+\.\d+ s\n")
        self.assertIn(f", pid {recording.pid}\n", written)
        self.assertNotIn("cut off", text + written)
        with open(self.folder / "r.ctr", "r+b") as file:
            file.truncate((self.folder / "r.ctr").stat().st_size - 3)
        cut = f"\n  cut off  {ctracemalloc.open_recording(self.folder / 'r.ctr').truncated}\n"
        self.command("recording", "r.ctr", "-o", "m.ctm")
        for command in (("report", "r.ctr"), ("recording", "r.ctr"), ("report", "m.ctm")):
            self.assertIn(cut, self.command(*command))
        unknown = self.command("report", "r.ctr", "--at-peak", status=3)
        self.assertIn("r.ctr: what was live at the peak is not in this file", unknown)

    def test_a_black_box_is_reported_as_attach_shows_it(self):
        result = self.traced("--black-box", "it.box", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        self.assertEqual(result.returncode, -9)
        box = ctracemalloc.open_black_box(self.folder / "it.box")
        text = self.command("report", "it.box")
        self.assertIn("  ended    killed, or by os._exit or exec\n", text)
        self.assertIn(f", pid {box.pid}\n", text)
        self.assertIn(f"process {box.pid}  killed, or by os._exit or exec  ", self.command("attach", "it.box", "--count", "1"))
        self.command("attach", "it.box", "-o", "now.ctm")
        self.assertIn("  ended    killed, or by os._exit or exec\n", self.command("report", "now.ctm"))
        self.traced("--black-box", "it.box", "--record", "it.ctr", "-c", "import os; os._exit(0)")
        self.assertIn("  ended    killed, or by os._exit or exec\n", self.command("report", "it.box"))
        self.assertIn(
            "  ended    no end: it still runs, was killed, or by os._exit or exec\n", self.command("report", "it.ctr")
        )
        self.traced("--black-box", "it.box", "-c", "pass")
        ended = r"  ended    exit status 0 at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n"
        self.assertRegex(self.command("report", "it.box"), ended)

    def test_names_of_files_stand_once(self):
        (self.folder / "a b'\".ctm").write_bytes(b"no snapshot")
        for command in (
            ["report", "a b'\".ctm"],
            ["report", "missing.ctm"],
            ["report", "a.ctm", "--at-peak", "--sort", "x"],
            ["diff", "a.ctm", "a b'\".ctm"],
            ["recording", "a.ctm"],
            ["recording", "a b'\".ctm"],
            ["merge", "-o", "x", "r.ctr"],
            ["merge", "-o", "x", "a b'\".ctm"],
            ["attach", "a.ctm"],
        ):
            text = self.command(*command, status=2 if "--sort" in command else 3)
            for name in ("a b'", "missing.ctm", "r.ctr"):
                self.assertLessEqual(text.count(name), 1, text)
        for command, words in (
            (["recording", "a.ctm"], "a.ctm: it is a snapshot"),
            (["attach", "a.ctm"], "a.ctm: it is a snapshot"),
            (["merge", "-o", "x", "r.ctr"], "r.ctr: it is a recording"),
            (["attach", "r.ctr"], "r.ctr: it is a recording"),
        ):
            self.assertIn(words, self.command(*command, status=3))

    def test_one_of_each(self):
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 2)], 1).dump(self.folder / "one.ctm")
        text = self.command("report", "one.ctm")
        self.assertIn("live     10 B in 1 block\n", text)
        self.assertIn("\n1 line\n", text)
        self.assertIn("\n1 file\n", self.command("report", "one.ctm", "--key", "filename"))
        traceback = self.command("report", "one.ctm", "--traceback")
        self.assertIn("\n1 traceback\n", traceback)
        frames = ctracemalloc.Traceback((("a.py", 1),), 2)
        self.assertIn("(1 older frame was not kept)", locations.format_frames(frames, styles.Style(False)))
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 2)] * 2, 1).dump(self.folder / "two.ctm")
        text = self.command("diff", "one.ctm", "two.ctm")
        self.assertIn("+10 B in +1 block\n", text)
        self.assertIn("\n1 changed line\n", text)
        self.assertIn("out.ctm: 1 snapshot, 10 B in 1 block\n", self.command("merge", "-o", "out.ctm", "one.ctm"))
        self.assertIn("\n1 value of label:source\n", self.command("report", "out.ctm", "--key", "label:source"))

    def test_peaks_of_merged_snapshots(self):
        merged = ctracemalloc.Snapshot.merge([self.folder / "a.ctm"] * 3)
        self.assertEqual(merged.merged, 3)
        self.assertFalse(hasattr(ctracemalloc.Snapshot.merge([self.folder / "a.ctm"]), "merged"))
        merged.dump(self.folder / "all.ctm")
        again = ctracemalloc.Snapshot.merge([self.folder / "all.ctm", self.folder / "a.ctm"])
        self.assertEqual(again.merged, 4)
        text = self.command("report", "all.ctm")
        self.assertRegex(text, r"  peak     .* blocks, the sum of 3 separate peaks\n")
        self.assertIn("  merged   3 snapshots\n", text)
        self.assertNotIn("separate", self.command("report", "a.ctm"))
        for wrong in (0, -5, 2**70, "x", True, None):
            one = ctracemalloc.Snapshot.load(self.folder / "a.ctm")
            one.merged = wrong
            self.assertEqual(ctracemalloc.Snapshot.merge([one, one]).merged, 2)

    def test_an_error_is_printed_with_the_usage_of_the_command(self):
        for command, words in (
            (["run", "--bogus", "x.py"], "unrecognized arguments: --bogus"),
            (["report", "a.ctm", "b.ctm"], "unrecognized arguments: b.ctm"),
            (["report", "a.ctm", "--key", "size"], "argument -k/--key: invalid choice: 'size'"),
            (["merge", "a.ctm"], "where to?"),
            (["timeline", "r.ctr", "--from", "9"], "there is no moment at 9 seconds"),
        ):
            text = self.command(*command, status=2)
            self.assertTrue(text.startswith(f"usage: python -m ctracemalloc {command[0]} ["), text)
            self.assertIn(f"\npython -m ctracemalloc {command[0]}: error: {words}", text)

    def test_help_fits_a_terminal(self):
        self.environment["COLUMNS"] = "80"
        for command in (
            [],
            ["run"],
            ["report"],
            ["diff"],
            ["timeline"],
            ["tree"],
            ["completion"],
            ["merge"],
            ["attach"],
            ["detach"],
            ["doctor"],
        ):
            text = self.command(*command, "--help")
            self.assertEqual([line for line in text.splitlines() if len(line) > 80], [], command)

    def test_the_doctor_fits_a_terminal(self):
        whole = self.command("doctor")
        self.environment["COLUMNS"] = "40"
        narrow = self.command("doctor")
        # A word that does not fit a line has one of its own: the path of the interpreter.
        self.assertEqual([line for line in narrow.splitlines() if len(line) > 40 and " " in line.strip()], [])
        self.assertEqual(narrow.split(), whole.split())

    def test_the_package_causes_no_warning(self):
        for command in (["run", "-o", "it.ctm", "-c", "pass"], ["report", "a.ctm"]):
            self.assertNotIn("Warning", self.python("-X", "dev", "-m", "ctracemalloc", *command).stderr)
        for end in ("report a.ctm", "recording r.ctr --force -o m.ctm"):
            shell = f"exec {sys.executable} -X dev -m ctracemalloc {end} >&-"
            done = subprocess.run(shell, shell=True, cwd=self.folder, capture_output=True, text=True)
            self.assertNotIn("Warning", done.stderr)

    def test_moments_that_are_not_there(self):
        """Their errors name moments as the table prints them."""
        recording = ctracemalloc.open_recording(self.folder / "r.ctr")
        ticks = Ticks(recording.times, recording.interval)
        first, last = (_words.short_clock(ticks.short_time(index)) for index in (0, len(recording) - 1))
        self.assertNotEqual(first, last)
        text = self.command("recording", "r.ctr", "--from", "9", status=2)
        self.assertIn(f"the recording has moments from {first} to {last}\n", text)
        text = self.command("recording", "r.ctr", "--from", last, "--to", first, status=2)
        self.assertIn(f"the moment at {last} is not before that at {first}\n", text)

    def test_a_command_line_is_shown_as_a_shell_takes_it(self):
        for program, shown in (
            (["-c", 'raise SystemExit("a b")'], """-c 'raise SystemExit("a b")'"""),
            (["-c", "pass", "one", "two words", ""], "-c pass one 'two words' ''"),
        ):
            result = self.traced("--record", "it.ctr", "--black-box", "it.box", "--force", "-o", "it.ctm", *program)
            self.assertIn(f"  program  {shown}\n", result.stderr)
            self.assertIn(f"  program  {shown}\n", self.command("report", "it.ctm"))
            for command in (["report", "it.box"], ["report", "it.ctr"], ["recording", "it.ctr"]):
                self.assertIn(f" {shown}\n", self.command(*command))
        self.write("my prog.py", "pass")
        self.assertIn("  program  my prog.py\n", self.traced("-o", "it.ctm", "my prog.py").stderr)

    def test_units(self):
        from ctracemalloc.cli import arguments

        for text, size in (
            ("65536", 65536),
            ("512K", 2**19),
            ("512k", 2**19),
            ("512KiB", 2**19),
            ("512 KiB", 2**19),
            ("4MiB", 2**22),
            ("4m", 2**22),
            ("1G", 2**30),
            ("256TiB", 2**48),
            ("100B", 100),
            ("100 B", 100),
            ("1kB", 1000),
            ("50MB", 50_000_000),
            ("1.5M", 3 * 2**19),
        ):
            self.assertEqual(arguments.interval_argument(text), size)
        for size in (1, 1000, 2**15, 2**19, 5 * 2**20, 2**30):
            printed = units.format_bytes(size)
            if "." not in printed:
                self.assertEqual(units.format_bytes(arguments.interval_argument(printed)), printed)
        for text in ("", "0", "K", "x", "1KBi", "1.M", "-1", "257T", "9" * 40, "1 KiBi", "٣"):
            self.assertIn("1 to 256 TiB", self.command("run", "--sample-interval", text, "x.py", status=2))


if __name__ == "__main__":
    unittest.main()
