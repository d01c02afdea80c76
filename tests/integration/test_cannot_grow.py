"""Files that cannot grow or cannot be created, and paths that are not regular files.

The program continues, nothing hangs, and every view and the message at the end say what is missing.
"""

import errno
import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path

from support import ctracemalloc_only, skip_some_pythons
from test_full_disk import mounting_is_possible


def setUpModule():
    skip_some_pythons()


NOT_ALL = "the black box does not hold all: the file could not grow: no space, or a limit on its size"
ENDED = "the recording ended before the program: the file could not grow: no space, or a limit on its size"

# Many sites, so that the tables have to grow; and the default action of SIGXFSZ, which kills the process.
PROGRAM = """
import signal, time
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
def places(name, n):
    return [eval(compile("bytes(%d)" % (600 + i % 500), "%s-%d.py" % (name, i), "eval")) for i in range(n)]
kept = places("first", 4000)
for i in range({ticks}):
    time.sleep(0.03)
    kept += places(f"later-{{i}}", 2000)
print("done")
"""

# Makes system calls fail with an errno from now on, as a sandbox does: forbid({call number: errno}).
SANDBOX = """
import ctypes, struct
def forbid(calls):
    steps = [(0x20, 0, 0, 0)]  # the number of the call
    for number, error in calls.items():
        steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error)]
    steps.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
"""
CLONE, FALLOCATE, CLONE3 = 56, 285, 435  # x86-64


class CaseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def write(self, name, source):
        (self.folder / name).write_text(textwrap.dedent(source))

    def python(self, *arguments, **options):
        options.setdefault("timeout", 60)
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **options)

    def view(self, *arguments):
        result = self.python("-m", "ctracemalloc", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def assert_all_views_say(self, text, *views):
        for arguments in views:
            self.assertIn(f"lost     file: {text}", self.view(*arguments), arguments)


def limit_files(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@ctracemalloc_only
class LimitTest(CaseTest):
    """`ulimit -f`, while SIGXFSZ is not ignored."""

    def run_limited(self, size, *options, ticks=0):
        self.write("program.py", PROGRAM.format(ticks=ticks))
        return self.python("-m", "ctracemalloc", "run", *options, "program.py", preexec_fn=limit_files(size))

    def test_black_box(self):
        result = self.run_limited(300_000, "-o", "/dev/null", "--black-box", "it.box")
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"))
        self.assertIn("the black box does not hold all: the file could not grow", result.stderr)
        self.assertNotIn("lost     file", result.stderr)  # the process's own numbers are complete
        self.assert_all_views_say(
            NOT_ALL,
            ("report", "it.box"),
            ("report", "it.box", "--at-peak"),
            ("diff", "it.box", "it.box"),
            ("attach", "it.box"),
            ("merge", "-o", "merged.ctm", "it.box"),
            ("report", "merged.ctm"),
        )

    def test_black_box_without_any_row(self):
        """The text must not show `live 0 B` without saying what is missing."""
        result = self.run_limited(70_000, "-o", "/dev/null", "--black-box", "it.box")
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"))
        text = self.view("report", "it.box")
        self.assertIn("live     0 B in 0 blocks", text)
        self.assertIn(NOT_ALL, text)

    def test_recording(self):
        options = ("--record", "it.ctr", "--record-interval", "0.02")
        result = self.run_limited(400_000, "-o", "/dev/null", *options, ticks=20)
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"))
        self.assertIn("the recording ended early: [Errno 27]", result.stderr)
        self.assert_all_views_say(ENDED, ("recording", "it.ctr"))
        self.view("recording", "it.ctr", "-o", "last.ctm")
        self.assert_all_views_say(ENDED, ("report", "last.ctm"))
        for arguments in (("recording", "it.ctr"), ("report", "it.ctr"), ("report", "last.ctm")):
            self.assertIn("\n  ended    the recording, before the program\n", self.view(*arguments))
        import ctracemalloc

        recording = ctracemalloc.open_recording(self.folder / "it.ctr")
        self.assertEqual(recording.incomplete, "the file could not grow: no space, or a limit on its size")
        self.assertIsNone(recording.truncated)
        self.assertIsNone(recording.ended)
        # Nothing is missing in what was recorded before the end.
        self.assertNotIn("file", [loss.kind for loss in recording.snapshot(recording.times[0]).losses])

    def test_snapshot(self):
        result = self.run_limited(20_000, "-o", "it.ctm")
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"))
        self.assertIn("the snapshot was not written: [Errno 27] File too large", result.stderr)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["program.py"])

    def test_dump(self):
        """In every form: OSError, and the program continues."""
        self.write(
            "program.py",
            """
            import os, signal, sys, ctracemalloc
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            big = ctracemalloc.Snapshot([(0, n, ((f"{n}.py", n),), 1) for n in range(20_000)], 1)
            for form in (None, "stdlib"):
                try:
                    big.dump("it", format=form)
                except OSError as error:
                    print(error.errno, os.listdir())
            """,
        )
        result = self.python("program.py", preexec_fn=limit_files(50_000))
        expected = f"{errno.EFBIG} ['program.py']\n" * 2
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, expected, ""))

    def test_cannot_begin(self):
        result = self.run_limited(10_000, "--black-box", "it.box")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("cannot trace: [Errno 27]", result.stderr)
        result = self.run_limited(30, "--record", "it.ctr")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("cannot record: [Errno 27]", result.stderr)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["program.py"])

    def test_neither_begins(self):
        """The black box has begun, the recording cannot begin: neither file remains."""
        self.write("program.py", "print('ran')")
        (self.folder / "no").mkdir()
        result = self.python("-m", "ctracemalloc", "run", "--black-box", "it.box", "--record", "/dev/null", "program.py")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["no", "program.py"])


@ctracemalloc_only
class FullDiskTest(CaseTest):
    """A tmpfs in a mount namespace of the child, which reads its files there and prints its results."""

    def setUp(self):
        super().setUp()
        obstacle = mounting_is_possible()
        if obstacle:
            self.skipTest(obstacle)
        (self.folder / "disk").mkdir()
        self.write("program.py", PROGRAM.format(ticks=10))

    def on_disk(self, size, script):
        setup = f"mount -t tmpfs -o size={size} tmpfs disk && PYTHON={sys.executable!r}\n"
        command = ["unshare", "-m", "bash", "-c", setup + textwrap.dedent(script)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def test_black_box(self):
        result = self.on_disk(
            "512k",
            """
            "$PYTHON" -m ctracemalloc run -o /dev/null --black-box disk/it.box program.py
            "$PYTHON" -m ctracemalloc report disk/it.box
        """,
        )
        self.assertEqual(result.returncode, 0)
        self.assertIn("does not hold all: the file could not grow", result.stderr)
        self.assertIn("done\n", result.stdout)
        self.assertIn(f"lost     file: {NOT_ALL}", result.stdout)

    def test_recording(self):
        result = self.on_disk(
            "256k",
            """
            "$PYTHON" -m ctracemalloc run -o /dev/null --record disk/it.ctr --record-interval 0.02 program.py
            "$PYTHON" -m ctracemalloc recording disk/it.ctr
        """,
        )
        self.assertEqual(result.returncode, 0)
        self.assertIn("the recording ended early: [Errno 28]", result.stderr)
        self.assertIn(f"lost     file: {ENDED}", result.stdout)

    def test_nothing_begins(self):
        result = self.on_disk(
            "64k",
            """
            dd if=/dev/zero of=disk/full bs=4k count=100 2>/dev/null
            for what in --black-box --record; do
                "$PYTHON" -m ctracemalloc run -o /dev/null $what disk/it program.py; echo $?; ls disk
            done
        """,
        )
        self.assertEqual(result.stdout, "2\nfull\n2\nfull\n", result.stderr)
        self.assertIn("cannot trace: [Errno 28]", result.stderr)
        self.assertIn("cannot record: [Errno 28]", result.stderr)


@ctracemalloc_only
class SandboxTest(CaseTest):
    """System calls that fail."""

    def run_in_sandbox(self, calls, *options):
        self.write("box.py", SANDBOX + f"forbid({calls})\nimport os, sys\nos.execv(sys.executable, sys.argv[1:])\n")
        self.write("program.py", "kept = [bytes(1000) for _ in range(3000)]\nprint('ran')")
        program = (sys.executable, "-m", "ctracemalloc", "run", "-o", "/dev/null", *options, "program.py")
        return self.python("box.py", *program)

    def test_no_fallocate(self):
        for error in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP):
            result = self.run_in_sandbox({FALLOCATE: error}, "--black-box", "it.box")
            self.assertEqual((result.returncode, result.stdout), (0, "ran\n"), result.stderr)
            text = self.view("report", "it.box")
            self.assertNotIn("lost     file", text)
            self.assertIn("program.py:1", text)

    def test_no_threads(self):
        result = self.run_in_sandbox({CLONE: errno.EPERM, CLONE3: errno.EPERM}, "--record", "it.ctr")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("cannot record: [Errno 1]", result.stderr)
        self.assertFalse((self.folder / "it.ctr").exists())


@ctracemalloc_only
class NoFileTest(CaseTest):
    """Pipes, devices and sockets: one line, exit status 3, no hang."""

    def setUp(self):
        super().setUp()
        os.mkfifo(self.folder / "pipe")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(self.folder / "socket"))

    def assert_refused(self, *arguments):
        result = self.python("-m", "ctracemalloc", *arguments, timeout=30)
        self.assertEqual((result.returncode, result.stdout), (3, ""), arguments)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_inputs(self):
        for name in ("pipe", "socket", "/dev/zero", "/dev/null", "."):
            for command in ("report", "recording", "attach"):
                self.assert_refused(command, name)
            self.assert_refused("diff", name, name)
            self.assert_refused("merge", "-o", "out.ctm", name)
        self.assertFalse((self.folder / "out.ctm").exists())

    def test_functions(self):
        import ctracemalloc

        for name in ("pipe", "socket", "/dev/zero"):
            path = self.folder / name
            for function in (ctracemalloc.Snapshot.load, ctracemalloc.open_recording, ctracemalloc.open_black_box):
                self.assertRaises((OSError, ctracemalloc.FileError), function, path)

    def test_output_to_a_pipe_without_a_reader(self):
        self.write("program.py", "print('ran')")
        result = self.python("-m", "ctracemalloc", "run", "-o", "pipe", "program.py", timeout=30)
        self.assertEqual((result.returncode, result.stdout), (0, "ran\n"))
        self.assertIn("the snapshot was not written: [Errno 6]", result.stderr)
        import ctracemalloc

        snapshot = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
        for form in (None, "stdlib"):
            with self.assertRaises(OSError) as caught:
                snapshot.dump(self.folder / "pipe", format=form)
            self.assertEqual(caught.exception.errno, errno.ENXIO)

    def test_pipe_that_is_read_and_written(self):
        """Both ends wait for each other for some time, in either order."""
        import ctracemalloc

        snapshot = ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1)
        for form in (None, "stdlib"):
            for first in (0, 0.3):
                writer = threading.Timer(0.3 - first, snapshot.dump, [self.folder / "pipe", form])
                loaded = []
                load = functools.partial(self.load_into, loaded)
                reader = threading.Timer(first, load)
                writer.start()
                reader.start()
                reader.join(30)
                writer.join(30)
                self.assertEqual([len(item.traces) for item in loaded], [1], (form, first))

    def load_into(self, loaded):
        import ctracemalloc

        loaded.append(ctracemalloc.Snapshot.load(self.folder / "pipe"))

    def test_endless(self):
        """A file that does not begin as a snapshot is not read to its end."""
        source = "import os, sys\nwhile True: os.write(1, bytes(65536))"
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
            result = self.python("-m", "ctracemalloc", "report", "/dev/stdin", stdin=endless.stdout, timeout=30)
            endless.stdout.close()
            endless.send_signal(signal.SIGKILL)
        self.assertEqual(result.returncode, 3)


if __name__ == "__main__":
    unittest.main()
