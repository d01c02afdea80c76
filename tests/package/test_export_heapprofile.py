"""V8 heap profiles, opened in the tools that they are for: Chromium's DevTools and VS Code.

Model: each tool makes a tree of calls of its own from a file, with own and total sizes, and DevTools adds up each line of a
function as well. Trees are {frames, the oldest first: [own bytes, bytes with all below]} here, and so is what the API knows.
"""

import functools
import unittest
from urllib.parse import unquote

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.export import heapprofile
from ctracemalloc.export.selected import Selected
from ctracemalloc.model.figures import FREED, LIVE
from export_support import ExportTest, open_in_browser, open_in_vscode, run_ctracemalloc, stacks_of, traced_program

UNKNOWN = ("<unknown>", "<unknown>", 0)  # memory with an empty traceback
PLAIN = [(0, 8000, (), 0), (0, 5000, (("b.py", 2), ("a b.py", 1)), 2), (0, 3000, (("a b.py", 1),), 1)]  # raw traces
DEVTOOLS = "devtools://devtools/bundled/devtools_app.html"


def setUpModule():
    skip_most_pythons()


def tree_of(stacks):
    """The tree of {frames: bytes}."""
    found = {}
    for stack, size in stacks.items():
        path = stack or (UNKNOWN,)
        for depth in range(1, len(path) + 1):
            node = found.setdefault(path[:depth], [0, 0])
            node[0] += size if depth == len(path) else 0
            node[1] += size
    return found


def tree_of_rows(rows):
    """The tree of a tool's rows (level, frame, own, total), each below the row before it with a smaller level."""
    found, path = {}, []
    for level, frame, own, total in rows:
        path[level - 1 :] = [frame]
        node = found.setdefault(tuple(path), [0, 0])
        node[0] += own
        node[1] += total
    return found


@functools.cache
def profiles():
    """({name: a heap profile}, {name: bytes of its stacks from the API})"""
    source = traced_program()[0]
    snapshot = ctracemalloc.Snapshot.load(str(source))
    # VS Code shows whole kB: of a thousand equal snapshots that is exact.
    thousand = ctracemalloc.Snapshot.merge([snapshot] * 1000, labels={"source": None, "pid": None})
    files, stacks = {}, {}
    for name, exported, measure, attribute in (
        ("freed", snapshot, FREED, "freed_size"),
        ("thousand", thousand, LIVE, "size"),
        ("plain", ctracemalloc.Snapshot(PLAIN, 2), LIVE, "size"),
    ):
        files[name] = source.with_name(f"{name}.heapprofile")
        files[name].write_bytes(b"".join(heapprofile.pieces(Selected(exported), measure, ())))
        stacks[name] = stacks_of(exported, attribute)
    return files, stacks


class HeapProfileTest(ExportTest):
    def test_devtools(self):
        files, stacks = profiles()
        names = ("freed", "plain")
        for name, found in zip(names, open_in_browser("devtools", DEVTOOLS, *(files[name] for name in names)), strict=True):
            with self.subTest(name):
                self.assertEqual(found["total"], sum(stacks[name].values()))
                tree = [(level, self.frame(*place), *sizes) for level, *place, sizes in found["tree"]]
                self.assertEqual(tree_of_rows(tree), tree_of(stacks[name]))
                self.check_functions(found["functions"], stacks[name])

    def check_functions(self, rows, stacks):
        """Each line of a function once, with what it has in all stacks. Chromium 156 counts the total of a frame that calls
        itself once for each call, so that one is not compared."""
        found, expected, recursive = {}, {}, set()
        for *place, sizes in rows:
            found[self.frame(*place)] = [a + b for a, b in zip(found.get(self.frame(*place), (0, 0)), sizes, strict=True)]
        for stack, size in stacks.items():
            path = stack or (UNKNOWN,)
            recursive |= {frame for frame in path if path.count(frame) > 1}
            for frame in set(path):
                sizes = expected.setdefault(frame, [0, 0])
                sizes[0] += size if frame == path[-1] else 0
                sizes[1] += size
        for frame in recursive:
            found[frame][1] = expected[frame][1] = None
        self.assertEqual(found, expected)

    def frame(self, function, url, line, column):
        self.assertEqual(column, -1)
        return function, unquote(url.removeprefix("file://")), line + 1

    def test_vscode(self):
        files, stacks = profiles()
        names = ("thousand", "plain")
        for name, found in zip(names, open_in_vscode(self.folder, *(files[name] for name in names)), strict=True):
            with self.subTest(name):
                rows = []
                for level, function, place, *sizes in found["rows"]:
                    file, line = place.rsplit(":", 1)
                    rows.append((level, (function, file, int(line)), *map(self.bytes_of, sizes)))
                self.assertEqual(tree_of_rows(rows), tree_of(stacks[name]))

    def bytes_of(self, text):
        self.assertRegex(text, r"^[\d,]+kB$")
        return int(text.removesuffix("kB").replace(",", "")) * 1000

    def test_a_heap_profile_of_deep_stacks(self):
        stack = tuple(("deep.py", line) for line in range(1, 30_001))
        ctracemalloc.Snapshot([(0, 8, stack[at:], 1) for at in range(0, 30_000, 5000)], 30_000).dump(self.folder / "deep.ctm")
        done = run_ctracemalloc("export", "deep.ctm", "-f", "heapprofile", cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = (self.folder / "deep.heapprofile").read_text()
        self.assertEqual(text.count('"selfSize":8,'), len(range(0, 30_000, 5000)))
        self.assertEqual(text.count("{"), text.count("}"))


if __name__ == "__main__":
    unittest.main()
