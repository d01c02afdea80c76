"""`python -m ctracemalloc run`: the program that it runs, and the report that follows.

The interpreter itself is the reference: a program must not see a difference between the two ways to run it.
"""

import json
import os
import re
import textwrap
import unittest
import venv
from pathlib import Path

import ctracemalloc
from cli_support import PACKAGE_PARENT, SELF_PORTRAIT, ProgramTest


class SameProgramTest(ProgramTest):
    """The program sees what it would have seen without the tracer."""

    def assert_same_portrait(self, *program, flags=(), stdin="some input\n"):
        plain = self.python(*flags, *program, input=stdin)
        traced = self.traced(*program, flags=flags, input=stdin)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(traced.returncode, 0, traced.stderr)
        self.assertEqual(json.loads(traced.stdout), json.loads(plain.stdout))
        self.assert_reported(traced)

    def test_script(self):
        script = self.write("sub/portrait.py", SELF_PORTRAIT)
        self.assert_same_portrait(script, "--top", "-n", "x", "--", "-m")
        self.assert_same_portrait("sub/portrait.py")

    def test_module(self):
        self.write("package/__init__.py", "")
        self.write("package/portrait.py", SELF_PORTRAIT)
        self.assert_same_portrait("-m", "package.portrait", "-c", "--help")

    def test_attached_module(self):
        self.write("portrait.py", SELF_PORTRAIT)
        self.assert_same_portrait("-mportrait", "-o", "x")

    def test_code(self):
        self.assert_same_portrait("-c", textwrap.dedent(SELF_PORTRAIT), "-m", "x")

    def test_folder(self):
        self.write("app/__main__.py", SELF_PORTRAIT)
        self.assert_same_portrait("app", "argument")

    def test_interpreter_options(self):
        script = self.write("portrait.py", SELF_PORTRAIT)
        for flags in (["-O"], ["-I"], ["-E"], ["-s"], ["-u", "-X", "dev"], ["-W", "error", "-P"]):
            with self.subTest(flags=flags):
                self.assert_same_portrait(script, flags=flags)

    def test_pythonpath_is_kept(self):
        self.environment["PYTHONPATH"] = os.pathsep.join([str(self.folder / "a"), PACKAGE_PARENT])
        self.assert_same_portrait(self.write("portrait.py", SELF_PORTRAIT))

    def test_program_from_stdin(self):
        result = self.traced("-", "argument", input="import sys; print(sys.argv)")
        self.assertEqual(result.stdout, "['-', 'argument']\n")
        self.assert_reported(result)

    def test_double_dash_ends_the_options(self):
        script = self.write("script.py", "import sys; print(sys.argv[1:])")
        result = self.traced("--top", "1", "--", script, "-n")
        self.assertEqual(result.stdout, "['-n']\n")

    def test_a_script_that_is_called_like_an_option(self):
        self.write("-o.py", "import sys; print(sys.argv)")
        result = self.traced("--top", "1", "--", "-o.py", "-n")
        self.assertEqual(result.stdout, "['-o.py', '-n']\n")
        self.assert_reported(result)
        refused = self.traced("--record", "./-o.py", "--", "-o.py")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertIn("it is one of the files that are read", refused.stderr)

    def test_classes_of_main_are_pickled(self):
        script = self.write(
            "script.py",
            """
            import pickle
            class Point: x = 1
            copy = pickle.loads(pickle.dumps(Point()))
            print(type(copy) is Point, Point.__module__)
            """,
        )
        self.assertEqual(self.traced(script).stdout, "True __main__\n")

    def test_pickle_without_its_accelerator(self):
        """Some programs select the modules of the standard library that they get; pickle is one that may be left out."""
        script = self.write(
            "script.py",
            """
            import sys
            sys.modules["_pickle"] = None
            import pickle
            print(pickle.Pickler is pickle._Pickler, pickle.loads(pickle.dumps([1])))
            """,
        )
        for result in (self.python(script), self.traced(script), self.traced("--black-box", "it.box", script)):
            self.assertEqual(result.stdout, "True [1]\n")

    def test_multiprocessing(self):
        script = self.write(
            "script.py",
            """
            import multiprocessing, sys
            class Item:
                def __init__(self, value): self.value = value
            def double(item): return Item(item.value * 2)
            if __name__ == "__main__":
                context = multiprocessing.get_context(sys.argv[1])
                with context.Pool(2) as pool:
                    print([item.value for item in pool.map(double, map(Item, range(4)))])
            """,
        )
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method=method):
                result = self.traced("-o", f"{method}.ctm", script, method)
                self.assertEqual(result.stdout, "[0, 2, 4, 6]\n", result.stderr)
                self.assertEqual(result.returncode, 0)
                self.assert_reported(result)

    def test_no_frames_of_the_package_below_the_program(self):
        script = self.write(
            "script.py",
            """
            import ctracemalloc
            def inner():
                return bytearray(1000)
            held = inner()
            print([frame.lineno for frame in ctracemalloc.get_object_traceback(held)])
            """,
        )
        result = self.traced("-n", "10", script)
        self.assertEqual(result.stdout, "[5, 4]\n")
        snapshot = self.load_only_snapshot()
        own = [
            trace.traceback.total_nframe
            for trace in snapshot.traces
            if trace.traceback[-1].filename == str(script) and trace.traceback[-1].lineno == 4
        ]
        self.assertTrue(own)
        self.assertEqual(set(own), {2})


class SummaryTest(ProgramTest):
    def test_numbers_and_source_text(self):
        script = self.write(
            "script.py",
            """
            def make_big():
                return bytearray(3_000_000)
            big = make_big()
            peak = bytearray(5_000_000)
            del peak
            """,
        )
        traced = self.traced("--top", "1", script)
        summary = traced.stderr
        self.assertRegex(summary, r"live +\d+ KiB in [\d,]+ blocks")
        peak = float(re.search(r"peak +([\d.]+) (?:MiB|KiB)", summary).group(1))
        self.assertTrue(peak >= 7812 or 7.6 <= peak < 100, summary)
        self.assertRegex(summary, r"2930 KiB +\d+ .* script\.py:3 +make_big\n")
        self.assertIn("return bytearray(3_000_000)\n", summary)
        self.assertIn("top 1 of", summary)
        self.assertNotIn("\x1b", summary)
        snapshot = self.load_only_snapshot()
        self.assertIn(f"{len(snapshot.traces):,} blocks", summary)
        self.assertGreaterEqual(snapshot.run["peak"], 8_000_000)

    def test_a_peak_that_is_gone(self):
        """The blocks of the peak are printed if it is well above what is live at the end."""
        script = self.write(
            "script.py",
            """
            import sys
            def make_big(n):
                return [b"x" * 10_000 for _ in range(n)]
            kept = make_big(100)
            if len(sys.argv) > 1:
                gone = make_big(400)
                del gone
            """,
        )
        plain = self.traced("-o", "plain.ctm", "--top", "3", script).stderr
        self.assertNotIn("at the peak", plain)
        gone = self.traced("-o", "gone.ctm", "--top", "3", script, "x").stderr
        live, peak = gone.split("\nat the peak ")
        self.assertRegex(live, r"\n *\d+ KiB +10\d +.* script\.py:4 +make_big")
        self.assertRegex(peak, r"^ +[\d.]+ [KM]iB in [\d,]+ blocks\ntop 3 of \d+ lines, by size at the peak\n")
        self.assertRegex(peak, r"\n *[\d.]+ [KM]iB +50\d +.* script\.py:4 +make_big")
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "gone.ctm"))
        self.assertEqual(sum(s.size for s in snapshot.at_peak.statistics("filename")), snapshot.run["peak"])

    def test_default_and_given_file_names(self):
        script = self.write("script.py", "import os; os.chdir('/')")
        traced = self.traced(script)
        (path,) = self.snapshots()
        self.assertRegex(path.name, r"^ctracemalloc\.\d+\.ctm$")
        self.assertIn(str(path), traced.stderr)
        self.traced("-o", "given, with comma.ctm", script)
        self.assertTrue((self.folder / "given, with comma.ctm").is_file())

    def test_descriptors(self):
        """The program's first file has the same descriptor as without tracing."""
        self.write("script.py", "import os\nprint(open(os.devnull).fileno())\n")
        options = ("--black-box", "it.box", "--record", "it.ctr", "-o", "it.ctm")
        self.assertEqual(self.traced(*options, "script.py").stdout, self.python("script.py").stdout)

    def test_any_text_in_options(self):
        """The options reach the program's process as one text."""
        self.write("script.py", "kept = [bytes(4000) for _ in range(100)]\n")
        for name in ("a,b", "snow \N{SNOWMAN}=:;", "a" * 300):
            output = f"out {name[:50]},.ctm"
            with self.subTest(name):
                traced = self.traced("--key", f"label:{name}", "-o", output, "script.py")
                self.assertEqual(traced.returncode, 0, traced.stderr)
                self.assertIn(f"1 value of label:{name}\n", traced.stderr)
                self.assertTrue((self.folder / output).exists(), sorted(self.folder.iterdir()))

    def test_install(self):
        script = self.write(
            "script.py",
            """
            import sys, tracemalloc, _tracemalloc, ctracemalloc
            print(tracemalloc is ctracemalloc, _tracemalloc is ctracemalloc)
            print(tracemalloc.is_tracing(), tracemalloc.get_traceback_limit())
            """,
        )
        self.assertEqual(self.traced("-n", "7", "--install", script).stdout, "True True\nTrue 7\n")

    def test_the_tracer_is_not_in_the_numbers(self):
        self.traced("-n", "25", "-c", "pass")
        snapshot = self.load_only_snapshot()
        package = str(Path(ctracemalloc.__file__).parent)
        own = [trace.size for trace in snapshot.traces if trace.traceback[-1].filename.startswith(package)]
        self.assertLess(sum(own), 4096, own)


class WithoutHookTest(ProgramTest):
    """The package is on PYTHONPATH only: no ctracemalloc.pth in site-packages."""

    def setUp(self):
        super().setUp()
        home = self.folder / "venv"
        venv.create(home, with_pip=False, symlinks=True)
        self.bare = str(home / "bin" / "python")
        self.environment["PYTHONPATH"] = PACKAGE_PARENT

    def test_run(self):
        script = self.write("portrait.py", SELF_PORTRAIT)
        plain = self.python(script, python=self.bare, input="")
        traced = self.traced(script, python=self.bare, input="")
        self.assertEqual(json.loads(traced.stdout), json.loads(plain.stdout), traced.stderr)
        self.assert_reported(traced)
        self.assertNotIn("sitecustomize", traced.stderr)

    def test_sitecustomize_of_the_user_still_runs(self):
        self.write("mine/sitecustomize.py", "import sys; sys.mine = True")
        self.environment["PYTHONPATH"] += os.pathsep + str(self.folder / "mine")
        traced = self.traced("-c", "import sys; print(sys.mine)", python=self.bare)
        self.assertEqual(traced.stdout, "True\n", traced.stderr)
        self.assert_reported(traced)


if __name__ == "__main__":
    unittest.main()
