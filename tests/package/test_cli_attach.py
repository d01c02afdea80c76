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
NOTE = "python -m ctracemalloc: process {} is traced from now on; blocks that it allocated before are not known\n"

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
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    @unittest.skipIf(TAKES_ORDERS, "this Python starts tracing in a running program without a debugger: below")
    def test_says_what_to_do_without_a_debugger(self):
        self.environment["PATH"] = str(self.folder)
        program = RunningProgram(self, "program.py")
        version = "%d.%d" % sys.version_info[:2]
        self.assert_refused(
            program.pid,
            f"process {program.pid} runs Python {version}, and to start or stop tracing there takes gdb or lldb: install one",
            "--black-box auto",
        )
        for method, words in (
            ("gdb", "gdb is not on PATH: install it"),
            ("remote-exec", f"Python {version} has no sys.remote_exec"),
        ):
            done = self.attach(program.pid, "--method", method)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn(words, done.stderr)
        program.grow()

    def test_wrong_options(self):
        for options in (("--duration", "0"), ("--duration", "nan"), ("--method", "strace"), ("--sample-interval", "1X")):
            done = self.attach("1", *options)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(options[0], done.stderr)

    def test_duration_of_a_program_with_a_box(self):
        """Its tracing goes on: it was not started by attach."""
        program = self.traced_program()
        program.grow()
        done = self.attach(program.pid, "--duration", "0.2", "-o", "now.ctm", "--top", "5")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("program.py:5", done.stdout)
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "now.ctm"))
        self.assertEqual([trace.size for trace in snapshot.traces if trace.size == BLOCK], [BLOCK])
        program.grow()
        self.assertIn(f"process {program.pid}  running", self.attach(program.pid, "--count", "1").stdout)

    @unittest.skipUnless(TAKES_ORDERS, "tracing in a running program is started from Python 3.14 on")
    def test_start_and_stop(self):
        program = RunningProgram(self, "program.py")
        status, errors = self.order(program, "attach", program.pid, "--count", "1", "-n", "7")
        if "may not be looked into" in errors:
            self.skipTest(f"no right to run code in another process here: {errors}")
        self.assertEqual((status, errors), (0, NOTE.format(program.pid)))
        program.grow()
        for _ in range(2):
            done = self.attach(program.pid, "--count", "1")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, GROWN)
            self.assertIn("at most 7 kept", done.stdout)
        self.assertEqual(self.order(program, "detach", program.pid), (0, ""))
        self.assertEqual(list(self.folder.glob("ctracemalloc/*.box")), [])
        done = self.python("-m", "ctracemalloc", "detach", program.pid)
        self.assertEqual(done.returncode, 3)
        program.grow()

    def assert_refused(self, pid, *words, **options):
        done = self.python("-m", "ctracemalloc", "attach", pid, "--count", "1", **options)
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("python -m ctracemalloc: "))
        for word in words:
            self.assertIn(word, done.stderr)

    def test_no_python(self):
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assert_refused(str(other.pid), f"process {other.pid} is no Python")

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
        self.assertEqual((status, len(errors.splitlines())), (3, 1), errors)
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

    HEAD = """
        import os, signal, sys
        sys.path.insert(0, PARENT)
        from ctracemalloc.cli import orders

        def send(code, name, passes_on=True):
            path = os.path.abspath(name)
            open(path, "w").close()
            fields = {"pid": os.getpid(), "passes_on": passes_on, "done": orders.DONE, "busy": orders.BUSY}
            exec(orders.FRAME.format(answer=path, code=code, **fields), {})
            return open(path).read()

        def start(nframe=3):
            return orders.start_code(os.getpid(), nframe, None)

        def stop():
            return orders.STOP.format(pid=os.getpid(), plain=orders.PLAIN)

        def forget():
            for name in [name for name in sys.modules if name.startswith("ctracemalloc")]:
                del sys.modules[name]
    """

    def send(self, source):
        source = textwrap.dedent(self.HEAD) + textwrap.dedent(source)
        return self.python(self.write("script.py", source.replace("PARENT", repr(PACKAGE_PARENT))))

    def test_start_and_stop(self):
        result = self.send("""
            forget()
            before = list(sys.path)
            print(send(start(), "1"))
            import ctracemalloc
            print(ctracemalloc.get_traceback_limit(), ctracemalloc.attach(os.getpid()).pid == os.getpid())
            print(send(stop(), "2"))
            try:
                ctracemalloc.attach(os.getpid())
            except FileNotFoundError:
                print(ctracemalloc.is_tracing(), sys.path == before)
        """)
        self.assertEqual((result.stdout, result.stderr), ("done\n3 True\ndone\nFalse True\n", ""))

    def test_a_program_that_traces_by_itself(self):
        result = self.send("""
            import ctracemalloc
            print(send(stop(), "1").replace(str(os.getpid()), "PID"))
            ctracemalloc.start(2)
            held = bytes(1000)
            print(send(start(), "2"), send(stop(), "3"))
            print(ctracemalloc.is_tracing(), ctracemalloc.get_object_traceback(held) is not None)
        """)
        expected = "plain: the tracing in process PID was not started by attach: it goes on\ndone done\nTrue True\n"
        self.assertEqual((result.stdout, result.stderr), (expected, ""))

    def test_what_goes_wrong_is_the_answer(self):
        result = self.send("""
            print(send(start(0), "1"))
            import ctracemalloc
            print(ctracemalloc.is_tracing())
        """)
        self.assertRegex(result.stdout, r"^ValueError: .*frames.*\nFalse\n$")
        self.assertEqual(result.stderr, "")

    def test_no_extension_for_this_version(self):
        """Nothing is imported, and the message names both versions."""
        result = self.send("""
            codes = [start().replace(repr(PARENT), repr(folder)) for folder in (os.getcwd(), "/nowhere")]
            forget()
            sys.path = [folder for folder in sys.path if not os.path.exists(os.path.join(folder, "ctracemalloc"))]
            sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
            before = set(sys.modules)
            for code in codes:
                print(send(code, str(len(code))).replace(str(os.getpid()), "PID"))
            print(sorted(set(sys.modules) - before))
        """)
        version = "%d.%d" % sys.version_info[:2]
        self.assertRegex(
            result.stdout, rf"^plain: process PID runs Python {version}.*, and this ctracemalloc is for Python {version}"
        )
        self.assertIn("plain: process PID sees other files (a container): install ctracemalloc", result.stdout)
        self.assertTrue(result.stdout.endswith("\n[]\n"), result.stdout)
        self.assertEqual(result.stderr, "")

    def test_an_import_in_progress(self):
        """What attach imports might be half made: the order does nothing, and is sent again."""
        result = self.send("""
            import shlex
            shlex.__spec__._initializing = True
            print(send(start(), "1"))
            shlex.__spec__._initializing = False
            print(send(start(), "2"))
        """)
        self.assertEqual((result.stdout, result.stderr), ("busy\ndone\n", ""))

    def test_exceptions_of_handlers_are_the_program_s(self):
        """A handler raises in the middle of the order: the program gets that, and nothing is traced."""
        result = self.send("""
            class Tick(Exception):
                pass

            def handler(*arguments):
                raise Tick

            signal.signal(signal.SIGUSR1, handler)
            for number in (signal.SIGUSR1, signal.SIGINT):
                kill = f"os.kill(os.getpid(), {int(number)}); import time; time.sleep(1)"
                code = start().replace("sample_interval=None)", f"sample_interval=None); {kill}")
                try:
                    send(code, str(number))
                except BaseException as error:
                    print(type(error).__name__, open(str(number)).read())
            import ctracemalloc
            print(ctracemalloc.is_tracing())
        """)
        self.assertEqual((result.stdout, result.stderr), ("Tick busy\nKeyboardInterrupt busy\nFalse\n", ""))

    def test_a_fork_does_not_run_it(self):
        result = self.send("""
            fields = {"answer": os.path.abspath("a"), "code": start(), "passes_on": True, "done": "", "busy": ""}
            exec(orders.FRAME.format(pid=os.getpid() + 1, **fields), {})
            import ctracemalloc
            print(ctracemalloc.is_tracing())
        """)
        self.assertEqual((result.stdout, result.stderr), ("False\n", ""))

    def test_imports(self):
        """A thread that is not the main one may run the order: up to 3.12 it must not be the first to import threading."""
        code = f"import sys; sys.path.append({PACKAGE_PARENT!r}); import ctracemalloc; ctracemalloc.start(black_box=True)"
        done = self.python("-S", "-c", code + "; print('threading' in sys.modules)")
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    def test_once(self):
        result = self.send("""
            print(send("        print('runs')", "1"), send("        print('runs')", "1"), send("        print('runs')", "2"))
        """)
        self.assertEqual((result.stdout, result.stderr), ("runs\nruns\ndone  done\n", ""))


if __name__ == "__main__":
    unittest.main()
