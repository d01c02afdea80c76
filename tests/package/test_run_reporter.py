"""`python -m ctracemalloc run`: programs end by themselves, by signals, in forked children."""

import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import ctracemalloc
from cli_support import ProgramTest


class EndTest(ProgramTest):
    """Every way to end: the status is the program's, and the report exists."""

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
        self.assertIn("  ended    SIGTERM, pid ", errors)
        (path,) = self.snapshots()
        self.assertEqual(path.name, f"ctracemalloc.{process.pid}.ctm")

    def test_signal_is_sent_again_until_its_handler_has_run(self):
        script = self.write(
            "script.py",
            """
            import os, signal, time
            from ctracemalloc import _ctracemalloc
            seen = []
            def handler(*_):
                seen.append(time.monotonic())
                if len(seen) == 3:  # as if the first two had arrived too early
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

    def test_sigterm_ends_a_child_from_its_first_moment_on(self):
        """In the child CPython forgets signals that arrived before its own first step there; at its default, SIGTERM kills."""
        script = self.write(
            "script.py",
            """
            import os, signal, time
            def end_children(count):
                for number in range(count):
                    pid = os.fork()
                    if pid == 0:
                        time.sleep(20)
                        os._exit(0)
                    for _ in range(number): pass
                    os.kill(pid, signal.SIGTERM)
                    assert os.waitpid(pid, 0)[1] == signal.SIGTERM, "it went on"
            end_children(200)
            before = signal.signal(signal.SIGTERM, lambda *_: None)
            signal.signal(signal.SIGTERM, before)
            end_children(200)
            """,
        )
        self.assertEqual(self.python(script).returncode, 0)
        result = self.traced(script)
        self.assertEqual(result.returncode, 0, result.stderr)

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
        """The handler waits for no lock that a thread of the program may hold for long."""
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
        self.assertIn("  ended    exit status 7, pid ", traced.stderr)
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
        traced = self.traced(script, preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
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


if __name__ == "__main__":
    unittest.main()
