"""The extension of IPython: in a shell of this process, and in a real kernel that nbclient talks to.

`pip install nbclient ipykernel`; what is not installed is skipped. Peaks are compared with what the cells allocate for certain.
"""

import asyncio
import html
import html.parser
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

import ctracemalloc
import page_reader
from cli_support import skip_most_pythons

try:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config
except ImportError:
    InteractiveShell = None

try:
    import ipykernel  # noqa: F401 - nbclient starts it
    import nbclient
    import nbformat
except ImportError:
    nbclient = None

MIB = 1024 * 1024
LAST_ERROR = ("last_exc", "last_type", "last_value", "last_traceback")
UNITS = {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB}


def setUpModule():
    skip_most_pythons()
    if InteractiveShell is None:
        raise unittest.SkipTest("IPython is not installed")


def size_in(text, name):
    """Bytes of `name 1068 KiB`."""
    number, unit = re.search(rf"\b{name} ([\d.]+) ([KMG]?i?B)", text).groups()
    return float(number) * UNITS[unit]


class Elements(html.parser.HTMLParser):
    """The start tags of a piece of HTML, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def names(self):
        return {tag for tag, _attributes in self.found}


class ShellTest(unittest.TestCase):
    """Each test has a shell with the extension."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for change in (
            mock.patch.dict(os.environ, {"IPYTHONDIR": folder.name}),
            mock.patch.object(sys, "displayhook"),
            mock.patch.object(sys, "excepthook"),
        ):
            change.start()
            self.addCleanup(change.stop)
        config = Config()
        config.HistoryManager.enabled = False
        InteractiveShell.clear_instance()
        self.shell = InteractiveShell.instance(config=config)
        self.addCleanup(InteractiveShell.clear_instance)
        self.addCleanup(self.forget_errors)
        self.addCleanup(self.shell.reset, new_session=False)
        self.before = self.state()
        self.load()
        self.addCleanup(self.unload)

    def load(self):
        self.shell.extension_manager.load_extension("ctracemalloc")

    def unload(self):
        self.shell.extension_manager.unload_extension("ctracemalloc")

    @staticmethod
    def forget_errors():
        for name in LAST_ERROR:
            if hasattr(sys, name):
                delattr(sys, name)

    def state(self):
        """What an extension changes in a shell."""
        manager = self.shell.magics_manager
        return (
            {kind: set(names) for kind, names in manager.magics.items()},
            sorted(vars(manager.user_magics)),
            list(self.shell.input_transformers_cleanup),
            {event: list(callbacks) for event, callbacks in self.shell.events.callbacks.items()},
            dict(self.shell.display_formatter.formatters["text/html"].type_printers),
            list(self.shell.ast_transformers),
            ctracemalloc.is_tracing(),
        )

    def run_cell(self, cell, store_history=True):
        with capture_output() as self.captured:
            self.result = self.shell.run_cell(textwrap.dedent(cell), store_history=store_history)
        return self.result

    def shown(self, cell):
        """Run a cell and return the HTML and the text that the magic displays."""
        self.run_cell(cell)
        displayed = [output.data for output in self.captured.outputs if "text/html" in output.data]
        self.assertEqual(len(displayed), 1, self.captured.stdout + self.captured.stderr)
        return displayed[0]["text/html"], displayed[0]["text/plain"]

    def assert_usage_error(self, cell, text):
        self.run_cell(cell)
        self.assertEqual(type(self.result.error_in_exec).__name__, "UsageError")
        self.assertEqual(self.captured.stderr.strip(), f"UsageError: {text}")
        self.assertFalse(ctracemalloc.is_tracing())

    def html_of(self, value):
        return self.shell.display_formatter.format(value)[0].get("text/html")


class CellTest(ShellTest):
    def test_peak_and_growth(self):
        page, text = self.shown(
            """\
            %%ctracemalloc
            rows = [bytes(1000) for _ in range(1000)]
            for row in rows * 2: copy = [row + b"x" for row in rows]
            del copy
            len(rows)
            """
        )
        self.assertEqual(self.result.result, 1000)
        self.assertEqual(self.shell.user_ns["_"], 1000)
        self.assertEqual(self.shell.user_ns["Out"][1], 1000)
        self.assertEqual(len(self.shell.user_ns["rows"]), 1000)
        self.assertGreater(size_in(text, "peak"), 2_000_000)
        self.assertTrue(1_000_000 < size_in(text, "growth") < 1_600_000, text)
        self.assertGreater(size_in(text, "allocated"), 1_000_000_000)
        made, stays = text.split("what stays")
        self.assertIn("In[1]:3", made)
        self.assertIn('for row in rows * 2: copy = [row + b"x" for row in rows]', made)
        self.assertIn("In[1]:2", stays)
        self.assertNotIn("In[1]:3", stays)
        self.assertIn(html.escape('copy = [row + b"x" for row in rows]'), page)
        self.assertFalse(ctracemalloc.is_tracing())

    def test_tracing_stays_on(self):
        ctracemalloc.start(3)
        self.addCleanup(ctracemalloc.stop)
        self.shown("%%ctracemalloc\nx = bytes(1000)")
        self.assertTrue(ctracemalloc.is_tracing())
        self.assertEqual(ctracemalloc.get_traceback_limit(), 3)

    def test_the_whole_process_counts(self):
        cell = """\
            %%ctracemalloc
            import threading
            thread = threading.Thread(target=lambda: held.append(bytes(3_000_000)))
            held = []
            thread.start()
            thread.join()
            """
        _page, text = self.shown(cell)
        self.assertGreater(size_in(text, "growth"), 3_000_000)

    def test_error(self):
        _page, text = self.shown("%%ctracemalloc\nrows = bytes(2_000_000)\n1 / 0")
        self.assertIsInstance(self.result.error_in_exec, ZeroDivisionError)
        self.assertIn("ZeroDivisionError", self.captured.stdout + self.captured.stderr)
        traceback = self.result.error_in_exec.__traceback__
        while traceback.tb_next:
            traceback = traceback.tb_next
        self.assertEqual(traceback.tb_lineno, 3)
        self.assertGreater(size_in(text, "growth"), 2_000_000)

    def test_syntax_error(self):
        self.shown("%%ctracemalloc\nx = (")
        self.assertIsInstance(self.result.error_before_exec, SyntaxError)

    def test_what_the_cell_prints_comes_first(self):
        self.shown("%%ctracemalloc\nprint('from the cell')\n'value'")
        self.assertIn("from the cell\n", self.captured.stdout)
        self.assertIn("'value'", self.captured.stdout)

    def test_await(self):
        self.shown("%%ctracemalloc\nimport asyncio\nawait asyncio.sleep(0)\n41 + 1")
        self.assertEqual(self.result.result, 42)

    def test_future_import(self):
        self.shown("%%ctracemalloc\nfrom __future__ import annotations\nx: nowhere = 5\nx")
        self.assertEqual(self.result.result, 5)

    def test_with_other_cell_magics(self):
        for cell in ("%%ctracemalloc\n%%capture out\nprint(7)", "%%capture out\n%%ctracemalloc\nprint(7)"):
            with self.subTest(cell):
                self.shell.user_ns.pop("out", None)
                self.shown(cell)
                self.assertEqual(self.shell.user_ns["out"].stdout, "7\n")

    def test_blank_lines_and_indent_before_it(self):
        self.shown("\n\n  %%ctracemalloc\n  6 * 7\n")
        self.assertEqual(self.result.result, 42)

    def test_silent_cell(self):
        with capture_output() as captured:
            self.shell.run_cell("%%ctracemalloc\nx = 1", silent=True)
        self.assertEqual(captured.outputs, [])
        self.assertEqual(self.shell.user_ns["x"], 1)

    def test_by_its_function(self):
        with capture_output() as captured:
            self.shell.run_cell_magic("ctracemalloc", "-l 2", "y = bytes(1_000_000)")
        self.assertEqual(self.shell.user_ns["y"], bytes(1_000_000))
        (text,) = [output.data["text/plain"] for output in captured.outputs]
        self.assertGreater(size_in(text, "growth"), 1_000_000)

    def test_limit(self):
        lines = "\n".join(f"x{number} = bytes({10_000 - number})" for number in range(9))
        _page, text = self.shown(f"%%ctracemalloc --limit 3\n{lines}")
        stays = text.split("what stays")[1]
        self.assertEqual(len(re.findall(r"In\[1\]:\d+", stays)), 3)
        self.assertRegex(stays, r"\d+ other lines: ")

    def test_tracing_stopped_in_the_cell(self):
        _page, text = self.shown("%%ctracemalloc\nimport ctracemalloc\nctracemalloc.stop()")
        self.assertIn("not known: tracing was stopped", text)

    def test_bad_options(self):
        for line, text in (
            ("--flam", "unrecognized arguments: --flam"),
            ("-l x", "argument -l/--limit: invalid int value: 'x'"),
            ("-l", "argument -l/--limit: expected one argument"),
            ("-l 0", "--limit must be at least 1, not 0"),
            ("--nframe 0", "--nframe must be between 1 and 65535, not 0"),
            ("--follow", "--follow is of the line magic: %ctracemalloc --follow"),
            ("x = 1", "only options may be on its line, not 'x = 1'"),
        ):
            with self.subTest(line):
                self.assert_usage_error(f"%%ctracemalloc {line}\nwas_run = True", f"%%ctracemalloc: {text}")
        self.assertNotIn("was_run", self.shell.user_ns)

    def test_a_name_that_only_begins_so(self):
        self.run_cell("%%ctracemallocs\nx = 1")
        self.assertIn("Cell magic `%%ctracemallocs` not found", self.captured.stderr)

    def test_completeness_at_a_prompt(self):
        self.assertEqual(self.shell.check_complete("%%ctracemalloc --flam\nx = 1")[0], "incomplete")


class LineTest(ShellTest):
    def test_expression(self):
        page, text = self.shown("x = %ctracemalloc [bytes(1000) for _ in range(1000)]")
        self.assertEqual(len(self.shell.user_ns["x"]), 1000)
        self.assertGreater(size_in(text, "growth"), 1_000_000)
        self.assertIn("In[1]:1", text)
        self.assertIn("[bytes(1000) for _ in range(1000)]", page)
        self.assertFalse(ctracemalloc.is_tracing())

    def test_value_is_displayed(self):
        self.shown("%ctracemalloc 6 * 7")
        self.assertEqual(self.result.result, 42)
        self.assertEqual(self.shell.user_ns["_"], 42)

    def test_statement_with_braces(self):
        self.shown("%ctracemalloc -l 3 d = {'a': 1, \"b\": {2}}")
        self.assertEqual(self.shell.user_ns["d"], {"a": 1, "b": {2}})

    def test_minus(self):
        self.shown("%ctracemalloc -- -5 + 2")
        self.assertEqual(self.result.result, -3)

    def test_in_a_function(self):
        self.shown("def f(n):\n    x = %ctracemalloc n + 1\n    return x\nf(4)")
        self.assertEqual(self.result.result, 5)

    def test_error(self):
        _page, text = self.shown("%ctracemalloc [bytes(1_000_000), 1 / 0]")
        self.assertIsInstance(self.result.error_in_exec, ZeroDivisionError)
        self.assertGreater(size_in(text, "peak"), 1_000_000)

    def test_bad(self):
        for line, text in (
            ("", "a statement to run is missing, or one of --follow, --unfollow, --cell-history"),
            ("--flame", "a statement to run is missing, or one of --follow, --unfollow, --cell-history"),
            ("--cell-history", "no cells are followed; %ctracemalloc --follow begins it, with the next cell"),
            ("--unfollow", "no cells are followed; %ctracemalloc --follow begins it, with the next cell"),
            ("--follow x", "--follow runs no statement, so 'x' is too much"),
            ("--follow --unfollow", "argument --unfollow: not allowed with argument --follow"),
        ):
            with self.subTest(line):
                self.assert_usage_error(f"%ctracemalloc {line}", f"%ctracemalloc: {text}")


class FlameTest(ShellTest):
    def test_frame(self):
        page, _text = self.shown(
            "%%ctracemalloc --flame\ndef load():\n    return [bytes(1000) for _ in range(999)]\nrows = load()"
        )
        (frame,) = [attributes for tag, attributes in Elements(page).found if tag == "iframe"]
        self.assertEqual(frame["sandbox"], "allow-scripts allow-downloads")
        document = frame["srcdoc"]
        self.assertTrue(document.startswith("<!doctype html>"), document[:100])
        self.assertIn('<meta name="generator" content="ctracemalloc ', document)
        self.assertTrue(document.isascii())
        read = page_reader.read(document)
        self.assertEqual([named["name"] for named in read.head["datasets"]], ["what made the peak", "what stays"])
        for dataset in read.datasets:
            self.assertIn(("In[1]", 3, "load"), {path[-1] for path in page_reader.paths(dataset) if path})
            (source,) = dataset.facts["sources"]
            self.assertIn("    return [bytes(1000) for _ in range(999)]", source["text"])

    def test_without_callers(self):
        ctracemalloc.start(1)
        self.addCleanup(ctracemalloc.stop)
        _page, text = self.shown("%%ctracemalloc --flame\nx = bytes(10_000)")
        self.assertIn("no callers in the flame graph", text)


class HistoryTest(ShellTest):
    def history(self, options=""):
        return self.shown(f"%ctracemalloc --cell-history {options}")[1]

    def rows_of(self, text):
        """{cell: lines of it}"""
        parts = re.split(r"^ *[\d.]+ [KM]?i?B .*? (In\[\d+\])", text, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    def follow(self):
        self.run_cell("%ctracemalloc --follow")  # In[1]
        self.assertTrue(ctracemalloc.is_tracing())

    def test_which_cells_hold_memory(self):
        self.follow()
        self.run_cell("small = bytes(100_000)")
        self.run_cell("large = bytes(5_000_000)")
        self.run_cell("gone = bytes(9_000_000)")
        self.run_cell("del gone")
        text = self.history()
        self.assertIn("4 cells followed", text)
        rows = self.rows_of(text)
        self.assertEqual(list(rows)[:2], ["In[3]", "In[2]"])
        self.assertIn("large = bytes(5_000_000)", rows["In[3]"])
        self.assertNotIn("Out[", text)
        self.assertNotRegex(text, r"^8\.\d+ MiB")

    def test_values_that_were_displayed(self):
        self.follow()
        self.run_cell("[bytes(1000) for _ in range(3000)]")
        self.run_cell("kept = [bytes(1000) for _ in range(2000)]\nkept")
        self.run_cell("1")
        rows = self.rows_of(self.history())
        self.assertRegex(rows["In[2]"], r"Out\[2\], ___, _2: about 30\d\d KiB\n")
        self.assertRegex(rows["In[3]"], r"Out\[3\], __, _3, also the variable kept: about 20\d\d KiB\n")
        self.run_cell("del Out[2], _2, ___")
        self.assertRegex(
            self.rows_of(self.history())["In[2]"],
            r" get_ipython\(\).user_ns_hidden\['___'\], get_ipython\(\).user_ns_hidden\['_2'\],"
            r" get_ipython\(\).displayhook.___: about 3\d{3} KiB\n",
        )
        self.run_cell("s = get_ipython()\ndel s.user_ns_hidden['_2'], s.user_ns_hidden['___'], s.displayhook.___, s")
        rows = self.rows_of(self.history())
        self.assertNotIn("user_ns_hidden", rows["In[2]"])
        self.assertNotIn("displayhook", rows["In[2]"])

    def test_a_value_of_an_older_cell(self):
        self.follow()
        self.run_cell("held = [bytes(1000) for _ in range(3000)]")
        self.run_cell("held")
        rows = self.rows_of(self.history())
        self.assertIn("Out[3], _, _3, also the variable held: ", rows["In[2]"])
        self.assertNotIn("Out[3]", rows.get("In[3]", ""))

    def test_the_last_traceback(self):
        self.follow()
        self.run_cell("def f():\n    rows = [bytes(1000) for _ in range(4000)]\n    raise ValueError\nf()")
        self.assertIn("the last traceback, sys.last_traceback: ", self.rows_of(self.history())["In[2]"])

    def test_the_last_traceback_does_not_hold_variables(self):
        self.follow()
        self.run_cell("rows = [bytes(1000) for _ in range(4000)]\n[bytes(1000) for _ in range(3000)]")
        for wrong in ("1 / 0", "%ctracemalloc --nothing", "%ctracemalloc 1 / 0"):
            self.run_cell(wrong)
            self.assertFalse(self.result.success)
            held = self.rows_of(self.history())["In[2]"]
            self.assertIn("Out[2]", held)
            self.assertNotIn("the last traceback", held, wrong)

    def test_numpy(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.skipTest("numpy is not installed")
        self.follow()
        self.run_cell("import numpy\nnumpy.ones(1_000_000)[:10]")
        self.assertRegex(self.rows_of(self.history())["In[2]"], r"Out\[2\], _, _2: 781\d KiB")

    def test_numpy_objects(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.skipTest("numpy is not installed")
        self.follow()
        self.run_cell("import numpy\nnumpy.array([bytes(1000) for _ in range(2000)] + [None], dtype=object)[:10]")
        self.assertRegex(self.rows_of(self.history())["In[2]"], r"Out\[2\], _, _2: about 20\d\d KiB")

    def test_limit_and_text_of_cells(self):
        self.follow()
        for number in range(4):
            self.run_cell(f"x{number} = bytes({number + 1}00_000)  # {'x' * 1000}")
        text = self.history("-l 2")
        self.assertEqual(list(self.rows_of(text)), ["In[5]", "In[4]"])
        self.assertRegex(text, r"\d other cells: \d")
        self.assertRegex(text, r"the text of cells, in In and _i\*: [5-9]\d{3} B")

    def test_a_list_of_lists(self):
        self.follow()
        self.run_cell(
            "other = [[bytes(100) for _ in range(5)] for _ in range(4000)]\n"
            "rows = [[1.5 * number] * 9 for number in range(4000)]\n"
            "rows"
        )
        found = re.search(r"Out\[2\], .*: about (\d+) KiB\n", self.rows_of(self.history())["In[2]"])
        rows = self.shell.user_ns["rows"]
        expected = sum(map(sys.getsizeof, rows)) + 4000 * sys.getsizeof(1.5)  # rows itself may be from a free list
        self.assertTrue(0.95 < int(found[1]) * 1024 / expected < 1.1, (found[1], expected))

    def test_a_few_cells_are_remembered(self):
        with mock.patch("ctracemalloc.notebook.following.MOST_CELLS", 3):
            self.follow()
            for number in (3, 5, 1, 4, 2):
                self.run_cell(f"x{number} = bytes({number}00_000)")
            rows = self.rows_of(self.history("-l 9"))
        self.assertEqual([re.search("x.", text)[0] for text in rows.values()], ["x5", "x4", "x3"])

    def test_too_many_objects(self):
        with mock.patch("ctracemalloc.notebook.holders.MOST_IN_ALL", 50):
            self.follow()
            self.run_cell("[object() for _ in range(200)]")
            self.run_cell("[object() for _ in range(100)]")
            text = self.history()
        self.assertIn("too many objects: what else IPython refers to was not looked at", text)

    def test_a_measured_cell_is_followed(self):
        self.follow()
        self.shown("%%ctracemalloc\nheld = bytes(2_000_000)")
        self.assertIn("held = bytes", self.rows_of(self.history())["In[2]"])

    def test_end(self):
        self.follow()
        self.run_cell("%ctracemalloc --unfollow")
        self.assertFalse(ctracemalloc.is_tracing())
        self.assert_usage_error(
            "%ctracemalloc --cell-history",
            "%ctracemalloc: no cells are followed; %ctracemalloc --follow begins it, with the next cell",
        )

    def test_a_notebook_that_is_run_again(self):
        self.follow()
        self.run_cell("held = bytes(1_000_000)")
        self.run_cell("%ctracemalloc --follow")
        self.assertTrue(self.result.success)
        self.assertIn("In[2]", self.rows_of(self.history()))

    def test_tracing_of_others_goes_on(self):
        ctracemalloc.start(2)
        self.addCleanup(ctracemalloc.stop)
        self.follow()
        self.run_cell("%ctracemalloc --unfollow")
        self.assertTrue(ctracemalloc.is_tracing())

    def test_traces_cleared(self):
        self.follow()
        self.run_cell("held = bytes(1_000_000)")
        self.run_cell("import ctracemalloc\nctracemalloc.clear_traces()")
        self.run_cell("x = bytes(50_000)")
        text = self.history()
        self.assertRegex(text, r"\d cells: tracing was stopped, or traces were cleared")
        self.assertEqual(next(iter(self.rows_of(text))), "In[4]")


class ReprTest(ShellTest):
    NAME = "</td><img src=x onerror=alert(1)>\udc80.py"

    def snapshot(self, size=1000):
        return ctracemalloc.Snapshot([(0, size, ((self.NAME, 3),), 1), (0, 10, (("b.py", 1), ("a.py", 7)), 2)], 2)

    def assert_safe(self, page):
        self.assertLessEqual(Elements(page).names(), {"table", "thead", "tbody", "tr", "td", "th", "p", "b", "pre"})
        self.assertIn("&lt;img src=x onerror=alert(1)&gt;\\udc80.py:3", page)
        page.encode("utf-8")

    def test_snapshot(self):
        page = self.html_of(self.snapshot())
        self.assert_safe(page)
        self.assertIn("1000 B", page)
        self.assertIn("b.py:1", page)

    def test_snapshot_without_ipython(self):
        code = (
            "import sys, ctracemalloc; page = ctracemalloc.Snapshot([(0, 5, (('a.py', 3),), 1)], 1)._repr_html_();"
            "print('a.py:3' in page, 'IPython' in sys.modules)"
        )
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(printed.stdout, "True False\n", printed.stderr)

    def test_statistics(self):
        page = self.html_of(self.snapshot().statistics("lineno"))
        self.assert_safe(page)
        self.assertIn("2 statistics", page)

    def test_statistics_by_traceback(self):
        page = self.html_of(self.snapshot().statistics("traceback"))
        self.assert_safe(page)
        self.assertIn("a.py:7", page)

    def test_statistics_by_file(self):
        page = self.html_of(self.snapshot().statistics("filename"))
        self.assertIn(">b.py<", page)

    def test_differences(self):
        page = self.html_of(self.snapshot(3000).compare_to(self.snapshot(), "lineno"))
        self.assert_safe(page)
        self.assertIn("+2000 B", page)
        self.assertIn("2 differences", page)

    def test_many_statistics(self):
        traces = [(0, number, ((f"f{number}.py", 1),), 1) for number in range(1, 71)]
        page = self.html_of(ctracemalloc.Snapshot(traces, 1).statistics("lineno"))
        self.assertIn("70 statistics", page)
        self.assertIn("<p>20 more</p>", page)

    def test_scope(self):
        with ctracemalloc.scope("load <b>") as one:
            held = bytes(3_000_000)
        page = self.html_of(one)
        self.assertIn("scope load &lt;b&gt;", page)
        self.assertIn("what made the peak", page)
        self.assertIn("held = bytes(3_000_000)", page)
        self.assertEqual(len(held), 3_000_000)
        self.assertIn("not begun", self.html_of(ctracemalloc.scope()))

    def test_other_lists(self):
        statistics = self.snapshot().statistics("lineno")
        for rows in ([], [1, 2], [*statistics, 1], [*statistics, *self.snapshot().compare_to(self.snapshot(5), "lineno")]):
            self.assertIsNone(self.html_of(rows))

    def test_list_with_a_method_of_its_own(self):
        class Rows(list):
            def _repr_html_(self):
                return "<i>own</i>"

        self.assertEqual(self.html_of(Rows([1])), "<i>own</i>")
        self.assertEqual(self.html_of(Rows(self.snapshot().statistics("lineno"))), "<i>own</i>")

    def test_formatter_of_the_program(self):
        self.unload()
        formatter = self.shell.display_formatter.formatters["text/html"]
        formatter.for_type(list, lambda rows: f"program {len(rows)}")
        self.load()
        self.assertEqual(self.html_of([1, 2]), "program 2")
        self.assertIn("statistics", self.html_of(self.snapshot().statistics("lineno")))
        self.unload()
        self.assertEqual(self.html_of([1, 2]), "program 2")
        formatter.pop(list)


class LoadingTest(ShellTest):
    def test_nothing_is_left(self):
        self.assertNotEqual(self.state(), self.before)
        self.run_cell("%ctracemalloc --follow")
        self.run_cell("%%ctracemalloc\nx = 1")
        self.run_cell("%unload_ext ctracemalloc")
        self.assertEqual(self.captured.stderr, "")
        self.assertEqual(self.state(), self.before)

    def test_unloaded_in_a_measured_cell(self):
        self.run_cell("%%ctracemalloc\n%unload_ext ctracemalloc")
        self.assertTrue(self.result.success)
        self.assertEqual(self.state(), self.before)

    def test_again(self):
        self.run_cell("%reload_ext ctracemalloc")
        self.assertEqual(self.captured.stderr, "")
        self.shown("%%ctracemalloc\nx = bytes(1000)")
        self.run_cell("%load_ext ctracemalloc")
        self.unload()
        self.assertEqual(self.state(), self.before)

    def test_imported_late(self):
        code = "import sys, ctracemalloc; print([name for name in sys.modules if 'notebook' in name or name == 'IPython'])"
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(printed.stdout, "[]\n")


# --- a kernel ---

CELLS = {
    "load": "%load_ext ctracemalloc",
    "measured": "%%ctracemalloc\nprint('printed')\nrows = [bytes(1000) for _ in range(2000)]\nlen(rows)",
    "underscore": "_",
    "await": (
        "%%ctracemalloc\nimport asyncio\nasync def load():\n    await asyncio.sleep(0.01)\n    return bytes(4_000_000)\n"
        "data = await load()\nlen(data)"
    ),
    "flame": "%%ctracemalloc --flame\nother = bytes(100_000)",
    "line": "%ctracemalloc len(bytes(1_000_000))",
    "bad": "%%ctracemalloc --flam\nwas_run = True",
    "error": "%%ctracemalloc\n\n1 / 0",
    "follow": "%ctracemalloc --follow",
    "displayed": "[bytes(1000) for _ in range(3000)]",
    "awaited": "held = await load()",
    "history": "%ctracemalloc --cell-history",
    "snapshot": "import ctracemalloc\nctracemalloc.take_snapshot()",
    "statistics": "ctracemalloc.take_snapshot().statistics('lineno')",
    "unload": "%unload_ext ctracemalloc",
    "after": "ctracemalloc.is_tracing(), 'was_run' in globals(), ctracemalloc.get_traced_memory()",
}


class KernelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if nbclient is None:
            raise unittest.SkipTest("nbclient or ipykernel is not installed")
        with tempfile.TemporaryDirectory() as folder:
            names = ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
            with mock.patch.dict(os.environ, {name: os.path.join(folder, name) for name in names}):
                notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.values()])
                client = nbclient.NotebookClient(
                    notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}
                )
                asyncio.run(client.async_execute())
        cls.cells = dict(zip(CELLS, notebook.cells, strict=True))

    def outputs(self, name, kind):
        return [output for output in self.cells[name].outputs if output.output_type == kind]

    def shown(self, name):
        (output,) = self.outputs(name, "display_data")
        return output.data["text/html"], output.data["text/plain"]

    def value(self, name):
        (output,) = self.outputs(name, "execute_result")
        return output.data

    def test_cell(self):
        page, text = self.shown("measured")
        self.assertEqual(self.outputs("measured", "stream")[0].text, "printed\n")
        self.assertEqual(self.value("measured")["text/plain"], "2000")
        self.assertEqual(self.value("underscore")["text/plain"], "2000")
        self.assertEqual([output.output_type for output in self.cells["measured"].outputs][-1], "display_data")
        self.assertTrue(2_000_000 < size_in(text, "growth") < 3_000_000, text)
        self.assertIn("In[2]:3", page)
        self.assertIn("rows = [bytes(1000) for _ in range(2000)]", page)

    def test_await(self):
        _page, text = self.shown("await")
        self.assertEqual(self.value("await")["text/plain"], "4000000")
        self.assertGreater(size_in(text, "growth"), 4_000_000)
        self.assertIn("In[4]:5", text)

    def test_flame(self):
        (frame,) = [attributes for tag, attributes in Elements(self.shown("flame")[0]).found if tag == "iframe"]
        self.assertIn('id="app"', frame["srcdoc"])

    def test_line(self):
        self.assertGreater(size_in(self.shown("line")[1], "peak"), 1_000_000)
        self.assertEqual(self.value("line")["text/plain"], "1000000")

    def test_errors(self):
        (error,) = self.outputs("error", "error")
        self.assertEqual(error.ename, "ZeroDivisionError")
        self.assertIn("peak ", self.shown("error")[1])
        (error,) = self.outputs("bad", "stream")
        self.assertEqual(error.name, "stderr")
        self.assertEqual(error.text, "UsageError: %%ctracemalloc: unrecognized arguments: --flam\n")

    def test_history(self):
        _page, text = self.shown("history")
        self.assertRegex(
            text, r"In\[10\] .*\n +what was displayed, .*: [34]\d{3} KiB\n +Out\[10\], _, _10: about [23]\d{3} KiB\n"
        )
        self.assertRegex(text, r"3\d{3} KiB .* In\[11\] ")
        self.assertNotIn("Out[11]", text)

    def test_reprs(self):
        self.assertIn("<table>", self.value("snapshot")["text/html"])
        self.assertIn("statistics", self.value("statistics")["text/html"])

    def test_unloaded(self):
        self.assertEqual(self.value("after")["text/plain"], "(False, False, (0, 0))")


if __name__ == "__main__":
    unittest.main()
