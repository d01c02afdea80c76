"""A debugger that stops a process and calls functions in it.

Model: a session is a debugger (gdb, lldb) that reads commands from a pipe. A mark follows each command, and ends its answer.
The debugger is told addresses, never names, and reads no symbols and no settings, so the process is stopped for a few
milliseconds. The debugger has no terminal, so that Ctrl-C cannot end it while it holds the process. When its input ends, it
lets go of the process by itself. Signals go to the process as they would without it, but for those of faults: these end a
call, after which the registers are what they were before. A fault of the program's own is one again when it goes on.
"""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

PATIENCE = 20.0  # seconds for one command
ENDING = 10.0  # seconds for the debugger to end, before it is ended by force

FAULTS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE")

Report = Callable[[str], None]


class DebuggerError(OSError):
    """The debugger could not do it."""


class Session(ABC):
    """A debugger that holds at most one process."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    settings: ClassVar[tuple[str, ...]]
    mark: ClassVar[str]  # the command that prints the mark
    marked: ClassVar[str]  # what it prints

    def __init__(self, report: Report) -> None:
        """report: is given all that is said."""
        self.report = report
        self.output = ""
        self.count = 0
        self.was_forced = False  # the debugger did not end by itself
        self.process = subprocess.Popen(
            [shutil.which(self.name) or self.name, *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"LC_ALL": "C", "DEBUGINFOD_URLS": ""},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.stdout, selectors.EVENT_READ)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, *commands: str) -> str:
        """Give it the commands; what it answers."""
        self.count += 1
        text = "".join(f"{command}\n" for command in (*commands, self.mark.format(self.count)))
        self.report(text)
        try:
            self.stdin.write(text.encode())
            self.stdin.flush()
        except BrokenPipeError:
            raise DebuggerError(f"{self.name} has ended") from None
        return self.read_until(self.marked.format(self.count))

    def read_until(self, text: str) -> str:
        start, until = len(self.output), time.monotonic() + PATIENCE
        while (end := self.output.find(text, start)) < 0:
            if not self.selector.select(max(0.0, until - time.monotonic())):
                raise DebuggerError(f"{self.name} does not answer")
            data = os.read(self.stdout.fileno(), 1 << 16).decode("utf-8", "replace")
            if not data:
                raise DebuggerError(f"{self.name} has ended")
            self.report(data)
            self.output += data
        return self.output[start:end]

    @abstractmethod
    def attach(self, pid: int) -> None:
        """Stop the process."""

    @abstractmethod
    def detach(self) -> None:
        """Let the process go on."""

    @abstractmethod
    def call(self, thread: int, address: int, *arguments: int) -> int:
        """Call a function in a thread, and return its result."""

    def close(self) -> None:
        """End the debugger. It gets time to let go of the process before it is ended by force."""
        if self.stdout.closed:
            return
        try:
            self.stdin.close()
        except BrokenPipeError:
            pass
        for end in (None, self.process.terminate, self.process.kill):
            if end is not None:
                self.was_forced = True
                end()
            try:
                self.process.wait(ENDING)
                break
            except subprocess.TimeoutExpired:
                continue
        self.selector.close()
        self.stdout.close()


class Gdb(Session):
    name = "gdb"
    writes_registers: ClassVar[bool | None] = None  # those of this processor; None: it was not tried yet
    options = ("-nx", "-nw", "-q", "-iex", "set auto-load no", "-iex", "set auto-solib-add off")
    # With a root that does not exist gdb finds no file of the process, and reads no symbols.
    settings = (
        *("set confirm off", "set pagination off", "set width 0", "set debuginfod enabled off", "set sysroot /nonexistent"),
        *("set unwindonsignal on", "handle all nostop noprint pass", "handle SIGINT nostop noprint pass"),
        f"handle {' '.join(FAULTS)} stop print nopass",
    )
    mark = "echo \\nctracemalloc-{}.\\n"
    marked = "\nctracemalloc-{}."

    def attach(self, pid: int) -> None:
        if f"process {pid} " not in self.ask(*self.settings, f"attach {pid}", "info inferiors").partition("Executable")[2]:
            raise DebuggerError(f"gdb could not stop process {pid}")

    def detach(self) -> None:
        self.ask("detach")

    def call(self, thread: int, address: int, *arguments: int) -> int:
        found = re.search(rf"Thread (\d+) has target id '(?:process|LWP) {thread}'", self.ask(f"thread find {thread}"))
        if found is None:
            raise DebuggerError(f"gdb knows no thread {thread}")
        types = ",".join(["unsigned long"] * len(arguments)) or "void"
        values = ",".join(map(str, arguments))
        call = f"((unsigned long(*)({types})){address})({values})"
        result = re.search(r"result (\d+)\.", self.ask(f"thread {found[1]}", f'printf "result %lu.\\n", {call}'))
        if result is None:
            raise DebuggerError("gdb could not call a function of the process")
        return int(result[1])


class Lldb(Session):
    name = "lldb"
    options = ("--no-lldbinit", "--no-use-colors")
    settings = (
        *("settings set auto-confirm true", "settings set symbols.enable-external-lookup false"),
        *("settings set target.preload-symbols false", "settings set target.load-script-from-symbol-file false"),
        *("settings set stop-line-count-before 0", "settings set stop-disassembly-count 0"),
    )
    mark = "ctracemalloc-{}"  # no command of lldb
    marked = "error: 'ctracemalloc-{}' is not a valid command."

    def attach(self, pid: int) -> None:
        answer = self.ask(*self.settings, f"process attach --pid {pid}")
        if f"Process {pid} stopped" not in answer:
            raise DebuggerError(f"lldb could not stop process {pid}")
        self.ask(f"process handle -p true -s false -n false {' '.join(self.signals())}")

    def signals(self) -> Iterator[str]:
        """All signals that lldb knows, but for those of faults and those that it uses itself."""
        for name in re.findall(r"^(SIG\w+) ", self.ask("process handle"), re.MULTILINE):
            if name not in (*FAULTS, "SIGTRAP", "SIGSTOP", "SIGKILL"):
                yield name

    def detach(self) -> None:
        self.ask("process detach")

    def call(self, thread: int, address: int, *arguments: int) -> int:
        if has_pending_signal(thread):
            raise DebuggerError("lldb cannot call a function while a signal arrives")  # it would take wrong values for results
        found = re.search(rf"thread #(\d+): tid = {thread}\b", self.ask("thread list"))
        if found is None:
            raise DebuggerError(f"lldb knows no thread {thread}")
        types = ",".join(["unsigned long"] * len(arguments)) or "void"
        values = ",".join(f"{argument}UL" for argument in arguments)
        call = f"((unsigned long(*)({types})){address}UL)({values})"
        answer = self.ask(f"thread select {found[1]}", f"expression -i true -u true -a true -t 10000000 -- {call}")
        result = re.search(r"\(unsigned long\) \$\d+ = (\d+)", answer)
        if result is None:
            raise DebuggerError("lldb could not call a function of the process")
        return int(result[1])


def has_pending_signal(thread: int) -> bool:
    """Will the thread get a signal as soon as it goes on? SIGSTOP is the debugger's."""
    with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    pending, common, blocked = (int(fields[name], 16) for name in ("SigPnd", "ShdPnd", "SigBlk"))
    return bool((pending | common) & ~blocked & ~(1 << signal.SIGSTOP - 1))


SESSIONS: dict[str, type[Session]] = {"gdb": Gdb, "lldb": Lldb}


def installed() -> list[str]:
    """Those on PATH, whether or not they can be used."""
    return [name for name in SESSIONS if shutil.which(name)]


def available() -> list[str]:
    """The debuggers that can be used on this machine, the better one first."""
    return [name for name in SESSIONS if problem_of(name) is None]


def problem_of(name: str) -> str | None:
    """Why a debugger cannot be used on this machine; None: it can."""
    if shutil.which(name) is None:
        return f"{name} is not on PATH: install it (for example `apt install {name}`)"
    if name == Gdb.name and has_large_registers() and not gdb_writes_registers():
        return "this gdb cannot write the registers of this processor, which has AMX: install a newer gdb (18.1 can), or lldb"
    return None


def has_large_registers() -> bool:
    """Has the processor registers (AMX) with which some gdb cannot write the state of a thread? 13.1 cannot, 18.1 can."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return any(line.startswith("flags") and " amx_tile" in line for line in file)
    except OSError:
        return False


def gdb_writes_registers() -> bool:
    """Tried once, on a process of our own: one whose registers cannot be written is left in the middle of a call."""
    if Gdb.writes_registers is None:
        Gdb.writes_registers = tries_to_write()
    return Gdb.writes_registers


def tries_to_write() -> bool:
    with (
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as process,
        Gdb(lambda text: None) as session,
    ):
        try:
            session.attach(process.pid)
            return "Couldn't" not in session.ask("set var $xmm0.uint128 = 1")
        except OSError:
            return True  # what hinders it is said by the attempt itself
        finally:
            session.close()
            process.kill()
