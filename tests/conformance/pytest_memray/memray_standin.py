"""A plugin of pytest that puts ctracemalloc into memray's place in runs of pytest-memray's own tests.

Model: it is loaded in the runs that these tests make, too (PYTEST_PLUGINS), and there is what they rely on:

- `--memray` asks for ctracemalloc's plugin, or with STANDIN=markers for nothing: markers act without it. Other options of
  pytest-memray are unknown.
- memray._test.MemoryAllocator takes its memory from Python's raw domain; memray's own calls the C library, which ctracemalloc
  does not look at. The names of its functions are the same, because tests look for them in call stacks.
- Where a test has replaced pytest_memray.plugin.Tracker to count the tests that are measured, each that ours measures counts.
- pytest_memray.utils.parse_memory_string is ours.

What it imports is imported before the runs, each of which forgets what it has imported itself.
"""

import os
from unittest import mock

import memray._test
import pytest_memray.plugin
import pytest_memray.utils
from ctracemalloc.pytest_plugin.limits import parse_size
from ctracemalloc.pytest_plugin.placing import Placed
from memray._test import PymallocDomain, PymallocMemoryAllocator

MARKERS_ONLY = os.environ.get("STANDIN") == "markers"


class MemoryAllocator:
    def __init__(self):
        self.allocator = PymallocMemoryAllocator(PymallocDomain.PYMALLOC_RAW)

    def valloc(self, size):
        return self.allocator.malloc(size)

    def free(self):
        return self.allocator.free()


def counted(place):
    def placed(self):
        tracker = pytest_memray.plugin.Tracker
        if isinstance(tracker, mock.Mock) and tracker._mock_wraps is None:
            tracker()
        return place(self)

    return placed


memray._test.MemoryAllocator = MemoryAllocator
Placed.place = counted(Placed.place)
pytest_memray.utils.parse_memory_string = parse_size


def pytest_addoption(parser):
    asked = "standin_ignored" if MARKERS_ONLY else "ctracemalloc"
    parser.getgroup("standin").addoption("--memray", action="store_true", dest=asked, help="as --ctracemalloc")
