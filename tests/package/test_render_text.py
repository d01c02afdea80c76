"""Any name, any width: names are shown escaped, rows fit, and no encoding is an error."""

import os
import unittest

import ctracemalloc
from cli_support import skip_some_pythons
from ctracemalloc import _words
from ctracemalloc.model.calls import calls_of
from ctracemalloc.model.frames import KEYS
from ctracemalloc.model.table import View
from ctracemalloc.render.text import locations
from ctracemalloc.render.text import style as styles
from ctracemalloc.render.text.columns import columns, cut_end, cut_path, cut_start
from ctracemalloc.render.text.diff import format_diff
from ctracemalloc.render.text.origin import date
from ctracemalloc.render.text.report import format_report
from ctracemalloc.render.text.tree import format_tree
from names_support import ENCODINGS, names, snapshot_of


def setUpModule():
    skip_some_pythons()


class NamesTest(unittest.TestCase):
    def test_every_character(self):
        for code in range(0x110000):
            shown = _words.printable(chr(code))
            if not shown.isprintable() or (shown != chr(code)) != (not chr(code).isprintable()):
                self.fail(f"{code:#x}: {shown!r}")
        for char, shown in (
            ("\0", "\\x00"),
            ("\n", "\\n"),
            ("\x1b", "\\x1b"),
            ("\ud83d", "\\ud83d"),
            ("\\", "\\"),
            ("\u202e", "\\u202e"),
            ("é", "é"),
            ("漢", "漢"),
            ("\U000e0001", "\\U000e0001"),
        ):
            self.assertEqual(_words.printable(char), shown)

    def test_encodings(self):
        self.assertEqual(_words.printable("é漢", "ascii"), "\\xe9\\u6f22")
        self.assertEqual(_words.printable("é漢", "latin-1"), "é\\u6f22")
        for name in names(1, 200):
            for encoding in ENCODINGS:
                _words.printable(name, encoding).encode(encoding)  # strict

    def test_columns(self):
        for text, width in (("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0), ("👧", 2), ("한", 2), ("ü", 1)):
            self.assertEqual(columns(text), width)

    def test_cuts(self):
        self.assertEqual(cut_end("abcdefgh", 6), "abc...")
        self.assertEqual(cut_start("abcdefgh", 6), "...fgh")
        self.assertEqual(cut_path("/one/two/three.py:5", 15), ".../three.py:5")
        self.assertEqual(cut_path("/one/two/three.py:5", 16), ".../three.py:5")
        self.assertEqual(cut_path("/one/two/three.py:5", 18), ".../two/three.py:5")
        self.assertEqual(cut_path("/one/two/three.py:5", 9), "...e.py:5")
        for name in map(_words.printable, names(2, 200)):
            for width in (1, 3, 4, 10, 41):
                for cut in (cut_end, cut_start, cut_path):
                    short = cut(name, width)
                    self.assertLessEqual(columns(short), width)
                    if columns(name) <= width:
                        self.assertEqual(short, name)

    def test_counted(self):
        self.assertEqual([_words.counted(n, "line") for n in (0, 1, 2, 1000)], ["0 lines", "1 line", "2 lines", "1,000 lines"])
        self.assertEqual([_words.counted(n, "block", sign=True) for n in (-1, 1, 5)], ["-1 block", "+1 block", "+5 blocks"])

    def test_paths(self):
        for path, shown in (
            ("/home/me/here/app/x.py", "app/x.py"),
            ("/home/me/elsewhere/x.py", "/home/me/elsewhere/x.py"),
            ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py"),
            ("/usr/lib/python3/dist-packages/apt/cache.py", "apt/cache.py"),
            ("/opt/py/lib64/python3.13t/site-packages/flask/app.py", "flask/app.py"),
            ("/home/me/here/venv/lib/python3.12/site-packages/flask/app.py", "flask/app.py"),
            ("/home/me/here", "/home/me/here"),
            ("relative.py", "relative.py"),
            ("<string>", "<string>"),
            ("/usr/lib/python3.11/", "/usr/lib/python3.11/"),
        ):
            self.assertEqual(styles.shorten_path(path, "/home/me/here"), shown)
        self.assertEqual(styles.shorten_path("/a/b.py", "/"), "/a/b.py")
        self.assertEqual(styles.shorten_path("/a/b.py", ""), "/a/b.py")


class LinesTest(unittest.TestCase):
    """All texts of reports, in each width and encoding."""

    def assert_good(self, lines, style):
        for line in lines:
            self.assertTrue(line.isprintable(), line)
            line.encode(style.encoding)
            if style.width is not None:
                self.assertLessEqual(columns(line), style.width, line)

    def test_reports(self):
        for seed in range(3 if os.environ.get("CTM_LONG") == "1" else 1):
            every = list(names(seed, 60))
            old, new = snapshot_of(every[::2]), snapshot_of(every)
            new.run = {"command": every[:5], "ended": "on \x1b[2J", "pid": 5, "began": "\n", "moment": "\0"}
            merged = ctracemalloc.Snapshot.merge([new], labels={"name": "\x1b[31m漢" * 20, "source": None})
            for width in (40, 80, 200, None):
                for encoding in ENCODINGS:
                    style = styles.Style(False, width, encoding)
                    for key in KEYS:
                        view = View(key, limit=200)
                        self.assert_good(format_diff([old, new], view, style), style)
                        self.assert_good(format_report(new, view, style), style)
                        self.assert_good(format_report(new, view._replace(fold=True), style, run={}, name="x.ctm"), style)
                    for snapshots in ([new], [old, new]):
                        self.assert_good(format_tree(calls_of(snapshots, View(limit=30)), View(), style), style)
                    self.assert_good(format_report(merged, View("label:name", limit=5), style), style)

    def head_of(self, run):
        one = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
        one.run = run
        return "\n".join(format_report(one, View(limit=5), styles.Style(False)))

    def test_times_and_ends(self):
        """Numbers and codes are printed in words; what earlier versions saved as texts is printed as it is."""
        day = date(1e9)
        for run, lines in (
            ({"began": 1e9, "pid": 5}, [f"began    {day}, pid 5"]),
            ({"began": "a day", "pid": 5}, ["began    a day, pid 5"]),
            ({"moment": 65.2, "length": 70.0}, ["moment   1:05.2 of a recording of 1:10"]),
            (
                {"moment": "1:05 of a recording of 2:00", "ended": "stopped"},
                ["moment   1:05 of a recording of 2:00", "ended    stopped"],
            ),
            (
                {"moment": 1.0, "length": 2.0, "ended": "exit"},
                ["moment   1.0 s of a recording of 2.0 s", "ended    with the program"],
            ),
            (
                {"moment": 1.0, "length": 2.0, "ended": "unrecorded"},
                ["ended    no end: it still runs, was killed, or by os._exit or exec"],
            ),
            (
                {"moment": 1.0, "length": 2.0, "ended": "exit", "incomplete": "disk full"},
                ["ended    the recording, before the program"],
            ),
            ({"ended": "unrecorded"}, ["ended    killed, or by os._exit or exec"]),
            ({"ended": "stopped", "ended at": 1e9}, [f"ended    stopped at {day}"]),
            ({"ended": "running", "incomplete": "it is full"}, ["ended    running, incomplete: it is full"]),
            ({"ended": "exit status 3"}, ["ended    exit status 3"]),
        ):
            text = self.head_of(run)
            for line in lines:
                self.assertIn(f"\n  {line}\n", text + "\n")

    def test_times_that_are_none(self):
        for value in (float("nan"), float("inf"), -1.0, 1e300, 10**30, True, None, [], "\x1b"):
            text = self.head_of({"began": value, "moment": value, "length": value, "ended": value, "ended at": value})
            self.assertIn("  began    ", text)

    def test_sizes_that_are_none(self):
        """The values that a file has for its program may be of any type."""
        style = styles.Style(False)
        for size, shown in ((5, True), (0, True), (-1, False), (2**63, False), (10**400, False), (1.5, False), ("5", False)):
            one = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
            one.run = {"peak": size, "tracer": size}
            text = "\n".join(format_report(one, View(limit=5), style))
            self.assertEqual((f"  peak     {size} B" in text, f"  tracer   {size} B used" in text), (shown, shown), text)
            self.assertEqual("  tracer   " in text, shown)

    def test_nothing_is_cut_where_nothing_has_to_fit(self):
        every = [name for name in names(5, 60) if name]
        text = "\n".join(format_report(snapshot_of(every), View(limit=200), styles.Style(False)))
        for number, name in enumerate(every):
            self.assertIn(f"{_words.printable(styles.shorten_path(name, os.getcwd()))}:{number}", text)

    def test_the_source_of_what_is_no_file(self):
        """A file that may never end is not read."""
        for name in ("/dev/zero", "/dev/stdin", "/dev/tty", "/proc/self/fd/0", "\0", "\ud83d", "/"):
            frame = snapshot_of([name]).traces[0].traceback[-1]
            self.assertEqual(locations.source_text(frame, styles.Style(False), 0), "")


if __name__ == "__main__":
    unittest.main()
