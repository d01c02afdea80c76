"""Losses are reported wherever the numbers are: Snapshot.losses, files, and a line in every view."""

import json
import os
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import black_box_reader
import ctracemalloc
import recording_reader
import second_reader
from cli_support import ProgramTest
from ctracemalloc import Loss
from ctracemalloc.render.text import losses

DETAIL = "the instructions are not known"
LOST = f"lost     announced blocks: {DETAIL}"
# A program with losses.
LOSSY = f"""
import ctracemalloc._ctracemalloc as core
core._add_loss("tracked_blocks", {DETAIL!r}, 0)
core._add_loss("memory", "no memory for the place", 3)
kept = [bytes(1000) for _ in range(500)]
"""
LOSSES = (Loss("tracked_blocks", DETAIL, 0), Loss("memory", "no memory for the place", 3))


class SnapshotTest(unittest.TestCase):
    """Losses of merged, filtered, dumped and copied snapshots, without a tracer."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "it.ctm")

    @classmethod
    def setUpClass(cls):
        # In a process of its own, so that the losses of this process do not matter.
        import subprocess

        source = textwrap.dedent(f"""
            import sys, ctracemalloc
            ctracemalloc.start(5)
            before = ctracemalloc.take_snapshot()
            {textwrap.indent(LOSSY, " " * 12).strip()}
            ctracemalloc.take_snapshot().dump(sys.argv[1])
            print([tuple(loss) for loss in before.losses])
        """)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "it.ctm")
            out = subprocess.run([sys.executable, "-c", source, path], check=True, stdout=subprocess.PIPE, text=True)
            cls.own = tuple(Loss(*loss) for loss in eval(out.stdout))  # the losses that this interpreter has by itself
            cls.content = Path(path).read_bytes()
            cls.snapshot = ctracemalloc.Snapshot.load(path)

    def test_type(self):
        self.assertEqual(self.snapshot.losses, (*self.own, *LOSSES))
        loss = self.snapshot.losses[-1]
        self.assertEqual((loss.kind, loss.detail, loss.count), ("memory", "no memory for the place", 3))
        self.assertIs(type(loss), Loss)
        self.assertEqual(ctracemalloc.Snapshot([], 1).losses, ())

    def test_what_is_made_of_it(self):
        import copy
        import pickle

        class Mine(ctracemalloc.BaseFilter):
            def _match(self, trace):
                return True

        for made in (
            self.snapshot.filter_traces([ctracemalloc.Filter(True, "*")]),
            self.snapshot.filter_traces([Mine(True)]),
            self.snapshot.filter_traces([]),
            self.snapshot.at_peak,
            copy.deepcopy(self.snapshot),
            pickle.loads(pickle.dumps(self.snapshot)),
            ctracemalloc.Snapshot.merge([self.snapshot, self.snapshot]),
        ):
            self.assertEqual([loss[:2] for loss in made.losses], [loss[:2] for loss in self.snapshot.losses])

    def test_merged(self):
        other = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
        merged = ctracemalloc.Snapshot.merge([self.snapshot, other, self.snapshot])
        expected = f"{DETAIL} (in 2 of 3 snapshots)"
        self.assertIn(Loss("tracked_blocks", expected, 0), merged.losses)
        self.assertIn(Loss("memory", "no memory for the place (in 2 of 3 snapshots)", 6), merged.losses)

    def test_file(self):
        self.assertEqual(self.content[12:16], b"\1\0\2\0")
        losses = second_reader.read(self.content).losses
        self.assertEqual([(kind, detail, count) for count, kind, detail in losses], list(self.snapshot.losses))
        self.snapshot.dump(self.path)
        self.assertEqual(ctracemalloc.Snapshot.load(self.path).losses, self.snapshot.losses)

    def test_file_without(self):
        """A file without losses must contain nothing that a reader of version 1.1 does not know."""
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1).dump(self.path)
        self.assertEqual(Path(self.path).read_bytes()[12:16], b"\1\0\1\0")

    def test_standard_modules_form_has_none(self):
        self.snapshot.dump(self.path, format="stdlib")
        self.assertEqual(ctracemalloc.Snapshot.load(self.path).losses, ())

    def test_texts(self):
        odd = Loss("colour", "\x1b[2J\n", 2)
        self.assertEqual(losses.texts([odd, Loss("file", "", 1)]), [r"colour: \x1b[2J\n (2 times)", "file (once)"])


class ViewTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("lossy.py", LOSSY)

    def view(self, *arguments):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def test_every_view(self):
        result = self.traced(
            "-o", "it.ctm", "--black-box", "it.box", "--record", "it.ctr", "--record-interval", "0.05", "lossy.py"
        )
        self.assertIn(LOST, result.stderr)
        self.assertIn("for want of memory: no memory for the place (3 times)", result.stderr)
        self.write("other.py", "kept = [bytes(100) for _ in range(50)]")
        self.traced("-o", "other.ctm", "other.py")
        for arguments in (
            ("report", "it.ctm"),
            ("report", "it.ctm", "--at-peak"),
            ("report", "it.box"),
            ("report", "it.box", "--at-peak"),
            ("diff", "it.ctm", "it.box"),
            ("recording", "it.ctr"),
            ("attach", "it.box"),
        ):
            self.assertIn(LOST + "\n", self.view(*arguments), arguments)
        self.assertIn(LOST + " [new]\n", self.view("diff", "other.ctm", "it.ctm"))
        self.assertIn(LOST + " [old]\n", self.view("diff", "it.ctm", "other.ctm", "--at-peak"))
        self.assertIn(LOST + " (in 1 of 2 snapshots)\n", self.view("merge", "-o", "all.ctm", "it.ctm", "other.ctm"))
        self.assertIn(LOST + " (in 1 of 2 snapshots)\n", self.view("report", "all.ctm"))
        self.view("recording", "it.ctr", "-o", "moment.ctm")
        self.assertIn(LOST, self.view("report", "moment.ctm"))
        self.assertNotIn(DETAIL, self.view("report", "other.ctm"))

    def test_readers_written_from_the_documents(self):
        self.traced("-o", "it.ctm", "--black-box", "it.box", "--record", "it.ctr", "lossy.py")
        box = black_box_reader.read(self.folder / "it.box")
        opened = ctracemalloc.open_black_box(self.folder / "it.box")
        self.assertEqual([(kind, text, count) for count, kind, text in box.told.losses], list(opened.losses))
        self.assertEqual(opened.losses[-2:], LOSSES)
        header, _ticks = recording_reader.read((self.folder / "it.ctr").read_bytes())
        recording = ctracemalloc.open_recording(self.folder / "it.ctr")
        self.assertEqual([(kind, text, count) for count, kind, text in header["losses"]], list(recording.losses))
        self.assertEqual(recording.losses[-2:], LOSSES)
        self.assertEqual(recording.snapshot().losses, recording.losses)
        self.assertNotIn("memory", [loss.kind for loss in recording.snapshot(recording.times[0]).losses])

    def test_sample(self):
        """That free lists are not followed is said in the line of the sample, in `losses` and by the doctor."""
        self.write("it.py", "kept = [bytes(1000) for _ in range(5000)]")
        result = self.traced("--sample-interval", "1K", "-o", "it.ctm", "it.py")
        self.assertIn("all sizes and counts are estimates; objects from free lists keep", result.stderr)
        self.assertNotIn("lost     free lists", result.stderr)
        losses = ctracemalloc.Snapshot.load(str(self.folder / "it.ctm")).losses
        self.assertIn("free_lists", [loss.kind for loss in losses])

    def test_every_view_of_a_sample_says_so(self):
        self.write("it.py", "kept = [bytes(1000) for _ in range(5000)]")
        self.traced("--sample-interval", "1K", "--record", "it.ctr", "--black-box", "it.box", "-o", "it.ctm", "it.py")
        self.traced("-o", "whole.ctm", "it.py")
        sample = ctracemalloc.Snapshot.load(str(self.folder / "it.ctm"))
        for arguments in (
            ("report", "it.ctm"),
            ("report", "it.ctm", "--at-peak"),
            ("report", "it.ctr"),
            ("report", "it.box"),
            ("recording", "it.ctr"),
            ("attach", "it.box"),
            ("diff", "it.ctm", "it.ctr"),
            ("diff", "it.ctm", "it.ctm", "--at-peak"),
            ("merge", "-o", "all.ctm", "it.ctm"),
        ):
            with self.subTest(arguments=arguments):
                result = self.python("-m", "ctracemalloc", *arguments)
                (line,) = [line for line in result.stdout.splitlines() if "estimates" in line]
                self.assertRegex(line, r"^  sample   .*about one (block )?in 1024 B: all sizes and counts are estimates")
                self.assertNotIn(" [", line)
        merged = self.python("-m", "ctracemalloc", "merge", "-o", "all.ctm", "it.ctm").stdout
        self.assertIn(f" {sum(item.count for item in sample.statistics('filename')):,} blocks\n", merged)
        for arguments, owner in ((("it.ctm", "whole.ctm"), "old"), (("whole.ctm", "it.ctm"), "new")):
            self.assertRegex(self.python("-m", "ctracemalloc", "diff", *arguments).stdout, rf"estimates.* \[{owner}\]\n")
        self.assertNotIn("estimates", self.python("-m", "ctracemalloc", "diff", "whole.ctm", "whole.ctm").stdout)
        refused = self.python("-m", "ctracemalloc", "merge", "-o", "x", "whole.ctm", "it.ctm").stderr
        self.assertIn("it is a sample, one block in 1024 bytes, but the first snapshot has every block;", refused)

    def test_losses_are_what_the_doctor_says(self):
        self.write(
            "it.py",
            """
            import json, ctracemalloc
            ctracemalloc.start()
            facts = ctracemalloc._doctor()
            lost = {(name, fact["detail"]) for name, fact in facts.items() if not fact["ok"]}
            print(json.dumps([sorted(lost), sorted(loss[:2] for loss in ctracemalloc.take_snapshot().losses)]))
            """,
        )
        lost, losses = json.loads(self.python("it.py").stdout)
        self.assertEqual(losses, lost)

    @unittest.skipIf(sys.version_info < (3, 13), "one reference tracer there is from Python 3.13 on")
    def test_reference_tracer_taken(self):
        self.write(
            "it.py",
            """
            import ctracemalloc, ctypes
            ctracemalloc.start(black_box="it.box")
            ctracemalloc.record("it.ctr", 3600)
            print(len(ctracemalloc.take_snapshot().losses))
            ctypes.pythonapi.PyRefTracer_SetTracer(None, None)
            """,
        )
        before = int(self.python("it.py").stdout)
        for opened in (
            ctracemalloc.open_black_box(self.folder / "it.box"),
            ctracemalloc.open_recording(self.folder / "it.ctr"),
        ):
            self.assertEqual(len(opened.losses), before + 1)
            self.assertIn("reference tracer", opened.losses[-1].detail)

    @unittest.skipIf(sys.version_info < (3, 13), "one reference tracer there is from Python 3.13 on")
    def test_the_report_of_run_tells_and_does_not_warn(self):
        """A warning of this package would be printed by the program, or, with -W error, prevent the report."""
        take = "import ctypes; ctypes.pythonapi.PyRefTracer_SetTracer(None, None); "
        for end in ("", "1/0"):
            with self.subTest(end=end):
                result = self.traced("-o", "it.ctm", "-c", take + end, flags=("-W", "error"))
                self.assert_reported(result)
                self.assertNotIn("Warning", result.stderr)
                self.assertIn("  lost     free lists: another tool took the reference tracer", result.stderr)


class EndTest(ProgramTest):
    """How the program ended, if it is known: _set_end(text, status)."""

    PROGRAM = """
        import sys, ctracemalloc
        import ctracemalloc._ctracemalloc as core
        core._set_end("nobody knows it yet", None)  # harmless without box and recording
        ctracemalloc.start(black_box="it.box")
        ctracemalloc.record("it.ctr", 3600)
        core._set_end(*eval(sys.argv[1]))
        if sys.argv[2:]:
            import os
            os._exit(0)
    """

    def ended(self, end, *more):
        self.write("it.py", self.PROGRAM)
        result = self.python("it.py", repr(end), *more)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        box = ctracemalloc.open_black_box(self.folder / "it.box")
        recording = ctracemalloc.open_recording(self.folder / "it.ctr")
        return box, recording

    def test_known(self):
        for text, status in (("exit status 1, ValueError at prog.py:12", 1), ("SIGTERM", -15), ("café", None)):
            for opened in self.ended((text, status)):
                self.assertEqual((opened.ended, opened.exit_status), (text, status))
                self.assertEqual(opened.snapshot().ended, text)
            snapshot = ctracemalloc.Snapshot.load(self.folder / "it.box")
            self.assertEqual(snapshot.ended, text)
            told = black_box_reader.read(self.folder / "it.box").told
            self.assertEqual((told.end_text, told.exit_status), (text, status))
            header, _ticks = recording_reader.read((self.folder / "it.ctr").read_bytes())
            self.assertEqual((header["end_text"], header["exit_status"]), (text, status))

    def test_not_known(self):
        for opened in self.ended(("", None)):
            self.assertEqual((opened.ended, opened.exit_status), ("exit", None))
            self.assertEqual(opened.snapshot().ended, "exit")

    def test_no_recorded_end(self):
        """An end that was set earlier is not used if the program did not reach its end."""
        for opened in self.ended(("exit status 0", 0), "kill"):
            self.assertEqual((opened.ended, opened.exit_status), (None, None))
            self.assertFalse(hasattr(opened.snapshot(), "ended"))

    def test_run_sets_it_at_the_end(self):
        """How the program ended, whatever was set earlier, in its last atexit function too."""
        self.write(
            "it.py",
            """
            import atexit, ctracemalloc._ctracemalloc as core, sys
            atexit.register(core._set_end, "in the end", 1)
            sys.exit(7)
            """,
        )
        self.traced("-o", "it.ctm", "--black-box", "it.box", "--record", "it.ctr", "it.py")
        for opened in (
            ctracemalloc.open_black_box(self.folder / "it.box"),
            ctracemalloc.open_recording(self.folder / "it.ctr"),
        ):
            self.assertEqual((opened.ended, opened.exit_status), ("exit status 7", 7))

    def test_arguments(self):
        from ctracemalloc import _ctracemalloc

        for arguments in ((), ("a",), (1, 2), ("a", "b")):
            self.assertRaises(TypeError, _ctracemalloc._set_end, *arguments)


if __name__ == "__main__":
    unittest.main()
