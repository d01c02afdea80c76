"""Recordings of programs that are killed, fork, hold the GIL, fill the disk, and end in every way."""

import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from support import LONG, PRELUDE, ScriptTest, build, ctracemalloc_only

KILLS = 50 if LONG else 8

BUSY = """
    import itertools, random
    chance = random.Random(int(sys.argv[2]))
    def hold(n):
        return bytearray(n)
    tm.start(2)
    recorder = tm.record(sys.argv[1], 0.01)
    print("ready", flush=True)
    held = {}
    for number in itertools.count():
        held[chance.randrange(1000)] = hold(chance.randrange(2000))
        if number % 5000 == 4999:
            tm.clear_traces()
"""


@ctracemalloc_only
class RecordingTest(ScriptTest):
    def test_ticks_go_on_while_the_gil_is_held(self):
        self.check("""
            import ctypes
            tm.start()
            with tm.record("it.ctr", 0.01) as recorder:
                library = ctypes.PyDLL(None)  # holds the GIL while it calls
                for _ in range(100):
                    before = recorder.ticks
                    library.usleep(100_000)
                    if recorder.ticks > before + 2:  # no Python code has run in between
                        print("good")
                        break
            """)

    def test_killed_at_any_moment(self):
        prelude = PRELUDE.format(folder=str(build()), module="ctracemalloc")
        chance = random.Random(7)
        import ctracemalloc

        for number in range(KILLS):
            with tempfile.TemporaryDirectory() as folder:
                script, path = Path(folder, "script.py"), Path(folder, "it.ctr")
                script.write_text(prelude + textwrap.dedent(BUSY))
                with subprocess.Popen(
                    [sys.executable, script, path, str(number)], stdout=subprocess.PIPE, text=True
                ) as process:
                    self.assertEqual(process.stdout.readline(), "ready\n")
                    try:
                        process.wait(chance.random() * 0.5)
                    except subprocess.TimeoutExpired:
                        pass
                    process.kill()
                    self.assertEqual(process.wait(), -signal.SIGKILL)
                recording = ctracemalloc.open_recording(path)
                self.assertGreaterEqual(len(recording), 1)
                self.assertIsNone(recording.ended)
                for moment in recording.totals():
                    statistics = recording.snapshot(moment.time).statistics("lineno")
                    self.assertEqual(sum(s.size for s in statistics), moment.size)

    def test_every_way_to_end(self):
        for end, expected in (
            ("pass", "exit"),
            ("sys.exit(0)", "exit"),
            ("recorder.stop()", "stopped"),
            ("os._exit(0)", None),
            ("import atexit; atexit._clear()", None),
            ("import _thread; _thread.start_new_thread(time.sleep, (99,))", "exit"),
            ("threading.Thread(target=lambda: [bytes(99) for _ in range(10**9)], daemon=True).start()", "exit"),
            ("tm.stop()", "exit"),
            ("globals().clear()", "exit"),
        ):
            with self.subTest(end), tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "it.ctr")
                source = "tm.start()\nrecorder = tm.record(sys.argv[1], 0.01)\nheld = bytearray(10**6)\n"
                self.check(f"{source}recorder.tick()\n{end}\n", "", args=(str(path),))
                import ctracemalloc

                recording = ctracemalloc.open_recording(path)
                if expected is not None:
                    self.assertEqual(recording.ended, expected)
                self.assertGreater(max(moment.size for moment in recording.totals()), 10**6)

    def test_forks_leave_the_parents_file_alone(self):
        self.check("""
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            for number in range(30):
                pid = os.fork()
                if pid == 0:
                    held = bytearray(5_000_000)
                    assert not recorder.recording and recorder.error is None
                    try:
                        recorder.tick()
                    except OSError:
                        pass
                    else:
                        os._exit(2)
                    recorder.stop()
                    if number % 3 == 0:  # the child may have a recording of its own
                        with tm.record("child.ctr", 0.01) as mine:
                            mine.tick()
                        assert len(tm.open_recording("child.ctr")) >= 3  # and a tick of the thread's, perhaps
                    if number % 2:
                        tm.stop()
                        tm.start()
                    assert not any("it.ctr" in os.readlink(f"/proc/self/fd/{fd}")
                                   for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and
                                   os.path.exists(f"/proc/self/fd/{fd}"))
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            recorder.stop()
            recording = tm.open_recording("it.ctr")
            assert recording.truncated is None and recording.ended == "stopped"
            assert max(moment.size for moment in recording.totals()) < 5_000_000
            print("good")
            """)

    def test_no_warning_of_the_recorders_thread_at_a_fork(self):
        self.check(
            """
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            for _ in range(30):
                before = recorder.ticks
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
                while recorder.recording and recorder.ticks == before:
                    time.sleep(0.001)  # it continues by itself
                if os.fork() == 0:
                    os._exit(0)
                recorder.tick()  # at once
                os.wait()
            recorder.stop()
            assert recorder.error is None
            assert tm.open_recording("it.ctr").ended == "stopped"
            print("good")
            """,
            python=("-W", "error"),
        )

    def test_forks_with_recordings_of_their_own(self):
        self.check("""
            import multiprocessing
            def work(number):
                global kept
                kept = bytearray(1_000_000 * number)
                time.sleep(0.05)
                return os.getpid()
            tm.start()
            recorder = tm.record("it.ctr", 0.01, children=True)
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pids = set(pool.map(work, [3] * 6, chunksize=1))
            for pid in pids:
                recording = tm.open_recording(f"it.ctr.{pid}")
                assert recording.pid == pid
                assert max(moment.size for moment in recording.totals()) > 3_000_000
            recorder.stop()
            if os.fork() == 0:
                assert not recorder.recording
                os._exit(0)
            os.wait()
            assert len(os.listdir(".")) == len(pids) + 2, os.listdir(".")
            print("good")
            """)

    def test_threads_and_clears(self):
        self.check("""
            tm.start(2)
            done = threading.Event()
            def work(n):
                held = []
                while not done.is_set():
                    held.append(bytearray(n))
                    if len(held) > 100:
                        held.clear()
                        os.scandir(".").close()  # allocates without the GIL
            threads = [threading.Thread(target=work, args=(n,)) for n in (10, 1000, 100_000)]
            for thread in threads:
                thread.start()
            recorder = tm.record("it.ctr", 0.01)
            for number in range(60):
                time.sleep(0.01)
                if number % 4 == 1:
                    tm.clear_traces()
                if number % 16 == 2:
                    tm.stop()
                    tm.start(3)
                if number % 4 == 3:
                    recorder.tick()
            done.set()
            for thread in threads:
                thread.join()
            recorder.stop()
            recording = tm.open_recording("it.ctr")
            assert recording.truncated is None, recording.truncated
            assert len(recording.events) > 5
            for moment in recording.totals():
                assert total(recording.snapshot(moment.time)) == moment.size
            print("good")
            """)

    def test_disk_full(self):
        self.check("""
            import resource
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("it.ctr") + 300, -1))
            while recorder.recording:
                exec(compile("held = [bytearray(n) for n in range(100)]", f"{time.time()}.py", "exec"))
                time.sleep(0.001)
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
            assert "File too large" in str(recorder.error) and recorder.error.filename.endswith("it.ctr")
            ticks = recorder.ticks
            recorder.stop()
            recording = tm.open_recording("it.ctr")
            assert len(recording) == ticks and recording.truncated is None
            assert tm.is_tracing() and tm.take_snapshot()
            with tm.record("it.ctr"):  # the next one fits
                pass
            print("good")
            """)

    def test_all_descriptors_closed(self):
        self.check("""
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            os.closerange(3, 4096)
            other = [open(f"other{n}", "w+b", buffering=0) for n in range(600)]
            assert any(file.fileno() == 500 for file in other)  # the recorder's, as a rule
            while recorder.recording:
                time.sleep(0.01)
            assert "closed, replaced or changed" in str(recorder.error)
            assert all(os.path.getsize(f"other{n}") == 0 for n in range(600))
            recorder.stop()
            print("good")
            """)

    def test_signals_go_to_the_program(self):
        self.check("""
            import signal
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            name = "ctm-recorder"
            tasks = [t for t in os.listdir("/proc/self/task") if open(f"/proc/self/task/{t}/comm").read() == name + "\\n"]
            assert len(tasks) == 1
            blocked = next(line for line in open(f"/proc/self/task/{tasks[0]}/status") if line.startswith("SigBlk"))
            mask = int(blocked.split()[1], 16)
            assert all(mask >> (n - 1) & 1 for n in range(1, 65) if n not in (9, 19, 32, 33)), hex(mask)
            seen = []
            signal.signal(signal.SIGUSR1, lambda *_: seen.append(threading.current_thread()))
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGUSR1)
            assert seen and set(seen) == {threading.main_thread()}
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
