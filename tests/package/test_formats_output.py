"""Which files the commands write: an existing file is not overwritten, except with --force."""

import os
import subprocess
import sys
import unittest

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.formats import compression, kinds


def setUpModule():
    skip_some_pythons()


TEXT = "print('mine')\n"
PROGRAM = "held = [bytes(1000) for _ in range(50)]\nprint('ran')\n"
FOREVER = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"


class OutputTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("prog.py", PROGRAM)
        self.write("keep.py", TEXT)
        ctracemalloc.start()
        ctracemalloc.take_snapshot().dump(self.folder / "a.ctm")
        with ctracemalloc.record(self.folder / "r.ctr"):
            pass
        ctracemalloc.stop()
        (self.folder / "b.ctm").write_bytes((self.folder / "a.ctm").read_bytes())
        (self.folder / "empty").write_bytes(b"")

    def contents(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}

    def command(self, *arguments, **options):
        return self.python("-m", "ctracemalloc", *arguments, **options)

    def assert_refused(self, *arguments, words="cannot write to"):
        """The command ends with status 2, one line and a reason; no program ran and no file changed."""
        before = self.contents()
        result = self.command(*arguments)
        self.assertEqual((result.returncode, result.stdout), (2, ""), (arguments, result.stderr))
        self.assertIn(words, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual(self.contents(), before, arguments)

    def assert_done(self, *arguments):
        result = self.command(*arguments)
        self.assertEqual(result.returncode, 0, (arguments, result.stderr))
        return result


class RefusalTest(OutputTest):
    def commands(self, name):
        """Each command that writes, with `name` as its output."""
        yield "run", "-o", name, "prog.py"
        yield "run", "--record", name, "prog.py"
        yield "run", "--black-box", name, "prog.py"
        yield "recording", "r.ctr", "-o", name
        yield "merge", "-o", name, "a.ctm", "b.ctm"

    def test_files_of_other_kinds(self):
        (self.folder / "link").symlink_to("keep.py")
        os.link(self.folder / "keep.py", self.folder / "hard")
        for name in ("keep.py", "./keep.py", "link", "hard", str(self.folder / "keep.py")):
            for command in self.commands(name):
                self.assert_refused(*command, words="not a ")
        for command in self.commands("."):
            if command[:2] != ("run", "-o"):  # it writes a file into the directory
                self.assert_refused(*command, words="directory")
        for command in self.commands(""):
            self.assert_refused(*command, words="without a name")
        for command in self.commands("no/such/folder"):
            self.assert_refused(*command, words="there is no directory")

    def test_another_kind_of_the_package(self):
        self.assert_refused("run", "-o", "r.ctr", "prog.py", words="it is a recording, not a snapshot")
        self.assert_refused("merge", "-o", "r.ctr", "a.ctm", words="it is a recording, not a snapshot")
        self.assert_refused("run", "--record", "a.ctm", "prog.py", words="it is a snapshot, not a recording")
        self.assert_refused("run", "--black-box", "a.ctm", "prog.py", words="it is a snapshot, not a black box")

    def test_what_is_read(self):
        os.link(self.folder / "a.ctm", self.folder / "hard.ctm")
        (self.folder / "soft.ctm").symlink_to("a.ctm")
        for name in ("a.ctm", "hard.ctm", "soft.ctm", "../" + self.folder.name + "/a.ctm"):
            self.assert_refused("merge", "-o", name, "a.ctm", "b.ctm", words="one of the files that are read")
        self.assert_refused("run", "-o", "prog.py", "prog.py", words="one of the files that are read")
        self.assert_refused("run", "--record", "prog.py", "prog.py", words="one of the files that are read")
        self.assert_refused("recording", "r.ctr", "-o", "r.ctr", words="one of the files that are read")

    def test_one_file_for_two(self):
        self.assert_refused("run", "-o", "x", "--record", "x", "prog.py", words="goes there as well")
        (self.folder / "link").symlink_to("x")
        self.assert_refused("run", "--black-box", "x", "--record", "link", "prog.py", words="goes there as well")
        self.assert_done("run", "-o", "/dev/null", "prog.py")

    def test_merge_with_the_output_forgotten(self):
        """Earlier versions used the first argument as the output."""
        self.assert_refused("merge", "a.ctm", "b.ctm", "keep.py", words="merge -o OUT IN...")
        self.assert_refused("merge", "new.ctm", "a.ctm", words="merge -o OUT IN...")

    def test_merge_twice_with_a_pattern(self):
        self.assert_done("merge", "-o", "all.ctm", "a.ctm", "b.ctm")
        self.assert_refused("merge", "-o", "all.ctm", *sorted(path.name for path in self.snapshots()))

    def test_a_black_box_by_attach(self):
        program = subprocess.Popen(
            [sys.executable, "-m", "ctracemalloc", "run", "--black-box", "it.box", "-c", FOREVER],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with program:
            self.assertEqual(program.stdout.readline(), b"ready\n")
            for target in ("it.box", str(program.pid)):
                for name in ("keep.py", "it.box"):
                    result = self.command("attach", target, "-o", name)
                    self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
                    self.assertIn("cannot write to", result.stderr)
                self.assert_done("attach", target, "-o", "a.ctm")
            program.communicate(b"")
        self.assertEqual((self.folder / "keep.py").read_text(), TEXT)
        self.assertEqual(ctracemalloc.open_black_box(self.folder / "it.box").ended, "exit status 0")

    def test_recordings_of_children(self):
        """The user has not chosen the name PATH.PID: an existing file stays, and a message says so."""
        result = self.traced(
            "--record",
            "rec.ctr",
            "--record-children",
            "-c",
            "\n".join(
                [
                    "import os",
                    "for pid in range(os.getpid(), os.getpid() + 2000): open(f'rec.ctr.{pid}', 'w').write('mine')",
                    "pid = os.fork()",
                    "if not pid: os._exit(0)",
                    "os.waitpid(pid, 0)",
                    "print(open(f'rec.ctr.{pid}').read())",
                ]
            ),
        )
        self.assertEqual(result.stdout, "mine\n", result.stderr)
        self.assertIn("is not recorded: cannot write to", result.stderr)


class AllowedTest(OutputTest):
    def test_new_empty_and_equal_kinds(self):
        for name in ("a.ctm", "new.ctm", "empty"):
            self.assert_done("run", "-o", name, "prog.py")
            self.assertGreater(len(ctracemalloc.Snapshot.load(self.folder / name).traces), 0)
        self.assert_done("merge", "-o", "a.ctm", "b.ctm", "b.ctm")
        self.assertEqual(
            len(ctracemalloc.Snapshot.load(self.folder / "a.ctm").traces),
            2 * len(ctracemalloc.Snapshot.load(self.folder / "b.ctm").traces),
        )
        self.assert_done("run", "--record", "r.ctr", "--black-box", "it.box", "-o", "a.ctm", "prog.py")
        self.assert_done("run", "--record", "r.ctr", "--black-box", "it.box", "-o", "a.ctm", "prog.py")
        self.assertEqual(ctracemalloc.open_recording(self.folder / "r.ctr").ended, "exit status 0")

    def test_a_link_to_nothing(self):
        (self.folder / "link.ctm").symlink_to("target.ctm")
        self.assert_done("run", "-o", "link.ctm", "prog.py")
        self.assertTrue((self.folder / "link.ctm").is_symlink())
        self.assertGreater(len(ctracemalloc.Snapshot.load(self.folder / "target.ctm").traces), 0)

    def test_devices_and_pipes(self):
        self.assert_done("run", "-o", "/dev/null", "prog.py")
        self.assert_done("merge", "-o", "/dev/null", "a.ctm")
        for command in (["merge", "-o", "/dev/stdout", "a.ctm"], ["recording", "r.ctr", "-o", "/dev/stdout"]):
            done = subprocess.run(
                [sys.executable, "-m", "ctracemalloc", *command],
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                timeout=60,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            (self.folder / "piped.ctm").write_bytes(done.stdout)  # only the snapshot is on stdout
            ctracemalloc.Snapshot.load(self.folder / "piped.ctm")

    def test_a_full_disk_is_told_with_the_name(self):
        for command in (["merge", "-o", "/dev/full", "a.ctm"], ["timeline", "r.ctr", "-o", "/dev/full"]):
            result = self.command(*command)
            self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
            self.assertRegex(result.stderr, r"\A.*: /dev/full: No space left on device\n\Z")

    def test_force(self):
        for command in (
            ["run", "--force", "-o", "x", "prog.py"],
            ["merge", "--force", "-o", "x", "a.ctm"],
            ["recording", "r.ctr", "--force", "-o", "x"],
        ):
            self.write("x", TEXT)
            self.assert_done(*command)
            ctracemalloc.Snapshot.load(self.folder / "x")
        self.write("x", TEXT)
        self.assert_done("run", "--record", "x", "--force", "prog.py")
        ctracemalloc.open_recording(self.folder / "x")
        self.write("x", TEXT)
        self.assert_done("run", "--black-box", "x", "--force", "prog.py")
        ctracemalloc.open_black_box(self.folder / "x").close()
        traces = len(ctracemalloc.Snapshot.load(self.folder / "a.ctm").traces)
        self.assert_done("merge", "--force", "-o", "a.ctm", "a.ctm", "b.ctm")
        self.assertEqual(len(ctracemalloc.Snapshot.load(self.folder / "a.ctm").traces), 2 * traces)
        self.assert_refused("merge", "--force", "-o", ".", "a.ctm", words="directory")

    def test_compressed(self):
        try:
            compression.library()
        except ImportError as error:
            self.skipTest(f"no library for zstd: {error}")
        self.assert_done("run", "-o", "it.ctm.zst", "prog.py")
        self.assert_done("run", "-o", "it.ctm.zst", "prog.py")
        self.assertEqual(kinds.kind_of(str(self.folder / "it.ctm.zst")), kinds.SNAPSHOT)
        (self.folder / "other.zst").write_bytes(compression.compress(os.urandom(500_000)))
        self.assert_refused("run", "-o", "other.zst", "prog.py", words="not a snapshot")
        (self.folder / "broken.zst").write_bytes(b"\x28\xb5\x2f\xfd broken")
        self.assert_refused("run", "-o", "broken.zst", "prog.py", words="not a snapshot")

    def test_from_python_dump_overwrites(self):
        """As with the standard module."""
        ctracemalloc.Snapshot.load(self.folder / "a.ctm").dump(self.folder / "keep.py")
        ctracemalloc.Snapshot.load(self.folder / "keep.py")


class MeanwhileTest(OutputTest):
    """The program itself creates something at the path of the snapshot."""

    def test_a_given_name(self):
        code = "open('out.ctm', 'w').write('mine')"
        result = self.traced("-o", "out.ctm", "-c", code)
        self.assertEqual(result.returncode, 0)
        self.assertEqual((self.folder / "out.ctm").read_text(), "mine")
        self.assertIn("it exists and is not a snapshot", result.stderr)
        (path,) = [path for path in self.snapshots() if path.name.startswith("ctracemalloc.")]
        self.assertIn(f"saved    {path.name}", result.stderr)
        ctracemalloc.Snapshot.load(path)

    def test_forced(self):
        result = self.traced("--force", "-o", "out.ctm", "-c", "open('out.ctm', 'w').write('mine')")
        self.assertIn("saved    out.ctm", result.stderr)
        ctracemalloc.Snapshot.load(self.folder / "out.ctm")

    def test_the_default_name(self):
        code = "import os; open(f'ctracemalloc.{os.getpid()}.ctm', 'w').write('mine'); print(os.getpid())"
        result = self.traced("-c", code)
        pid = int(result.stdout)
        self.assertEqual((self.folder / f"ctracemalloc.{pid}.ctm").read_text(), "mine")
        self.assertIn(f"saved    ctracemalloc.{pid}-2.ctm", result.stderr)
        ctracemalloc.Snapshot.load(self.folder / f"ctracemalloc.{pid}-2.ctm")

    def test_a_directory(self):
        (self.folder / "sub").mkdir()
        for number in (1, 2):
            result = self.traced("-o", "sub", "-c", "import os; print(os.getpid())")
            path = self.folder / "sub" / f"ctracemalloc.{int(result.stdout)}.ctm"
            self.assertIn(f"saved    {path}", result.stderr)
            ctracemalloc.Snapshot.load(path)
            self.assertEqual(len(list((self.folder / "sub").iterdir())), number)

    def test_an_older_snapshot_under_the_default_name(self):
        """Process ids are reused: a snapshot of another run is not replaced either."""
        code = "import os, shutil; shutil.copy('a.ctm', f'ctracemalloc.{os.getpid()}.ctm'); print(os.getpid())"
        pid = int(self.traced("-c", code).stdout)
        self.assertEqual((self.folder / f"ctracemalloc.{pid}.ctm").read_bytes(), (self.folder / "a.ctm").read_bytes())
        ctracemalloc.Snapshot.load(self.folder / f"ctracemalloc.{pid}-2.ctm")

    def test_nothing_stays_of_what_cannot_be_written(self):
        code = (
            "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
        )
        result = self.traced("-o", "out.ctm", "-c", code)
        self.assertIn("the snapshot was not written", result.stderr)
        self.assertFalse((self.folder / "out.ctm").exists())


if __name__ == "__main__":
    unittest.main()
