"""What the tests test_parity_*.py share: both modules, a sample of each class, ways to compare.

Three kinds of tests. The mixins `...Tests` state what is expected; `both` has them run once with the standard library's
module and once with this one. `TestSameOutcome` runs small pieces of code with both and compares the outcomes: the value, or
the type and text of the exception. `TestRandom` does the same with random traces, filters and patterns.
"""

import sys
import tracemalloc
import unittest

import ctracemalloc

if tracemalloc is ctracemalloc:
    raise ImportError("these tests compare with the standard library's tracemalloc")

MODULES = {"Stdlib": tracemalloc, "Ours": ctracemalloc}
CLASSES = [
    "Frame",
    "Traceback",
    "Trace",
    "_Traces",
    "Statistic",
    "StatisticDiff",
    "BaseFilter",
    "Filter",
    "DomainFilter",
    "Snapshot",
]
SLOTTED = ["Frame", "Traceback", "Trace", "Statistic", "StatisticDiff"]


def sample(m, name):
    """An instance of each class."""
    frames = (("a.py", 1), ("b.py", 2))
    traceback = m.Traceback(frames, 5)
    return {
        "Frame": lambda: m.Frame(("a.py", 1)),
        "Traceback": lambda: traceback,
        "Trace": lambda: m.Trace((0, 10, frames, 5)),
        "_Traces": lambda: m._Traces([(0, 10, frames, 5)]),
        "Statistic": lambda: m.Statistic(traceback, 10, 2),
        "StatisticDiff": lambda: m.StatisticDiff(traceback, 10, 5, 2, 1),
        "BaseFilter": lambda: m.BaseFilter(True),
        "Filter": lambda: m.Filter(True, "a.py", 1, True, 0),
        "DomainFilter": lambda: m.DomainFilter(False, 3),
        "Snapshot": lambda: m.Snapshot([(0, 10, frames, 5)], 7),
    }[name]()


def both(mixin):
    """Make a test case of the mixin for each module, in the file that defines the mixin."""
    for prefix, m in MODULES.items():
        name = f"{prefix}{mixin.__name__}"
        case = type(
            name, (mixin, unittest.TestCase), {"m": m, "prefix": prefix, "__module__": mixin.__module__, "__qualname__": name}
        )
        setattr(sys.modules[mixin.__module__], name, case)
    return mixin


def outcome(function, m):
    """What function(m) returns or raises, in a form that can be compared between modules."""
    try:
        return ("value", describe(function(m)))
    except Exception as error:  # every exception is an outcome
        text = str(error).split(". Did you mean")[0].replace("ctracemalloc.", "tracemalloc.")
        return ("error", type(error).__name__, text)


def describe(value):
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        return (kind, [describe(item) for item in value])
    if isinstance(value, dict):
        return (kind, [(describe(k), describe(v)) for k, v in value.items()])
    if isinstance(value, (tracemalloc.Snapshot, ctracemalloc.Snapshot)):
        return (kind, value.traces._traces, value.traceback_limit)
    return (kind, repr(value))
