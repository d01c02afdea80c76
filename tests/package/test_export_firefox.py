"""Profiles for the Firefox Profiler, in its own format and in DHAT's, read by its command-line client."""

import json
import os
import subprocess
import time
import unittest

from cli_support import skip_most_pythons
from export_support import ExportTest, node, npm_modules, run, run_ctracemalloc, stacks_of


def setUpModule():
    skip_most_pythons()


class Session:
    """A daemon of profiler-cli with one profile."""

    def __init__(self, home, path):
        self.command = [str(node()), str(npm_modules() / ".bin" / "profiler-cli")]
        self.options = {"env": {**os.environ, "HOME": str(home)}}
        self.call("load", str(path))
        for _attempt in range(100):  # load waits for its daemon for half a second only
            if (
                subprocess.run([*map(str, self.command), "status"], capture_output=True, timeout=60, **self.options).returncode
                == 0
            ):
                return
            time.sleep(0.2)
        raise AssertionError("the daemon of profiler-cli does not answer")

    def call(self, *arguments):
        return subprocess.run([*self.command, *arguments], capture_output=True, timeout=60, **self.options)

    def ask(self, *arguments):
        return json.loads(run([*self.command, *arguments, "--json"], **self.options))

    def tree(self, thread):
        """{names of functions, the oldest first: bytes of their own}"""
        answer = self.ask("thread", "samples-top-down", "--thread", thread, "--max-lines", "100000", "--include-idle")
        assert answer["weightType"] == "bytes"
        found, waiting = {}, [(answer["regularCallTree"], ())]
        while waiting:
            node, path = waiting.pop()
            if node["selfSamples"]:
                found[path] = found.get(path, 0) + node["selfSamples"]
            waiting += ((child, (*path, child["name"])) for child in node["children"])
        return found

    def stop(self):
        run([*self.command, "stop", "--all"], **self.options)


class FirefoxTest(ExportTest):
    def opened(self, form):
        path = self.folder / f"prog.{form}"
        done = run_ctracemalloc("export", self.path, "-f", form, "-o", path, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        session = Session(self.folder, path)
        self.addCleanup(session.stop)
        threads = session.ask("thread", "list")["threads"]
        return session, {thread["name"]: thread["threadHandle"] for thread in threads}

    def expected(self, measure):
        found = {}
        for stack, size in stacks_of(self.snapshot, measure).items():
            names = tuple(name for name, _filename, _lineno in stack)
            found[names] = found.get(names, 0) + size
        return found

    def test_gecko(self):
        session, threads = self.opened("gecko")
        for name, measure in {
            "live": "size",
            "live at the peak": "peak_size",
            "allocated": "allocated_size",
            "allocated and freed again": "freed_size",
        }.items():
            with self.subTest(name):
                self.assertEqual(session.tree(threads.pop(name)), self.expected(measure))
        self.assertFalse(threads)
        rows = session.ask("thread", "functions", "--thread", "t-0", "--search", "Cache.page")
        self.assertIn("prog.py", json.dumps(rows))

    def test_dhat(self):
        session, threads = self.opened("dhat")
        for name, measure in {
            "Total Bytes": "allocated_size",
            "Bytes at Global Max": "peak_size",
            "Bytes at End": "size",
        }.items():
            with self.subTest(name):
                tree = session.tree(threads[name])
                # The page puts the command line at the root, and cuts a frame's name at its place.
                self.assertEqual({path[1:]: size for path, size in tree.items()}, self.expected(measure))


if __name__ == "__main__":
    unittest.main()
