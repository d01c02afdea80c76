"""The live view and the interactive tree: what they know of a program, what a page shows, and the terminal they run in.

Model: the data layer and the pages need no textual, so most tests run everywhere; those of the application are driven by
textual's pilot. The programs that are watched execute the lines that they are given.
"""

import asyncio
import fcntl
import importlib.util
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest
from pathlib import Path
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.model.branches import Branches
from ctracemalloc.model.frames import FILENAME, FUNCTION, KEYS, LINENO, TRACEBACK, Frames, KeyRows
from ctracemalloc.model.table import View, table_of
from ctracemalloc.model.watch import GROWTH, LOCATION, SORTS, Order, Selection, Watch
from ctracemalloc.places.patterns import Patterns
from ctracemalloc.render.text.columns import columns
from ctracemalloc.tui.calls import TreePage
from ctracemalloc.tui.chooser import ChooserPage
from ctracemalloc.tui.graph import bar, graph_lines
from ctracemalloc.tui.live import LivePage
from ctracemalloc.tui.page import ROLES, Cursor, Prompt, patterns_of
from ctracemalloc.tui.programs import program_text, running_programs
from ctracemalloc.tui.sources import BoxSource, RecordingSource, is_being_made, open_source, resident_of


def setUpModule():
    skip_some_pythons()


HAS_TEXTUAL = importlib.util.find_spec("textual") is not None
NEEDS_TEXTUAL = "textual is not installed"

PROGRAM = """\
import sys
import ctracemalloc
ctracemalloc.start(6, black_box="it.box")
held = []
def make(size):
    return bytes(size)
def grow(number, size=1000):
    held.append([
        make(size)
        for _ in range(number)])
def churn():
    for _ in range(50):
        make(3000)
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
sys.exit(7)
"""
MAKE_LINE = 6
BLOCK = sys.getsizeof(bytes(1000))
SIZES = ((80, 24), (40, 10), (200, 50), (20, 5), (1, 1), (9, 2))


class WatchedProgram:
    def __init__(self, test, source=PROGRAM):
        path = test.write("program.py", source)
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            cwd=test.folder,
            env=test.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        test.addCleanup(self.kill)
        self.wait_for("ready")

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.wait_for("done")

    def wait_for(self, word):
        """Until it has said the word and sleeps in a read: that has a buffer of 8 KiB, in the figures of the program's file."""
        assert self.process.stdout.readline() == word + "\n"
        stat = Path(f"/proc/{self.process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] not in "SZ":
            time.sleep(0.001)

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class LiveTest(ProgramTest):
    """A program, its black box, and a watch."""

    def begin(self, source=PROGRAM):
        self.program = WatchedProgram(self, source)
        self.source = open_source(str(self.folder / "it.box"))
        self.addCleanup(self.source.close)

    def watch(self):
        self.begin()
        self.watched = Watch(self.source.look())
        return self.watched

    def look(self):
        return self.watched.add(self.source.look())

    def cells_at(self, lineno, **selection):
        """The cells of the program's line."""
        chosen = Selection(LINENO, **selection)
        rows = self.watched.rows(chosen, Order())
        for number in rows.order:
            place = self.watched.place(chosen, number)
            if place.filename.endswith("program.py") and place.lineno == lineno:
                return rows.cells(number)
        return None


class WatchTest(LiveTest):
    def test_growth_and_allocations_since_the_mark_are_exact(self):
        watch = self.watch()
        self.program.do("grow(10)")
        self.assertTrue(self.look())
        self.assertEqual(self.cells_at(MAKE_LINE)[:4], (10 * BLOCK, 10, 10 * BLOCK, 10 * BLOCK))
        watch.set_mark(watch.newest)
        self.program.do("grow(5); churn(); held.pop(0)")
        self.look()
        churned = 50 * sys.getsizeof(bytes(3000))
        self.assertEqual(self.cells_at(MAKE_LINE)[:4], (5 * BLOCK, 5, -5 * BLOCK, 5 * BLOCK + churned))
        watch.set_mark(watch.first)
        self.assertEqual(self.cells_at(MAKE_LINE)[:4], (5 * BLOCK, 5, 5 * BLOCK, 15 * BLOCK + churned))

    def test_nothing_new(self):
        self.watch()
        for _ in range(2):
            self.program.do("grow(1)")
            self.assertTrue(self.look())
            self.assertFalse(self.look())

    def test_rows_are_those_of_a_table(self):
        """What is known of frames from look to look gives the rows that a snapshot alone gives."""
        self.watch()
        for line in ("grow(3)", "import json.decoder, wave", "exec(compile('held.append([0] * 99)', 'x/__init__.py', 'exec'))"):
            self.program.do(line)
            self.look()
            for key in KEYS:
                for fold in (False, True):
                    selection = Selection(key, fold)
                    rows = self.watched.rows(selection, Order())
                    table = table_of([self.source.snapshot()], View(key, fold=fold))
                    wanted = sorted((*row.figures[:2], row.place.filename, row.place.lineno) for row in table.rows)
                    places = {number: self.watched.place(selection, number) for number in rows.order}
                    found = sorted(
                        (rows.columns[0][number], rows.columns[1][number], place.filename, place.lineno)
                        for number, place in places.items()
                        if rows.columns[1][number]
                    )
                    if key == TRACEBACK and fold:
                        continue  # the live view folds no tracebacks
                    live = [row for row in wanted if row[1]]
                    self.assertEqual(found, live, (line, key, fold))
                    self.assertEqual(rows.total, table.totals[-1])

    def test_frames_of_an_earlier_tree_keep_their_rows(self):
        self.begin()
        first = self.source.look().tree
        self.program.do("import json.decoder")
        second = self.source.look().tree
        frames = Frames(first)
        rows = KeyRows(frames, FILENAME)
        numbers = list(rows.row_of)
        self.assertTrue(frames.follow(second))
        rows.extend()
        self.assertEqual(list(rows.row_of[: len(numbers)]), numbers)
        self.assertEqual(len(rows.row_of), len(second.frame_function))
        self.assertGreater(len(second.frame_function), len(first.frame_function))
        self.assertTrue(frames.follow(first))
        self.assertEqual(len(frames), len(second.frame_function))
        other = ctracemalloc.Snapshot([(0, 10, (("other.py", 1),), 1)], 1).call_tree()
        self.assertFalse(frames.follow(other))

    def test_opening_a_row_leaves_out_the_others(self):
        watch = self.watch()
        self.program.do("grow(10); grow(2, 5000)")
        self.look()
        selection, sizes = Selection(FILENAME), []
        for key in (FUNCTION, LINENO, TRACEBACK):
            rows = watch.rows(selection, Order())
            number = next(
                number
                for number in rows.order
                if selection.key != FILENAME or watch.place(selection, number).filename.endswith("program.py")
            )
            size = rows.cells(number).size
            within = (*selection.within, (selection.key, False, watch.identity(selection, number)))
            selection = Selection(key, within=within)
            inner = watch.rows(selection, Order())
            self.assertEqual(sum(inner.cells(one).size for one in inner.order), size)
            sizes.append(size)
        self.assertEqual(sizes[2], 10 * BLOCK + 2 * sys.getsizeof(bytes(5000)))

    def test_an_opened_row_stays_that_row_when_modules_get_other_names(self):
        """The file __init__.py makes a package of a folder, so what is beside it is of another module."""
        watch = self.watch()
        self.program.do("exec(compile('held.append([0] * 999)', '/pkg/a.py', 'exec'))")
        self.program.do("exec(compile('held.append([0] * 99)', '/other/b.py', 'exec'))")
        self.look()

        def opened(module):
            selection = Selection("module")
            rows = watch.rows(selection, Order())
            number = next(number for number in rows.order if watch.place(selection, number).code.module == module)
            return Selection(LINENO, within=(("module", False, watch.identity(selection, number)),))

        def files(selection):
            return {watch.place(selection, number).filename for number in watch.rows(selection, Order()).order}

        selection = opened("b")
        self.assertEqual(files(selection), {"/other/b.py"})
        self.program.do("exec(compile('held.append([0] * 9)', '/pkg/__init__.py', 'exec'))")
        self.look()
        self.assertEqual(files(selection), {"/other/b.py"})
        self.assertEqual(files(opened("pkg.a")), {"/pkg/a.py"})

    def test_filters(self):
        watch = self.watch()
        self.program.do("grow(10)")
        self.look()
        all_rows = watch.rows(Selection(FILENAME), Order())
        own = Selection(FILENAME, patterns=Patterns(["program.py"], []))
        (number,) = watch.rows(own, Order()).order
        self.assertTrue(watch.place(own, number).filename.endswith("program.py"))
        others = watch.rows(Selection(FILENAME, patterns=Patterns([], ["program.py"])), Order())
        self.assertEqual(len(others.order), len(all_rows.order) - 1)
        self.assertEqual(watch.rows(own, Order()).total.size + others.total.size, all_rows.total.size)
        called = Selection(LINENO, patterns=Patterns(["grow"], []), any_frame=True)
        self.assertEqual(self.cells_at(MAKE_LINE, patterns=called.patterns, any_frame=True).size, 10 * BLOCK)

    def test_sorts_and_limits(self):
        watch = self.watch()
        self.program.do("grow(10)")
        self.look()
        for index, name in enumerate(SORTS):
            rows = watch.rows(Selection(LINENO), Order(name))
            if name == LOCATION:
                places = [watch.place(Selection(LINENO), number) for number in rows.order]
                keys = [(place.filename, place.lineno) for place in places]
                self.assertEqual(keys, sorted(keys))
            else:
                column = [rows.columns[index][number] for number in rows.order]
                self.assertEqual(column, sorted(column, reverse=True))
        self.assertEqual(len(watch.rows(Selection(LINENO), Order(limit=2)).order), 2)
        large = watch.rows(Selection(LINENO), Order(threshold_size=5000))
        self.assertTrue(all(large.cells(number).size >= 5000 for number in large.order))
        self.assertTrue(large.order)

    def test_what_keeps_growing(self):
        watch = self.watch()
        for number in range(4):
            self.program.do(f"grow(5); x{number % 2} = [bytes(100 - {number})]")
            self.look()
        lines = set()
        rows = watch.rows(Selection(LINENO), Order(GROWTH, growing=True))
        for number in rows.order:
            lines.add(watch.place(Selection(LINENO), number).lineno)
        self.assertEqual(rows.parts, 4)
        self.assertIn(MAKE_LINE, lines)
        self.program.do("held.clear()")
        self.look()
        found = watch.rows(Selection(LINENO), Order(GROWTH, growing=True))
        self.assertNotIn(MAKE_LINE, [watch.place(Selection(LINENO), number).lineno for number in found.order])

    def test_few_looks_are_kept(self):
        watch = self.watch()
        for _ in range(40):
            self.program.do("grow(1)")
            self.look()
        self.assertLess(len(watch.between), 8)
        times = [watch.mark.time, *(look.time for look in watch.between), watch.newest.time]
        self.assertEqual(times, sorted(times))
        self.assertEqual(len(watch.points), 41)

    def test_tables_that_are_emptied_begin_anew(self):
        watch = self.watch()
        self.program.do("grow(100)")
        self.look()
        first = watch.mark
        self.program.do("ctracemalloc.clear_traces(); grow(3)")
        self.assertTrue(self.look())
        self.assertIsNot(watch.mark, first)
        cells = self.cells_at(MAKE_LINE)
        self.assertEqual((cells.size, cells.growth), (3 * BLOCK, 0))

    def test_rates(self):
        watch = self.watch()
        self.assertIsNone(watch.rates())
        self.program.do("grow(100)")
        self.look()
        rates = watch.rates()
        seconds = watch.points[-1].time - watch.points[0].time
        self.assertGreaterEqual(rates.growth * seconds, 100 * BLOCK)
        self.assertGreaterEqual(rates.allocated, rates.growth)
        self.assertIsNone(watch.rates(seconds / 2))  # a replay that jumped: it would be no rate of now


class SourceTest(LiveTest):
    def test_the_end_of_the_program(self):
        self.begin()
        self.source.look()
        self.assertTrue(self.source.running)
        self.program.end()
        self.assertIsNotNone(self.source.look())
        self.assertFalse(self.source.running)
        self.assertIsNone(self.source.look())
        self.assertEqual(self.source.run()["ended"], "exit")

    def test_a_killed_program(self):
        self.begin()
        self.program.kill()
        page = LivePage(self.source, Selection(), Order())
        self.assertIn("ended: killed, or by os._exit or exec", text_of(page, 100, 24))

    def record(self):
        self.begin()
        self.program.do("recorder = ctracemalloc.record('it.ctr', 3600)")
        for number in range(4):
            self.program.do(f"grow({number + 1}); recorder.tick()")
        return str(self.folder / "it.ctr")

    def test_a_recording_in_progress_is_followed(self):
        path = self.record()
        source = RecordingSource(path)
        self.assertTrue(is_being_made(os.stat(path)))
        self.assertTrue(source.running and source.follows)
        watch = Watch(source.look())
        self.assertIsNone(source.look())
        self.program.do("grow(9); recorder.tick()")
        self.assertTrue(watch.add(source.look()))
        rows = watch.rows(Selection(FUNCTION), Order(GROWTH))
        self.assertEqual(rows.cells(rows.order[0]).growth, 9 * BLOCK)
        self.program.do("recorder.stop()")
        source.look()
        self.assertFalse(source.running or is_being_made(os.stat(path)))

    def made(self, page):
        """The cells of the program's function make()."""
        selection = page.level.selection
        (number,) = (row for row in page.rows.order if page.watch.place(selection, row).function == "make")
        return page.rows.cells(number)

    def test_a_recording_is_replayed(self):
        path = self.record()
        self.program.do("recorder.stop()")
        source = open_source(path)
        page = LivePage(source, Selection(FUNCTION), Order())
        self.assertTrue(page.paused)
        last = len(source.moments) - 1
        self.assertEqual((source.position, source.is_at_end), (last, True))
        self.assertIn("paused", text_of(page, 120, 30))
        self.assertEqual(self.made(page)[:3:2], (10 * BLOCK, 10 * BLOCK))
        page.press("left")
        page.press("left")
        self.assertEqual(source.position, last - 2)
        self.assertEqual(self.made(page).size, sum(range(1, last - 1)) * BLOCK)
        frames = page.watch.frames
        page.press("[")
        page.press("]")
        self.assertIs(page.watch.frames, frames)
        self.assertEqual(source.position, last)
        page.press("left")  # the last tick is that of stop()
        page.press("g")
        self.assertGreater(page.rows.parts, 1)
        self.assertEqual(self.made(page).growth, 10 * BLOCK)
        page.press("]")
        page.press("p")
        self.assertEqual((source.position, page.paused), (0, False))
        for _ in range(last + 1):
            page.tick()
        self.assertEqual((source.position, page.paused), (last, True))

    def test_running_programs_are_found(self):
        self.begin()
        found = [one for one in running_programs() if one.pid == self.program.process.pid]
        self.assertEqual([os.path.basename(one.path) for one in found], ["it.box"])
        self.program.do("ctracemalloc.stop(); ctracemalloc.start(); recorder = ctracemalloc.record('it.ctr', 3600)")
        found = [one for one in running_programs() if one.pid == self.program.process.pid]
        self.assertEqual([os.path.basename(one.path) for one in found], ["it.ctr"])

    def test_a_file_that_is_neither(self):
        self.write("text", "this is no black box")
        with self.assertRaises(ctracemalloc.FileError):
            BoxSource(str(self.folder / "text"))
        with self.assertRaises(OSError):
            open_source(str(self.folder / "missing"))


# --- pages ---


def lines_of(page, width, height):
    return ["".join(text for text, _role in line) for line in page.lines(width, height)]


def text_of(page, width, height):
    return "\n".join(lines_of(page, width, height))


class PageTest(LiveTest):
    def assert_fits(self, page):
        for width, height in SIZES:
            lines = page.lines(width, height)
            self.assertEqual(len(lines), height)
            for line in lines:
                text = "".join(part for part, _role in line)
                self.assertLessEqual(columns(text), width, text)
                self.assertTrue(text.isprintable(), text)
                self.assertLessEqual({role for _part, role in line}, set(ROLES))

    def page(self, *args, **options):
        self.begin()
        self.program.do("grow(10)")
        return LivePage(self.source, *(args or (Selection(), Order())), folder=str(self.folder), **options)

    def test_every_state_fits_every_terminal(self):
        page = self.page()
        for keys in ("", "enter", "enter", "enter", "escape", "?", "down", "escape", "l", "escape", "g", "g", "/ab", "escape"):
            for key in [keys] if len(keys) > 2 or len(keys) < 2 else list(keys):
                page.press(key)
            self.assert_fits(page)
        for key in ("k",) * 7:
            page.press(key)
            self.assert_fits(page)

    def test_head(self):
        lines = lines_of(self.page(), 100, 24)
        self.assertIn("program.py", lines[0])
        self.assertTrue(lines[0].endswith("running, 0.5 s"))
        self.assertIn(f"pid {self.program.process.pid}  live ", lines[1])
        self.assertIn("peak", lines[1])

    def test_program_text(self):
        for command, text in (
            ("/a/bin/python3 x/y.py 1", "python3 x/y.py 1"),
            ("python", "python"),
            ("'/a b/python' x.py", "'/a b/python' x.py"),
            ("", ""),
            ("/ x", "/ x"),
            ("/bin/a\x1bb", "a\\x1bb"),
        ):
            self.assertEqual(program_text(command), text)

    def test_from_a_file_to_its_source(self):
        page = self.page()
        self.assertRegex(text_of(page, 100, 24), r"\d+ files; mark")
        page.press("enter")
        self.assertIn(" in program.py;", text_of(page, 100, 24))
        page.press("enter")
        self.assertIn(" in program.py > make;", text_of(page, 100, 24))
        page.press("enter")
        text = text_of(page, 100, 24)
        self.assertIn("program.py:6 in make\n    return bytes(size)", text)
        self.assertIn(">     6      return bytes(size)", text)
        self.assertIn(f"live {ctracemalloc._ctracemalloc._format_size(10 * BLOCK, False)} in 10 blocks", text)
        page.press("escape")
        page.press("escape")
        page.press("escape")
        self.assertRegex(text_of(page, 100, 24), r"\d+ files; mark")

    def test_no_source(self):
        page = self.page(source_lines=False)
        for _ in range(3):
            page.press("enter")
        self.assertIn("program.py:6 in make", text_of(page, 100, 24))
        self.assertNotIn("return bytes", text_of(page, 100, 24))

    def test_several_tracebacks_are_rows(self):
        page = self.page()
        self.program.do("churn(); held.append(make(700))")
        page.tick()
        for _ in range(3):
            page.press("enter")
        text = text_of(page, 120, 24)
        self.assertIn("tracebacks in program.py > make > program.py:6", text)
        self.assertRegex(text, r"program\.py:6 < program\.py:\d+")

    def test_sorting_by_key_and_by_click(self):
        page = self.page()
        names = ["count", "growth", "allocated", "peak", "location", "size"]
        for name in names:
            lines_of(page, 100, 24)
            page.press("s")
            self.assertEqual(page.order.by, name)
        page.press("S")
        self.assertEqual(page.order.by, "location")
        lines = lines_of(page, 100, 24)
        head = next(index for index, line in enumerate(lines) if "location" in line)
        for name in ("size", "count", "growth", "allocated", "peak", "location"):
            self.assertTrue(page.click(lines[head].index(name), head))
            self.assertEqual(page.order.by, name)
        self.assertFalse(page.click(0, 0))

    def test_a_click_chooses_and_opens(self):
        page = self.page()
        lines = lines_of(page, 100, 24)
        row = next(index for index, line in enumerate(lines) if "program.py" in line and index > 2)
        self.assertTrue(page.click(20, row + 1))
        self.assertEqual(page.level.cursor.index, 1)
        self.assertTrue(page.click(20, row))
        self.assertTrue(page.click(20, row))
        self.assertEqual(len(page.levels), 2)

    def test_the_cursor_stays_at_its_row(self):
        page = self.page(Selection(LINENO), Order())
        page.press("down")
        chosen = page.level.current
        self.program.do("grow(1, 1000000); y = [bytes(50000)]")
        page.tick()
        self.assertEqual(page.rows.order[page.level.cursor.index], chosen)

    def test_mark_reset_pause_and_interval(self):
        page = self.page()
        self.program.do("grow(10)")
        page.press("p")
        self.assertFalse(page.tick())
        self.assertIn("paused", text_of(page, 100, 24))
        page.press("p")
        page.tick()
        self.assertGreaterEqual(page.rows.cells(page.rows.order[0]).growth, 10 * BLOCK)
        page.press("m")
        self.assertEqual(page.rows.cells(page.rows.order[0]).growth, 0)
        page.press("r")
        self.assertGreaterEqual(page.rows.cells(page.rows.order[0]).growth, 10 * BLOCK)
        for key, interval in (("+", 1.0), ("-", 0.5), ("-", 0.25)):
            page.press(key)
            self.assertEqual(page.interval, interval)

    def test_a_filter_is_typed(self):
        page = self.page()
        for key in ("/", *"xprogram.p", "y", "backspace", "y"):
            page.press(key)
        self.assertIn("filter: xprogram.py", text_of(page, 80, 24))
        page.press("ctrl+u")
        page.paste("program.py\n!gr")
        page.press("enter")
        text = text_of(page, 80, 24)
        self.assertRegex(text, r"\n1 file, filter program.py!gr|\n0 files, filter")
        page.press("/")
        page.press("ctrl+u")
        for key in "none*":
            page.press(key)
        page.press("enter")
        self.assertIn("The filter leaves nothing", text_of(page, 80, 24))
        page.press("/")
        page.press("escape")
        self.assertIsNone(page.prompt)
        self.assertEqual(page.patterns_text, "none*")

    def test_folded_rows_open(self):
        self.begin()
        self.program.do("import json.decoder")
        page = LivePage(self.source, Selection(FILENAME, True), Order(), folder=str(self.folder))
        text = text_of(page, 120, 40)
        self.assertIn("(import system)", text)
        self.assertNotIn("importlib", text)
        index = next(
            index for index, number in enumerate(page.rows.order) if page.watch.place(page.level.selection, number).folded
        )
        page.level.cursor.index = index
        page.press("enter")
        self.assertIn("importlib", text_of(page, 120, 40))
        page.press("o")
        self.assertIn("importlib", text_of(page, 120, 40))

    def test_the_view_stays_when_the_program_ends(self):
        page = self.page()
        self.program.end()
        self.assertTrue(page.tick())
        self.assertIn("ended: with the program", text_of(page, 100, 24))
        self.assertFalse(page.done)
        page.press("q")
        self.assertTrue(page.done)

    def test_leaving_a_program_that_was_started_here(self):
        page = self.page(owns_program=True)
        page.press("q")
        self.assertIn("The program still runs", text_of(page, 100, 24))
        self.assertFalse(page.done)
        page.press("x")
        self.assertNotIn("The program still runs", text_of(page, 100, 24))
        page.press("q")
        page.press("q")
        self.assertTrue(page.done)

    def test_names_that_are_no_text(self):
        self.begin()
        names = ("a\x1b[2J.py", "\ud800.py", "汉字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字.py", "é" * 200, "\u202e.py")
        for name in names:
            self.program.do(f"exec(compile('held.append(bytes(50000))', {name!a}, 'exec'))")
        page = LivePage(self.source, Selection(), Order())
        self.assert_fits(page)
        text = text_of(page, 120, 40)
        self.assertIn("a\\x1b[2J.py", text)
        self.assertIn("\\ud800.py", text)
        for _ in range(4):
            page.press("enter")
            self.assert_fits(page)

    def test_what_is_lost_is_said(self):
        page = self.page()
        loss = ctracemalloc._losses.Loss("memory", "a table could not grow", 2)
        with mock.patch.object(BoxSource, "losses", [loss, loss._replace(kind="file")]):
            self.assertIn(
                "lost: for want of memory: a table could not grow (2 times)  (+1: l shows them)", text_of(page, 100, 24)
            )
            page.press("l")
            self.assertIn("file: a table could not grow", text_of(page, 100, 24))

    def test_a_look_that_fails_is_said(self):
        page = self.page()
        with mock.patch.object(BoxSource, "look", side_effect=OSError("the disk\x1b is gone")):
            self.assertTrue(page.tick())
        self.assertIn("the disk\\x1b is gone", text_of(page, 100, 24))

    def test_a_look_that_takes_long_is_followed_by_a_pause(self):
        page = self.page(Selection(), Order(), 0.05)
        page.delay()
        end = time.process_time() + 0.03
        while time.process_time() < end:
            pass
        self.assertGreater(page.delay(), 9 * 0.03)


class ChooserTest(LiveTest):
    def test_one_is_chosen(self):
        self.begin()
        programs = [one for one in running_programs() if one.pid == self.program.process.pid] * 3
        page = ChooserPage(programs, lambda program: LivePage(open_source(program.path), Selection(), Order()))
        for width, height in SIZES:
            self.assertEqual(len(page.lines(width, height)), height)
        self.assertIn(str(programs[0].pid), text_of(page, 80, 24))
        page.press("down")
        page.press("enter")
        self.assertIsInstance(page.following, LivePage)
        page.following.source.close()

    def test_one_that_is_gone(self):
        self.begin()
        programs = [one for one in running_programs() if one.pid == self.program.process.pid]
        page = ChooserPage(programs, lambda program: LivePage(open_source(program.path + "x"), Selection(), Order()))
        page.press("enter")
        self.assertIn("No such file", text_of(page, 120, 24))
        page.press("q")
        self.assertTrue(page.done)


class PartsTest(unittest.TestCase):
    def test_cursor(self):
        cursor = Cursor()
        self.assertEqual(cursor.place(100, 10), range(10))
        cursor.press("end")
        self.assertEqual((cursor.place(100, 10), cursor.index), (range(90, 100), 99))
        cursor.press("pageup")
        self.assertEqual((cursor.place(100, 10), cursor.index), (range(90, 100), 90))
        cursor.press("up")
        self.assertEqual(cursor.place(100, 10), range(89, 99))
        self.assertEqual(cursor.place(5, 10), range(5))
        self.assertEqual(cursor.place(0, 10), range(0))

    def test_prompt(self):
        typed = []
        prompt = Prompt("p: ", "", typed.append)
        for key in ("a", "space", "é", "f1", "backspace"):
            self.assertTrue(prompt.press(key))
        self.assertFalse(prompt.press("enter"))
        self.assertEqual(typed, ["a "])

    def test_patterns(self):
        patterns = patterns_of("a.py  !b ! c*")
        self.assertEqual([one.text for one in patterns.include], ["a.py", "c*"])
        self.assertEqual([one.text for one in patterns.exclude], ["b"])
        self.assertFalse(patterns_of("  "))

    def test_bars(self):
        bars = "12345678"
        self.assertEqual([bar(size, 16, 0, 2, bars) for size in (0, 1, 4, 8, 16)], [" ", "1", "4", "8", "8"])
        self.assertEqual([bar(size, 16, 1, 2, bars) for size in (0, 8, 9, 16)], [" ", " ", "1", "8"])
        self.assertEqual(bar(1, 1 << 40, 0, 2, bars), "1")
        self.assertEqual(bar(0, 0, 0, 2, bars), " ")

    def test_graph_marks_a_moment(self):
        from ctracemalloc.model.watch import Point
        from ctracemalloc.render.text.style import Style

        points = [Point(time, 100 * time, 0) for time in range(10)]
        lines = graph_lines(points, 9, 60, 2, Style(False, 60))
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[0][-2][1], "cursor")
        self.assertEqual(graph_lines(points, None, 20, 3, Style(False, 20)), [])


# --- the call tree ---


def snapshot_of(*stacks):
    """Of (size, (file, line), …), the caller first."""
    traces = [(0, size, tuple(reversed(stack)), len(stack)) for size, *stack in stacks]
    return ctracemalloc.Snapshot(traces, 9)


MAIN, MID, LEAF, SIDE = ("main.py", 1), ("mid.py", 2), ("leaf.py", 3), ("side.py", 4)


class TreePageTest(unittest.TestCase):
    def page(self, *snapshots, **view):
        found = snapshots or [snapshot_of((700, MAIN, MID, LEAF), (200, MAIN, SIDE), (100, MAIN, SIDE, LEAF), (5, LEAF))]
        return TreePage(Branches(found, View(**view)), "it.ctm", folder="/nowhere")

    def shown(self, page):
        return [line.rstrip().split("  ")[-1].strip("▸▾ ") for line in lines_of(page, 80, 24)[2:-2] if line.strip()]

    def test_the_biggest_path_is_open(self):
        page = self.page()
        self.assertEqual(self.shown(page), ["<all calls>", "main.py:1", "mid.py:2", "leaf.py:3", "side.py:4", "leaf.py:3"])
        lines = lines_of(page, 80, 24)
        self.assertRegex(lines[2], r"^ +1005 B +0 B +100\.0% +4 ")
        self.assertRegex(lines[3], r"^ +1000 B +0 B +99\.5% +3 .*▾ main\.py:1")
        self.assertRegex(lines[6], r"^ +300 B +200 B +29\.9% +2 .*▸ side\.py:4")

    def test_opening_and_closing(self):
        page = self.page()
        for _ in range(4):
            page.press("down")
        page.press("right")
        self.assertEqual(self.shown(page).count("leaf.py:3"), 3)
        page.press("left")
        self.assertEqual(self.shown(page).count("leaf.py:3"), 2)
        page.press("left")
        self.assertEqual(page.cursor.index, 1)
        page.press("enter")
        self.assertEqual(self.shown(page), ["<all calls>", "main.py:1", "leaf.py:3"])
        page.press("c")
        self.assertEqual(self.shown(page), ["<all calls>", "main.py:1", "leaf.py:3"])
        page.press("e")
        self.assertEqual(len(self.shown(page)), 6)
        self.assertTrue(page.click(50, page.head_line + 2))
        self.assertEqual(len(self.shown(page)), 3)

    def test_sizes_of_terminals(self):
        page = self.page()
        for key in ("", "d", "escape", "?", "escape", "s", "b", "o", "/"):
            page.press(key)
            page.done = False
            for width, height in SIZES:
                lines = lines_of(page, width, height)
                self.assertEqual(len(lines), height)
                self.assertTrue(all(columns(line) <= width for line in lines))

    def test_a_filter_and_a_threshold(self):
        page = self.page()
        for key in ("/", *"side.py", "enter"):
            page.press(key)
        self.assertEqual(self.shown(page), ["<all calls>", "main.py:1", "side.py:4"])
        self.assertIn("200 B in 1 block live", lines_of(page, 100, 24)[0])
        self.assertEqual(self.shown(self.page(threshold_size=300))[:6], [
            "<all calls>", "main.py:1", "mid.py:2", "leaf.py:3", "side.py:4"])  # fmt: skip

    def test_a_difference(self):
        old, new = snapshot_of((100, MAIN, MID), (50, SIDE)), snapshot_of((900, MAIN, MID))
        page = self.page(old, new)
        lines = lines_of(page, 80, 24)
        self.assertIn("+750 B", lines[2])
        self.assertEqual(self.shown(page), ["<all calls>", "main.py:1", "mid.py:2", "side.py:4"])

    def test_very_many_calls_of_one(self):
        page = self.page(snapshot_of(*((10, MAIN, ("many.py", line)) for line in range(1, 700))))
        page.press("end")
        self.assertIn("(199 smaller ones)", text_of(page, 80, 24))
        self.assertEqual(len(page.branch_lines), 2 + 500 + 1)

    def test_a_deep_stack(self):
        stack = [(f"f{line}.py", line) for line in range(1, 3000)]
        page = self.page(snapshot_of((10, *stack)))
        page.press("end")
        self.assertIn("f2999.py:2999", text_of(page, 80, 24))


# --- the command without a terminal ---


class CommandTest(LiveTest):
    def top(self, *arguments, **options):
        return self.python("-m", "ctracemalloc", "top", *arguments, **options)

    def test_one_look_as_text(self):
        self.begin()
        self.program.do("grow(10)")
        for target in ("it.box", str(self.program.process.pid)):
            done = self.top(target)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertNotIn("\x1b", done.stdout)
            self.assertRegex(done.stdout, r"program\.py:6 +make")
            self.assertIn("running", done.stdout)

    def test_one_look_as_json(self):
        self.begin()
        self.program.do("grow(10)")
        done = self.top("it.box", "--json", "-k", "function", "--include", "make")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        document = json.loads(done.stdout)
        self.assertEqual((document["schema"], document["command"]), (1, "top"))
        self.assertEqual(document["run"]["pid"], self.program.process.pid)
        (row,) = document["rows"]
        self.assertEqual((row["size"], row["count"]), (10 * BLOCK, 10))

    def test_refusals(self):
        self.begin()
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1).dump(str(self.folder / "it.ctm"))
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        for arguments, status, words in (
            (("it.ctm",), 3, "`report` reads it"),
            (("missing.box",), 3, "missing.box"),
            ((str(gone.pid),), None, f"no process {gone.pid}"),
            (("it.box", "--sort", "growth"), 2, "--sort growth is for the live view"),
            (("it.box", "--interval", "0"), 2, "not a number of seconds"),
            (("it.box", "-k", "size"), 2, "invalid choice"),
        ):
            done = self.top(*arguments)
            self.assertIn(words, done.stderr)
            self.assertEqual((done.stdout, done.returncode != 0), ("", True))
            if status is not None:
                self.assertEqual(done.returncode, status, done.stderr)

    def test_no_live_view_without_a_terminal(self):
        self.write("p.py", "print('ran')")
        done = self.traced("--live", "p.py")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("the live view needs a terminal", done.stderr)
        done = self.traced("--live", "--live-remote", "p.py")
        self.assertEqual(done.returncode, 2)
        done = self.traced("--live")
        self.assertIn("what to run?", done.stderr)

    def test_the_interactive_tree_needs_a_terminal(self):
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1).dump(str(self.folder / "it.ctm"))
        done = self.python("-m", "ctracemalloc", "tree", "it.ctm", "-i")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("the interactive tree needs a terminal", done.stderr)
        plain, no = (self.python("-m", "ctracemalloc", "tree", "it.ctm", *more) for more in ((), ("--no-interactive",)))
        self.assertEqual(plain.stdout, no.stdout)
        self.assertIn("a.py:1", plain.stdout)

    def test_live_remote_says_what_to_type(self):
        self.write("p.py", "import os\nprint(os.getpid(), flush=True)\ninput()")
        command = [sys.executable, "-m", "ctracemalloc", "run", "--live-remote", "p.py"]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=self.folder, env=self.environment, **options) as process:
            pid = int(process.stdout.readline())
            self.assertEqual(pid, process.pid)
            self.assertIn(f"top {pid}", process.stderr.readline())
            self.assertIn("p.py", self.top(str(pid)).stdout)
            process.stdin.write("\n")
            process.stdin.flush()
            process.communicate()
        self.assertEqual(process.returncode, 0)


# --- in a terminal ---


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, test, *command, size=(80, 24)):
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            os.chdir(test.folder)
            environment = {**test.environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
            os.execve(sys.executable, [sys.executable, *command], environment)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.text = ""
        self.status = None
        test.addCleanup(self.close)

    def read_until(self, words, patience=30):
        until = time.monotonic() + patience
        while words not in self.text:
            if not self.read() or time.monotonic() > until:
                raise AssertionError(f"no {words!r} in {self.text[-3000:]!r}")

    def read(self):
        try:
            if select.select([self.descriptor], [], [], 1)[0]:
                self.text += os.read(self.descriptor, 1 << 16).decode("utf-8", "replace")
        except OSError:
            return False
        return True

    def press(self, keys):
        self.text = ""
        os.write(self.descriptor, keys.encode())

    def end(self):
        while self.read():
            pass
        _pid, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.descriptor)


class NoTextualTest(LiveTest):
    def test_one_line_says_what_is_missing(self):
        self.begin()
        code = "import sys; sys.modules['textual'] = None; from ctracemalloc.cli.main import main; sys.exit(main({}))"
        for arguments in (["top", "it.box"], ["run", "--live", "program.py"], ["tree", "-i", "it.box"]):
            terminal = Terminal(self, "-c", code.format(arguments))
            self.assertEqual(terminal.end(), 2)
            self.assertRegex(terminal.text, r"needs the package textual: pip install 'ctracemalloc\[cli\]'\r\n$")
            self.assertEqual(len(terminal.text.splitlines()), 1)
        terminal = Terminal(self, "-c", code.format(["tree", "it.box"]))
        self.assertEqual(terminal.end(), 0)
        self.assertIn("<all calls>", terminal.text)


@unittest.skipUnless(HAS_TEXTUAL, NEEDS_TEXTUAL)
class TerminalTest(LiveTest):
    def test_top(self):
        self.begin()
        terminal = Terminal(self, "-m", "ctracemalloc", "top", "it.box", "--interval", "0.1")
        terminal.read_until("; mark")
        terminal.press("\r")
        terminal.read_until("in program.py")
        self.program.do("grow(100000, 10)")
        terminal.press("g")
        terminal.read_until("growing in each of")
        self.program.end()
        terminal.read_until("ended: with the program")
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)
        self.assertIn("\x1b[?1049l", terminal.text)

    def test_run_live(self):
        self.write(
            "p.py", "import sys\nprint('out', flush=True)\nprint(repr(sys.stdin.read()))\nheld = bytes(10**6)\nsys.exit(5)"
        )
        terminal = Terminal(self, "-m", "ctracemalloc", "run", "--live", "p.py")
        terminal.read_until("ended: exit status 5")
        terminal.press("q")
        self.assertEqual(terminal.end(), 5)
        self.assertIn("ended with exit status 5", terminal.text)
        (output,) = self.folder.glob("ctracemalloc.*.out")
        self.assertIn(str(output), terminal.text)
        self.assertTrue(output.read_text().startswith("out\n''\n"))
        self.assertEqual(len(self.snapshots()), 1)
        self.assertIn(f"report {self.snapshots()[0].name}", terminal.text)

    def test_run_live_of_a_program_that_is_killed(self):
        self.write("p.py", "import os\nheld = bytes(10**6)\nos.kill(os.getpid(), 9)")
        terminal = Terminal(self, "-m", "ctracemalloc", "run", "--live", "p.py")
        terminal.read_until("ended: killed")
        terminal.press("q")
        self.assertEqual(terminal.end(), 137)
        (box,) = self.folder.glob("ctracemalloc.*.box")
        self.assertIn(f"report {box.name}", terminal.text)
        with ctracemalloc.open_black_box(box) as black_box:
            self.assertGreater(black_box.totals().size, 10**6)

    def test_resident_memory(self):
        self.begin()
        terminal = Terminal(self, "-m", "ctracemalloc", "top", "it.box", "--interval", "0.1")
        terminal.read_until("; mark")
        terminal.press("i")
        terminal.read_until(" resident, ")
        terminal.press("q")
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)
        self.program.end()
        with self.assertRaisesRegex(OSError, "does not run"):
            resident_of(self.source)

    def test_a_directory(self):
        self.begin()
        (self.folder / "boxes").mkdir()
        terminal = Terminal(self, "-m", "ctracemalloc", "top", "boxes")
        self.assertEqual(terminal.end(), 3)
        os.link(self.folder / "it.box", self.folder / "boxes" / "it.box")
        terminal = Terminal(self, "-m", "ctracemalloc", "top", "boxes")
        terminal.read_until("; mark")  # there is one process, so there is no choice
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)

    def test_the_tree(self):
        snapshot_of((700, MAIN, MID, LEAF), (200, MAIN, SIDE)).dump(str(self.folder / "it.ctm"))
        terminal = Terminal(self, "-m", "ctracemalloc", "tree", "it.ctm")
        terminal.read_until("leaf.py:3")
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)


@unittest.skipUnless(HAS_TEXTUAL, NEEDS_TEXTUAL)
class PilotTest(LiveTest):
    """The application, driven by textual's pilot."""

    def drive(self, page, steps, size=(80, 24)):
        from ctracemalloc.tui.app import PageApp

        async def run():
            app = PageApp(page)
            async with app.run_test(size=size) as pilot:
                await steps(app, pilot)

        asyncio.run(run())

    def screen(self, app):
        from ctracemalloc.tui.app import Screenful

        widget = app.query_one(Screenful)
        return "\n".join(widget.render_line(y).text for y in range(widget.size.height))

    def page(self):
        self.begin()
        self.program.do("import json.decoder; grow(10, 100000)")
        return LivePage(self.source, Selection(), Order(), folder=str(self.folder))

    def test_keys_and_time(self):
        page = self.page()

        async def steps(app, pilot):
            self.assertIn("files; mark", self.screen(app))
            await pilot.press("enter")
            self.assertIn("in program.py;", self.screen(app))
            await pilot.press("escape", "down", "down", "up")
            self.assertEqual(page.level.cursor.index, 1)
            await pilot.press("s", "question_mark")
            self.assertEqual(page.order.by, "count")
            self.assertIn("this help", self.screen(app))
            await pilot.press("escape", "slash", "p", "r", "o", "space", "backspace", "enter")
            self.assertEqual(page.patterns_text, "pro")
            await pilot.press("plus", "K", "S", "ctrl+c")
            self.assertEqual((page.interval, page.done), (1.0, True))

        self.drive(page, steps)

    def test_looks_are_taken(self):
        page = self.page()
        page.interval = 0.02

        async def steps(app, pilot):
            self.program.do("grow(1000)")
            for _ in range(200):
                await pilot.pause(0.05)
                if page.rows.cells(page.rows.order[0]).growth >= 1000 * BLOCK:
                    break
            self.assertGreaterEqual(page.rows.cells(page.rows.order[0]).growth, 1000 * BLOCK)

        self.drive(page, steps)

    def test_mouse_and_sizes(self):
        page = self.page()

        async def steps(app, pilot):
            self.screen(app)
            await pilot.click(offset=(5, page.head_line))
            self.assertEqual(page.order.by, "size")
            await pilot.click(offset=(5, page.head_line + 1))
            self.assertEqual(len(page.levels), 2)
            for width, height in ((40, 10), (10, 4), (120, 40)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                self.assertEqual(len(self.screen(app).splitlines()), height)

        self.drive(page, steps)

    def test_one_page_after_the_other(self):
        page = self.page()
        programs = [one for one in running_programs() if one.pid == self.program.process.pid]

        async def steps(app, pilot):
            self.assertIn("Which program?", self.screen(app))
            await pilot.press("enter")
            self.assertIs(app.page, page)
            self.assertIn("files; mark", self.screen(app))
            await pilot.press("q")

        self.drive(ChooserPage(programs, lambda program: page), steps)

    def test_tree(self):
        page = TreePage(Branches([snapshot_of((700, MAIN, MID), (20, SIDE))], View()), "it.ctm")

        async def steps(app, pilot):
            self.assertIn("mid.py:2", self.screen(app))
            await pilot.press("down", "left")
            self.assertNotIn("mid.py:2", self.screen(app))
            await pilot.press("q")
            self.assertTrue(page.done)

        self.drive(page, steps)


if __name__ == "__main__":
    unittest.main()
