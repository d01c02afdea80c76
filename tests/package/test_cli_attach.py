"""`attach` and `detach`: programs with a black box, and, where the interpreter accepts orders, others."""

import os
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

import ctracemalloc
from cli_support import PACKAGE_PARENT, ProgramTest

# The interpreter itself sometimes allocates a little at such a line.
GROWN = r"\d+(\.\d+)? KiB +[1-9]\d* +\d+(\.\d+)? KiB .* program\.py:5 +grow"
BLOCK = sys.getsizeof(bytes(100_000))
TAKES_ORDERS = hasattr(sys, "remote_exec")

# Grows by a block for each input line, and prints when it has done so.
PROGRAM = """
    import sys

    def grow():
        return bytes(100_000)

    held = []
    print("ready", flush=True)
    for line in sys.stdin:
        held.append(grow())
        print("done", flush=True)
    """


class RunningProgram:
    def __init__(self, test, *command, stderr=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=test.folder,
            env=test.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        test.addCleanup(self.end)
        assert self.process.stdout.readline() == "ready\n"
        self.pid = str(self.process.pid)

    def grow(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self):
        self.process.kill()
        self.process.communicate()


class AttachTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.environment["XDG_RUNTIME_DIR"] = str(self.folder)
        self.write("program.py", PROGRAM)

    def attach(self, *arguments):
        return self.python("-m", "ctracemalloc", "attach", *arguments)

    def traced_program(self, box="it.box"):
        return RunningProgram(self, "-m", "ctracemalloc", "run", "--black-box", box, "program.py")

    def test_by_pid_and_by_file(self):
        for box in ("it.box", "auto"):
            program = self.traced_program(box)
            program.grow()
            for target in (program.pid, "it.box"):
                if target == "it.box" == box or target == program.pid:
                    done = self.attach(target, "--count", "1", "--top", "5")
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(f"process {program.pid}  running", done.stdout)
                    self.assertRegex(done.stdout, GROWN)
            program.end()

    def test_rates_and_the_end(self):
        program = self.traced_program()
        command = [sys.executable, "-m", "ctracemalloc", "attach", "it.box", "--interval", "0.2"]
        with subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True) as watcher:
            lines = iter(watcher.stdout.readline, "")
            self.assertIn("running", next(lines))
            program.grow()
            self.assertTrue(any("per second" in line for line in lines))
            program.end()
            rest = list(lines)
        self.assertEqual(watcher.returncode, 0)
        self.assertIn(f"process {program.pid}  killed", "".join(rest))

    def test_a_snapshot_of_now(self):
        program = self.traced_program()
        program.grow()
        program.grow()
        done = self.attach(program.pid, "-o", "now.ctm")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "now.ctm"))
        found = [trace.traceback[0] for trace in snapshot.traces if trace.size == BLOCK]
        self.assertEqual([(Path(frame.filename).name, frame.lineno) for frame in found], [("program.py", 5)] * 2)

    def test_what_is_not_there(self):
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        for command, target, words in (
            ("attach", str(gone.pid), f"no process {gone.pid}"),
            ("attach", "nothing.box", "nothing.box"),
            ("detach", str(gone.pid), f"no process {gone.pid}"),
            ("detach", str(os.getpid()), f"process {os.getpid()} has no black box\n"),
        ):
            done = self.python("-m", "ctracemalloc", command, target)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    @unittest.skipIf(TAKES_ORDERS, "this Python starts tracing in a running program: below")
    def test_says_what_to_do(self):
        program = RunningProgram(self, "program.py")
        done = self.attach(program.pid, "--count", "1")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--black-box auto", done.stderr)
        program.grow()
        traced = self.traced_program()
        done = self.python("-m", "ctracemalloc", "detach", str(traced.pid))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        version = "%d.%d" % sys.version_info[:2]
        words = f"process {traced.pid} has a black box, but Python {version} cannot stop tracing in a running program"
        self.assertIn(f"{words} (3.14 and newer can)\n", done.stderr)
        traced.grow()

    @unittest.skipUnless(TAKES_ORDERS, "tracing in a running program is started from Python 3.14 on")
    def test_start_and_stop(self):
        program = RunningProgram(self, "program.py")
        status, errors = self.order(program, "attach", program.pid, "--count", "1", "-n", "7")
        if "may not be looked into" in errors:
            self.skipTest(f"no right to run code in another process here: {errors}")
        self.assertEqual((status, errors), (0, ""))
        program.grow()
        for _ in range(2):
            done = self.attach(program.pid, "--count", "1")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, GROWN)
            self.assertIn("at most 7 kept", done.stdout)
        self.assertEqual(self.order(program, "detach", program.pid), (0, ""))
        self.assertEqual(list(self.folder.glob("ctracemalloc/*.box")), [])
        done = self.python("-m", "ctracemalloc", "detach", program.pid)
        self.assertEqual(done.returncode, 2)
        program.grow()

    def assert_refused(self, pid, *words, **options):
        done = self.python("-m", "ctracemalloc", "attach", pid, "--count", "1", **options)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("python -m ctracemalloc: "))
        for word in words:
            self.assertIn(word, done.stderr)

    def test_no_python(self):
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assert_refused(str(other.pid), f"process {other.pid} ", "no Python" if TAKES_ORDERS else "no black box")

    def test_no_process(self):
        self.assert_refused("999999999", "no process 999999999")
        self.assert_refused("99999999999999999999999", "no process")

    @unittest.skipUnless(TAKES_ORDERS, "Python 3.14 and newer take orders")
    def test_a_process_that_refuses_orders(self):
        program = RunningProgram(self, "-X", "disable-remote-debug", "program.py")
        self.assert_refused(program.pid, f"process {program.pid} takes no orders: ")
        program.grow()

    @unittest.skipUnless(TAKES_ORDERS, "Python 3.14 and newer take orders")
    def test_a_process_that_cannot_do_it(self):
        """The error is reported by the command, not on the program's stderr."""
        self.write("program.py", "import sys; sys.modules['ctracemalloc'] = None\n" + textwrap.dedent(PROGRAM))
        program = RunningProgram(self, "program.py", stderr=subprocess.PIPE)
        status, errors = self.order(program, "attach", program.pid, "--count", "1")
        if "may not be looked into" in errors:
            self.skipTest(f"no right to run code in another process here: {errors}")
        self.assertEqual((status, len(errors.splitlines())), (2, 1), errors)
        self.assertIn(f"process {program.pid} could not do it: ModuleNotFoundError: ", errors)
        program.process.kill()
        self.assertEqual(program.process.stderr.read(), "")
        program.process.stderr.close()

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be two users")
    def test_a_process_of_another_user(self):
        python = os.path.realpath(sys.executable)
        try:
            subprocess.run([python, "-c", "pass"], user=65534, check=True, capture_output=True)
            code = f"import sys; sys.path.insert(0, {PACKAGE_PARENT!r}); import ctracemalloc"
            subprocess.run([python, "-c", code], user=65534, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"another user cannot run this Python and package here: {error}")
        program = RunningProgram(self, "program.py")
        self.environment["PYTHONPATH"] = PACKAGE_PARENT
        self.assert_refused(program.pid, f"process {program.pid} ", python=python, user=65534)

    def order(self, program, *arguments):
        """A program that waits for input runs an order when it has read its next line."""
        command = [sys.executable, "-m", "ctracemalloc", *arguments]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as teller:
            while teller.poll() is None:
                program.grow()
                try:
                    teller.wait(0.2)
                except subprocess.TimeoutExpired:
                    pass
            return teller.returncode, teller.stderr.read()


class OrderTest(ProgramTest):
    """The code that attach and detach send to an interpreter, run by this one: that works without sys.remote_exec too."""

    def test_start_and_stop(self):
        source = """
            import os, sys
            sys.path.insert(0, PARENT)
            from ctracemalloc.cli import orders
            answer = os.path.abspath("answer")
            open(answer, "w").close()
            for name in [name for name in sys.modules if name.startswith("ctracemalloc")]:
                del sys.modules[name]
            before = list(sys.path)
            exec(orders.FRAME.format(code=orders.START.format(folder=PARENT, nframe=3), answer=answer), {})
            import ctracemalloc
            started = ctracemalloc.get_traceback_limit(), ctracemalloc.attach(os.getpid()).pid == os.getpid()
            exec(orders.FRAME.format(code=orders.STOP, answer=answer), {})
            try:
                ctracemalloc.attach(os.getpid())
            except FileNotFoundError:
                stopped = not ctracemalloc.is_tracing()
            print(started, stopped, sys.path == before, repr(open(answer).read()))
        """
        source = textwrap.dedent(source).replace("PARENT", repr(PACKAGE_PARENT))
        result = self.python(self.write("script.py", source))
        self.assertEqual(result.stdout, "(3, True) True True ''\n", result.stderr)

    def test_what_goes_wrong_is_the_answer(self):
        source = """
            import os, sys
            sys.path.insert(0, PARENT)
            from ctracemalloc.cli import orders
            answer = os.path.abspath("answer")
            open(answer, "w").close()
            exec(orders.FRAME.format(code=orders.START.format(folder=PARENT, nframe=0), answer=answer), {})
            print(open(answer).read())
        """
        source = textwrap.dedent(source).replace("PARENT", repr(PACKAGE_PARENT))
        result = self.python(self.write("script.py", source))
        self.assertRegex(result.stdout, r"^ValueError: .*frames.*\n$")
        self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main()
