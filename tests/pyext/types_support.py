"""What the tests test_types_*.py share: random raw traces, snapshots of them from the core."""

import os
import tempfile
import unittest

import ctracemalloc as m

KEYS = [
    ("traceback", False),
    ("lineno", False),
    ("filename", False),
    ("function", False),
    ("lineno", True),
    ("filename", True),
    ("function", True),
]
STDLIB_KEYS = [key for key in KEYS if key[0] != "function"]
FILES = ["a.py", "b.py", "b.pyc", "lib/c.py", "<unknown>", "é.py", "", "[x].py", "\ud800.py", "日本.py", "a\0b.py"]
PATTERNS = [*FILES, "*", "*.py", "?.py", "lib/*", "[a-b].py", "[!a].py", "*x*", "[", "a.pyc", "**"]


def random_traces(rng, count):
    tracebacks = [tuple((rng.choice(FILES), rng.randrange(-1, 4)) for _ in range(rng.randrange(1, 6))) for _ in range(12)]
    return [
        (rng.choice((0, 0, 0, 1, 389047, 2**32 - 1)), rng.choice((0, 1, 10, 64, 2**40)), frames, len(frames) + rng.randrange(2))
        for frames in rng.choices(tracebacks, k=count)
        for _ in range(rng.randrange(1, 4))
    ]


def is_core(snapshot):
    return list(vars(snapshot.traces)) == ["_core"]


def plain(statistics):
    return [
        (
            s.traceback._frames,
            s.traceback.total_nframe,
            *(getattr(s, n) for n in ("size", "size_diff", "count", "count_diff") if hasattr(s, n)),
        )
        for s in statistics
    ]


class Case(unittest.TestCase):
    maxDiff = 3000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "snapshot.ctm")

    def to_core(self, raw, limit=5):
        m.Snapshot(raw, limit).dump(self.path)
        loaded = m.Snapshot.load(self.path)
        self.assertTrue(is_core(loaded))
        return loaded
