"""What wakes a thread early when memory becomes scarce: files of a control group that the kernel reports changes of.

Model: a set of descriptors for poll(). Of version 2 these are memory.events, which changes when a limit is reached, and
memory.pressure, which reports that tasks have waited for memory; of version 1 a counter that memory.oom_control adds to. Each
is only a reason to look: where the kernel has none of them, or this process may not use them, the thread looks less early.
"""

import contextlib
import os
import select
from collections.abc import Callable

from .ceilings import V2, Files

STALL = b"some 100000 2000000\0"  # 0.1 s of waiting within 2 s, the least window that any process may ask for


class Wakeups:
    def __init__(self) -> None:
        self.poll = select.poll()
        self.stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.descriptors = [self.stop]
        self.poll.register(self.stop, select.POLLIN)

    def add(self, folder: str, files: Files) -> None:
        for way in (of_events, of_pressure) if files is V2 else (of_counter,):
            with contextlib.suppress(OSError):  # not there, not allowed
                way(folder, self.register)

    def register(self, descriptor: int, events: int) -> None:
        self.descriptors.append(descriptor)
        self.poll.register(descriptor, events)

    def wait(self, seconds: float) -> None:
        for descriptor, _event in self.poll.poll(seconds * 1000):
            if descriptor != self.stop:
                self.seen(descriptor)

    def seen(self, descriptor: int) -> None:
        """The next change is reported only after this one was read."""
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
        except OSError:
            pass  # a counter has no position
        try:
            os.read(descriptor, 4096)
        except OSError:  # the group is gone
            self.poll.unregister(descriptor)

    def wake(self) -> None:
        os.eventfd_write(self.stop, 1)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


Register = Callable[[int, int], None]


def of_events(folder: str, register: Register) -> None:
    descriptor = os.open(f"{folder}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
    os.read(descriptor, 4096)
    register(descriptor, select.POLLPRI)


def of_pressure(folder: str, register: Register) -> None:
    descriptor = os.open(f"{folder}/memory.pressure", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.write(descriptor, STALL)
    except OSError:
        os.close(descriptor)
        raise
    register(descriptor, select.POLLPRI)


def of_counter(folder: str, register: Register) -> None:
    """memory.oom_control of version 1: the group has reached its limit, and nothing could be taken back."""
    control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    counter = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        with open(f"{folder}/cgroup.event_control", "wb") as events:
            events.write(b"%d %d" % (counter, control))
    except OSError:
        os.close(counter)
        raise
    finally:
        os.close(control)
    register(counter, select.POLLIN)
