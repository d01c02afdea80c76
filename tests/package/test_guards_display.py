"""display_top, and what the import of guards does to the program."""

import contextlib
import gc
import io
import os
import re
import unittest
from unittest.mock import patch

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import Snapshot, display_top

FRAME = ("/app/load.py", 3)


def text_of(*arguments, **options):
    file = io.StringIO()
    display_top(*arguments, file=file, **options)
    return file.getvalue()


class DisplayTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(ctracemalloc.stop)

    def test_a_snapshot(self):
        snapshot = Snapshot(
            [(0, 4000, (FRAME,), 1), (0, 96, (FRAME,), 1), *((0, 10, ((f"/app/{name}.py", 1),), 1) for name in "abc")], 1
        )
        lines = text_of(snapshot, limit=2).splitlines()
        self.assertEqual(lines[0], "top 2 of 4 lines")
        self.assertRegex(lines[2], r"^4096 B +2 +2048 B +99\.3% +/app/load\.py:3")
        self.assertEqual(lines[-2:], ["2 other lines: 20 B", "total: 4126 B in 5 blocks"])

    def test_keys(self):
        snapshot = Snapshot([(0, 100, (FRAME, ("/app/main.py", 1)), 2), (0, 7, (("/app/main.py", 2),), 1)], 2)
        for key, row in (
            ("filename", "/app/main.py"),
            ("module", "load"),
            ("package", "load"),
            ("traceback", "/app/main.py:1"),
        ):
            self.assertIn(row, text_of(snapshot, key))
        self.assertRegex(text_of(snapshot, "filename", cumulative=True), r"107 B +2 .*/app/main\.py")
        self.assertNotIn("other", text_of(snapshot, "filename", 1, cumulative=True))
        self.assertIn("total: 7 B in 1 block\n", text_of(snapshot, exclude=["load.py"]))
        self.assertIn("total: 100 B in 1 block\n", text_of(snapshot, include=["load.py"]))

    def test_what_is_live_now_without_its_own(self):
        ctracemalloc.start()
        held = bytes(5_000_000)
        text = text_of(limit=1)
        self.assertIn("held = bytes(5_000_000)", text)
        self.assertNotIn("/ctracemalloc/", text_of(limit=1000))
        del held

    def test_it_makes_no_peak_and_nothing_stays(self):
        gc.collect()  # what earlier tests have left in cycles is not freed meanwhile
        gc.disable()
        self.addCleanup(gc.enable)
        ctracemalloc.start()
        for _ in range(5):
            text_of()  # what stays in the interpreter's free lists is live
        ctracemalloc.reset_peak()
        before = ctracemalloc.get_traced_memory()[0]
        text_of()
        self.assertLess(ctracemalloc.get_traced_memory()[1] - before, 10_000)  # the text itself, and the file

    def test_standard_output_of_the_moment(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            display_top(Snapshot([(0, 100, (FRAME,), 1)], 1))
        self.assertIn("/app/load.py:3", output.getvalue())

    def test_any_name_and_any_encoding(self):
        snapshot = Snapshot([(0, 100, (("/app/\udc80\x1b[2J\nü.py", 1),), 1)], 1)
        self.enterContext(patch.dict(os.environ))
        os.environ.pop("PYTHONIOENCODING", None)  # which the program's own files have nothing to do with
        for encoding in ("ascii", "utf-8"):
            file = io.TextIOWrapper(io.BytesIO(), encoding)
            display_top(snapshot, file=file)
            file.flush()
            text = file.buffer.getvalue().decode(encoding)
            self.assertIn(r"\udc80\x1b[2J\n", text)
            self.assertEqual(file.errors, "strict")

    def test_what_cannot_be_shown(self):
        ctracemalloc.stop()
        with self.assertRaisesRegex(RuntimeError, "must be tracing"):
            display_top()
        snapshot = Snapshot([], 1)
        with self.assertRaisesRegex(ValueError, "key_type must be one of lineno, function, .* not 'line'"):
            display_top(snapshot, "line")
        with self.assertRaisesRegex(ValueError, "limit must be at least 1, not 0"):
            display_top(snapshot, limit=0)
        self.assertIn("total: 0 B in 0 blocks", text_of(snapshot))


class ImportTest(ProgramTest):
    def run_code(self, *lines):
        result = self.python("-c", "\n".join(lines))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_guards_are_imported_when_they_are_used(self):
        found = self.run_code(
            "import sys, ctracemalloc",
            "print([name for name in sys.modules if 'guards' in name or 'render' in name or name == 'ctracemalloc._exempt'])",
            "ctracemalloc.where, ctracemalloc.display_top",
            "print('ctracemalloc.guards.display' in sys.modules, 'ctracemalloc.guards.oom' in sys.modules)",
        )
        self.assertEqual(found, "[]\nTrue False\n")

    def test_the_import_is_no_memory_of_the_program(self):
        for nframe in (1, 5):
            text = self.run_code(
                f"import ctracemalloc; ctracemalloc.start({nframe})",
                "held = bytes(1000 - 33)",
                "ctracemalloc.display_top()",
            )
            self.assertIn("1 line\n", text)
            self.assertIn("total: 1000 B in 1 block\n", text)

    def test_each_name_is_there_and_no_other(self):
        found = self.run_code(
            "import ctracemalloc",
            "from ctracemalloc import _later",
            "print(sorted(getattr(ctracemalloc, name).__name__ == name for name in _later.MODULES), len(_later.MODULES))",
            "print(hasattr(ctracemalloc, 'no_such_guard'))",
        )
        self.assertEqual(found, f"{[True] * 13} 13\nFalse\n")

    def test_an_import_has_no_labels_of_the_program(self):
        found = self.run_code(
            "import ctracemalloc",
            "ctracemalloc.start()",
            "with ctracemalloc.labels(request='1'):",
            "    with ctracemalloc.scope() as own: pass",
            "    ctracemalloc.where(own)",
            "kept = ctracemalloc.take_snapshot().filter_traces([ctracemalloc.LabelFilter(True, 'request', '1')])",
            "print('ctracemalloc.scopes' in __import__('sys').modules, sum(trace.size for trace in kept.traces))",
        )
        self.assertRegex(found, r"^True \d{1,4}\n$")  # 66 KB otherwise

    def test_a_name_is_imported_once_and_then_kept(self):
        found = self.run_code(
            "import ctracemalloc, sys",
            "names = ['scope', 'labels', 'mark', 'current_labels', 'watch', 'Recording', 'resident_memory']",
            "print([name for name in names if name in vars(ctracemalloc)], 'ctracemalloc.scopes' in sys.modules)",
            "ctracemalloc.install()",
            "import tracemalloc",
            "print([name for name in names if getattr(tracemalloc, name) is not vars(ctracemalloc)[name]])",
            "tracemalloc.pickle; print('pickle' in vars(ctracemalloc))",
        )
        self.assertEqual(found, "[] False\n[]\nFalse\n")

    def test_names_of_the_standard_module_stay(self):
        found = self.run_code(
            "import tracemalloc, ctracemalloc, sys",
            "print([name for name in dir(tracemalloc) if not hasattr(ctracemalloc, name)])",
            "from ctracemalloc import _later",
            "print([name for name in _later.MODULES if hasattr(tracemalloc, name)])",
        )
        self.assertEqual(found, "[]\n[]\n")


class OwnMemoryTest(unittest.TestCase):
    """What is allocated in a block of own_memory() has the package's file, whoever allocates it."""

    def test_python_code_of_others(self):
        from ctracemalloc._exempt import own_memory

        for nframe in (1, 2, 25):
            ctracemalloc.start(nframe)
            kept = []
            with own_memory():
                with own_memory():
                    kept.append(re.compile("a{1,%d}" % (100 + nframe)))
                kept += [bytes(1000), [], {}, 1.5 * len(kept)]
            outside = bytes(2000)
            for one in (*kept, kept[1]):
                traceback = ctracemalloc.get_object_traceback(one)
                self.assertTrue(traceback is None or "/ctracemalloc/" in traceback[-1].filename, traceback)
            self.assertEqual(ctracemalloc.get_object_traceback(outside)[-1].filename, __file__)
            self.assertIn("/ctracemalloc/", ctracemalloc.get_object_traceback(kept[1])[-1].filename)
            ctracemalloc.stop()

    def test_an_error_in_the_block(self):
        from ctracemalloc._exempt import own_memory

        ctracemalloc.start()
        self.addCleanup(ctracemalloc.stop)
        with self.assertRaises(KeyError), own_memory():
            raise KeyError
        outside = bytes(2000)
        self.assertEqual(ctracemalloc.get_object_traceback(outside)[-1].filename, __file__)


if __name__ == "__main__":
    unittest.main()
