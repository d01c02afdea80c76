"""What the tests test_guards_*.py share."""

import time
import unittest

import ctracemalloc


def wait_until(condition, seconds=60):
    """Wait for another thread or process; False: it did not happen."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def wait_until_it_waits(pid):
    """Wait until the main thread of that process is in a call of the kernel that waits.

    A signal that comes just before such a call is handled when the call returns: no handler in Python can end the waiting.
    """

    def waits():
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"

    if not wait_until(waits):
        raise AssertionError(f"process {pid} did not come to wait")


class TracedTest(unittest.TestCase):
    """Memory is traced in each test."""

    nframe = 1

    def setUp(self):
        ctracemalloc.start(self.nframe)
        self.addCleanup(ctracemalloc.stop)
