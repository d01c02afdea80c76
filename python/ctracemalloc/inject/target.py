"""The process that is to run an order: which Python it is, and where its functions are.

Model: all facts are read from outside (/proc/PID), while the process runs. What stands against an order is an OSError whose
message is one line that says what to do.
"""

import os
import re
from dataclasses import dataclass, field

from .elf import Mapping, Memory, Object, mappings, objects

CAP_SYS_PTRACE = 19
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
OLDEST = (3, 11)
LIBC = re.compile(r"(libc[.-]|ld-musl)")


@dataclass
class Target:
    pid: int
    memory: Memory
    files: list[Mapping]
    python: Object  # the file that has the interpreter
    version: tuple[int, int]
    free_threaded: bool
    functions: dict[str, int] = field(default_factory=dict)  # addresses of those that were needed

    def need(self, *names: str) -> None:
        """Find functions; OSError: there is none of that name."""
        for name in names:
            address = self.python.symbol(name) if name != "mmap" else self.functions.get("mmap")
            if address is None:
                raise OSError(f"process {self.pid} cannot be given orders: it exports no {name}")
            self.functions[name] = address

    def close(self) -> None:
        self.memory.close()


def examine(pid: int) -> Target:
    require_process(pid)
    try:
        memory = Memory(pid)
        files = mappings(pid)
    except PermissionError:
        raise PermissionError(f"process {pid} may not be looked into: {reason_of_refusal(pid)}") from None
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"process {pid} has ended") from None
    try:
        return target_of(pid, memory, files)
    except BaseException:
        memory.close()
        raise


def require_process(pid: int) -> None:
    if not os.path.exists(f"/proc/{pid}"):
        raise ProcessLookupError(f"there is no process {pid}")
    status = status_of(pid)
    tracer, state = status.get("TracerPid", "0"), status.get("State", "")[:1]
    if tracer != "0":
        raise OSError(f"process {pid} is already being traced by process {tracer} (a debugger, strace): end that first")
    if state == "T":
        raise OSError(f"process {pid} is stopped: continue it first (kill -CONT {pid})")
    if state == "Z":
        raise ProcessLookupError(f"process {pid} has ended")


def target_of(pid: int, memory: Memory, files: list[Mapping]) -> Target:
    found = list(objects(memory, files))
    if not found:
        raise OSError(f"process {pid} is not a program for x86-64, and other processors are not supported")
    for python in sorted(found, key=lambda item: "python" not in os.path.basename(item.path)):
        if python.symbol("Py_AddPendingCall") is not None:
            break
        if python.symbol("PyPy_AddPendingCall") is not None or "libpypy" in os.path.basename(python.path):
            raise OSError(f"process {pid} runs PyPy: ctracemalloc needs CPython")
    else:
        raise OSError(f"process {pid} is no Python (no file in it exports Python's functions)")
    address = python.symbol("Py_Version")
    number = memory.number(address, 4) if address is not None else 0
    version = (number >> 24, number >> 16 & 0xFF)
    if version < OLDEST:
        raise OSError(
            f"process {pid} runs a Python older than {'.'.join(map(str, OLDEST))}, which ctracemalloc does not support"
        )
    target = Target(pid, memory, files, python, version, python.symbol("_Py_MergeZeroLocalRefcount") is not None)
    for item in found:
        if LIBC.match(os.path.basename(item.path)) and (address := item.symbol("mmap")) is not None:
            target.functions["mmap"] = address
    return target


def status_of(pid: int | str) -> dict[str, str]:
    """The fields of /proc/PID/status. Empty: they cannot be read."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}


def reason_of_refusal(pid: int) -> str:
    """Why this process may not trace that one, and what to do."""
    try:
        other = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        other = os.geteuid()
    if os.geteuid() != 0 and other != os.geteuid():
        return "it is another user's; give the command as that user, or with sudo"
    if os.geteuid() == 0:
        if not has_ptrace_capability():
            return "this container lacks the right to trace; start it with --cap-add=SYS_PTRACE (docker, podman)"
        return "the system forbids it (a security module, or a sandbox)"
    scope = yama_scope()
    if scope == "3":
        return "the system forbids it until it is started anew (kernel.yama.ptrace_scope is 3)"
    if scope not in ("", "0"):
        return f"kernel.yama.ptrace_scope is {scope}; use sudo, or `sudo sysctl kernel.yama.ptrace_scope=0` until the next boot"
    return "the system forbids it; use sudo, or in a container its option --cap-add=SYS_PTRACE"


def yama_scope() -> str:
    try:
        with open(YAMA, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def has_ptrace_capability() -> bool:
    return bool(int(status_of("self").get("CapEff", "0"), 16) >> CAP_SYS_PTRACE & 1)
