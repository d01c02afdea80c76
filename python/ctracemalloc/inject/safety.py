"""In which stopped thread may Py_AddPendingCall be called?

Model: that function takes no lock but the one of the list of pending calls, so the thread must not hold that one. CPython
holds it in a few functions only, over a few instructions, which call nothing but functions of locks. So a thread does not
hold it if the thread
- is in a system call that waits, or
- is in code of another file than the interpreter, the C library and the loader, or
- is in a function of the interpreter that uses no lock: its text has no call of a function of locks, and no `lock cmpxchg` of
  a byte, which is how PyMutex_Lock is inlined. The function is an exported one, or a long one: a compiler may have made
  functions of what is done under the lock, but these are short, and not exported.
For what is not so, the answer is no; then the thread is looked at again a little later.

PyThread_start_new_thread allocates as well, so it takes a thread that waits for something outside or for another thread: it
does not hold the lock of malloc.
"""

import bisect
import os
import re
from typing import NamedTuple

from .elf import Mapping
from .target import LIBC, Target

SYSCALL = b"\x0f\x05"
LOCK_FUNCTIONS = (
    *("PyThread_acquire_lock", "PyThread_acquire_lock_timed", "PyThread_release_lock"),
    *("PyMutex_Lock", "PyMutex_Unlock", "_PyMutex_LockTimed", "_PyMutex_LockSlow", "_PyMutex_UnlockSlow"),
    *("_PyMutex_TryUnlock", "Py_AddPendingCall", "_PyEval_AddPendingCall", "Py_MakePendingCalls"),
)
LONG = 1024  # bytes
BYTE_LOCK = re.compile(rb"\xf0[\x40-\x4f]?\x0f\xb0")
CALLS = re.compile(rb"[\xe8\xe9](?=(....))", re.DOTALL)  # call and jmp (a last call) with a distance of 32 bits
STUB = re.compile(rb"(?:\xf3\x0f\x1e\xfa)?\xf2?\xff\x25(....)", re.DOTALL)  # what a call through the linkage table arrives at
LOADER = re.compile(r"(ld-linux|libpthread|\[)")


# read, poll, pause, nanosleep, accept, recvfrom, recvmsg, wait4, semop, futex, rt_sigtimedwait, rt_sigsuspend, epoll_wait,
# clock_nanosleep, select, pselect6, ppoll, waitid, epoll_pwait, accept4, epoll_pwait2
WAITING = (0, 7, 34, 35, 43, 45, 47, 61, 65, 202, 128, 130, 232, 230, 23, 270, 271, 247, 281, 288, 441)


class Place(NamedTuple):
    """Where a stopped thread is."""

    thread: int
    syscall: int  # -1: in none
    address: int


def places(pid: int) -> list[Place]:
    """Of all threads of a stopped process; the main one first."""
    found = []
    for name in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        try:
            with open(f"/proc/{pid}/task/{name}/syscall", encoding="ascii") as file:
                words = file.read().split()
        except OSError:
            continue  # it has ended
        if words[:1] != ["running"] and len(words) >= 3:
            found.append(Place(int(name), int(words[0]), int(words[-1], 16)))
    return sorted(found, key=lambda place: place.thread != pid)


class Judge:
    def __init__(self, target: Target) -> None:
        self.target, self.memory = target, target.memory
        self.functions = target.python.functions()
        self.starts = [start for start, _ in self.functions]
        addresses = (target.python.symbol(name) for name in LOCK_FUNCTIONS)
        self.locks = {address for address in addresses if address is not None}
        self.known: dict[int, bool] = {}  # by the first address of a function

    def choose(self) -> int | None:
        """A thread that may make the call; None: there is none at this moment."""
        return next((place.thread for place in places(self.target.pid) if self.allows(place)), None)

    def choose_waiting(self) -> int | None:
        """A thread that waits, so that it may allocate; None: there is none at this moment."""
        found = (place.thread for place in places(self.target.pid) if place.syscall in WAITING and self.allows(place))
        return next(found, None)

    def allows(self, place: Place) -> bool:
        if place.syscall >= 0:
            return self.memory.read(place.address - 2, 2) == SYSCALL
        mapping = self.mapping_of(place.address)
        if mapping is None:
            return False
        if mapping.path != self.target.python.path:
            name = os.path.basename(mapping.path)
            return not (LIBC.match(name) or LOADER.match(name))
        return self.uses_no_lock(place.address)

    def mapping_of(self, address: int) -> Mapping | None:
        return next((item for item in self.target.files if item.start <= address < item.end), None)

    def uses_no_lock(self, address: int) -> bool:
        found = self.exported(address) or self.long_one(address)
        if found is None:
            return False
        start, end = found
        if start not in self.known:
            self.known[start] = start not in self.locks and not self.has_lock(start, self.memory.read(start, end - start))
        return self.known[start]

    def exported(self, address: int) -> tuple[int, int] | None:
        index = bisect.bisect_right(self.starts, address) - 1
        return self.functions[index] if index >= 0 and address < self.functions[index][1] else None

    def long_one(self, address: int) -> tuple[int, int] | None:
        try:
            found = self.target.python.extent(address)
        except OSError:
            return None
        return found if found is not None and found[1] - found[0] >= LONG else None

    def has_lock(self, start: int, text: bytes) -> bool:
        if BYTE_LOCK.search(text):
            return True
        for call in CALLS.finditer(text):
            goal = start + call.start() + 5 + int.from_bytes(call[1], "little", signed=True)
            if goal in self.locks or (self.is_near(goal) and self.through_table(goal) in self.locks):
                return True
        return False

    def is_near(self, address: int) -> bool:
        mapping = self.mapping_of(address)
        return mapping is not None and mapping.path == self.target.python.path

    def through_table(self, address: int) -> int | None:
        """Where a call of the linkage table's entry at this address leads."""
        try:
            stub = STUB.match(self.memory.read(address, 16))
            return stub and self.memory.number(address + stub.end() + int.from_bytes(stub[1], "little", signed=True))
        except OSError:
            return None
