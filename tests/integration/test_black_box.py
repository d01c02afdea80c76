"""Black boxes of programs that are killed at any moment, fork, fill the disk, or whose file is cut or removed."""

import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest
from collections import Counter
from pathlib import Path

import black_box_reader
from support import LONG, PRELUDE, SANITIZED, ScriptTest, build, ctracemalloc_only

KILLS = 1000 if LONG else 30

# Allocates blocks and counts them in a file of its own, before and after each: (allocated, freed), begun and done.
LOAD = """
    import ctypes, itertools, json, mmap, random, signal
    box, counts, seed, death = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    chance = random.Random(seed)
    with open(counts, "r+b") as file:
        own = memoryview(mmap.mmap(file.fileno(), 32)).cast("Q")

    def hold():
        return BYTE * 1000

    def others():
        while True:
            json.loads(json.dumps([{"key": str(n), "value": [n] * 20} for n in range(200)]))

    def die():
        time.sleep(chance.random() * 0.2)
        if death == "abort":
            os.abort()
        if death == "segfault":
            ctypes.string_at(0)
        os.kill(os.getpid(), getattr(signal, death))

    faulthandler.disable()
    tm.start(3, black_box=box)
    for _ in range(2):
        threading.Thread(target=others, daemon=True).start()
    held = {}
    print("ready", flush=True)
    threading.Thread(target=die, daemon=True).start()
    for number in itertools.count():
        key = chance.randrange(3000)
        own[0] += 1
        block = hold()
        own[1] += 1
        old = held.pop(key, None)
        if old is not None:
            own[2] += 1
            old = None
            own[3] += 1
        held[key] = block
        del block
        if number % 2000 == 1999:
            eval(f"lambda x{number}: [x{number}, {number}]")
"""

DEATHS = ("SIGKILL", "abort", "segfault", "SIGTERM", "SIGKILL")


def rows(snapshot):
    """How often each trace occurs, with all its fields, in the second reader's form."""
    rows = Counter()
    for trace in snapshot.traces:
        frames = tuple((frame.filename, frame.lineno, frame.name or "") for frame in trace.traceback)
        rows[trace.domain, trace.size, frames, trace.traceback.total_nframe, tuple(sorted(trace.labels.items()))] += 1
    return rows


def compare_with_second_reader(test, path, opened, snapshot, peak):
    """`opened`, with these snapshots, equals what the second reader finds, which was written from the specification."""
    box = black_box_reader.read(path)
    test.assertEqual((box.pid, box.command), (opened.pid, opened.command or ""))
    test.assertEqual(box.started / 1e9, opened.started)
    for which, known in (("live", snapshot), ("at_peak", peak)):
        expected = Counter({site: getattr(counts, which) for site, counts in box.sites.items()})
        test.assertEqual(rows(known), Counter({tuple(site): n for site, n in (+expected).items()}))
    allocated = sum(counts.allocated for counts in box.sites.values())
    test.assertEqual(sum(item.allocated_count for item in snapshot.statistics("filename", sort="allocated")), allocated)
    return box


def sums(statistics):
    return sum(item.size for item in statistics), sum(item.count for item in statistics)


@ctracemalloc_only
class KillTest(ScriptTest):
    def test_killed_at_any_moment(self):
        prelude = PRELUDE.format(folder=str(build()), module="ctracemalloc")
        chance = random.Random(11)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script.py")
            script.write_text(prelude + textwrap.dedent(LOAD))
            lines = script.read_text().splitlines()
            lineno = lines.index("    return BYTE * 1000") + 1
            for number in range(KILLS):
                with self.subTest(number=number):
                    self.kill(script, Path(folder), number, lineno, chance)

    def kill(self, script, folder, number, lineno, chance):
        import ctracemalloc

        box, counts = folder / f"{number}.box", folder / "counts"
        counts.write_bytes(bytes(32))
        death = DEATHS[number % len(DEATHS)]
        command = [sys.executable, script, box, counts, str(number), death]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            self.assertEqual(process.stdout.readline(), "ready\n")
            self.assertLess(process.wait(60), 0)
        with ctracemalloc.open_black_box(box) as opened:
            self.assertIsNone(opened.ended)
            self.assertFalse(opened.running)
            self.assertIsNone(opened.incomplete)
            self.assertEqual(opened.pid, process.pid)
            snapshot, peak, totals = opened.snapshot(), opened.peak(), opened.totals()
            if number % 4 == 0:
                compare_with_second_reader(self, box, opened, snapshot, peak)
        loaded = ctracemalloc.Snapshot.load(box)
        self.assertEqual(loaded.traces, snapshot.traces)
        self.assertEqual(loaded.statistics("lineno"), snapshot.statistics("lineno"))
        self.assertEqual(sums(snapshot.statistics("lineno")), (totals.size, totals.count))
        self.assertEqual(sums(snapshot.statistics("traceback")), (totals.size, totals.count))
        self.assertEqual(sum(trace.size for trace in snapshot.traces), totals.size)
        self.assertGreaterEqual(sums(peak.statistics("lineno"))[0], totals.size)
        self.assertEqual(sums(peak.statistics("lineno"))[0], totals.peak)
        made_begun, made, freed_begun, freed = struct.unpack("4Q", counts.read_bytes())
        found = [
            item
            for item in snapshot.statistics("lineno")
            if item.traceback[0].lineno == lineno and item.traceback[0].filename == str(script)
        ]
        count = found[0].count if found else 0
        self.assertLessEqual(made - freed_begun, count)
        self.assertLessEqual(count, made_begun - freed)
        self.assertLessEqual((made_begun - freed) - (made - freed_begun), 1)
        if found:
            self.assertEqual(found[0].size, count * (1000 + sys.getsizeof(b"")))
        box.unlink()


@ctracemalloc_only
class EndTest(ScriptTest):
    def test_every_way_to_end(self):
        for end, expected in (
            ("pass", "exit"),
            ("sys.exit(0)", "exit"),
            ("tm.stop()", "stopped"),
            ("tm.stop(); tm.start()", "stopped"),
            ("os._exit(0)", None),
            ("import atexit; atexit._clear()", "stopped"),
            ("os.execv(sys.executable, [sys.executable, '-c', ''])", None),
        ):
            with self.subTest(end=end), tempfile.TemporaryDirectory() as folder:
                box = Path(folder, "it.box")
                self.run_it(f"""
                    tm.start(black_box={str(box)!r})
                    held = bytes(123456)
                    {end}
                    """)
                import ctracemalloc

                with ctracemalloc.open_black_box(box) as opened:
                    self.assertEqual(opened.ended, expected)
                    self.assertFalse(opened.running)
                    self.assertEqual(opened.ended_at is None, expected is None)
                    if "_clear" not in end:  # without _clear the tables are those of the end of the process
                        sizes = [trace.size for trace in opened.snapshot().traces]
                        self.assertIn(123456 + sys.getsizeof(b""), sizes)

    def run_it(self, source):
        from support import run

        return run(source)

    def test_the_box_is_what_the_tracer_says(self):
        self.check("""
            tm.start(5, black_box="it.box")
            held = [bytes(n % 500) for n in range(20000)]
            threads = [threading.Thread(target=lambda: held.append(bytearray(70000))) for _ in range(20)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            del held[::2]
            box = tm.open_black_box("it.box")
            gc.disable()
            for n in range(20):
                one, two = tm.take_snapshot(), box.snapshot()
                me = [tm.Filter(True, __file__)]
                a, b = one.filter_traces(me), two.filter_traces(me)
                # Each reading leaves a little behind.
                mine = lambda s: {(str(x.traceback), x.size, x.count) for x in s.statistics("traceback")
                                  if x.size > 20000}
                assert len(mine(a)) >= 1
                assert mine(a) == mine(b), (mine(a) ^ mine(b))
                tm.clear_traces()
                held = [bytes(n % 500) for n in range(3000)]
            print("good")
            """)

    def test_start_refuses(self):
        self.check("""
            import errno
            os.symlink("target", "link")
            with open("file", "w") as file: file.write("mine")
            os.mkdir("folder")
            os.mkfifo("pipe")
            for path, number in (("link", errno.ELOOP), ("file", errno.EEXIST), ("folder", errno.EEXIST),
                                 ("pipe", errno.EEXIST), ("/proc/it", None), ("nowhere/it", errno.ENOENT)):
                try:
                    tm.start(black_box=path)
                except OSError as error:
                    assert number in (None, error.errno), (path, error)
                    assert error.filename.endswith(path), error
                else:
                    raise AssertionError(path)
                assert not tm.is_tracing()
            assert open("file").read() == "mine" and not os.path.exists("target")
            for wrong, kind in ((5, TypeError), ("a\\0b", ValueError)):
                try:
                    tm.start(black_box=wrong)
                except kind:
                    pass
                else:
                    raise AssertionError(wrong)
            tm.start(black_box="it.box")
            before = os.stat("it.box")
            try:
                tm.start(black_box="it.box")
            except RuntimeError as error:
                assert "already" in str(error) and os.path.samestat(os.stat("it.box"), before)
                print("good")
            """)

    def test_start_later(self):
        self.check("""
            def hold(): return BYTE * 777
            tm.start(3)
            held = [hold() for _ in range(1000)]
            peak = [bytes(3_000_000)]
            del peak
            snapshot = tm.take_snapshot()
            for wrong in ("/nowhere/it.box", "/etc", "/etc/passwd"):
                try: tm.start(black_box=wrong)
                except OSError: pass
                else: raise AssertionError(wrong)
                assert blocks_at(tm.take_snapshot(), hold)[0] == 1000
            tm.start(25, black_box="it.box")
            box = tm.open_black_box("it.box")
            assert box.running and box.nframe == 3 and box.started < time.time() and box.incomplete is None
            assert blocks_at(box.snapshot(), hold)[0] == blocks_at(tm.take_snapshot(), hold)[0] == 1000
            assert box.totals().peak > 3_700_000, box.totals()
            held += [hold() for _ in range(500)]
            del held[:700]
            found = blocks_at(box.snapshot(), hold), blocks_at(tm.take_snapshot(), hold), box.incomplete
            assert found[0][0] == found[1][0] == 800, found
            assert box.snapshot().compare_to(tm.take_snapshot(), "filename")[0].count_diff < 100
            tm.clear_traces()
            held = [hold() for _ in range(5)]
            assert blocks_at(box.snapshot(), hold)[0] == 5
            tm.stop()
            assert box.ended == "stopped" and blocks_at(box.snapshot(), hold)[0] == 5
            print("good")
            """)

    def test_one_writer_at_a_time(self):
        self.check("""
            import subprocess
            tm.start(black_box="it.box")
            child = f"import sys; sys.path[:0] = {sys.path!r}; import ctracemalloc; ctracemalloc.start(black_box='it.box')"
            done = subprocess.run([sys.executable, "-c", child], stderr=subprocess.PIPE, text=True)
            assert done.returncode == 1 and "another process writes" in done.stderr, done.stderr
            tm.stop()
            assert tm.open_black_box("it.box").ended == "stopped"
            subprocess.run([sys.executable, "-c", child], check=True)
            box = tm.open_black_box("it.box")
            assert box.ended == "exit" and box.pid != os.getpid()
            print("good")
            """)


@ctracemalloc_only
@unittest.skipIf(SANITIZED, "sanitizers need more address space than there is")
class OutOfMemoryTest(ScriptTest):
    def test_limit_of_memory(self):
        """A program that reaches its memory limit ends without a message of this module, and its black box says so."""
        source = f"""
            import resource, sys
            sys.path[:0] = {sys.path!r}
            import ctracemalloc
            ctracemalloc.start(9, black_box="it.box")
            def hold(size):
                while True:
                    held.append(bytes(size))
            held = []
            resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
            for size in (1 << 20, 4096):
                try: hold(size)
                except MemoryError: pass
            """
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "program.py")
            script.write_text(textwrap.dedent(source))
            done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            import ctracemalloc

            box = ctracemalloc.open_black_box(os.path.join(folder, "it.box"))
            self.assertEqual(box.ended, "exit")
            first = box.snapshot().statistics("lineno")[0]
            self.assertEqual(first.traceback[0].lineno, 8)
            self.assertGreater(first.size, 100 << 20)


@ctracemalloc_only
class FileTest(ScriptTest):
    def test_removed(self):
        self.check("""
            tm.start(black_box="it.box")
            os.unlink("it.box")
            held = [bytes(n % 3000) for n in range(20000)]
            assert total(tm.take_snapshot()) > 20_000_000
            tm.stop()
            print("good")
            """)

    def test_truncated(self):
        for size in (0, 70000, 400000):
            self.check(f"""
                tm.start(black_box="it.box")
                held = [eval(f"[{{n}}, bytes({{n}})]") for n in range(300)]
                os.truncate("it.box", {size})
                more = [eval(f"[{{n}}, bytes({{n}})]") for n in range(300)]
                def others():
                    for n in range(3000): bytearray(n)
                threads = [threading.Thread(target=others) for _ in range(3)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                del held
                try:
                    tm.take_snapshot()
                except RuntimeError as error:
                    assert "truncated" in str(error)
                else:
                    raise AssertionError
                tm.clear_traces()
                held = bytes(1234567)
                assert total(tm.take_snapshot()) > 1234567
                tm.stop()
                tm.start()
                assert tm.take_snapshot()
                print("good")
                """)

    def test_truncated_while_it_is_recorded(self):
        self.check("""
            tm.start()
            recorder = tm.record("it.ctr", 0.01)
            tm.stop()
            tm.start(black_box="it.box")
            recorder.tick()
            held = [eval(f"[{n}, bytes({n})]") for n in range(300)]
            recorder.tick()
            os.truncate("it.box", 70000)
            try:
                for _ in range(20): recorder.tick()
                assert False, recorder.recording
            except RuntimeError as error:
                assert str(error) == "the recording has ended: the file of the black box was cut by another program"
            recorder.stop()
            recording = tm.open_recording("it.ctr")
            assert recording.incomplete == "the file of the black box was cut by another program", recording.incomplete
            assert len(recording.times) >= 3, recording.times
            for time in recording.times:
                total(recording.snapshot(time))
            print("good")
            """)

    def test_descriptor_closed(self):
        self.check("""
            tm.start(black_box="it.box")
            held = bytes(1234567)
            os.closerange(3, 4096)
            others = [open(os.devnull) for _ in range(600)]
            more = [eval(f"[{n}, bytes({n})]") for n in range(3000)]
            assert total(tm.take_snapshot()) > 1234567 + 3000 * 1400
            sizes = [trace.size for trace in tm.Snapshot.load("it.box").traces]
            assert 1234567 + sys.getsizeof(b"") in sizes
            tm.stop()
            for file in others: file.read(), file.close()
            print("good")
            """)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "a small tmpfs needs root and unshare")
    def test_full_disk(self):
        import ctracemalloc

        self.assertTrue(ctracemalloc)
        prelude = PRELUDE.format(folder=str(build()), module="ctracemalloc")
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script.py")
            source = """
                os.mkdir("small")
                if os.system("mount -t tmpfs -o size=2m tmpfs small") != 0:
                    print("no mount"); sys.exit()
                def hold(): return BYTE * 1000
                tm.start(1, black_box="small/it.box")
                held = [hold() for _ in range(500)]
                filler = open("small/filler", "wb", buffering=0)
                try:
                    while True: filler.write(bytes(4096))
                except OSError: pass
                more = [eval(f"[{n}, bytes({n})]") for n in range(40000)]
                held += [hold() for _ in range(500)]
                assert blocks_at(tm.take_snapshot(), hold)[0] == 1000
                box = tm.open_black_box("small/it.box")
                assert "space" in box.incomplete, box.incomplete
                assert blocks_at(box.snapshot(), hold)[0] == 1000  # existing rows still count
                assert total(tm.take_snapshot()) > total(box.snapshot()) + 1_000_000
                filler.close(); os.unlink("small/filler")
                tm.clear_traces()
                held = [hold() for _ in range(500)]
                assert box.incomplete is None
                tm.stop()
                try:
                    with open("small/filler", "wb", buffering=0) as filler:
                        while True: filler.write(bytes(4096))
                except OSError: pass
                try:
                    tm.start(black_box="small/other.box")
                except OSError as error:
                    assert error.errno == 28 and not tm.is_tracing()
                    print("good")
                """
            script.write_text(prelude + textwrap.dedent(source))
            command = ["unshare", "-m", sys.executable, "-X", "faulthandler", script]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.stderr.startswith("unshare:") or done.stdout == "no mount\n":
                self.skipTest("no mounts to be had here: " + (done.stderr or done.stdout).strip())
            self.assertEqual((done.stdout, done.stderr, done.returncode), ("good\n", "", 0))

    def test_sigbus_of_the_programs_own(self):
        self.check("""
            import mmap, signal, subprocess
            child = "; ".join([
                "import sys", "sys.path[:0] = PATH", "import ctracemalloc, faulthandler, mmap, os", "BEFORE",
                "ctracemalloc.start(black_box='own.box')", "file = open('short', 'w+b', buffering=0)",
                "file.write(bytes(8192))", "memory = mmap.mmap(file.fileno(), 8192)", "os.truncate('short', 0)",
                "print('there', flush=True)", "memory[5000]"])
            for before in ("pass", "faulthandler.enable()"):
                code = child.replace("PATH", repr(sys.path)).replace("BEFORE", before)
                env = {k: v for k, v in os.environ.items() if k != "PYTHONFAULTHANDLER"}
                done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
                assert done.stdout == "there\\n" and done.returncode == -signal.SIGBUS, done
                assert ("Bus error" in done.stderr) == (before != "pass"), done.stderr
            print("good")
            """)


@ctracemalloc_only
class AttachTest(ScriptTest):
    def test_a_running_program(self):
        self.check("""
            import subprocess
            code = "\\n".join([
                f"import sys; sys.path[:0] = {sys.path!r}", "import ctracemalloc", "ctracemalloc.start(black_box=True)",
                "held = []", "for line in sys.stdin:", "    held.append(bytes(int(line)))",
                "    print('done', flush=True)"])
            program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            def order(n):
                program.stdin.write(f"{n}\\n"); program.stdin.flush()
                assert program.stdout.readline() == "done\\n"
            order(100000)
            box = tm.attach(program.pid)
            assert box.running and box.pid == program.pid and box.rates() is None
            assert os.stat(box.path).st_mode & 0o7777 == 0o600
            assert os.stat(os.path.dirname(box.path)).st_mode & 0o7777 == 0o700
            assert 100000 + sys.getsizeof(b"") in [t.size for t in box.snapshot().traces]
            before = box.totals()
            order(500000)
            assert box.totals().size - before.size >= 490000  # some earlier blocks are freed meanwhile
            assert box.rates().size > 0
            assert tm.attach(box.path).pid == program.pid
            program.stdin.close()
            assert program.wait() == 0
            assert not os.path.exists(box.path) and box.ended == "exit" and not box.running
            for target, kind in ((program.pid, ProcessLookupError), (os.getpid(), FileNotFoundError)):
                try: tm.attach(target)
                except kind: pass
                else: raise AssertionError(target)
            print("good")
            """)

    def test_by_process_id_wherever_the_file_is(self):
        self.check("""
            import shutil, subprocess
            name = "a strange\\nname é.box"
            code = "\\n".join([
                f"import sys; sys.path[:0] = {sys.path!r}", "import ctracemalloc", f"ctracemalloc.start(black_box={name!r})",
                "held = bytes(123456)", "print('there', flush=True)", "sys.stdin.read(1)", "ctracemalloc.stop()",
                "print('stopped', flush=True)", "sys.stdin.read()"])
            program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert program.stdout.readline() == "there\\n"
            box = tm.attach(program.pid)
            assert os.path.samefile(box.path, name) and box.pid == program.pid
            assert 123456 + sys.getsizeof(b"") in [t.size for t in box.snapshot().traces]
            os.rename(name, "elsewhere.box")
            assert os.path.samefile(tm.attach(program.pid).path, "elsewhere.box")
            # The box of a killed process in the default folder; this process has the same pid.
            from ctracemalloc.blackbox import folder as default
            stale = os.path.join(default.make_folder(), f"{program.pid}.box")
            shutil.copy("elsewhere.box", stale)
            try:
                assert os.path.samefile(tm.attach(program.pid).path, "elsewhere.box")
                program.stdin.write("x"); program.stdin.flush()
                assert program.stdout.readline() == "stopped\\n"
                try: tm.attach(program.pid)
                except FileNotFoundError: pass
                else: raise AssertionError("a stale one")
            finally:
                os.unlink(stale)
            program.communicate()
            print("good")
            """)

    def test_reading_a_program_that_clears_all_the_time(self):
        self.check("""
            stop = False
            def reader():
                with tm.open_black_box("it.box") as box:
                    for _ in range(50):
                        snapshot = box.snapshot()
                        assert len(snapshot.traces) < 100000
                global stop
                stop = True
            tm.start(black_box="it.box")
            thread = threading.Thread(target=reader)
            thread.start()
            while not stop:
                held = [bytes(n) for n in range(300)]
                tm.clear_traces()
                time.sleep(0.001)
            thread.join()
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
