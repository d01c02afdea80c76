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


class TracedTest(unittest.TestCase):
    """Memory is traced in each test."""

    nframe = 1

    def setUp(self):
        ctracemalloc.start(self.nframe)
        self.addCleanup(ctracemalloc.stop)
