"""`run` reports how the program ended, on stderr and in the file, and agrees with the interpreter."""

import os
import subprocess
import sys
import unittest
import zipfile

import ctracemalloc
from cli_support import ProgramTest

PROGRAM = """\
import atexit, os, signal, sys, threading
def fail(): raise ValueError("x")
exec(sys.argv[1])
"""


class EndingsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.environment.pop("PYTHONUNBUFFERED", None)  # buffered output is written at the end
        self.script = str(self.write("prog.py", PROGRAM))

    def check(self, program, ended, exception=None):
        """The program ends as without tracing, and the report says how."""
        plain = self.python(*program)
        traced = self.traced("-o", "out.ctm", *program)
        self.assertEqual(traced.returncode, plain.returncode, traced.stderr)
        self.assertEqual(traced.stdout, plain.stdout)
        self.assertTrue(traced.stderr.startswith(plain.stderr), traced.stderr)
        self.assertIn(f"  ended    {ended}, pid ", traced.stderr)
        run = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm")).run
        self.assertEqual((run["ended"], run["status"], run["exception"]), (ended, plain.returncode, exception))

    def check_code(self, code, ended, exception=None):
        with self.subTest(code):
            self.check(("prog.py", code), ended, exception)


class EndedTest(EndingsTest):
    def test_statuses(self):
        for code, status in (
            ("pass", 0),
            ("sys.exit()", 0),
            ("sys.exit(None)", 0),
            ("sys.exit(3)", 3),
            ("sys.exit(256 + 7)", 7),
            ("sys.exit(-1)", 255),
            ("sys.exit(True)", 1),
            ("sys.exit('a message')", 1),
            ("raise SystemExit(1 << 70)", 255),
            ("exit(4)", 4),
            ("raise SystemExit", 0),
            ("class Mine(SystemExit): pass\nraise Mine(9)", 9),
            ("class Mine(SystemExit): pass\nclass More(Mine): pass\nraise More", 0),
            ("class Mine(SystemExit): pass\ntry: raise Mine(9)\nexcept Mine: pass", 0),
            ("atexit.register(sys.exit, 5); sys.exit(6)", 6),
            ("try: sys.exit(3)\nexcept SystemExit: pass", 0),
            ("try: sys.exit(3)\nfinally: sys.stdout.write('done')", 3),
            ("threading.Thread(target=sys.exit, args=(8,)).start()", 0),
        ):
            self.check_code(code, f"exit status {status}")

    def test_what_is_not_known_is_not_claimed(self):
        for code in (
            "class Mine(SystemExit): pass\nkept = Mine(9)\nraise kept",
            "class Mine(SystemExit):\n    code = property(lambda self: 9)\nraise Mine(3)",
        ):
            with self.subTest(code):
                traced = self.traced("-o", "out.ctm", "prog.py", code)
                self.assertEqual(traced.returncode, 9)
                run = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm")).run
                self.assertIn((run["ended"], run["status"]), [("by sys.exit, or normally", None), ("exit status 9", 9)])

    def test_exceptions(self):
        prog = str(self.folder / "prog.py")
        for code, ended, exception in (
            ("fail()", "exit status 1, ValueError at prog.py:2", ("ValueError", prog, 2)),
            (
                "import json; json.JSONDecodeError.__module__ = 'm'; raise json.JSONDecodeError('', '', 0)",
                "exit status 1, m.JSONDecodeError at <string>:1",
                ("m.JSONDecodeError", "<string>", 1),
            ),
            ("\n\nraise sys.exit", "exit status 1, TypeError at <string>:3", ("TypeError", "<string>", 3)),
            ("raise KeyboardInterrupt", "SIGINT, KeyboardInterrupt at <string>:1", ("KeyboardInterrupt", "<string>", 1)),
            (
                "sys.excepthook = lambda *_: sys.exit(9); fail()",
                "exit status 9, ValueError at prog.py:2",
                ("ValueError", prog, 2),
            ),
            ("sys.excepthook = print; fail()", "exit status 1, ValueError at prog.py:2", ("ValueError", prog, 2)),
        ):
            if "print" not in code:
                self.check_code(code, ended, exception)
        for code in ("threading.Thread(target=fail).start()", "atexit.register(fail)"):
            result = self.traced("prog.py", code)
            self.assertIn("  ended    exit status 0, pid ", result.stderr)

    def test_a_script_that_cannot_be_compiled(self):
        self.write("bad.py", "a = 1\nb = (\n")
        result = self.traced("bad.py")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"  ended    exit status 1, SyntaxError at bad\.py:\d, pid ")

    def test_modules_and_code(self):
        self.write("package/__init__.py", "")
        self.write("package/mod.py", "import sys; sys.exit(int(sys.argv[1]))")
        self.check(("-m", "package.mod", "5"), "exit status 5")
        self.check(("-c", "import sys; sys.exit(6)"), "exit status 6")
        self.write("interrupted.py", "raise KeyboardInterrupt")
        self.check(
            ("-m", "interrupted"),
            "SIGINT, KeyboardInterrupt at interrupted.py:1",
            ("KeyboardInterrupt", str(self.folder / "interrupted.py"), 1),
        )

    def test_signals(self):
        self.check_code("os.kill(os.getpid(), signal.SIGTERM); [n for n in range(1000)]", "SIGTERM")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            command = ["-m", "ctracemalloc", "run", "-o", "out.ctm", "prog.py", "print(1)"]
            done = subprocess.run(
                [sys.executable, *command],
                cwd=self.folder,
                env=self.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.assertEqual(done.returncode, 120)
        self.assertIn("  ended    exit status 120 (its output could not be written), pid ", done.stderr)

    def test_printing_the_traceback_is_not_in_the_numbers(self):
        """Printing imports modules and reads source lines."""
        wide = "x = '" + "y" * 500_000 + "'\n"
        self.write("big.py", wide + "kept = bytes(968)\ndef fail(): 1 / 0\nfail()\n")
        for hook in ("", "import sys, traceback; sys.excepthook = lambda *a: traceback.print_exception(*a)\n"):
            self.write("big.py", hook + wide + "kept = bytes(968)\ndef fail(): 1 / 0\nfail()\n")
            self.traced("-o", "out.ctm", "big.py")
            snapshot = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm"))
            names = {trace.traceback[-1].filename for trace in snapshot.traces}
            self.assertEqual([name for name in names if name.endswith(("linecache.py", "tokenize.py"))], [])
            kept = [t for t in snapshot.traces if t.traceback[-1].filename.endswith("big.py") and t.size == 1001]
            self.assertEqual(len(kept), 1)

    def test_threads_that_go_on_after_an_exception(self):
        code = """
def work():
    import time
    time.sleep(0.3)
    kept.append(bytes(123_424))
kept = []
threading.Thread(target=work).start()
fail()
"""
        traced = self.traced("-o", "out.ctm", "prog.py", code)
        self.assertEqual(traced.returncode, 1)
        self.assertIn("  ended    exit status 1, ValueError at prog.py:2, pid ", traced.stderr)
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm"))
        self.assertEqual(len([t for t in snapshot.traces if t.size == 123_457]), 1)

    def test_exceptions_that_do_not_end_it(self):
        """Exceptions that C code prints inside the program, or in an interactive session."""
        code = "import ctypes; f = ctypes.pythonapi.PyErr_Print\ntry: fail()\nexcept ValueError: pass\nkept = bytearray(55_555)"
        self.check_code(code, "exit status 0")
        result = self.python("-i", "-m", "ctracemalloc", "run", "-o", "out.ctm", "-c", "1/0", input="kept = bytes(66_634)\n")
        self.assertEqual(result.returncode, 0)
        self.assertIn("  ended    exit status 0, pid ", result.stderr)
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm"))
        self.assertEqual(len([t for t in snapshot.traces if t.size == 66_667]), 1)

    def test_a_prompt_is_no_session(self):
        """code.interact() leaves sys.ps1 set."""
        self.check_code("sys.ps1 = '> '; fail()", "exit status 1, ValueError at prog.py:2", ("ValueError", self.script, 2))

    def test_a_session_on_a_terminal(self):
        """stdin is the program: an exception does not end it."""
        controller, terminal = os.openpty()
        self.addCleanup(os.close, controller)
        os.write(controller, b"1/0\nkept = bytes(66_634)\n\x04")
        self.environment.update(PYTHON_BASIC_REPL="1", TERM="dumb")
        self.environment.pop("PYTHONSTARTUP", None)
        result = self.traced("-o", "out.ctm", "-", stdin=terminal)
        os.close(terminal)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("  ended    exit status 0, pid ", result.stderr)
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "out.ctm"))
        self.assertEqual(len([t for t in snapshot.traces if t.size == 66_667]), 1)

    def test_a_package_that_fails_has_run(self):
        """`-m`: code that the interpreter runs before it has found the program is part of the program."""
        self.write("fails/__init__.py", "kept = bytes(66_634)\nimport nosuch")
        self.write("fails/__main__.py", "")
        self.check(
            ("-m", "fails"),
            "exit status 1, ModuleNotFoundError at fails/__init__.py:2",
            ("ModuleNotFoundError", str(self.folder / "fails/__init__.py"), 2),
        )
        self.write("exits/__init__.py", "import sys; sys.exit(4)")
        self.write("exits/__main__.py", "")
        self.check(("-m", "exits"), "exit status 4")

    def test_the_program_does_not_see_it(self):
        code = "print(sys.excepthook is sys.__excepthook__, type(SystemExit.__dict__.get('__getattribute__')), sys.exit)"
        self.assertEqual(self.traced("-c", "import sys; " + code).stdout, self.python("-c", "import sys; " + code).stdout)


class NoProgramTest(ProgramTest):
    """The interpreter's message and exit status, no report and no file."""

    def test_nothing_to_run(self):
        self.write("empty/nothing.txt", "")
        self.write("package/__init__.py", "")
        self.write("unreadable.py", "pass").chmod(0)
        programs = [("nosuch.py",), ("-m", "nosuch"), ("-mnosuch.deep", "-m"), ("-m", "package"), ("empty",)]
        programs.append(("-m", "os.nosuch"))
        with zipfile.ZipFile(self.folder / "app.zip", "w") as archive:
            archive.writestr("module.py", "")
        programs.append(("app.zip",))
        if os.geteuid() != 0:
            programs.append(("unreadable.py",))
        for program in programs:
            for flags, options in (
                ((), ()),
                ((), ("-o", "o.ctm", "--record", "o.ctmr", "--black-box", "o.ctmb")),
                (("-X", "dev", "-u"), ("-o", "o.ctm", "--record", "o.ctmr", "--black-box", "o.ctmb")),
            ):
                with self.subTest(program=program, flags=flags, options=options):
                    plain = self.python(*flags, *program)
                    traced = self.traced(*options, *program, flags=flags)
                    self.assertEqual(
                        (traced.returncode, traced.stdout, traced.stderr), (plain.returncode, plain.stdout, plain.stderr)
                    )
                    self.assertEqual(list(self.folder.glob("*.ctm*")), [])


class ProgramsCodeTest(EndingsTest):
    """Objects that the program has replaced in the interpreter are not called, and change nothing."""

    def test_a_metaclass_in_the_way(self):
        self.write(
            "prog.py",
            """
            class Meta(type):
                def __getattribute__(cls, name): raise SystemExit(99)
                def __eq__(cls, other): raise SystemExit(98)
                __hash__ = None
            class Odd(Exception, metaclass=Meta): pass
            class OddExit(SystemExit, metaclass=Meta): pass
            raise Odd
        """,
        )
        self.check(("prog.py",), "exit status 1, Odd at prog.py:8", ("Odd", self.script, 8))

    def test_names_that_are_none(self):
        self.check_code(
            "class Odd(SyntaxError): __module__ = filename = lineno = 5\nraise Odd",
            "exit status 1, Odd at <string>:2",
            ("Odd", "<string>", 2),
        )

    def test_an_output_of_the_programs_own(self):
        result = self.traced("-c", "import sys; sys.stdout = open('/dev/full', 'w'); print(1)")
        self.assertEqual(result.returncode, 120)
        self.assertIn("  ended    exit status 120 (its output could not be written), pid ", result.stderr)

    def test_no_output_at_all(self):
        self.check_code("vars(sys).clear()", "exit status 0")

    def test_trace_functions(self):
        """They see no code of this package, and an exception in them does not end it."""
        self.write(
            "prog.py",
            """
            import sys, threading
            def trace(frame, event, argument):
                if "ctracemalloc" in frame.f_code.co_filename or frame.f_code.co_name == "none":
                    sys.__stderr__.write(f"{frame.f_code}\\n")
                    raise ValueError("traced")
            getattr(sys, sys.argv[1])(trace)
            if sys.argv[2:]:
                raise KeyError
        """,
        )
        for name in ("settrace", "setprofile"):
            self.check(("prog.py", name), "exit status 0")
            self.check(("prog.py", name, "fail"), "exit status 1, KeyError at prog.py:9", ("KeyError", self.script, 9))

    @unittest.skipIf(sys.version_info < (3, 12), "sys.monitoring is new in 3.12")
    def test_monitoring(self):
        self.write(
            "prog.py",
            """
            import sys, threading
            def start(code, offset):
                if "ctracemalloc" in code.co_filename:
                    raise ValueError("traced")
            sys.monitoring.use_tool_id(1, "test")
            sys.monitoring.register_callback(1, sys.monitoring.events.PY_START, start)
            sys.monitoring.set_events(1, sys.monitoring.events.PY_START)
            if sys.argv[1:]:
                raise KeyError
        """,
        )
        self.check(("prog.py",), "exit status 0")
        self.check(("prog.py", "fail"), "exit status 1, KeyError at prog.py:10", ("KeyError", self.script, 10))

    def test_warnings_are_those_of_the_program(self):
        """The report uses neither the program's showwarning nor its filters, and no warning of the standard library is lost."""
        for start in (
            "import tracemalloc, warnings; warnings.showwarning = print; tracemalloc.start()",
            "import tracemalloc, warnings; warnings.simplefilter('error'); tracemalloc.start()",
        ):
            self.check_code(start, "exit status 0")
            self.check_code(f"{start}\nfail()", "exit status 1, ValueError at prog.py:2", ("ValueError", self.script, 2))
            result = self.traced("-o", "out.ctm", "prog.py", start)
            self.assertTrue(result.stderr.startswith("ctracemalloc\n"), result.stderr)
            lost = [loss.kind for loss in ctracemalloc.Snapshot.load(str(self.folder / "out.ctm")).losses]
            self.assertEqual(lost, [])

    def test_what_is_wrong_is_said_once(self):
        result = self.traced("--black-box", "it.box", "-c", "import os; os.truncate('it.box', 0); kept = [bytes(9)] * 9")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr.count("with it counters were lost"), 1, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 2, result.stderr)

    def test_modules_are_those_of_the_program(self):
        """threading has something to do at the end, if it is imported."""
        code = "import sys; print('threading' in sys.modules, 'asyncio' in sys.modules)"
        self.check(("-c", code), "exit status 0")

    def test_files_are_forbidden(self):
        self.write(
            "prog.py",
            """
            import sys
            def hook(event, arguments):
                if event == "open":
                    raise RuntimeError("no files")
            sys.addaudithook(hook)
        """,
        )
        result = self.traced("-o", "out.ctm", "prog.py")
        self.assertEqual((result.returncode, list(self.folder.glob("*.ctm"))), (0, []))
        self.assertIn("ctracemalloc: the snapshot was not written: RuntimeError: no files\n", result.stderr)
        self.assertIn("  ended    exit status 0, pid ", result.stderr)


class ForbiddenTest(ProgramTest):
    def test_another_hook_forbids_the_watching(self):
        """Then the report does not say how the program ended."""
        self.write("hooks/usercustomize.py", "")
        self.write(
            "hooks/sitecustomize.py",
            """
            import sys
            def hook(event, args):
                if event == "sys.addaudithook":
                    raise RuntimeError("not allowed")
            sys.addaudithook(hook)
        """,
        )
        self.environment["PYTHONPATH"] = str(self.folder / "hooks")
        result = self.traced("-o", "o.ctm", "-c", "import sys; sys.exit(3)")
        self.assertEqual(result.returncode, 3)
        self.assertIn("exit status 3", result.stderr)


if __name__ == "__main__":
    unittest.main()
