"""dump_on_oom(): the last snapshot before a control group's limit or RLIMIT_AS is reached.

A control group is made inside of the one that this process is in, where that is allowed; elsewhere its files are imitated.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import Snapshot, dump_on_oom
from ctracemalloc.guards import ceilings, oom, thread
from ctracemalloc.guards.wakeups import Wakeups
from guards_support import TracedTest, wait_until

MB = 1 << 20
V2_MOUNT = "30 23 0:26 / {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "31 23 0:27 {root} {point} rw - cgroup cgroup rw,memory"


class GroupFiles(unittest.TestCase):
    """A folder with the files of /proc and of control groups."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.proc, self.point = self.folder / "proc", self.folder / "cg roup"
        (self.proc / "self").mkdir(parents=True)

    def mount(self, groups, *mounts):
        (self.proc / "self" / "cgroup").write_text(groups)
        point = str(self.point).replace(" ", "\\040")
        text = "\n".join(mount.format(point=point, root="/") for mount in mounts)
        (self.proc / "self" / "mountinfo").write_text(f"22 1 0:20 / / rw - ext4 /dev/a rw\n{text}\n")

    def group(self, path, **files):
        folder = self.point / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")
        return str(folder)

    def ceilings(self, least=0.0):
        return ceilings.ceilings(ceilings.groups(str(self.proc)), least)


class CeilingTest(GroupFiles):
    def test_version_2(self):
        self.mount("0::/a/b\n", V2_MOUNT)
        inner = self.group(
            "a/b",
            memory__max=1000,
            memory__current=900,
            memory__stat="anon 500\ninactive_file 300\nactive_file 1",
            memory__events="low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0",
        )
        outer = self.group("a", memory__max=4000, memory__current=1000)
        self.group("", memory__max="max", memory__current=5000)
        self.assertEqual(
            [*ceilings.groups(str(self.proc))], [(inner, ceilings.V2), (outer, ceilings.V2), (str(self.point), ceilings.V2)]
        )
        self.assertEqual(self.ceilings(), [(inner, 600, 1000, 3), (outer, 1000, 4000, 0)])
        self.assertEqual(self.ceilings(0.95)[0], (inner, 900, 1000, 3))  # far from the limit: files are not asked for
        self.assertEqual(self.ceilings()[0].share, 0.6)

    def test_version_1(self):
        self.mount("4:cpu,memory:/x\n1:name=systemd:/y\n0::/\n", V1_MOUNT)
        folder = self.group(
            "x",
            memory__limit_in_bytes=1000,
            memory__usage_in_bytes=990,
            memory__stat="inactive_file 1\ntotal_inactive_file 90",
            memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 4",
        )
        self.group("", memory__limit_in_bytes=(1 << 63) - 4096, memory__usage_in_bytes=990)
        self.assertEqual(self.ceilings(), [(folder, 900, 1000, 4)])

    def test_a_mount_of_a_part(self):
        """In a container without a namespace of its own the mount is of the container's group."""
        for path, found in (("/docker/7", ""), ("/docker/7/in", "in"), ("/elsewhere", ""), ("/../../up", "")):
            self.mount(f"4:memory:{path}\n", V1_MOUNT.replace("{root}", "/docker/7"))
            first = next(ceilings.groups(str(self.proc)))[0]
            self.assertEqual(first, f"{self.point}/{found}".rstrip("/"))

    def test_files_that_are_not_there(self):
        self.assertEqual(self.ceilings(), [])
        self.mount("0::/a\n", V2_MOUNT)
        self.assertEqual(self.ceilings(), [])
        self.group("a", memory__max=1000)
        self.assertEqual(self.ceilings(), [])
        self.group("a", memory__current="many")
        self.assertEqual(self.ceilings(), [])
        self.group("a", memory__current=7)
        self.assertEqual([one[1:] for one in self.ceilings()], [(7, 1000, 0)])
        self.group("a", memory__stat="inactive_file many", memory__max=0)
        self.assertEqual(self.ceilings(), [])

    def test_this_process(self):
        for folder, files in ceilings.groups():
            self.assertIn(files, (ceilings.V1, ceilings.V2))
            self.assertTrue(os.path.isdir(folder), folder)

    def test_the_address_space(self):
        code = (
            "import resource, ctracemalloc.guards.ceilings as ceilings;"
            "print(ceilings.ceiling_of_address_space());"
            "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, resource.RLIM_INFINITY)); print(ceilings.ceilings([])[-1])"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        self.assertRegex(
            output.stdout, r"^None\nCeiling\(name='RLIMIT_AS', used=\d{7,9}, limit=4294967296, alarms=0\)\n$", output.stderr
        )


class OomTest(TracedTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.share, self.alarms = Path(folder.name), 0.0, 0
        patch = mock.patch.object(oom, "ceilings", self.ceilings)
        patch.start()
        self.addCleanup(patch.stop)
        self.guard = dump_on_oom(self.folder / "{pid}.ctm", at=0.8, every=86_400)
        self.addCleanup(self.guard.cancel)
        self.assertTrue(wait_until(lambda: self.guard._looks == 1))
        self.written = []
        patch = mock.patch.object(oom, "take_snapshot", self.take)
        patch.start()
        self.addCleanup(patch.stop)

    def ceilings(self, folders, least=0.0):
        return [ceilings.Ceiling("x", int(1_000_000 * self.share), 1_000_000, self.alarms)]

    def take(self):
        self.written.append(self.share)
        return ctracemalloc.take_snapshot()

    def look(self, *shares):
        for self.share in shares:
            self.guard._look()

    def test_whenever_half_of_what_was_left_is_used(self):
        self.look(0.1, 0.79, 0.8, 0.8, 0.85, 0.899, 0.9, 0.94, 0.951, 0.97, 0.98, 0.999, 1.0, 1.0)
        self.assertEqual(self.written, [0.8, 0.9, 0.951, 0.98, 0.999])
        self.assertEqual(os.listdir(self.folder), [f"{os.getpid()}.ctm"])
        self.assertEqual(self.guard.path, str(self.folder / f"{os.getpid()}.ctm"))
        Snapshot.load(self.guard.path)

    def test_at_once_when_it_is_nearly_full(self):
        self.look(0.999, 0.999)
        self.assertEqual(self.written, [0.999])

    def test_again_after_relief(self):
        self.look(0.85, 0.75, 0.85, 0.7, 0.85)
        self.assertEqual(self.written, [0.85, 0.85])

    def test_a_report_of_the_kernel(self):
        self.look(0.5)
        self.alarms = 1
        self.look(0.5, 0.5)
        self.assertEqual(self.written, [0.5])

    def test_without_tracing(self):
        ctracemalloc.stop()
        self.look(0.9)
        self.assertEqual((self.written, self.guard.path), ([], None))
        ctracemalloc.start()
        self.look(0.9)
        self.assertEqual(self.written, [0.9])

    def test_a_file_of_the_users(self):
        path = self.folder / f"{os.getpid()}.ctm"
        path.write_text("mine")
        self.look(0.85, 0.95)
        self.assertEqual(path.read_text(), "mine")
        self.assertEqual(self.guard.path, str(self.folder / f"{os.getpid()}-2.ctm"))
        self.assertEqual(len(os.listdir(self.folder)), 2)

    def test_the_end(self):
        descriptors = set(os.listdir("/proc/self/fd"))
        self.guard.cancel()
        self.guard.cancel()
        self.assertFalse(self.guard._thread.is_alive())
        self.assertLess(set(os.listdir("/proc/self/fd")), descriptors)

    def test_forks(self):
        for children in (False, True):
            guard = dump_on_oom(self.folder / "{pid}.ctm", at=0.8, every=0.01, children=children)
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are threads
                pid = os.fork()
            if pid == 0:
                try:
                    self.share = 0.85  # of the child alone
                    written = wait_until(lambda guard=guard: guard.path, 60 if children else 0.1)
                    guard.cancel()
                    os.write(writer, f"{written} {guard.path} {guard.running}".encode())
                finally:
                    os._exit(0)
            os.close(writer)
            with open(reader) as answer:
                path = str(self.folder / f"{pid}.ctm") if children else None
                self.assertEqual(answer.read(), f"{children} {path} False")
            os.waitpid(pid, 0)
            self.assertTrue(guard.running)
            self.assertIsNone(guard.path)
            guard.cancel()
        self.assertEqual(os.listdir(self.folder), [f"{pid}.ctm"])

    def test_without_a_thread(self):
        descriptors = set(os.listdir("/proc/self/fd"))
        with (
            mock.patch.object(thread, "started", side_effect=RuntimeError("can't start new thread")),
            self.assertRaisesRegex(RuntimeError, "can't start new thread"),
        ):
            dump_on_oom(self.folder / "x.ctm")
        self.assertEqual(thread._guards, {self.guard})
        self.assertEqual(set(os.listdir("/proc/self/fd")), descriptors)

    def test_what_cannot_be_used(self):
        for at in (0, 1, -1, float("nan")):
            with self.assertRaisesRegex(ValueError, "at must be more than 0 and less than 1"):
                dump_on_oom("x.ctm", at=at)
        with self.assertRaisesRegex(ValueError, "every must be in range"):
            dump_on_oom("x.ctm", every=0)
        with self.assertRaisesRegex(OSError, "there is no directory"):
            dump_on_oom("/no-such-folder/x.ctm")


class WakeupTest(GroupFiles):
    def test_no_files_are_no_error(self):
        wakeups = Wakeups()
        self.addCleanup(wakeups.close)
        for files in (ceilings.V1, ceilings.V2):
            wakeups.add(self.group("a"), files)
        self.assertEqual(len(wakeups.descriptors), 1)
        wakeups.wait(0.001)

    def test_it_is_woken(self):
        wakeups = Wakeups()
        self.addCleanup(wakeups.close)
        wakeups.wake()
        wakeups.wait(3600)

    def test_a_counter(self):
        """What version 1 does when memory is short: it adds to the descriptor that cgroup.event_control was told."""
        folder = self.group("a", memory__oom_control="oom_kill 0", cgroup__event_control="")
        wakeups = Wakeups()
        self.addCleanup(wakeups.close)
        wakeups.add(folder, ceilings.V1)
        counter, _control = map(int, Path(folder, "cgroup.event_control").read_text().split())
        os.eventfd_write(counter, 1)
        wakeups.wait(3600)
        wakeups.wait(0.001)

    def test_the_pressure_of_this_machine(self):
        folders = [path for path, files in ceilings.groups() if files is ceilings.V2]
        folder = next((path for path in folders if os.access(f"{path}/memory.pressure", os.W_OK)), None)
        if folder is None:
            self.skipTest("there is no memory.pressure of version 2 that may be written here")
        wakeups = Wakeups()
        self.addCleanup(wakeups.close)
        wakeups.add(folder, ceilings.V2)
        self.assertGreater(len(wakeups.descriptors), 1)
        wakeups.wait(0.01)


GROWING = """
    import os, sys, time
    import ctracemalloc
    ctracemalloc.start(3)
    guard = ctracemalloc.dump_on_oom("oom-{pid}.ctm", every=0.02)
    {limit}
    held = []
    print("begins", flush=True)
    try:
        while True:
            held.append(b"x" * 200_000)
            time.sleep(0.002)
    except MemoryError:
        number = len(held)
        del held
        print(number, guard.error, flush=True)
"""


class ProgramOomTest(ProgramTest):
    def check_snapshot(self, least):
        snapshot = self.load_only_snapshot()
        statistic = snapshot.statistics("lineno")[0]
        self.assertGreater(statistic.size, least)
        self.assertEqual(os.path.basename(statistic.traceback[-1].filename), "program.py")

    def test_the_address_space(self):
        limit = """
    import resource
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (300 << 20), resource.RLIM_INFINITY))
"""
        result = self.python(self.write("program.py", GROWING.replace("{limit}", limit)))
        number, error = result.stdout.split()[1:]
        self.assertEqual((error, result.stderr), ("None", ""))
        self.check_snapshot(0.8 * int(number) * 200_000)

    def test_a_real_control_group(self):
        program = self.write("program.py", GROWING.replace("{limit}", ""))
        with control_group(self, 200 * MB) as (folder, join):
            result = subprocess.run(
                [sys.executable, program],
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=120,
                preexec_fn=join,
            )
            self.assertEqual((result.returncode, result.stdout), (-9, "begins\n"), result.stderr)
            self.assertTrue(os.path.isdir(folder))
        self.check_snapshot(120 * MB)


@contextlib.contextmanager
def control_group(case, limit):
    """A new group with a limit in bytes, inside of this process's own, and a function by which a process joins it."""
    reasons = []
    for parent, files in ceilings.groups():
        folder = os.path.join(parent, f"ctracemalloc-test-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            write(f"{folder}/{files.limit}", limit)
            for swap in ("memory.swap.max", "memory.swappiness"):
                with contextlib.suppress(OSError):
                    write(f"{folder}/{swap}", 0)
            yield folder, lambda procs=f"{folder}/cgroup.procs": write(procs, os.getpid())
            return
        except OSError as error:  # no controller of memory here
            reasons.append(str(error))
        finally:
            case.assertTrue(wait_until(lambda folder=folder: removed(folder)), folder)
        break  # the groups around it are not this process's own
    case.skipTest(f"no control group can be made here: {'; '.join(reasons) or 'none is mounted'}")


def write(path, value):
    with open(path, "r+") as file:  # an existing one
        file.write(str(value))


def removed(folder):
    """Until the kernel has seen the end of the last process, the group is busy."""
    try:
        os.rmdir(folder)
    except OSError:
        time.sleep(0.05)
    return not os.path.isdir(folder)


if __name__ == "__main__":
    unittest.main()
