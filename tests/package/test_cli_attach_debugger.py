"""`attach` and `detach` by gdb and by lldb: the order is carried out, and the program is what it would have been without."""

import contextlib
import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
import unittest
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc.inject import debugger, elf, machine, pending, safety, target

LONG = os.environ.get("CTM_LONG") == "1"
DEBUGGERS = debugger.available()
BLOCK = sys.getsizeof(bytes(100_000))

# Works until it is told to stop, and checks itself; what it prints at the end does not depend on how long that was.
PROGRAM = """
    import gc, os, signal, subprocess, sys, threading, time

    wrong = 0
    stop = f"stop-{os.getpid()}"

    def on():
        return not os.path.exists(stop)

    def check(right):
        global wrong
        wrong += not right

    def allocate():
        held = {}
        while on():
            for size in range(1000):
                held[size] = [bytes(size), str(size)]
            check(all(len(pair[0]) == int(pair[1]) for pair in held.values()))

    def grow():
        held = []
        while on():
            held.append(bytes(100_000))
            time.sleep(0.01)

    def fork():
        while on():
            child = os.fork()
            if not child:
                sys.exit(3)
            check(os.waitpid(child, 0)[1] == 3 << 8)

    def collect():
        class Node:
            def __del__(self):
                self.held = bytes(100)
        while on():
            for _ in range(100):
                node = Node()
                node.itself = node
            gc.collect()

    def sleep():
        while on():
            before = time.monotonic()
            time.sleep(0.05)
            check(time.monotonic() - before >= 0.05)

    def compute():
        while on():
            for _ in range(100_000):
                pass

    def many_threads():
        def work():
            while on():
                text = [str(number) for number in range(100)]
                time.sleep(0.001)
        threads = [threading.Thread(target=work) for _ in range(10)]
        for thread in threads:
            thread.start()
        while on():
            time.sleep(0.01)
        for thread in threads:
            thread.join()

    def wait():
        signal.signal(signal.SIGUSR1, lambda *arguments: None)
        signal.pause()

    def run_others():
        while on():
            check(subprocess.run(["/bin/echo", "hi"], stdout=subprocess.PIPE).stdout == b"hi\\n")

    def get_signals():
        class Tick(BaseException):
            pass
        raised = caught = 0
        armed = False
        def handler(*arguments):
            nonlocal raised, armed
            if armed:
                armed = False
                raised += 1
                raise Tick
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 1)
        def work():
            nonlocal armed
            armed = True
            for _ in range(1000):
                str(_)
            armed = False
        def guarded():
            nonlocal caught
            try:
                work()
            except Tick:
                caught += 1
        while on():
            guarded()
        signal.setitimer(signal.ITIMER_REAL, 0)
        check(raised == caught > 0)

    print("ready", flush=True)
    globals()[sys.argv[1]]()
    print("wrong:", wrong, sys.getprofile(), threading.current_thread() is threading.main_thread())
    sys.exit(5)
    """
NAMES = ("fork", "compute", "wait")
if LONG:
    NAMES += ("get_signals", "allocate", "collect", "sleep", "many_threads", "run_others")


class UnableDebuggerTest(unittest.TestCase):
    def test_a_gdb_that_cannot_write_the_registers(self):
        """It would leave the process in the middle of a call: it is not used at all."""
        with (
            mock.patch.object(debugger, "installed", return_value=["gdb"]),
            mock.patch.object(debugger.shutil, "which", return_value="/usr/bin/gdb"),
            mock.patch.object(debugger, "has_large_registers", return_value=True),
            mock.patch.object(debugger, "gdb_writes_registers", return_value=False) as tried,
        ):
            self.assertNotIn("gdb", debugger.available())
            self.assertIn("AMX", debugger.problem_of("gdb"))
            self.assertGreater(tried.call_count, 0)
            with mock.patch.object(debugger, "has_large_registers", return_value=False):
                self.assertIsNone(debugger.problem_of("gdb"))

    @unittest.skipUnless("gdb" in debugger.installed(), "gdb is not on PATH")
    def test_the_trial_leaves_no_process(self):
        before = self.children()
        able = debugger.tries_to_write()
        self.assertTrue(able or debugger.has_large_registers())
        self.assertEqual(self.children(), before)

    def children(self):
        """As `ps --ppid` lists them: also those that ended and were not waited for."""
        parents = {}
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(pid)] = int(file.read().rpartition(")")[2].split()[1])
        return {pid for pid, parent in parents.items() if parent == os.getpid()}


def refusal():
    """Why a debugger cannot stop another process here; "": it can."""
    if not DEBUGGERS:
        return "; ".join(filter(None, map(debugger.problem_of, debugger.SESSIONS)))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            time.sleep(0.1)
            with debugger.SESSIONS[DEBUGGERS[0]](lambda text: None) as session:
                elf.Memory(process.pid).close()
                session.attach(process.pid)
                session.detach()
        except OSError as error:
            return f"no right to trace another process here: {error}"
        finally:
            process.kill()
    return ""


REFUSAL = refusal()


class Running:
    def __init__(self, test, name):
        self.test, self.name = test, name
        command = [sys.executable, "-Wdefault", test.folder / "program.py", name]
        self.process = subprocess.Popen(
            command, cwd=test.folder, env=test.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        test.addCleanup(self.end)
        assert self.process.stdout.readline() == "ready\n"
        self.pid = str(self.process.pid)

    def end(self):
        self.process.kill()
        self.process.communicate()

    def assert_unharmed(self):
        (self.test.folder / f"stop-{self.pid}").touch()
        if self.name == "wait":
            self.process.send_signal(signal.SIGUSR1)
        out, errors = self.process.communicate(timeout=60)
        self.test.assertEqual((self.process.returncode, out, errors), (5, "wrong: 0 None True\n", ""))


@unittest.skipIf(REFUSAL, REFUSAL)
class DebuggerTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.environment["XDG_RUNTIME_DIR"] = str(self.folder)
        self.write("program.py", PROGRAM)

    def command(self, *arguments, **options):
        return self.python("-m", "ctracemalloc", *arguments, **options)

    def test_each_debugger(self):
        for method in DEBUGGERS:
            with self.subTest(method):
                program = Running(self, "grow")
                done = self.command("attach", program.pid, "--count", "1", "-n", "7", "--method", method)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("is traced from now on; blocks that it allocated before are not known\n", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertIn("at most 7 kept", done.stdout)
                time.sleep(0.1)
                self.assertRegex(self.command("attach", program.pid, "--count", "1").stdout, r"program\.py:24 +grow")
                done = self.command("detach", program.pid, "--method", method)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                self.assertEqual(list(self.folder.glob("ctracemalloc/*.box")), [])
                program.assert_unharmed()

    def test_duration(self):
        program = Running(self, "grow")
        options = ("--method", DEBUGGERS[0], "--sample-interval", "64KiB")
        done = self.command("attach", program.pid, "--duration", "0.5", "-o", "it.ctm", "--top", "1", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"program\.py:24 +grow")
        snapshot = ctracemalloc.Snapshot.load(str(self.folder / "it.ctm"))
        self.assertEqual(snapshot.sample_interval, 64 << 10)
        self.assertEqual(
            self.command("detach", program.pid).stderr, f"python -m ctracemalloc: process {program.pid} has no black box\n"
        )
        program.assert_unharmed()

    def test_interrupted_duration(self):
        """Ctrl-C ends it early: what was traced is written and printed, and the tracing stops."""
        program = Running(self, "grow")
        command = ["-m", "ctracemalloc", "attach", program.pid, "--duration", "600", "-o", "it.ctm", "--method", DEBUGGERS[0]]
        with subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as teller:
            self.assertIn("traced from now on", teller.stderr.readline())
            time.sleep(0.3)
            teller.send_signal(signal.SIGINT)
            out, errors = teller.communicate(timeout=30)
        self.assertEqual((teller.returncode, errors), (0, ""))
        self.assertRegex(out, r"program\.py:24 +grow")
        self.assertTrue((self.folder / "it.ctm").exists())
        self.assertEqual(list(self.folder.glob("ctracemalloc/*.box")), [])
        program.assert_unharmed()

    def test_programs_are_unharmed(self):
        """Each program is attached to (CTM_LONG=1: 100 times by each debugger), and ends as without that."""
        for name in NAMES:
            for method in DEBUGGERS if LONG else DEBUGGERS[:1]:
                with self.subTest(name, method=method):
                    program = Running(self, name)
                    for _ in range(100 if LONG and name != "wait" else 1):
                        done = self.command("attach", program.pid, "--count", "1", "--method", method)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        done = self.command("detach", program.pid, "--method", method)
                        self.assertEqual((done.returncode, done.stderr), (0, ""))
                    program.assert_unharmed()

    def test_verbose(self):
        program = Running(self, "sleep")
        done = self.command("attach", program.pid, "--count", "1", "--method", DEBUGGERS[0], "--verbose")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rf"attach .*{program.pid}\n")
        program.assert_unharmed()

    def test_a_program_that_cannot_do_it(self):
        """The error is reported by the command, not on the program's stderr."""
        self.write("program.py", "import sys; sys.modules['ctracemalloc'] = None\n" + (self.folder / "program.py").read_text())
        program = Running(self, "sleep")
        done = self.command("attach", program.pid, "--count", "1", "--method", DEBUGGERS[0])
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn(f"process {program.pid} could not do it: ModuleNotFoundError: ", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        program.assert_unharmed()

    def test_processes_that_cannot_take_it(self):
        program = Running(self, "sleep")
        program.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, program.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.assert_refused(program.pid, f"is stopped: continue it first (kill -CONT {program.pid})")
        program.process.send_signal(signal.SIGCONT)
        with debugger.SESSIONS[DEBUGGERS[0]](lambda text: None) as session:
            session.attach(int(program.pid))
            self.assert_refused(program.pid, f"is already being traced by process {session.process.pid}")
            session.detach()
        program.assert_unharmed()

    def assert_refused(self, pid, words):
        done = self.command("attach", pid, "--count", "1", "--method", DEBUGGERS[0])
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_the_debugger_ends_in_the_middle(self):
        """However the debugger or the command ends, the program goes on."""
        for method in DEBUGGERS:
            with self.subTest(method):
                program = Running(self, "sleep")
                session = debugger.SESSIONS[method](lambda text: None)
                session.attach(int(program.pid))
                session.process.kill()
                with pending.going_on(session, int(program.pid)), self.assertRaises(debugger.DebuggerError):
                    session.detach()
                program.assert_unharmed()
                program = Running(self, "sleep")
                with debugger.SESSIONS[method](lambda text: None) as session:
                    session.attach(int(program.pid))
                program.assert_unharmed()

    def test_pages_are_used_again(self):
        program = Running(self, "grow")
        counts = []
        for command in (("attach", program.pid, "--count", "1"), ("detach", program.pid)):
            done = self.command(*command, "--method", DEBUGGERS[0])
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(f"/proc/{program.pid}/maps", encoding="utf-8") as maps:
                counts.append(sum("/dev/zero" in line for line in maps))
        self.assertEqual(counts, [1, 1])
        program.assert_unharmed()

    def test_call(self):
        """Arguments and results of 64 bits, in the middle of a system call, which goes on afterwards."""
        code = "b82a000000c3"  # mov eax, 42; ret
        source = f"""
            import ctypes, mmap, time
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(b"\\xcc" * 16 + bytes.fromhex("{code}") + b"\\xcc" * 10 + bytes.fromhex("488d0437c3"))
            print(ctypes.addressof(ctypes.c_char.from_buffer(page)), flush=True)
            before = time.monotonic()
            time.sleep(2)
            print(time.monotonic() - before >= 2)
        """
        path = self.write("call.py", source)
        for method in DEBUGGERS:
            with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as process:
                address = int(process.stdout.readline())
                time.sleep(0.2)
                with debugger.SESSIONS[method](lambda text: None) as session:
                    session.attach(process.pid)
                    self.assertEqual(session.call(process.pid, address + 16), 42)
                    # lea rax, [rdi+rsi]; ret
                    self.assertEqual(session.call(process.pid, address + 32, 1 << 63, 12345), (1 << 63) + 12345)
                    with self.assertRaises(debugger.DebuggerError):
                        session.call(process.pid, 16)  # a fault ends the call, not the process
                    session.detach()
                self.assertEqual(process.stdout.read(), "True\n")
            self.assertEqual(process.returncode, 0, method)


@unittest.skipIf(REFUSAL, REFUSAL)
class TargetTest(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=-1, stdout=-1
        )
        self.addCleanup(self.process.communicate)
        self.process.stdout.readline()
        self.target = target.examine(self.process.pid)
        self.addCleanup(self.target.close)

    def test_facts(self):
        self.assertEqual(self.target.version, sys.version_info[:2])
        self.assertEqual(self.target.free_threaded, "t" in sys.abiflags)
        self.assertIn("mmap", self.target.functions)
        self.assertIsNone(self.target.python.symbol("PyNothing_OfThisName"))
        with self.assertRaisesRegex(OSError, "exports no PyNothing"):
            self.target.need("PyNothing_OfThisName")

    def test_functions_with_locks(self):
        """The judge finds those, and does not take the evaluation loop for one."""
        judge = safety.Judge(self.target)
        for name in ("Py_AddPendingCall", "Py_MakePendingCalls", "PyThread_release_lock"):
            self.assertFalse(judge.uses_no_lock(self.target.python.symbol(name) + 1), name)
        for name in ("PyLong_FromLong", "PyObject_Malloc"):
            self.assertTrue(judge.uses_no_lock(self.target.python.symbol(name) + 1), name)
        self.assertFalse(judge.uses_no_lock(self.target.python.symbol("PyLong_FromLong") & ~0xFFF_FFFF))

    def test_places(self):
        until = time.monotonic() + 10
        while not safety.places(self.process.pid) and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual([place.thread for place in safety.places(self.process.pid)], [self.process.pid])
        self.assertEqual(safety.Judge(self.target).choose_waiting(), self.process.pid)


class SymbolTest(unittest.TestCase):
    def test_addresses_are_those_of_the_loader(self):
        """This process reads itself, and compares with what dlsym says."""
        try:
            memory = elf.Memory(os.getpid())
        except PermissionError as error:
            self.skipTest(f"this process may not read its own memory: {error}")
        self.addCleanup(memory.close)
        found = {}
        for item in elf.objects(memory, elf.mappings(os.getpid())):
            for name in machine.NAMES:
                if name not in found and (address := item.symbol(name)) is not None:
                    found[name] = address
        expected = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in machine.NAMES}
        self.assertEqual(found, expected)

    def test_damaged_objects_have_no_symbols(self):
        class Fake:
            def __init__(self, data):
                self.data = data

            def read(self, address, size):
                data = self.data[address : address + size]
                if len(data) != size:
                    raise OSError
                return data

        with open(elf.__file__.replace("inject/elf.py", "_ctracemalloc.pyi"), "rb") as file:
            text = file.read()
        for data in (b"", text, elf.HEADER.pack(elf.MAGIC, 3, elf.MACHINE, 1, 0, 1 << 40, 0, 0, 64, 56, 9, 0, 0, 0)):
            mapping = elf.Mapping(0, len(data), 0, "/x")
            self.assertEqual(list(elf.objects(Fake(data), [mapping])), [])


class MachineTest(unittest.TestCase):
    """The machine code, called by this process."""

    def setUp(self):
        addresses = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in machine.NAMES}
        self.addresses = addresses
        try:
            self.page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except OSError as error:
            self.skipTest(f"this system allows no such page: {error}")
        self.page.write(machine.CODE)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.page))

    def run_text(self, text):
        order = ctypes.create_string_buffer(machine.order(self.addresses, text.encode()))
        return ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self.base + machine.RUN)(ctypes.addressof(order))

    def test_runs(self):
        self.assertEqual(self.run_text("import sys; sys.ctracemalloc_test = __name__"), 0)
        self.assertEqual(sys.__dict__.pop("ctracemalloc_test"), "builtins")

    def test_exceptions_are_the_caller_s(self):
        with self.assertRaises(ZeroDivisionError):
            self.run_text("1 / 0")
        with self.assertRaises(SystemExit):
            self.run_text("raise SystemExit(3)")

    def test_no_room_is_none(self):
        self.assertEqual(self.run_text("raise RecursionError"), 0)
        self.assertEqual(self.run_text("raise MemoryError"), 0)

    def test_in_a_thread(self):
        for text in ("import sys, _thread; sys.ctracemalloc_test.append(_thread.get_ident())", "1 / 0"):
            sys.ctracemalloc_test = []
            order = ctypes.create_string_buffer(machine.order(self.addresses, text.encode()))
            start = ctypes.pythonapi.PyThread_start_new_thread
            start.argtypes, start.restype = [ctypes.c_void_p, ctypes.c_void_p], ctypes.c_ulong
            ident = start(self.base + machine.RUN_IN_THREAD, ctypes.addressof(order))
            until = time.monotonic() + 5
            while "1 /" not in text and not sys.ctracemalloc_test and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.1)  # `order` must live as long as the thread
            found = sys.__dict__.pop("ctracemalloc_test")
            self.assertEqual(found, [] if "1 /" in text else [ident])

    def test_text_has_room_for_a_long_path(self):
        text = pending.text_of("/tmp/" + "x" * 900)
        self.assertLess(len(machine.order(self.addresses, text)), pending.CODE_PAGE)
        compile(text, "text", "exec")


if __name__ == "__main__":
    unittest.main()
