"""speedscope files, collapsed stacks, V8 heap profiles and DHAT files, opened in the pages that people open them in.

speedscope exports what it has read, so its copy is compared stack by stack with the API. dh_view prints its tree as text.
"""

import functools
import json
import re
import unittest

import ctracemalloc
import jsonschema
from cli_support import skip_most_pythons
from export_support import ExportTest, npm_modules, open_in_browser, run_ctracemalloc, stacks_of, tool, traced_program

MEASURES = {
    "live": "size",
    "live at the peak": "peak_size",
    "allocated": "allocated_size",
    "allocated and freed again": "freed_size",
}


def setUpModule():
    skip_most_pythons()


def stacks_in(profile, frames):
    """{frames, the oldest first: weight} of a profile with events: the time from each event to the next is the stack's."""
    found, stack, before = {}, [], profile["startValue"]
    for event in profile["events"]:
        if event["at"] > before:
            found[tuple(stack)] = found.get(tuple(stack), 0) + event["at"] - before
            before = event["at"]
        frame = frames[event["frame"]]
        if event["type"] == "O":
            stack.append(frame)
        else:
            assert stack.pop() == frame
    return found


PLAIN = [(0, 7, (("a;.py", 2), ("b\n.py", 1)), 2), (0, 5, (("b\n.py", 1),), 1)]  # raw traces
FILES = {  # name: what it is made of, the format, options
    "all": ("prog.ctm", "speedscope", "--at-peak"),
    "plain": ("plain.ctm", "speedscope"),
    "live": ("prog.ctm", "collapsed"),
    "freed": ("prog.ctm", "collapsed", "--churn"),
    "peak": ("prog.ctm", "heapprofile", "--at-peak"),
}


def export(folder, name, source, form, *options):
    target = folder / f"{name}.{form}"
    done = run_ctracemalloc("export", source, "-f", form, "-o", target, *options, cwd=folder)
    if (done.returncode, done.stderr) != (0, ""):
        raise AssertionError(done.stderr)
    return target


class SpeedscopeTest(ExportTest):
    """All files are opened by one browser."""

    def setUp(self):
        super().setUp()
        self.plain = ctracemalloc.Snapshot(PLAIN, 2)
        self.found = self.opened()

    @staticmethod
    @functools.cache
    def opened():
        """{name: what the app shows of the file, and exports}"""
        source = traced_program()[0]
        folder = source.parent
        ctracemalloc.Snapshot(PLAIN, 2).dump(folder / "plain.ctm")
        files = [export(folder, name, *arguments) for name, arguments in FILES.items()]
        page = npm_modules() / "speedscope" / "dist" / "release" / "index.html"
        return dict(zip(FILES, open_in_browser("speedscope", page, *files)))

    def test_speedscope(self):
        document = json.loads((self.path.parent / "all.speedscope").read_text())
        schema = json.loads((npm_modules() / "speedscope/dist/release/file-format-schema.json").read_text())
        jsonschema.validate(document, schema)
        self.assertIn("live at the peak (2/4)", self.found["all"]["shown"])
        exported = self.found["all"]["exported"]
        self.assertEqual([profile["name"] for profile in exported["profiles"]], list(MEASURES))
        self.assertEqual({profile["unit"] for profile in exported["profiles"]}, {"bytes"})
        frames = [(each["name"], each["file"], each.get("line", 0)) for each in exported["shared"]["frames"]]
        for profile in exported["profiles"]:
            with self.subTest(profile["name"]):
                self.assertEqual(stacks_in(profile, frames), stacks_of(self.snapshot, MEASURES[profile["name"]]))

    def test_a_file_that_knows_less(self):
        exported = self.found["plain"]["exported"]
        (profile,) = exported["profiles"]
        frames = [(each["name"], each["file"], each["line"]) for each in exported["shared"]["frames"]]
        self.assertEqual(stacks_in(profile, frames), stacks_of(self.plain))

    def test_collapsed(self):
        for name, measure in (("live", "size"), ("freed", "freed_size")):
            exported = self.found[name]["exported"]
            (profile,) = exported["profiles"]
            frames = [each["name"] for each in exported["shared"]["frames"]]
            expected = {}
            for stack, size in stacks_of(self.snapshot, measure).items():
                texts = tuple(
                    "<unknown>" if not lineno else f"{function} ({filename}:{lineno})".replace(";", r"\x3b")
                    for function, filename, lineno in stack
                )
                expected[texts] = expected.get(texts, 0) + size
            self.assertEqual(stacks_in(profile, frames), expected)

    def test_heap_profile(self):
        exported = self.found["peak"]["exported"]
        (profile,) = exported["profiles"]
        self.assertEqual(profile["unit"], "bytes")
        frames = [
            (each["name"], each["file"].removeprefix("file://"), each.get("line", -1) + 1)
            for each in exported["shared"]["frames"]
        ]
        found = {stack[1:]: size for stack, size in stacks_in(profile, frames).items()}
        self.assertEqual(found, stacks_of(self.snapshot, "peak_size"))


class BrowserTest(ExportTest):
    def test_dhat(self):
        # libexec: where Debian's valgrind has the page.
        page = tool("dh_view.html", "/usr/libexec/valgrind", "/usr/lib/valgrind", mode=0)
        text = open_in_browser("dhat", page, export(self.folder, "prog", self.path, "dhat", "--include", "prog.py"))[0]["text"]
        own = self.snapshot.statistics("filename", sort="allocated")
        (prog,) = [statistic for statistic in own if statistic.traceback[0].filename.endswith("/prog.py")]
        root = re.search(r"PP 1/1 .*?Allocated at", text, re.DOTALL)[0]
        for name, size, count in (
            ("Total: ", prog.allocated_size, prog.allocated_count),
            ("At t-gmax:", prog.peak_size, prog.peak_count),
            ("At t-end: ", prog.size, prog.count),
        ):
            self.assertRegex(root, rf"{name} +{size:,} bytes \(100%.*\) in {count:,} blocks \(100%")
        # A program point is a traceback; the frames of all, from its parent on.
        pages = [stack for stack in stacks_of(self.snapshot) if stack[-1][0] == "Cache.page"]
        self.assertEqual(len(pages), 1)
        size = stacks_of(self.snapshot)[pages[0]]
        place = f"Cache.page ({pages[0][-1][1]}:{pages[0][-1][2]})"
        self.assertRegex(text, rf"At t-end:  {size:,} bytes [^{{]*Allocated at {{\n\W*#1: 0x[0-9A-F]+: {re.escape(place)}")

    def test_dhat_needs_all_figures(self):
        ctracemalloc.Snapshot([(0, 7, (("a.py", 2),), 1)], 1).dump(self.folder / "plain.ctm")
        done = run_ctracemalloc("export", "plain.ctm", "-f", "dhat", cwd=self.folder)
        self.assertEqual(done.returncode, 3)
        self.assertIn("plain.ctm: what was live at the peak is not in this file", done.stderr)
        self.assertFalse(list(self.folder.glob("*dhat*")))


if __name__ == "__main__":
    unittest.main()
