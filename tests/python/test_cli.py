"""`python -m ctracemalloc`: run, report, diff, doctor, each in a process of its own.

The measure for `run` is the interpreter itself: a program run both ways must not be able to tell.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import venv
from pathlib import Path

import ctracemalloc

PACKAGE_PARENT = str(Path(ctracemalloc.__file__).resolve().parent.parent)

# What a program can see of how it was started.
SELF_PORTRAIT = """
    import json, os, signal, sys
    main = sys.modules["__main__"]
    print(json.dumps({
        "argv": sys.argv,
        "orig_argv": sys.orig_argv[1:],
        "path": sys.path,
        "xoptions": sys._xoptions,
        "flags": repr(sys.flags),
        "pythonpath": os.environ.get("PYTHONPATH"),
        "name": __name__,
        "file": globals().get("__file__"),
        "package": __package__,
        "spec": __spec__ and __spec__.name,
        "is_main": main.__dict__ is globals(),
        "depth": len(list(__import__("traceback").walk_stack(sys._getframe()))),
        "stdin": sys.stdin.read(),
        "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "sigpipe": signal.getsignal(signal.SIGPIPE),
        "recursion": sys.getrecursionlimit(),
    }))
"""


class ProgramTest(unittest.TestCase):
    """A folder of its own for each test, and ways to run programs in it."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("CTRACEMALLOC", "PYTHONTRACEMALLOC", "NO_COLOR")
        }

    def write(self, name, source):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def python(self, *arguments, python=sys.executable, **options):
        options.setdefault("env", self.environment)
        return subprocess.run(
            [python, *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    def traced(self, *arguments, flags=(), **options):
        return self.python(*flags, "-m", "ctracemalloc", "run", *arguments, **options)

    def snapshots(self):
        return sorted(self.folder.glob("*.ctm"))

    def load_only_snapshot(self):
        (path,) = self.snapshots()
        return ctracemalloc.Snapshot.load(str(path))

    def assert_reported(self, result, times=1):
        reports = result.stderr.count("used by ctracemalloc itself")
        self.assertEqual(reports, times, result.stderr[-2000:])


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

    def test_no_frames_of_ours_below_the_program(self):
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


class EndTest(ProgramTest):
    """Every way to end: the status is the program's, the report is there."""

    def assert_same_end(self, source, status):
        script = self.write("script.py", source)
        plain, traced = self.python(script), self.traced(script)
        self.assertEqual(plain.returncode, status)
        self.assertEqual(traced.returncode, status)
        self.assertEqual(traced.stdout, plain.stdout)
        self.assertTrue(traced.stderr.startswith(plain.stderr), traced.stderr)
        self.assert_reported(traced)
        self.assertEqual(len(self.snapshots()), 1)
        return traced

    def test_normal(self):
        self.assert_same_end("print('done')", 0)

    def test_exception(self):
        traced = self.assert_same_end("def f(): return 1 / 0\nf()", 1)
        self.assertIn("ZeroDivisionError", traced.stderr)

    def test_sys_exit_number(self):
        self.assert_same_end("import sys; sys.exit(3)", 3)

    def test_sys_exit_text(self):
        self.assert_same_end("import sys; sys.exit('farewell')", 1)

    def test_sys_exit_none(self):
        self.assert_same_end("import sys; sys.exit(None)", 0)

    def test_sigint(self):
        source = """
            import os, signal, time
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        """
        traced = self.assert_same_end(source, -signal.SIGINT)
        self.assertIn("KeyboardInterrupt", traced.stderr)

    def test_sigterm_from_outside(self):
        script = self.write("script.py", "import time\nprint('up', flush=True)\ntime.sleep(60)")
        with subprocess.Popen(
            [sys.executable, "-m", "ctracemalloc", "run", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self.assertEqual(process.stdout.readline(), "up\n")
            process.terminate()
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGTERM)
        self.assertIn("on SIGTERM", errors)
        (path,) = self.snapshots()
        self.assertEqual(path.name, f"ctracemalloc-{process.pid}.ctm")

    def test_signal_is_sent_again_until_its_handler_has_run(self):
        script = self.write(
            "script.py",
            """
            import os, signal, time
            from ctracemalloc import _ctracemalloc
            seen = []
            def handler(*_):
                seen.append(time.monotonic())
                if len(seen) == 3:  # as if the first two had come too early
                    _ctracemalloc._resend_stop()
            for wrong in (0, -1, 10**6, signal.SIGUSR1):
                try:
                    _ctracemalloc._resend_start(wrong)
                except ValueError as error:
                    print(error)
            signal.signal(signal.SIGUSR1, handler)
            _ctracemalloc._resend_start(signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR1)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                time.sleep(0.05)
            print(len(seen), seen[2] - seen[0] > 0.15)
            """,
        )
        result = self.python(script)
        self.assertEqual(result.returncode, 0, result.stderr)
        *errors, last = result.stdout.splitlines()
        self.assertEqual(len(errors), 4, errors)
        self.assertEqual(last, "3 True")

    def test_sigterm_in_the_middle_of_printing(self):
        """The handler must not write to a stream that the program is writing to."""
        script = self.write(
            "script.py",
            """
            import os, signal, sys, threading
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
            timer.start()
            while True:
                print("x" * 50, file=sys.stderr)
            """,
        )
        traced = self.traced(script)
        self.assertEqual(traced.returncode, -signal.SIGTERM)
        self.assertFalse("reentrant call" in traced.stderr)
        self.assert_reported(traced)

    def test_sigterm_while_another_thread_holds_locks(self):
        """The handler waits for no lock that a program's thread may hold for long."""
        script = self.write(
            "script.py",
            """
            import _imp, linecache, os, signal, sys, threading, time
            def hold():
                _imp.acquire_lock()  # no new module can be imported
                time.sleep(60)
            threading.Thread(target=hold, daemon=True).start()
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            """,
        )
        begin = time.monotonic()
        traced = self.traced(script)
        self.assertEqual(traced.returncode, -signal.SIGTERM)
        self.assertLess(time.monotonic() - begin, 30)
        self.assert_reported(traced)

    def test_sigterm_handled_by_the_program(self):
        script = self.write(
            "script.py",
            """
            import os, signal, sys, time
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            """,
        )
        traced = self.traced(script)
        self.assertEqual(traced.returncode, 7)
        self.assertIn("at exit", traced.stderr)
        self.assert_reported(traced)

    def test_sigterm_ignored_by_the_parent_stays_ignored(self):
        script = self.write(
            "script.py",
            """
            import os, signal
            os.kill(os.getpid(), signal.SIGTERM)
            print(signal.getsignal(signal.SIGTERM) == signal.SIG_IGN)
            """,
        )
        traced = self.traced(
            script, preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        )
        self.assertEqual((traced.returncode, traced.stdout), (0, "True\n"))

    def test_os_exit_gives_no_report(self):
        script = self.write("script.py", "import os; os._exit(5)")
        traced = self.traced(script)
        self.assertEqual((traced.returncode, traced.stderr), (5, ""))
        self.assertEqual(self.snapshots(), [])

    def test_forked_child_writes_no_report(self):
        script = self.write(
            "script.py",
            """
            import os, sys, threading
            def fork():
                pid = os.fork()
                if pid == 0:
                    sys.exit(4)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            fork()
            """,
        )
        traced = self.traced(script)
        self.assertEqual((traced.returncode, traced.stdout), (0, "4\n"))
        self.assert_reported(traced)
        self.assertEqual(len(self.snapshots()), 1)

    def test_forked_child_dies_of_sigterm_at_once(self):
        script = self.write(
            "script.py",
            """
            import os, signal, threading
            def fork():
                pid = os.fork()
                if pid == 0:
                    print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
                    os.kill(os.getpid(), signal.SIGTERM)
                    os._exit(0)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            fork()
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join()
            """,
        )
        traced = self.traced(script)
        self.assertEqual(traced.stdout, "True\n-15\nTrue\n-15\n")
        self.assert_reported(traced)

    def test_threads_and_atexit_are_in_the_report(self):
        script = self.write(
            "script.py",
            """
            import atexit, threading, time
            held = []
            def late(): held.append(bytearray(700_000))
            def slow():
                time.sleep(0.2)
                held.append(bytearray(800_000))
            atexit.register(late)
            threading.Thread(target=slow).start()
            """,
        )
        self.assertEqual(self.traced(script).returncode, 0)
        by_line = {
            statistic.traceback[0].lineno: statistic.size
            for statistic in self.load_only_snapshot().statistics("lineno")
            if statistic.traceback[0].filename == str(script)
        }
        self.assertGreaterEqual(by_line[4], 700_000)
        self.assertGreaterEqual(by_line[7], 800_000)

    def test_tracing_stopped_by_the_program(self):
        traced = self.traced("-c", "import ctracemalloc; ctracemalloc.stop()")
        self.assertEqual(traced.returncode, 0)
        self.assertIn("the program has stopped the tracing", traced.stderr)

    def test_closed_stderr_and_deleted_folder(self):
        script = self.write(
            "script.py",
            """
            import os, shutil
            os.close(2)
            shutil.rmtree(os.getcwd())
            print("still here")
            """,
        )
        with tempfile.TemporaryDirectory() as other:
            output = Path(other, "out.ctm")
            traced = self.traced("-o", output, script)
            self.assertEqual((traced.returncode, traced.stdout), (0, "still here\n"))
            ctracemalloc.Snapshot.load(str(output))
        self.folder.mkdir()  # for the clean-up

    def test_snapshot_cannot_be_written(self):
        target = self.folder / "gone"
        target.mkdir()
        script = self.write("script.py", "import os; os.rmdir('gone')")
        traced = self.traced("-o", target / "out.ctm", script)
        self.assertEqual(traced.returncode, 0)
        self.assertIn("the snapshot was not written", traced.stderr)
        self.assert_reported(traced)


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

    def test_default_and_given_file_names(self):
        script = self.write("script.py", "import os; os.chdir('/')")
        traced = self.traced(script)
        (path,) = self.snapshots()
        self.assertRegex(path.name, r"^ctracemalloc-\d+\.ctm$")
        self.assertIn(str(path), traced.stderr)
        self.traced("-o", "given, with comma.ctm", script)
        self.assertTrue((self.folder / "given, with comma.ctm").is_file())

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
        own = [
            trace.size
            for trace in snapshot.traces
            if trace.traceback[-1].filename.startswith(package)
        ]
        self.assertLess(sum(own), 4096, own)


class WithoutHookTest(ProgramTest):
    """The package on PYTHONPATH only: no ctracemalloc.pth in site-packages."""

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


class BadCommandTest(ProgramTest):
    def assert_refused(self, *arguments, words):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertNotIn("Traceback", result.stderr)

    def test_run(self):
        self.assert_refused("run", words="what to run")
        self.assert_refused("run", "-m", words="-m needs an argument")
        self.assert_refused("run", "-n", "0", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-n", "65536", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-n", "many", "x.py", words="range [1; 65535]")
        self.assert_refused("run", "-o", "/nowhere/x.ctm", "x.py", words="cannot write")
        self.assert_refused("run", "-o", ".", "x.py", words="cannot write")
        self.assert_refused("run", "--key", "size", "x.py", words="invalid choice")

    def test_missing_script_fails_as_it_does_without_us(self):
        plain, traced = self.python("missing.py"), self.traced("missing.py")
        self.assertEqual(traced.returncode, plain.returncode)
        self.assertIn(plain.stderr.partition("can't open")[2], traced.stderr)

    def test_report(self):
        self.write("text.ctm", "this is no snapshot")
        self.write("empty.ctm", "")
        self.assert_refused("report", "missing.ctm", words="missing.ctm")
        self.assert_refused("report", "text.ctm", words="text.ctm")
        self.assert_refused("report", "empty.ctm", words="empty.ctm")
        self.assert_refused("report", ".", words="irectory")
        self.assert_refused("diff", "missing.ctm", "text.ctm", words="missing.ctm")
        self.assert_refused(
            "report", "text.ctm", "--key", "function", "--cumulative", words="--cumulative goes"
        )
        self.assert_refused(words="COMMAND")


class ReportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        frames = {
            "small": (("a.py", 3), ("main.py", 1)),
            "big": (("b.py", 5), ("main.py", 2)),
        }
        old = [(0, 100, frames["small"], 2), (0, 1000, frames["big"], 2)]
        new = [*old, (0, 3000, frames["big"], 2), (0, 3000, frames["big"], 2)]
        ctracemalloc.Snapshot(old, 2).dump(str(self.folder / "old.ctm"))
        ctracemalloc.Snapshot(new, 2).dump(str(self.folder / "new.ctm"))

    def run_command(self, *arguments):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def rows(self, text):
        """The lines below the table's head, split into words."""
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if "location" in line)
        return [line.split() for line in lines[start + 1 :]]

    def test_report(self):
        text = self.run_command("report", "new.ctm")
        self.assertIn("live     7100 B in 4 blocks", text)
        self.assertIn("2 lines", text)
        self.assertEqual(
            self.rows(text),
            [
                ["7000", "B", "3", "2333", "B", "98.6%", "b.py:5"],
                ["100", "B", "1", "100", "B", "1.4%", "a.py:3"],
            ],
        )

    def test_top_and_filename(self):
        text = self.run_command("report", "new.ctm", "--key", "filename", "--top", "1")
        self.assertIn("top 1 of 2 files", text)
        self.assertEqual(self.rows(text), [["7000", "B", "3", "2333", "B", "98.6%", "b.py"]])

    def test_cumulative(self):
        text = self.run_command("report", "new.ctm", "--cumulative", "--key", "filename")
        self.assertEqual(self.rows(text)[0], ["7100", "B", "4", "1775", "B", "100.0%", "main.py"])

    def test_traceback(self):
        text = self.run_command("report", "new.ctm", "--traceback", "--top", "1")
        self.assertEqual([row[-1] for row in self.rows(text)], ["b.py:5", "b.py:5", "main.py:2"])

    def test_diff(self):
        text = self.run_command("diff", "old.ctm", "new.ctm")
        self.assertIn("+6000 B in +2 blocks", text)
        self.assertEqual(self.rows(text), [["+6000", "B", "7000", "B", "+2", "3", "b.py:5"]])

    def test_reader_that_goes_away(self):
        command = f"{sys.executable} -m ctracemalloc report new.ctm | true"
        result = subprocess.run(
            command, shell=True, cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(result.stderr, "")

    def test_version(self):
        self.assertEqual(
            self.run_command("--version"), f"ctracemalloc {ctracemalloc.__version__}\n"
        )

    def test_colours_only_where_wanted(self):
        try:
            for descriptor in os.openpty():
                os.close(descriptor)
        except OSError as error:
            self.skipTest(f"no pseudo-terminals here: {error}")
        script = (
            "import pty, sys, os\n"
            "sys.exit(os.waitstatus_to_exitcode("
            "pty.spawn([sys.executable, '-m', 'ctracemalloc', *sys.argv[1:]])))"
        )
        self.environment["TERM"] = "xterm"
        colored = self.python("-c", script, "report", "new.ctm", stdin=subprocess.DEVNULL)
        plain = self.python(
            "-c", script, "report", "new.ctm", "--no-color", stdin=subprocess.DEVNULL
        )
        self.assertIn("\x1b[1m", colored.stdout)
        self.assertNotIn("\x1b", plain.stdout)
        self.assertIn("7000 B", plain.stdout)


class DoctorTest(ProgramTest):
    def test_facts(self):
        result = self.python("-m", "ctracemalloc", "doctor")
        self.assertEqual(result.stderr, "")
        lost = re.findall(r"^LOST  (\w+):", result.stdout, re.MULTILINE)
        self.assertEqual(result.returncode, 1 if lost else 0)
        for name in ("python", "free_lists", "tracked_blocks"):
            self.assertIn(f"  {name}: ", result.stdout)

    def test_a_lost_fact_is_said_and_changes_the_status(self):
        code = """
            import sys
            from ctracemalloc import _checkup
            _checkup._ctracemalloc = fake = type("Fake", (), {})
            fake.__version__ = "0"
            fake._doctor = lambda: {
                "build": "release", "frames": {"ok": True, "detail": "fine"},
                "free_lists": {"ok": False, "detail": "no way in"},
            }
            sys.exit(_checkup.print_facts(sys.stdout))
        """
        result = self.python("-c", textwrap.dedent(code))
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("LOST  free_lists: no way in", result.stdout)
        self.assertIn("first owner", result.stdout)
        self.assertIn("ok    frames: fine", result.stdout)
        self.assertIn("      build: release", result.stdout)


if __name__ == "__main__":
    unittest.main()
