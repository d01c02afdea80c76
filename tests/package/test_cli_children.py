"""`python -m ctracemalloc run --follow-children`: each Python process that descends from the program leaves its own file.

The program itself is the reference: it must behave as without the option.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import venv

import ctracemalloc
from cli_support import PACKAGE_PARENT, ProgramTest
from ctracemalloc.cli import sources
from ctracemalloc.cli.processes import merged, processes_of
from ctracemalloc.model.origin import UNRECORDED
from ctracemalloc.model.processes import EXEC, KILLED, RUNNING, UNTRACED
from ctracemalloc.render.text.processes import format_processes
from ctracemalloc.render.text.style import Style
from ctracemalloc.run.journal import SUFFIX, Journal

# Starts children in every way that there is. `hold` makes each of them hold a number of bytes of its own.
ALL_WAYS = """
    import multiprocessing, os, signal, subprocess, sys
    from concurrent.futures import ProcessPoolExecutor

    def hold(size):
        global held
        held = bytes(size)
        return size

    def hold_and_die(size):
        hold(size)
        os.kill(os.getpid(), signal.SIGKILL)

    if __name__ == "__main__":
        for number, method in enumerate(("fork", "spawn", "forkserver"), 1):
            context = multiprocessing.get_context(method)
            for target in hold, hold_and_die:
                process = context.Process(target=target, args=(number * 10_000_000,), name=f"{method} {target.__name__}")
                process.start()
                process.join()
                print(method, process.exitcode)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            print(list(pool.map(hold, [40_000_000])))
        code = "held = bytes(50_000_000); print('by Popen', flush=True)"
        print(subprocess.run([sys.executable, "-c", code]).returncode, flush=True)
        subprocess.run(["sh", "-c", f"'{sys.executable}' -c 'held = bytes(60_000_000)'; true"], check=True)
        again = "import os, sys; held = bytes(70_000_000); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
        subprocess.run([sys.executable, "-c", again, "held = bytes(80_000_000)"], check=True)
        pid = os.fork()
        if pid == 0:
            held = bytes(90_000_000)
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def folder_text(folder):
    return "\n".join(format_processes(processes_of(str(folder)), Style(False), str(folder)))


class ChildrenTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.environment.pop("CTRACEMALLOC_RUN", None)
        self.out = self.folder / "out"

    def followed(self, *arguments, **options):
        return self.traced("--follow-children", "-o", "out", *arguments, **options)

    def assert_same(self, script, *options, status=0):
        """The program behaves as without ctracemalloc, and only the report of the program itself is printed."""
        plain = self.python(script)
        result = self.followed(*options, script)
        self.assertEqual(plain.returncode, status, plain.stderr)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, plain.stdout)
        self.assertTrue(result.stderr.startswith(plain.stderr + "ctracemalloc\n"), result.stderr)
        self.assert_reported(result)
        return result

    def processes(self):
        return processes_of(str(self.out)).processes

    def settled_processes(self):
        """When all have ended: the helpers of multiprocessing end after the program."""
        for _ in range(200):
            found = self.processes()
            if not any(one.end == RUNNING for one in found):
                return found
            time.sleep(0.05)
        self.fail([vars(one) for one in found if one.end == RUNNING])

    def children(self):
        return self.processes()[1:]

    def names(self, *suffixes):
        return sorted(path.name for path in self.out.iterdir() if path.name.endswith(suffixes))


# Both workers have begun when the pool ends.
POOL = """
    import multiprocessing
    def hold(size):
        global held
        held = bytearray(size)
        return size
    def wait(both):
        both.wait()
    if __name__ == "__main__":
        context = multiprocessing.get_context("METHOD")
        with context.Pool(2, wait, [context.Barrier(2)]) as pool:
            print(pool.map(hold, [1_000_000] * 8))
"""


class WaysTest(ChildrenTest):
    def test_all_ways(self):
        script = self.write("program.py", ALL_WAYS)
        result = self.assert_same(script)
        self.assertIn("  children followed: ", result.stderr)
        found = [one for one in self.settled_processes() if not any("resource_tracker" in word for word in one.command)]
        root = found[0]
        self.assertEqual((root.command, root.end, root.parent), ([str(script)], "exit status 0", None))
        largest = {}
        for process in found[1:]:
            self.assertIsNotNone(process.numbers, vars(process))
            self.assertIsNotNone(process.parent, vars(process))
            largest[process.numbers.size // 10_000_000] = process
        self.assertEqual(sorted(largest)[-9:], [1, 2, 3, 4, 5, 6, 7, 8, 9])
        ends = {size: largest[size].end for size in (4, 5, 6, 7, 8, 9)}
        expected = {4: "exit status 0", 5: "exit status 0", 6: "exit status 0", 7: EXEC, 8: "exit status 0", 9: "exit status 7"}
        self.assertEqual(ends, expected)
        self.assertEqual(largest[9].status, 7)
        self.assertEqual(largest[7].pid, largest[8].pid)
        killed = [one for one in found if one.end == KILLED]
        self.assertEqual([(one.signal, one.status) for one in killed], [(signal.SIGKILL, -signal.SIGKILL)] * 3)
        self.assertEqual(sorted(one.numbers.size // 10_000_000 for one in killed), [1, 2, 3])
        self.assertTrue(all(one.file.endswith(".box") for one in killed))
        for one in killed:  # a report of the file alone says what the journal beside it knows
            self.assertEqual(sources.load(one.file).run["ended"], "SIGKILL")
            elsewhere = shutil.copy(one.file, self.folder)
            self.assertEqual(sources.load(elsewhere).run["ended"], UNRECORDED)
            os.unlink(elsewhere)
        # A black box is left only where there is no snapshot.
        boxes = {os.path.basename(one.file) for one in found if one.end in (KILLED, EXEC)}
        self.assertEqual(set(self.names(".box")), boxes)
        names = {one.name for one in found}
        self.assertLessEqual({"fork hold", "spawn hold", "forkserver hold", "fork hold_and_die"}, names)
        servers = [one for one in found if any("forkserver" in word for word in one.command) and one.by == "exec"]
        self.assertEqual({one.parent for one in found if one.name == "forkserver hold"}, set(servers))

    def test_pool_that_is_terminated(self):
        self.assert_same(self.write("program.py", POOL.replace("METHOD", "fork")))
        children = self.children()
        self.assertEqual({one.name for one in children}, {"ForkPoolWorker-1", "ForkPoolWorker-2"})
        self.assert_terminated(children)

    def assert_terminated(self, workers):
        """A worker may find out that the pool ends before it gets the signal: then it exits."""
        killed = [one for one in workers if one.end == KILLED]
        self.assertTrue(all(one.signal == signal.SIGTERM for one in killed))
        self.assertEqual([one.status for one in workers if one not in killed], [0] * (len(workers) - len(killed)))
        self.assertTrue(any(one.numbers is not None and one.numbers.size > 1_000_000 for one in workers))

    def test_killed_before_it_has_begun(self):
        """Its parent knows its name."""
        source = """
            import multiprocessing, os, signal
            from ctracemalloc.run.journal import Journal
            append = Journal.append
            def killed(self, kind, pid, **facts):
                if kind == "began":
                    os.kill(os.getpid(), signal.SIGKILL)
                append(self, kind, pid, **facts)
            if __name__ == "__main__":
                process = multiprocessing.get_context("fork").Process(target=print, name="a name")
                Journal.append = killed
                process.start()
                process.join()
        """
        self.assert_reported(self.followed(self.write("program.py", source)))
        root, child = self.processes()
        self.assertEqual((child.name, child.by, child.end, child.signal), ("a name", "fork", KILLED, signal.SIGKILL))
        self.assertIs(child.parent, root)

    def test_pool_of_a_fork_server(self):
        """The default from 3.14 on. The forks are the server's, which learn their names later, and are killed."""
        self.assert_same(self.write("program.py", POOL.replace("METHOD", "forkserver")))
        workers = [one for one in self.children() if one.by == "fork"]
        self.assertEqual({one.name for one in workers}, {"ForkServerPoolWorker-1", "ForkServerPoolWorker-2"})
        self.assert_terminated(workers)

    def test_killed_while_it_writes_its_snapshot(self):
        """What the kill leaves: temporary files, or a whole snapshot that the journal does not know."""
        source = """
            import os
            if os.fork() == 0:
                held = bytes(20_000_000)
                os._exit(0)
            os.wait()
        """
        self.assert_same(self.write("program.py", source))
        (child,) = self.children()
        whole = (self.out / os.path.basename(child.file)).read_bytes()
        (journal,) = self.out.glob("*" + SUFFIX)
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(line for line in lines if not line.startswith(f'{{"ended": {child.pid},')))
        (self.out / ".ctm-7b-1c-0.tmp").write_bytes(whole[: len(whole) // 2])
        (self.out / f"ctracemalloc.{child.pid}.box.7b-1c-0.tmp").write_bytes(b"\x89CTMBOX\n" + bytes(100))
        (again,) = self.children()
        self.assertEqual((again.pid, again.file, again.numbers, again.problems), (child.pid, child.file, child.numbers, []))

    def test_facts_in_the_snapshot(self):
        source = """
            import multiprocessing
            if __name__ == "__main__":
                process = multiprocessing.get_context("fork").Process(target=print, name="the worker")
                process.start()
                process.join()
        """
        self.assert_same(self.write("program.py", source))
        parent, child = self.processes()
        run = ctracemalloc.Snapshot.load(child.file).run
        self.assertEqual((run["pid"], run["ppid"], run["process"]), (child.pid, parent.pid, "the worker"))
        self.assertEqual((run["ended"], run["status"]), ("exit status 0", 0))
        self.assertIsNone(ctracemalloc.Snapshot.load(parent.file).run["process"])

    def test_exception_and_sys_exit_in_children(self):
        source = """
            import os, subprocess, sys
            pid = os.fork()
            if pid == 0:
                sys.exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            print(subprocess.run([sys.executable, "-c", "1 / 0"], stderr=subprocess.DEVNULL).returncode)
            child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
            child.stdout.readline()
            child.terminate()
            print(child.wait())
        """
        self.assert_same(self.write("program.py", source))
        ends = [one.end for one in self.children()]
        self.assertEqual(ends, ["exit status 3", "exit status 1, ZeroDivisionError at <string>:1", "SIGTERM"])

    def test_the_peak_of_a_fork_begins_at_the_fork(self):
        source = """
            import os
            held = bytearray(20_000_000)
            del held
            pid = os.fork()
            if pid == 0:
                held = bytearray(1_000_000)
                del held
                os._exit(0)
            os.waitpid(pid, 0)
        """
        self.assert_same(self.write("program.py", source))
        parent, child = self.processes()
        self.assertGreater(parent.numbers.peak, 20_000_000)
        self.assertGreater(child.numbers.peak, 1_000_000)
        self.assertLess(child.numbers.peak, 5_000_000)

    def test_os_exit_with_other_threads(self):
        source = """
            import os, threading
            pid = os.fork()
            if pid == 0:
                held = bytearray(1_000_000)
                threading.Thread(target=input, daemon=True).start()
                os._exit(5)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
        script = self.write("program.py", source)
        with open("/dev/zero") as stdin:
            result = self.followed(script, stdin=stdin)
        self.assertEqual((result.stdout, result.returncode), ("5\n", 0), result.stderr)
        (child,) = self.children()
        self.assertEqual((child.end, child.status), ("exit status 5", 5))
        self.assertTrue(child.file.endswith(".box"))
        with ctracemalloc.open_black_box(child.file) as box:
            self.assertEqual((box.ended, box.exit_status), ("exit status 5", 5))
            self.assertGreater(box.totals().size, 1_000_000)

    def test_an_exec_that_fails(self):
        source = """
            import os
            try:
                os.execv("/etc/passwd", ["x"])
            except OSError as error:
                print(error)
        """
        self.assert_same(self.write("program.py", source))
        (process,) = self.processes()
        self.assertEqual(process.end, "exit status 0")

    def test_what_the_program_does_not_flush_stays_lost(self):
        source = """
            import os
            pid = os.fork()
            if pid == 0:
                print("never seen")
                os._exit(0)
            os.waitpid(pid, 0)
        """
        self.assert_same(self.write("program.py", source))


class UntracedTest(ChildrenTest):
    def test_children_that_cannot_be_traced(self):
        source = """
            import os, subprocess, sys
            for options, environment in (["-I"], None), (["-S"], None), ([], {}):
                subprocess.run([sys.executable, *options, "-c", "print(1)"], env=environment, check=True)
            subprocess.run(["true"], check=True)
        """
        self.assert_same(self.write("program.py", source))
        children = self.children()
        self.assertEqual([one.end for one in children], [UNTRACED] * 3)
        self.assertEqual(
            [one.command for one in children], [["-I", "-c", "print(1)"], ["-S", "-c", "print(1)"], ["-c", "print(1)"]]
        )
        self.assertIn("  untraced 3 processes: ", folder_text(self.out))

    def test_without_the_option_they_are_counted(self):
        source = """
            import multiprocessing, os, subprocess, sys
            if __name__ == "__main__":
                open("script", "w").write(f"#!{sys.executable}\\nprint(1)\\n")
                os.chmod("script", 0o755)
                subprocess.run(["./script"], check=True)
                subprocess.run([sys.executable, "-c", "0"], check=True)
                subprocess.run(["true"], check=True)
                subprocess.run("true", shell=True, check=True)
                os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", "0"], os.environ), 0)
                if (pid := os.fork()) == 0:
                    os._exit(os.waitpid(os.fork() or os._exit(0), 0)[1])
                os.waitpid(pid, 0)
                process = multiprocessing.get_context("fork").Process(target=print)
                process.start()
                process.join()
        """
        script = self.write("program.py", source)
        plain, result = self.python(script), self.traced("--top", "1", script)
        self.assertEqual((result.stdout, result.returncode), (plain.stdout, 0), result.stderr)
        self.assertIn("  children 6 Python processes were not followed (--follow-children)\n", result.stderr)
        self.assertNotIn("CTRACEMALLOC_RUN", self.traced("-c", "import os; print(os.environ)").stdout)

    def test_without_children_there_is_no_such_line(self):
        self.assertNotIn("  children ", self.traced("-c", "import os; os.system('true')").stderr)

    def test_all_calls_are_watched(self):
        imports = "import posix, _posixsubprocess; from ctracemalloc import _ctracemalloc"
        code = f"{imports}; print(_ctracemalloc._watch_processes(posix, _posixsubprocess, None))"
        self.assertEqual(self.python("-c", code).stdout, "10\n")

    def test_without_hook(self):
        """The package is on PYTHONPATH only."""
        home = self.folder / "venv"
        venv.create(home, with_pip=False, symlinks=True)
        self.environment["PYTHONPATH"] = PACKAGE_PARENT
        code = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)"
        result = self.followed("-c", code, python=str(home / "bin" / "python"))
        self.assertEqual((result.stdout, result.returncode), ("1\n", 0), result.stderr)
        self.assertEqual([one.end for one in self.processes()], ["exit status 0"] * 2)

    def test_another_python(self):
        """It finds the package's start-up folder on PYTHONPATH, cannot import the extension, and says nothing."""
        other = "/usr/bin/python3"
        version = subprocess.run([other, "-V"], capture_output=True, text=True).stdout if os.path.exists(other) else ""
        if not version or version.split()[1].rpartition(".")[0] == "{}.{}".format(*sys.version_info):
            self.skipTest(f"{other} is no other version of Python")
        home = self.folder / "venv"
        venv.create(home, with_pip=False, symlinks=True)
        self.environment["PYTHONPATH"] = PACKAGE_PARENT
        code = f"import subprocess; subprocess.run(['{other}', '-c', 'print(1)'], check=True)"
        result = self.followed("-c", code, python=str(home / "bin" / "python"))
        self.assertEqual((result.stdout, result.returncode), ("1\n", 0), result.stderr)
        self.assertTrue(result.stderr.startswith("ctracemalloc\n"), result.stderr)
        self.assertEqual([one.end for one in self.children()], [UNTRACED])

    def test_the_folder_is_removed_meanwhile(self):
        source = """
            import os, shutil, subprocess, sys
            if len(sys.argv) == 1 and "CTRACEMALLOC_RUN" in os.environ:
                shutil.rmtree("out")
            print(subprocess.run([sys.executable, "-c", "print(1)"], stdout=-1).stdout)
            if (pid := os.fork()) == 0:
                os._exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
        script = self.write("program.py", source)
        plain, result = self.python(script), self.followed(script)
        self.assertEqual((result.stdout, result.returncode), (plain.stdout, 0), result.stderr)
        self.assertTrue(result.stderr.startswith("ctracemalloc: the snapshot was not written: "), result.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a file to another user")
    def test_the_journal_of_another_user_is_ignored(self):
        path = self.write("x" + SUFFIX, '{"run": 1, "format": 1, "settings": "00"}\n')
        self.assertEqual(Journal(str(path)).settings(), "00")
        os.chown(path, 1, 1)
        self.assertIsNone(Journal(str(path)).settings())


class FilesTest(ChildrenTest):
    FORKS = """
        import os, time
        for size in 2_000_000, 3_000_000:
            if os.fork() == 0:
                held = bytearray(size)
                time.sleep(0.3)
                os._exit(0)
        time.sleep(0.1)
        os.wait()
        os.wait()
    """

    def test_recordings_and_their_highest_sum(self):
        self.assert_same(self.write("program.py", self.FORKS), "--record", "out/", "--record-interval", "0.02")
        found = processes_of(str(self.out))
        self.assertEqual(len(self.names(".ctr")), 3)
        highest = found.totals().highest
        self.assertEqual((found.totals().recorded, highest.processes), (3, 3))
        self.assertGreater(highest.size, 5_000_000)
        self.assertLessEqual(highest.size, found.totals().peak)
        text = folder_text(self.out)
        self.assertIn(", the highest sum of 3 recordings, in 3 processes at one moment: ", text)
        self.assertIn(", the sum of 3 separate peaks\n", text)

    def test_paths_of_recordings_and_black_boxes(self):
        self.out.mkdir()
        self.assert_same(self.write("program.py", self.FORKS), "--record", "r", "--black-box", "b")
        pids = [one.pid for one in self.processes()]
        for prefix in "r", "b":
            self.assertEqual(
                sorted(path.name for path in self.folder.glob(f"{prefix}*")),
                sorted([prefix, *(f"{prefix}.{pid}" for pid in pids[1:])]),
            )
        self.assertEqual(len(self.names(".ctm")), 3)

    def test_one_and_all(self):
        self.assert_same(self.write("program.py", self.FORKS))
        found = processes_of(str(self.out))
        everything = merged(found)
        self.assertEqual(everything.merged, 3)
        self.assertEqual(sum(one.size for one in everything.statistics("filename")), found.totals().size)
        labels = {one.traceback[0].filename for one in everything.statistics("label:process")}
        self.assertEqual(
            labels, {f"{one.pid} {'fork' if one.parent else self.folder / 'program.py'}" for one in found.processes}
        )
        document = json.loads(self.python("-m", "ctracemalloc", "report", self.out, "--json").stdout)
        self.assertEqual(document["schema"], 1)
        self.assertEqual([one["pid"] for one in document["processes"]], [one.pid for one in found.processes])
        self.assertEqual(sum(one["size"] for one in document["processes"]), document["totals"]["size"])
        self.assertEqual(sum(row["size"] for row in document["rows"]), document["totals"]["size"])

    def test_files_without_a_journal(self):
        self.assert_same(self.write("program.py", self.FORKS), "--record", "out")
        before = sorted(one.pid for one in self.processes())
        for path in self.out.glob("*" + SUFFIX):
            path.unlink()
        (self.out / "other.txt").write_text("other")
        (self.out / "cut.ctm").write_bytes((self.out / self.names(".ctm")[0]).read_bytes()[:100])
        after = self.processes()
        self.assertEqual(sorted(one.pid for one in after), [0, *before])
        self.assertEqual([len(one.problems) for one in after if one.pid == 0], [1])
        self.assertEqual(processes_of(str(self.out)).totals().recorded, 3)

    def test_names_that_are_taken(self):
        code = "import os; open(f'out/ctracemalloc.{os.getpid() + 0}.box', 'a').close(); os.execv('{0}', ['{0}', '-c', '0'])"
        result = self.followed("-c", code.replace("{0}", sys.executable))
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = self.processes()
        self.assertEqual(first.pid, second.pid)
        self.assertEqual(self.names(".ctm", ".box"), [f"ctracemalloc.{first.pid}-2.ctm", f"ctracemalloc.{first.pid}.box"])

    def test_refusals(self):
        self.write("a.ctm", "")
        for options in (["-o", "a.ctm"], ["-o", "b.ctm"], ["-o", "none/below"]):
            result = self.traced("--follow-children", *options, "-c", "print('ran')")
            self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        result = self.followed("-m", "there_is_no_such_module")
        self.assertEqual((result.returncode, self.names("")), (1, []), result.stderr)

    def test_samples(self):
        self.assert_same(self.write("program.py", self.FORKS), "--sample-interval", "1KiB")
        text = folder_text(self.out)
        self.assertIn("\n  sample   the numbers are estimates\n", text)

    def test_an_empty_folder(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(ctracemalloc.FileError):
            processes_of(folder)


if __name__ == "__main__":
    unittest.main()
