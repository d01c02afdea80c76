"""`python -m ctracemalloc run` started in unusual ways: streams closed, by a wrapper, from an application."""

import importlib.util
import subprocess
import sys
import unittest
import zipapp
from pathlib import Path

import ctracemalloc
from cli_support import PACKAGE_PARENT, ProgramTest
from ctracemalloc.cli import wrapper

EXIT_7 = "import sys; print('ran', sys.argv[1:]); sys.exit(7)\n"


class ClosedStreamsTest(ProgramTest):
    """Under cron or a daemon stdin, stdout or stderr may be closed."""

    def shell(self, command):
        return subprocess.run(
            ["sh", "-c", command, sys.executable],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_run(self):
        program = self.write("p.py", "open('ran', 'a').write('x'); import sys; sys.exit(7)")
        for number, closed in enumerate((">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-")):
            with self.subTest(closed):
                result = self.shell(f'exec "$0" -m ctracemalloc run -o {number}.ctm {program} {closed}')
                self.assertEqual(result.returncode, 7, result.stderr)
                self.assertEqual(len((self.folder / "ran").read_text()), number + 1)
                self.assertGreater(len(ctracemalloc.Snapshot.load(str(self.folder / f"{number}.ctm")).traces), 0)
                self.assertNotIn("Traceback", result.stderr)

    def test_the_report_is_not_written_into_a_file_of_the_program(self):
        # Its file gets the number of the closed descriptor and still has it at the end.
        program = self.write("p.py", "import os; fd = os.open('kept', os.O_CREAT | os.O_WRONLY); os.write(fd, b'%d' % fd)")
        options = "-o o.ctm --record o.ctmr --record-interval 0.05 --black-box o.ctmb"
        for closed in ("2>&-", "<&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                result = self.shell(f'exec "$0" -m ctracemalloc run {options} {program} {closed}')
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertEqual((self.folder / "kept").read_text(), "0" if "<" in closed else "2")
                (self.folder / "kept").unlink()
                for file in self.folder.glob("o.*"):
                    file.unlink()

    def test_commands_that_answer_on_stdout(self):
        self.traced("-o", "o.ctm", "-c", "pass")
        result = self.shell('exec "$0" -m ctracemalloc report o.ctm >&-')
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "python -m ctracemalloc report: standard output is closed\n")
        result = self.shell('exec "$0" -m ctracemalloc report none.ctm 2>&-')
        self.assertEqual((result.returncode, result.stdout), (3, ""))


class CommandTest(unittest.TestCase):
    """Which arguments CPython treats as its own options."""

    def test_split(self):
        rest = ["-m", "ctracemalloc", "run"]
        for options, program in (
            ([], rest),
            (["-O"], rest),
            (["-W", "error", "-X", "dev", "-bb"], rest),
            (["-Werror", "-Xdev", "--check-hash-based-pycs", "never"], rest),
            (["-X", "-m"], ["-c", "pass", "-m", "x"]),
            (["-u"], ["wrap.py", "-m", "ctracemalloc"]),
            ([], ["-", "-u"]),
            ([], []),
        ):
            self.assertEqual(wrapper.split_command(options + program), (options, program))
        self.assertEqual(wrapper.split_command(["-OIm", "a", "-m"]), (["-OI"], ["-m", "a", "-m"]))
        self.assertEqual(wrapper.split_command(["-mctracemalloc", "run"]), ([], ["-m", "ctracemalloc", "run"]))
        self.assertEqual(wrapper.split_command(["-u", "--", "-x"]), (["-u"], ["-x"]))

    def test_wrapper(self):
        self.assertIsNone(wrapper.wrapper_of(["-m", "ctracemalloc", "run"]))
        self.assertIsNone(wrapper.wrapper_of([str(Path(ctracemalloc.__file__).with_name("__main__.py")), "run"]))
        self.assertEqual(wrapper.wrapper_of(["-m", "cProfile", "-o", "x"]), "-m cProfile")
        self.assertEqual(wrapper.wrapper_of(["/usr/bin/coverage", "run"]), "coverage")


class WrapperTest(ProgramTest):
    def check(self, *wrapper, name, program=("p.py", "-m", "x"), options=()):
        self.write("p.py", EXIT_7)
        result = self.python(*options, *wrapper, "-m", "ctracemalloc", "run", "-o", "out.ctm", *program)
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertTrue(result.stdout.endswith("ran ['-m', 'x']\n"), result.stdout)
        self.assertIn(f"ctracemalloc: the program takes the place of {name}, which ends here without a result\n", result.stderr)
        self.assert_reported(result)
        return result

    def test_profile(self):
        self.check("-m", "cProfile", "-o", "prof", name="-m cProfile")
        self.check("-m", "profile", name="-m profile", options=("-u", "-W", "ignore"))

    def test_script(self):
        script = """
            import runpy, signal, sys
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
            sys.argv = sys.argv[2:]
            runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
        """
        self.write("wrap.py", script)
        self.check("wrap.py", name="wrap.py")
        self.write("p.py", "import time; time.sleep(1); " + EXIT_7)
        result = self.python("wrap.py", "-m", "ctracemalloc", "run", "p.py")
        self.assertEqual(result.returncode, 7, "the wrapper's timer has killed the program")

    def test_another_executable(self):
        """A wrapper that has replaced sys.executable by a script of its own, as scalene does."""
        fake = self.write("fake", "#!/bin/sh\nexit 99\n")
        fake.chmod(0o755)
        self.write(
            "wrap.py",
            f"""
            import runpy, sys
            sys.executable = {str(fake)!r}
            sys.argv = sys.argv[2:]
            runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
        """,
        )
        self.check("wrap.py", name="wrap.py")

    def test_another_execve(self):
        """A wrapper that has replaced os.execve by a function of its own, as debugpy does: it would continue in the program."""
        self.write(
            "wrap.py",
            """
            import os, runpy, sys
            original = os.execve
            os.execve = lambda path, words, environment: original(path, [words[0], "-c", "exit(99)"], environment)
            sys.argv = sys.argv[2:]
            runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
        """,
        )
        self.check("wrap.py", name="wrap.py")

    def test_well_known_ones(self):
        known = {
            "coverage": (["-m", "coverage", "run"], "-m coverage"),
            "pyinstrument": (["-m", "pyinstrument"], "-m pyinstrument"),
            "kernprof": (["-m", "kernprof", "-l"], "-m kernprof"),
            "memray": (["-m", "memray", "run", "-fo", "m.bin"], "-m memray"),
        }
        for module, (words, name) in known.items():
            with self.subTest(module):
                if importlib.util.find_spec(module) is None:
                    self.skipTest(f"{module} is not installed for this Python")
                self.check(*words, name=name)

    def test_no_wrapper_no_word(self):
        self.write("p.py", EXIT_7)
        for start in (("-m", "ctracemalloc"), ("-mctracemalloc",), ("-um", "ctracemalloc")):
            result = self.python(*start, "run", "p.py")
            self.assertEqual(result.returncode, 7)
            self.assertNotIn("takes the place", result.stderr)

    def test_application(self):
        """The package and another module are only in the application; its extension has to be unpacked, as shiv and pex do."""
        site = self.folder / "unpacked"
        site.mkdir()
        (site / "ctracemalloc").symlink_to(Path(PACKAGE_PARENT, "ctracemalloc"))
        (site / "packed.py").write_text("VALUE = 42\n")
        self.write(
            "app/__main__.py",
            f"""
            import sys
            sys.path.append({str(site)!r})
            from ctracemalloc.cli.main import main
            sys.exit(main())
        """,
        )
        zipapp.create_archive(self.folder / "app", self.folder / "app.pyz")
        self.write("p.py", "import packed, sys; sys.exit(packed.VALUE)")
        for application in ("app.pyz", "app"):
            with self.subTest(application):
                result = self.python(application, "run", "p.py")
                self.assertEqual(result.returncode, 42, result.stderr)
                self.assert_reported(result)


class SubinterpreterTest(ProgramTest):
    """They read the same .pth file and the same options; nothing is started in them, and they print nothing."""

    PROGRAM = """
        try:
            import _interpreters as module
            kinds = [module.create(kind) for kind in ("isolated", "legacy")]
            run = lambda interpreter: module.exec(interpreter, "import site; print('inside')")
        except ImportError:
            import _xxsubinterpreters as module
            kinds = [module.create(isolated=isolated) for isolated in (True, False)]
            run = lambda interpreter: module.run_string(interpreter, "import site; print('inside')")
        for interpreter in kinds:
            run(interpreter)
            module.destroy(interpreter)
        import ctracemalloc
        print(ctracemalloc.is_tracing())
    """

    def test_they_print_nothing(self):
        program = self.write("p.py", self.PROGRAM)
        self.environment["CTRACEMALLOC"] = "1"
        result = self.python("-u", program)
        self.assertEqual((result.stdout, result.stderr), ("inside\ninside\nTrue\n", ""))

    def test_nor_under_run(self):
        program = self.write("p.py", self.PROGRAM)
        for options in ((), ("-u",)):
            result = self.traced("-o", "o.ctm", program, flags=options)
            self.assertEqual(sorted(result.stdout.split()), ["True", "inside", "inside"])
            self.assertTrue(result.stderr.startswith("ctracemalloc\n  live "), result.stderr)


class InterruptedTerminationTest(ProgramTest):
    def test_sigint_after_sigterm(self):
        """A program that survives SIGINT is killed by the earlier SIGTERM, and its report is written."""
        program = self.write(
            "p.py",
            """
            import os, signal, threading, time
            def send():
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGTERM)
                end = time.monotonic() + 5
                while time.monotonic() < end:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.0002)
            end = time.monotonic() + 8
            threading.Thread(target=send, daemon=True).start()
            while time.monotonic() < end:
                try:
                    kept = [str(n) for n in range(1000)]
                    time.sleep(0.01)
                except KeyboardInterrupt:
                    pass
        """,
        )
        for _ in range(3):
            result = self.traced("-o", "out.ctm", program)
            self.assertEqual(result.returncode, -15, result.stderr)
            self.assert_reported(result)
            self.assertNotIn("interrupted", result.stderr)


if __name__ == "__main__":
    unittest.main()
