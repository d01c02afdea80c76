"""dump_on_signal(): a snapshot for each signal, without overwriting a file, and with the program's handler."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import Snapshot, dump_on_signal
from guards_support import TracedTest, wait_until, wait_until_it_waits


class SignalTest(TracedTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.before = signal.getsignal(signal.SIGUSR1)
        self.addCleanup(signal.signal, signal.SIGUSR1, self.before)

    def send(self, guard, number=1):
        """Send signals; wait until that many more files are written."""
        expected = len(guard.paths) + number
        for _ in range(number):
            os.kill(os.getpid(), signal.SIGUSR1)
        self.assertTrue(wait_until(lambda: len(guard.paths) >= expected), guard.error)

    def test_a_file_for_each_signal(self):
        held = bytes(1_000_000)
        with dump_on_signal(signal.SIGUSR1, self.folder / "{n}-{pid}.ctm") as guard:
            for number in range(1, 4):
                self.send(guard)
                path = str(self.folder / f"{number}-{os.getpid()}.ctm")
                self.assertEqual(guard.paths[-1], path)
                snapshot = Snapshot.load(path)
                self.assertEqual(snapshot.statistics("lineno")[0].size, 1_000_033)
                self.assertEqual((snapshot.run["pid"], snapshot.run["folder"]), (os.getpid(), os.getcwd()))
                self.assertIn(__file__, snapshot.run["sources"])
        self.assertIsNone(guard.error)
        self.assertEqual(len(os.listdir(self.folder)), 3)
        del held

    def test_no_file_is_overwritten(self):
        path = self.folder / "mine.ctm"
        path.write_text("mine")
        with dump_on_signal(signal.SIGUSR1, path) as guard:
            self.send(guard)
            self.send(guard)
        self.assertEqual(path.read_text(), "mine")
        self.assertEqual(sorted(os.listdir(self.folder)), ["mine-2.ctm", "mine-3.ctm", "mine.ctm"])

    def test_the_time_is_a_part_of_the_name(self):
        with dump_on_signal(signal.SIGUSR1, self.folder / "a{{{time}}}.ctm") as guard:
            self.send(guard)
        self.assertRegex(os.listdir(self.folder)[0], r"^a\{\d{8}T\d{6}\}\.ctm$")

    def test_many_signals_at_once(self):
        with dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm") as guard:
            for _ in range(20):
                signal.raise_signal(signal.SIGUSR1)
            self.assertTrue(wait_until(lambda: len(guard.paths) == 20))
        self.assertEqual(len(os.listdir(self.folder)), 20)
        for path in guard.paths:
            Snapshot.load(path)

    def test_a_handler_from_before(self):
        calls = []

        def handler(signum, frame):
            calls.append((signum, frame is not None))

        signal.signal(signal.SIGUSR1, handler)
        guard = dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm")
        second = dump_on_signal(signal.SIGUSR1, self.folder / "y.ctm")
        self.send(guard)
        self.assertTrue(wait_until(lambda: second.paths))
        self.assertEqual(calls, [(signal.SIGUSR1, True)])
        second.cancel()
        guard.cancel()
        guard.cancel()
        self.assertIs(signal.getsignal(signal.SIGUSR1), handler)

    def test_a_handler_that_was_set_later(self):
        guard = dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm")
        inner = signal.getsignal(signal.SIGUSR1)

        def later(signum, frame):
            inner(signum, frame)

        signal.signal(signal.SIGUSR1, later)
        self.send(guard)
        guard.cancel()
        self.assertIs(signal.getsignal(signal.SIGUSR1), later)
        signal.raise_signal(signal.SIGUSR1)
        self.assertFalse(wait_until(lambda: len(guard.paths) > 1, 0.1))

    def test_a_signal_that_is_ignored(self):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        with dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm") as guard:
            self.send(guard)
        self.assertEqual(signal.getsignal(signal.SIGUSR1), signal.SIG_IGN)

    def test_the_masks_stay(self):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm") as guard:
            self.send(guard)
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, ()), before)

    def test_a_file_that_cannot_be_written(self):
        failures = []
        guard = dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm")
        with mock.patch("threading.excepthook", failures.append):
            ctracemalloc.stop()
            signal.raise_signal(signal.SIGUSR1)
            self.assertTrue(wait_until(lambda: guard.error))
            self.assertIn("RuntimeError: the tracemalloc module must be tracing", guard.error)
            self.assertTrue(wait_until(lambda: failures))
        self.assertEqual(os.listdir(self.folder), [])
        ctracemalloc.start()
        self.send(guard)
        self.assertIsNone(guard.error)
        guard.cancel()

    def test_without_a_thread(self):
        with (
            mock.patch("_thread.start_new_thread", side_effect=RuntimeError("can't start new thread")),
            dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm") as guard,
        ):
            signal.raise_signal(signal.SIGUSR1)
            self.assertEqual(guard.paths, (str(self.folder / "x.ctm"),))

    @unittest.skipUnless(
        sys.version_info >= (3, 14) or importlib.util.find_spec("zstandard"),
        "there is no library for zstd: zstandard is missing",
    )
    def test_a_compressed_file(self):
        with dump_on_signal(signal.SIGUSR1, self.folder / "x.ctm.zst") as guard:
            self.send(guard)
        self.assertEqual((self.folder / "x.ctm.zst").read_bytes()[:4], b"\x28\xb5\x2f\xfd")
        Snapshot.load(guard.paths[0])

    def test_what_cannot_be_set(self):
        pattern = self.folder / "x.ctm"
        for signum in (signal.SIGKILL, signal.SIGSTOP):
            with self.assertRaisesRegex(ValueError, f"{signum.name} cannot be handled"):
                dump_on_signal(signum, pattern)
        with self.assertRaisesRegex(ValueError, "1000"):
            dump_on_signal(1000, pattern)
        for wrong in ("{x}.ctm", "{}.ctm", "{pid!r}.ctm", "{n:3}.ctm", "{pid.real}.ctm", "{n"):
            with self.assertRaises(ValueError, msg=wrong):
                dump_on_signal(signal.SIGUSR1, self.folder / wrong)
        with self.assertRaisesRegex(ValueError, "no name of a file"):
            dump_on_signal(signal.SIGUSR1, f"{self.folder}/")
        with self.assertRaisesRegex(OSError, "there is no directory"):
            dump_on_signal(signal.SIGUSR1, self.folder / "none" / "x.ctm")
        with self.assertRaises(TypeError):
            dump_on_signal(signal.SIGUSR1, b"x.ctm")
        errors = []
        thread = threading.Thread(target=lambda: errors.append(self.error_of(dump_on_signal, signal.SIGUSR1, pattern)))
        thread.start()
        thread.join()
        self.assertIn("main thread", errors[0])
        self.assertIs(signal.getsignal(signal.SIGUSR1), self.before)

    def error_of(self, function, *arguments):
        try:
            return function(*arguments)
        except ValueError as error:
            return str(error)


class ProgramSignalTest(ProgramTest):
    def started(self, source):
        """A program that prints a line when it is ready."""
        program = self.write("program.py", source)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", program],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process, process.stdout.readline()

    def test_a_program_that_waits_and_goes_on(self):
        process, _line = self.started("""
            import ctracemalloc, signal, sys
            ctracemalloc.start()
            guard = ctracemalloc.dump_on_signal(signal.SIGUSR1, "{pid}-{n}.ctm")
            print("ready", flush=True)
            print(sys.stdin.read())
        """)
        wait_until_it_waits(process.pid)
        process.send_signal(signal.SIGUSR1)
        path = self.folder / f"{process.pid}-1.ctm"
        self.assertTrue(wait_until(lambda: path.exists() and path.stat().st_size))
        self.assertEqual(process.communicate("goes on", timeout=60)[0].strip(), "goes on")
        Snapshot.load(path)

    def test_forks_and_threads_of_the_program(self):
        process, line = self.started("""
            import ctracemalloc, os, signal, threading, time
            ctracemalloc.start()
            guard = ctracemalloc.dump_on_signal(signal.SIGUSR1, "{pid}-{n}.ctm")
            signal.raise_signal(signal.SIGUSR1)
            while not guard.paths:
                time.sleep(0.01)
            child = os.fork()
            if child == 0:
                until = time.monotonic() + 60
                print(os.getpid(), flush=True)  # a signal that comes in os.fork() is lost, with any handler
                while len(guard.paths) == 1 and time.monotonic() < until:
                    time.sleep(0.01)
                os._exit(7)
            threading.Thread(target=time.sleep, args=(0.1,)).start()
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        """)
        os.kill(int(line), signal.SIGUSR1)
        self.assertEqual(process.communicate(timeout=60)[0], "7\n")
        self.assertEqual({path.name for path in self.snapshots()}, {f"{process.pid}-1.ctm", f"{line.strip()}-2.ctm"})

    def test_the_end_of_the_program_waits_for_the_file(self):
        process, _line = self.started("""
            import ctracemalloc, signal
            ctracemalloc.start(5)
            held = [eval("lambda: [0]", {}) for _ in range(20_000)]
            guard = ctracemalloc.dump_on_signal(signal.SIGUSR1, "x.ctm")
            signal.raise_signal(signal.SIGUSR1)
            print("ready", flush=True)
        """)
        process.communicate(timeout=60)
        self.assertEqual([path.name for path in self.folder.glob("*ctm*")], ["x.ctm"])
        self.assertGreater(len(Snapshot.load(self.folder / "x.ctm").traces), 20_000)

    def test_in_the_middle_of_anything(self):
        """Signals arrive while the program is in imports, locks and logging; it ends as without them."""
        process, _line = self.started("""
            import ctracemalloc, importlib, logging, os, queue, signal, sys, threading, time
            ctracemalloc.start(3)
            guard = ctracemalloc.dump_on_signal(signal.SIGUSR1, "{n}.ctm")
            logging.basicConfig(stream=sys.stdout)
            print("ready", flush=True)
            until, lock, queued = time.monotonic() + 2, threading.RLock(), queue.Queue()
            while time.monotonic() < until:
                with lock:
                    logging.info("x")
                    queued.put([{} for _ in range(10)])
                    queued.get()
                    importlib.reload(sys.modules["queue"])
                    thread = threading.Thread(target=len, args=((),))
                    thread.start()
                    thread.join()
            print(guard.error, len(guard.paths) > 5)
        """)
        for _ in range(40):
            process.send_signal(signal.SIGUSR1)
            if process.poll() is not None:
                break
            threading.Event().wait(0.02)
        output = process.communicate(timeout=60)[0]
        self.assertEqual((output, process.returncode), ("None True\n", 0))
        for path in self.snapshots():
            Snapshot.load(path)


if __name__ == "__main__":
    unittest.main()
