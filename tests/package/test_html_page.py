"""The pages of `flamegraph` and `html`, read by a reader of their own: the figures are those of the module, names are data.

Model: files of every kind are made once. A page is made by main() in this process and read by tests/readers/page_reader.py.
What a browser makes of it is tested in tests/html.
"""

import contextlib
import io
import os
import random
import re
import threading
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

import ctracemalloc
import page_reader
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.cli.main import main
from ctracemalloc.model.figures import own_columns, total_columns
from ctracemalloc.model.graph import Least, graph_of
from ctracemalloc.model.joined import by_id, by_name, joined_trees, parts_of
from ctracemalloc.places.files import Paths
from ctracemalloc.places.patterns import Patterns
from ctracemalloc.render.html import datasets
from ctracemalloc.render.html.packing import planes_of
from ctracemalloc.render.html.secrets import NO_CODE, SECRET, why_left_out
from ctracemalloc.render.text.units import format_bytes
from history_support import snapshot_of_sites
from names_support import SPECIAL, names, snapshot_of
from types_support import random_traces

NAMES = ("size", "count", "peak_size", "peak_count", "allocated_size", "allocated_count")
MARKUP = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "&lt;b&gt;",
    "<img src=x onerror=alert(1)>",
    "'\"`=",
    "</title>",
]
EVERYTHING = Patterns((), ())


def setUpModule():
    skip_some_pythons()


def own_of_paths(found, state=0):
    """The own figures of each path, for all figures of a state: {path: figures}, only those that are not 0."""
    names_there = [name for name in NAMES if f"s{state}.{name}" in found.columns]
    figures = zip(*(found.columns[f"s{state}.{name}"] for name in names_there))
    sums = Counter()
    for path, of_node in zip(page_reader.paths(found), figures):
        for name, figure in zip(names_there, of_node):
            sums[path, name] += figure
    return {key: figure for key, figure in sums.items() if figure}


def own_of_traces(snapshot):
    """The same, from the traces of a snapshot alone."""
    sums = Counter()
    for trace in snapshot.traces:
        path = tuple((frame.filename, frame.lineno, frame.name or "") for frame in trace.traceback)
        sums[path, "size"] += trace.size
        sums[path, "count"] += 1
    return {key: figure for key, figure in sums.items() if figure}


class PageTest(ProgramTest):
    def setUp(self):
        super().setUp()
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)

    def command(self, *arguments, status=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                found = main(list(map(str, arguments)))
            except SystemExit as end:
                found = end.code
        self.assertEqual(found, status, err.getvalue())
        return out.getvalue() if status == 0 else err.getvalue()

    def page(self, *arguments, command="html"):
        self.command(command, "-o", "page.html", "--force", *arguments)
        return page_reader.read(Path("page.html").read_bytes().decode("ascii"))

    def dataset(self, *arguments):
        (found,) = self.page(*arguments).datasets
        return found


class FiguresTest(PageTest):
    def test_random_snapshots(self):
        for seed in range(12):
            traces = random_traces(random.Random(seed), 60)
            snapshot = ctracemalloc.Snapshot(traces, 5)
            snapshot.dump("a.ctm")
            found = self.dataset("a.ctm", "--threshold", "0")
            live = {key: figure for key, figure in own_of_paths(found).items() if key[1] in ("size", "count")}
            self.assertEqual(live, own_of_traces(ctracemalloc.Snapshot.load("a.ctm")))
            self.assertEqual(found.facts["merged"]["nodes"], 0)

    def sites(self, rng):
        frames = [
            tuple((f"{rng.choice('abcd')}.py", rng.randrange(1, 4)) for _ in range(rng.randrange(1, 6))) for _ in range(80)
        ]
        counts = [(rng.randrange(3), rng.randrange(4)) for _ in frames]  # live, freed
        return [
            ((0, rng.randrange(1, 5000) + number, stack, len(stack)), live, freed, rng.randrange(live + freed + 1))
            for number, (stack, (live, freed)) in enumerate(zip(frames, counts))
        ]

    def test_all_figures(self):
        for seed in range(8):
            snapshot_of_sites(self.sites(random.Random(seed)), "a.ctm")
            tree = ctracemalloc.Snapshot.load("a.ctm").call_tree()
            found = self.dataset("a.ctm", "--threshold", "0")
            totals = found.facts["states"][0]["totals"]
            self.assertEqual(list(totals.values()), [column[0] for column in total_columns(tree)])
            for name, column in zip(NAMES, own_columns(tree)):
                self.assertEqual(sorted(filter(None, found.columns["s0." + name])), sorted(filter(None, column)))
                self.assertEqual(page_reader.totals(found, "s0." + name)[0], totals[name])

    def test_unknown_figures(self):
        snapshot_of_sites(self.sites(random.Random(1)), "a.ctm", peak_known=False)
        found = self.dataset("a.ctm")
        self.assertEqual((found.facts["peak_known"], found.facts["churn_known"]), (False, True))
        self.assertIsNone(found.facts["states"][0]["totals"]["peak_size"])
        self.assertNotIn("s0.peak_size", found.columns)
        self.assertIn("the peak is not in this file", self.command("html", "-o", "p.html", "--at-peak", "a.ctm", status=3))

    def test_merged_nodes(self):
        """A node is there exactly if one of its totals reaches the share; all others are in nodes of the frame 1."""
        for seed in range(8):
            snapshot_of_sites(self.sites(random.Random(seed)), "a.ctm")
            whole = self.dataset("a.ctm", "--threshold", "0")
            some = self.dataset("a.ctm", "--threshold", "3")
            number_of = {path: node for node, path in enumerate(page_reader.paths(whole))}
            sums_of = {name: page_reader.totals(whole, "s0." + name) for name in NAMES}
            large = {
                path
                for path, node in number_of.items()
                if node == 0 or any(sums[node] and 100 * sums[node] >= 3 * sums[0] for sums in sums_of.values())
            }
            paths = page_reader.paths(some)
            shown = {path for path in paths if path[-1:] != (None,)}
            self.assertEqual(shown, large)
            self.assertEqual(len(paths), len(set(paths)))
            for name, sums in sums_of.items():
                for path, figure in zip(paths, page_reader.totals(some, "s0." + name)):
                    if path in shown:
                        self.assertEqual(figure, sums[number_of[path]], (path, name))
            self.assertEqual(some.facts["merged"]["nodes"], sum(some.columns["merged_nodes"]))
            self.assertEqual(sum(some.columns["merged_nodes"]), len(number_of) - len(large))
            self.assertEqual(len(some.columns["merged_nodes"]), some.columns["frame"].count(1))

    def test_without_a_threshold(self):
        """Few nodes are all kept; of very many those below 0.01 % are merged."""
        traces = [(0, 100 + number, (("a.py", number), ("b.py", number % 90)), 2) for number in range(3000)]
        ctracemalloc.Snapshot(traces, 2).dump("a.ctm")
        merged = self.dataset("a.ctm").facts["merged"]
        self.assertEqual((merged["percent"], merged["nodes"]), (0, 0))
        with mock.patch.object(datasets, "MOST_NODES", 3000):
            merged = self.dataset("a.ctm").facts["merged"]
        self.assertEqual(merged["percent"], 0.01)
        with mock.patch.object(datasets, "MOST_FIGURES", 6000):
            self.assertEqual(self.dataset("a.ctm").facts["merged"]["percent"], 0)
            self.assertEqual(self.dataset("a.ctm", "a.ctm").facts["merged"]["percent"], 0.01)

    def test_what_is_said_adds_up(self):
        traces = [(0, 100 + number, (("a.py", number), ("b.py", number % 90)), 2) for number in range(3000)]
        ctracemalloc.Snapshot(traces, 2).dump("a.ctm")
        said = self.command("html", "-o", "page.html", "a.ctm")
        whole = int(re.search(r", ([\d,]+) calls$", said)[1].replace(",", ""))
        self.assertEqual(whole, 3000 + 90)
        for threshold in ("0.1", "2", "1KiB"):
            said = self.command("html", "-o", "page.html", "--threshold", threshold, "a.ctm")
            calls, merged = (int(n.replace(",", "")) for n in re.search(r", ([\d,]+) calls, ([\d,]+) more", said).groups())
            self.assertEqual(calls + merged, whole)
            self.assertGreater(merged, 100)

    def test_a_size_as_threshold(self):
        snapshot_of_sites(self.sites(random.Random(3)), "a.ctm")
        found = self.dataset("a.ctm", "--threshold", "4KiB")
        sums = [page_reader.totals(found, f"s0.{name}") for name in NAMES[::2]]
        for node, frame in enumerate(found.columns["frame"]):
            if node and frame != 1:
                self.assertGreaterEqual(max(column[node] for column in sums), 4096)
        self.assertEqual((found.facts["merged"]["percent"], found.facts["merged"]["size"]), (0, 4096))

    def test_patterns(self):
        snapshot_of_sites(self.sites(random.Random(4)), "a.ctm")
        for options in (["--include", "a.py"], ["--exclude", "b.py"], ["--include", "a.py", "--all-frames"]):
            found = self.dataset("a.ctm", "--threshold", "0", *options)
            self.assertIn("selected", dict(found.facts["facts"]))
            document = self.command("report", "a.ctm", "--json", *options)
            self.assertIn(f'"totals": {{"size": {found.facts["states"][0]["totals"]["size"]},', document)

    def test_an_empty_traceback(self):
        """As `import` may make it: no command minds it."""
        ctracemalloc.Snapshot([(0, 5, (), 0), (0, 7, (("a.py", 1),), 1)], 1).dump("a.ctm")
        found = self.dataset("a.ctm")
        self.assertEqual(found.columns["s0.size"], [5, 7])
        for arguments in (["report"], ["report", "-k", "traceback"], ["tree", "--no-interactive"], ["report", "--json"]):
            self.assertIn("5", self.command(*arguments, "a.ctm"))

    def test_differences(self):
        for seed in range(6):
            rng = random.Random(seed)
            sites = self.sites(rng)
            snapshot_of_sites(rng.sample(sites, 60), "old.ctm")
            snapshot_of_sites(rng.sample(sites, 60), "new.ctm")
            found = self.dataset("old.ctm", "new.ctm", "--threshold", "0")
            self.assertTrue(found.facts["is_diff"])
            self.assertEqual([state["label"] for state in found.facts["states"]], ["base: old.ctm", "new.ctm"])
            for state, file in enumerate(("old.ctm", "new.ctm")):
                self.assertEqual(own_of_paths(found, state), own_of_paths(self.dataset(file, "--threshold", "0")))

    def test_nothing_at_all(self):
        ctracemalloc.Snapshot([], 1).dump("a.ctm")
        found = self.dataset("a.ctm")
        self.assertEqual((found.columns["parent"], found.facts["states"][0]["totals"]["size"]), ([0], 0))
        found = self.dataset("a.ctm", "a.ctm")
        self.assertEqual(found.columns["s1.size"], [0])

    def test_trees_joined_by_name_and_by_number(self):
        for seed in range(6):
            rng = random.Random(seed)
            sites = self.sites(rng)
            old, new = (snapshot_of_sites(rng.sample(sites, 50), name) for name in ("old.ctm", "new.ctm"))
            tree = new.call_tree(old)
            both = [tree.older, tree.newer]
            parts = parts_of(both, Paths(), EVERYTHING, False)
            one, other = (join(parts, tuple(range(6)), True, True) for join in (by_id, by_name))
            apart = joined_trees([old.call_tree(), new.call_tree()], Paths(), EVERYTHING)
            self.assertEqual(self.own(one), self.own(other))
            self.assertEqual(self.own(one), self.own(apart))

    def own(self, joined):
        """{path: the own figures of all states}"""
        found, paths = Counter(), [()]
        for node in range(1, len(joined.parent)):
            function, lineno = joined.frames[joined.frame[node]]
            paths.append((*paths[joined.parent[node]], (joined.functions[function][0], lineno)))
        for state, columns in enumerate(joined.own):
            for figure, column in enumerate(columns):
                for path, value in zip(paths, column):
                    found[path, state, figure] += value
        return {key: value for key, value in found.items() if value}

    def test_a_large_tree(self):
        rng = random.Random(7)
        frames = [(f"f{number % 50}.py", number) for number in range(2000)]
        traces = [
            (0, rng.randrange(1, 10000), (stack := tuple(rng.choices(frames, k=rng.randrange(1, 12)))), len(stack))
            for _ in range(20000)
        ]
        tree = ctracemalloc.Snapshot(traces, 12).call_tree()
        graph = graph_of([tree], Paths(), EVERYTHING, least=Least(0.02))
        self.assertLess(len(graph.parent), len(tree))
        self.assertEqual(sum(graph.own[0][0]), tree.total_size[0])


class RecordingTest(PageTest):
    def record(self, source, interval="0.05"):
        script = self.write("program.py", source)
        result = self.traced("-n", "9", "--record", "a.ctr", "--record-interval", interval, script)
        self.assertEqual(result.returncode, 0, result.stderr)
        return ctracemalloc.open_recording("a.ctr")

    def test_states_are_moments(self):
        recording = self.record("""
            import time
            kept = []
            def grow():
                kept.append([bytes(10_000) for _ in range(20)])
            for _ in range(30):
                grow()
                time.sleep(0.05)
        """)
        page = self.page("a.ctr", "--threshold", "0")
        self.assertIn("timeline", page.head["sections"])
        (found,) = page.datasets
        times = [state["time"] for state in found.facts["states"]]
        self.assertEqual((times[0], times[-1]), (recording.times[0], recording.times[-1]))
        self.assertLessEqual(len(times), 25)
        for number, time in enumerate(times):
            snapshot = recording.snapshot(time)
            tree = snapshot.call_tree()
            self.assertEqual(page_reader.totals(found, f"s{number}.size")[0], tree.total_size[0])
            self.assertEqual(found.facts["states"][number]["totals"]["count"], tree.total_count[0])
        self.assertEqual(found.columns["tick_size"], [moment.size for moment in recording.totals()])
        self.assertEqual(found.columns["tick_time"], [round(1000 * time) for time in recording.times])
        grown = [figure for key, figure in own_of_paths(found, len(times) - 1).items() if key[1] == "size"]
        self.assertGreater(max(grown), 30 * 20 * 9000)
        (one,) = self.page("a.ctr", "--at", times[1]).datasets
        self.assertEqual(own_of_paths(one)[max(own_of_paths(one), key=own_of_paths(one).get)], max(own_of_paths(one).values()))
        self.assertEqual(len(one.facts["states"]), 1)

    def test_tables_that_were_emptied(self):
        recording = self.record("""
            import ctracemalloc, time
            def make():
                return [bytes(5000) for _ in range(50)]
            first = make()
            time.sleep(0.3)
            ctracemalloc.clear_traces()
            second = make()
            time.sleep(0.3)
        """)
        found = self.dataset("a.ctr", "--threshold", "0")
        for number, state in enumerate(found.facts["states"]):
            tree = recording.snapshot(state["time"]).call_tree()
            self.assertEqual(page_reader.totals(found, f"s{number}.size")[0], tree.total_size[0])
        paths = page_reader.paths(found)
        self.assertEqual(len(paths), len(set(paths)))
        self.assertEqual([event[1] for event in found.facts["timeline"]["events"]], ["start", "clear"])


class ProcessesTest(PageTest):
    def test_a_folder(self):
        script = self.write(
            "program.py",
            """
            import os
            held = bytes(1_000_000)
            for number in 1, 2:
                if os.fork() == 0:
                    mine = bytes(number * 2_000_000)
                    os._exit(0)
                os.wait()
            """,
        )
        result = self.traced("--follow-children", "-o", "out", script)
        self.assertEqual(result.returncode, 0, result.stderr)
        page = self.page("out")
        self.assertEqual(page.head["sections"][-1], "processes")
        self.assertEqual(len(page.datasets), 4)
        rows = page.datasets[0].facts["processes"]
        self.assertEqual([row["dataset"] for row in rows], [1, 2, 3])
        for row in rows:
            totals = page.datasets[row["dataset"]].facts["states"][0]["totals"]
            self.assertEqual((row["size"], row["peak"]), (totals["size"], totals["peak_size"]))
        self.assertEqual(page.datasets[0].facts["states"][0]["totals"]["size"], sum(row["size"] for row in rows))
        self.assertIn("this is a directory", self.command("html", "-o", "p.html", "--at", "1", "out", status=2))


class SourceTest(PageTest):
    def snapshot_of(self, *files):
        frames = [((str(self.folder / file), 2), (str(self.folder / file), 1)) for file in files]
        ctracemalloc.Snapshot([(0, 100, stack, 2) for stack in frames], 2).dump("a.ctm")

    def test_lines_of_own_files(self):
        self.write("one.py", "def f():\n    return bytes(10)\n")
        Path("latin.py").write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
        Path("site-packages").mkdir()
        self.write("site-packages/other.py", "x = 1\n")
        self.snapshot_of("one.py", "latin.py", "site-packages/other.py", "missing.py")
        found = self.dataset("a.ctm").facts
        self.assertEqual(
            sorted((source["text"], source["note"]) for source in found["sources"]),
            [("# coding: latin-1\nx = 'é'\n", ""), ("def f():\n    return bytes(10)\n", "")],
        )
        self.assertEqual(found["no_source"], "")

    def test_none_is_wanted(self):
        self.write("one.py", "x = 1\n")
        self.snapshot_of("one.py")
        for arguments in (["html", "--no-source"], ["flamegraph"]):
            (found,) = self.page("a.ctm", *arguments[1:], command=arguments[0]).datasets
            self.assertEqual(found.facts["sources"], [])
            self.assertTrue(found.facts["no_source"])

    def test_secrets_stay_out(self):
        secret = [".env", "prod.env", "a/.env.local", "env.prod.py", "secrets.py", "my_secret.py", "SECRETKEY.py", "api_key.py"]
        secret += ["server.pem", ".ssh/x.py", "id_rsa", ".netrc", "mypasswords.py", "wallet.dat", "keys.py", "ApiKeys.py"]
        secret += ["Secrets/app.py", ".SSH/app.py", ".secrets/app.py", "credentials/app.py", "passwords/list.py", "id_rsa.py"]
        secret += [
            "passphrase.py",
            ".m2/settings.py",
            "sshKeys/x.py",
            ".Aws/x.py",
            "PrivateKey.py",
            "private/x.py",
            "tokens.py",
        ]
        for name in secret:
            self.write(name, "password = 1\n")
        self.write("plain.py", "x = 1\n")
        self.snapshot_of(*secret, "plain.py")
        found = self.dataset("a.ctm").facts
        self.assertEqual([source["text"] for source in found["sources"]], ["x = 1\n"])
        self.assertEqual({name: why_left_out(name) for name in secret}, dict.fromkeys(secret, SECRET))
        (text,) = [text for name, text in found["facts"] if name == "source left out"]
        self.assertRegex(text, r"^([^,:]+, ){5}\d+ more files: named like secrets, or in a folder that is$")

    def test_only_python_code_is_shown(self):
        others = ["x.html", "settings.xml", "page.jinja2", "notes.ipynb", "kubeconfig", ".bash_history", "data.json"]
        code = ["secretary.py", "environment.py", "keyboard.py", "app.py", "tokenizer.py", "a/private_parts/x.py", "x.PYX"]
        code += ["env/x.py", "monkey.py", "parsa.py", "docker/x.py", "passage.py", "é.py"]
        self.assertEqual({name: why_left_out(name) for name in others}, dict.fromkeys(others, NO_CODE))
        self.assertEqual({name: why_left_out(name) for name in code}, dict.fromkeys(code, ""))
        for name in ("x.html", "keys.py"):
            self.write(name, "x = 1\n")
        self.snapshot_of("x.html", "keys.py", "missing.xml")
        found = self.dataset("a.ctm").facts
        texts = ["x.html: no Python code", "keys.py: named like secrets, or in a folder that is"]
        self.assertEqual([text for name, text in found["facts"] if name == "source left out"], texts)
        self.assertTrue(found["no_source"].endswith(": " + "; ".join(texts)), found["no_source"])

    def test_links_to_secrets_stay_out(self):
        self.write("home/.ssh/config.py", "secret\n")
        self.write("home/.env", "secret\n")
        os.symlink("home/.ssh/config.py", "link.py")
        os.symlink("home/.env", "settings.py")
        os.symlink("home/.ssh", "keys")
        self.snapshot_of("link.py", "settings.py", "keys/config.py")
        self.assertEqual(self.dataset("a.ctm").facts["sources"], [])

    def test_files_of_the_kernel_are_not_read(self):
        """Nor by a report: they have no size, and some never end."""
        names = [f"/proc/self/{name}" for name in ("environ", "pagemap", "cmdline")]
        os.symlink("/proc/self/environ", "environ.py")
        os.mkfifo("pipe.py")
        frames = [((name, 1),) for name in [*names, "/proc/kmsg", "/dev/zero", str(self.folder / "environ.py"), "pipe.py"]]
        ctracemalloc.Snapshot([(0, 100, stack, 1) for stack in frames], 1).dump("a.ctm")
        self.assertEqual(self.dataset("a.ctm").facts["sources"], [])
        report = self.command("report", "a.ctm")
        self.assertIn("/proc/kmsg:1", report)
        self.assertNotIn(os.environ["PATH"], report)

    def test_a_file_that_was_modified_after_the_program_began(self):
        """A black box and a recording have no digests."""
        source = """
            import time
            held = [bytes(1000) for _ in range(9)]
            time.sleep(0.1)
        """
        script = self.write("program.py", source)
        os.utime(script, (1_000_000_000, 1_000_000_000))
        options = ["--black-box", "a.box", "--record", "a.ctr", "--record-interval", "0.05"]
        self.assertEqual(self.traced(*options, script).returncode, 0)
        for file in ("a.box", "a.ctr"):
            self.assertEqual([source["note"] for source in self.dataset(file).facts["sources"]], [""])
            self.assertNotIn("possibly moved", self.command("report", file))
        script.write_text("# new\n" + script.read_text())
        for file in ("a.box", "a.ctr"):
            (shown,) = self.dataset(file).facts["sources"]
            self.assertIn("has changed", shown["note"])
            self.assertIn("possibly moved", self.command("report", file))

    def test_a_file_that_has_changed(self):
        script = self.write("program.py", "held = [bytes(1000) for _ in range(9)]\n")
        self.assertEqual(self.traced("-o", "a.ctm", script).returncode, 0)
        (source,) = self.dataset("a.ctm").facts["sources"]
        self.assertEqual((source["text"], source["note"]), (script.read_text(), ""))
        script.write_text("# new\n" + script.read_text())
        (source,) = self.dataset("a.ctm").facts["sources"]
        self.assertIn("has changed", source["note"])


class DocumentTest(PageTest):
    def test_names_are_data(self):
        """Whatever the names are, the elements of the page are the same, and the names can be read back."""
        ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1).dump("plain.ctm")
        expected = self.page("plain.ctm").elements
        hostile = [*MARKUP, *SPECIAL, *names(5, 40)]
        snapshot_of(hostile).dump("a.ctm")
        page = self.page("a.ctm", "--threshold", "0", "--title", MARKUP[0])
        self.assertEqual(page.elements, expected)
        self.assertEqual((page.title, page.head["title"]), (MARKUP[0], MARKUP[0]))
        self.assertLessEqual({name for name in hostile if name}, set(page.datasets[0].facts["strings"]))

    def test_names_of_files_that_are_markup(self):
        name = "<script>alert(1)<script>.ctm"
        ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1).dump(name)
        page = self.page(name)
        self.assertEqual(page.head["datasets"][0]["name"], name)
        self.assertEqual(page.title, name)

    def test_policy(self):
        """Nothing from outside, and of scripts and styles only those with the digests of what is in the page."""
        ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1).dump("a.ctm")
        page = self.page("a.ctm")
        directives = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
        self.assertEqual(directives["default-src"], "'none'")
        self.assertEqual({directives["style-src"], directives["script-src"]}, {f"'sha256-{digest}'" for digest in page.digests})
        for _tag, attributes in page.elements:
            self.assertFalse([name for name in attributes if name.startswith("on") or name in ("style", "src", "href")])

    def test_sections_and_first_view(self):
        ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1).dump("a.ctm")
        self.assertEqual(self.page("a.ctm").head["sections"], ["summary", "flame", "table", "source"])
        head = self.page("a.ctm", "--sort", "count", command="flamegraph").head
        self.assertNotIn("source", head["sections"])
        self.assertEqual(head["start"], {"measure": "live", "by": "count"})

    def test_planes(self):
        for values in ([], [0, 0], [1], [127], [128], [-128], [-129], [255, -1], [2**31], [-(2**63), 2**63 - 1]):
            planes = planes_of(values)
            for value in values:
                self.assertEqual(
                    int.from_bytes(value.to_bytes(8, "little", signed=True)[:planes], "little", signed=True), value
                )
            if planes:
                self.assertFalse(
                    all(-(1 << 8 * (planes - 1)) // 2 <= v < (1 << 8 * (planes - 1)) // 2 or v == 0 for v in values)
                )


class FilesTest(PageTest):
    def setUp(self):
        super().setUp()
        ctracemalloc.Snapshot([(0, 1, (("a.py", 1),), 1)], 1).dump("a.ctm")

    def test_default_names(self):
        self.assertIn("a.html: ", self.command("html"))
        self.assertIn("a.flamegraph.html: ", self.command("flamegraph", "a.ctm"))
        self.assertEqual(sorted(os.listdir()), ["a.ctm", "a.flamegraph.html", "a.html"])

    def test_what_is_no_regular_file(self):
        os.mkfifo("pipe")
        found = []
        reader = threading.Thread(target=lambda: found.append(Path("pipe").read_bytes()))
        reader.start()
        line = self.command("html", "a.ctm", "-o", "pipe")
        reader.join(60)
        self.assertEqual(line, f"pipe: {format_bytes(len(found[0]))}, 1 call\n")
        self.assertRegex(self.command("flamegraph", "a.ctm", "-o", "/dev/null"), r"^/dev/null: [1-9][\d.]+ KiB, 1 call\n$")

    def test_how_much_the_patterns_left_is_said(self):
        for command in ("html", "flamegraph"):
            said = self.command(command, "a.ctm", "-o", "p.html", "--force", "--include", "nothinghere")
            self.assertEqual(said.split("\n", 1)[1], "  selected 0 B, 0.0% of what is live: all figures are of these blocks\n")
        said = self.command("html", "a.ctm", "-o", "p.html", "--include", "a.py")
        self.assertIn("  selected 1 B, 100.0% of what is live", said)
        self.assertNotIn("selected", self.command("html", "a.ctm", "-o", "p.html"))

    def test_an_empty_name_and_a_full_disk(self):
        before = sorted(os.listdir())
        for command in ("html", "flamegraph"):
            self.assertIn("a file without a name", self.command(command, "a.ctm", "-o", "", status=2))
            self.assertIn("/dev/full: No space left on device", self.command(command, "a.ctm", "-o", "/dev/full", status=3))
        self.assertEqual(sorted(os.listdir()), before)

    def test_files_of_the_user_stay(self):
        Path("mine.html").write_text("<!doctype html>\n<title>mine</title>")
        for target in ("mine.html", "a.ctm"):
            before = Path(target).read_bytes()
            self.assertIn("--force", self.command("html", "a.ctm", "-o", target, status=2))
            self.assertEqual(Path(target).read_bytes(), before)
        self.command("html", "a.ctm", "-o", "mine.html", "--force")
        self.command("flamegraph", "a.ctm", "-o", "mine.html")  # it is a page of ours now
        self.assertEqual(len(page_reader.read(Path("mine.html").read_text()).datasets), 1)
        self.assertEqual([name for name in os.listdir() if name.endswith(".tmp")], [])

    def test_a_link_stays_a_link(self):
        Path("real.html").touch(0o600)
        os.symlink("real.html", "link.html")
        self.command("html", "a.ctm", "-o", "link.html")
        self.assertTrue(Path("link.html").is_symlink())
        self.assertEqual(os.stat("real.html").st_mode & 0o777, 0o600)
        self.assertIn("ctracemalloc", Path("real.html").read_text())

    def test_standard_streams(self):
        with open("a.ctm", "rb") as file:
            result = self.python("-m", "ctracemalloc", "html", "-o", "-", "-", stdin=file)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(len(page_reader.read(result.stdout).datasets), 1)
            file.seek(0)
            self.assertEqual(self.python("-m", "ctracemalloc", "html", "-", stdin=file).returncode, 2)

    def test_no_room(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        self.assertIn("No space", self.command("html", "a.ctm", "-o", "/dev/full", status=3))

    def test_requests_that_make_no_sense(self):
        for arguments in (["a.ctm"] * 3, ["--browser", "-o", "-", "a.ctm"]):
            self.command("flamegraph", *arguments, status=2)
        self.assertIn("missing.ctm", self.command("flamegraph", "missing.ctm", status=3))
        Path("bad.ctm").write_bytes(Path("a.ctm").read_bytes()[:-9])
        self.assertIn("bad.ctm", self.command("flamegraph", "bad.ctm", status=3))
        self.assertFalse(Path("bad.flamegraph.html").exists())


if __name__ == "__main__":
    unittest.main()
