"""report, tree, diff and timeline as users type them, over small made-up files whose figures are known.

Model: most commands run in this process, by main(), in a folder of their own. What needs a process of its own (terminals,
pipes, signals, locales) has one.
"""

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unittest
from pathlib import Path
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.cli import arguments as cli_arguments
from ctracemalloc.cli.main import main
from ctracemalloc.render.text.columns import columns
from history_support import snapshot_of_sites


def setUpModule():
    skip_some_pythons()


SITE = "/opt/py/lib/python3.9/site-packages"
MAIN, SHOP, INIT = "/srv/app/main.py", "/srv/app/shop/orders.py", "/srv/app/shop/__init__.py"
YAML, APT = f"{SITE}/yaml/loader.py", "/usr/lib/python3/dist-packages/apt/cache.py"
JSON, IMPORTS = "/usr/lib/python3.8/json/decoder.py", "<frozen importlib._bootstrap>"
TRACER, NOWHERE = f"{SITE}/ctracemalloc/run/report.py", "<unknown>"
# (allocates, its caller, …): live blocks, freed ones, live at the peak; blocks of the size at the end.
SITES = [
    (((SHOP, 10), (MAIN, 1)), 4, 0, 4, 1000),
    (((SHOP, 20), (SHOP, 20), (SHOP, 20), (MAIN, 2)), 2, 0, 2, 500),  # recursion
    (((INIT, 1), (MAIN, 3)), 1, 0, 1, 50),
    (((YAML, 5), (SHOP, 10), (MAIN, 1)), 3, 30, 10, 200),
    (((APT, 6), (MAIN, 1)), 1, 0, 1, 300),
    (((JSON, 7), (YAML, 5), (MAIN, 1)), 1, 500, 9, 100),
    (((IMPORTS, 8), (MAIN, 3)), 1, 1, 1, 80),
    (((TRACER, 9),), 1, 0, 1, 20),
    (((NOWHERE, 0),), 2, 0, 2, 10),
]
LIVE = {SHOP: 5000, INIT: 50, YAML: 600, APT: 300, JSON: 100, IMPORTS: 80, TRACER: 20, NOWHERE: 20}
WHOLE = sum(LIVE.values())
FUNCTIONS = """
class Order:
    def load(self, kept):
        kept.append(bytes(5000))

def load(kept):
    kept.append(bytes(3000))

def save(kept):
    Order().load(kept)
"""


def write_sites(path, factor=1):
    """factor: of the live blocks of the first two sites, which grow."""
    counted = [
        (site, live * (factor if index < 2 else 1), freed, peak) for index, (site, live, freed, peak, _) in enumerate(SITES)
    ]
    sizes = [site[4] for site in SITES]
    rows = [((0, size, site, len(site)), live, freed, peak) for (site, live, freed, peak), size in zip(counted, sizes)]
    snapshot_of_sites(rows, str(path))


class ViewTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name).resolve()
        for factor in (1, 2, 3):
            write_sites(cls.folder / f"{factor}.ctm", factor)
        write_functions(cls.folder / "functions.ctm")
        write_recording(cls.folder / "r.ctr")

    def setUp(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        names = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE")
        clean = {name: value for name, value in os.environ.items() if name not in names and "CTRACEMALLOC" not in name}
        self.environment = {**clean, "TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        patch = mock.patch.dict(os.environ, self.environment, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def run_command(self, line):
        """(status, stdout, stderr) of the words of a line."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(shlex.split(line))
            except SystemExit as error:  # argparse's way to end
                status = error.code
        return status, out.getvalue(), err.getvalue()

    def shown(self, line, status=0):
        found, out, err = self.run_command(line)
        self.assertEqual((found, err), (status, ""), line)
        return out

    def rows(self, line):
        return json.loads(self.shown(f"{line} --json"))["rows"]

    def files(self, line):
        return {row["filename"] for row in self.rows(line)}

    def refused(self, line, words, status=2):
        """One line on stderr, or the usage and one line."""
        found, out, err = self.run_command(line)
        self.assertEqual((found, out), (status, ""), (line, err))
        last = err.splitlines()[-1]
        self.assertIn(words, last)
        if not err.startswith("usage: "):
            self.assertEqual(err.count("\n"), 1, err)

    def shell(self, script, status=0, **environment):
        """stdout of a script, in which `ctracemalloc` is the command. Nothing is on stderr."""
        command = f'ctracemalloc() {{ "{sys.executable}" -m ctracemalloc "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", command + script],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stderr), (status, b""), script)
        return done.stdout.decode()

    def on_terminal(self, line, width=100, **environment):
        """What a terminal shows of a command."""
        try:
            controller, terminal = pty.openpty()
        except OSError as error:  # a chroot without /dev/pts
            self.skipTest(f"no pseudo-terminal is to be had: {error}")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        text = bytearray()

        def read():
            with contextlib.suppress(OSError):  # the other end is closed
                while data := os.read(controller, 65536):
                    text.extend(data)

        reader = threading.Thread(target=read)
        reader.start()
        words = [sys.executable, "-m", "ctracemalloc", *shlex.split(line)]
        ends = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
        done = subprocess.run(words, cwd=self.folder, env={**self.environment, **environment}, timeout=60, **ends)
        os.close(terminal)
        reader.join()
        os.close(controller)
        self.assertEqual(done.returncode, 0, text)
        return text.decode().replace("\r\n", "\n")


def write_functions(path):
    """A file whose frames know their functions."""
    space = {}
    exec(compile(FUNCTIONS, "/srv/app/models.py", "exec"), space)
    kept = []
    ctracemalloc.start(3)
    try:
        for name in ("load", "save"):
            for _ in range(4):
                space[name](kept)
        snapshot = ctracemalloc.take_snapshot()
    finally:
        ctracemalloc.stop()
    snapshot.filter_traces([ctracemalloc.Filter(True, "/srv/app/models.py")]).dump(path)


def write_recording(path):
    kept = []
    ctracemalloc.start(3)
    try:
        with ctracemalloc.record(path, 3600) as recorder:
            for _ in range(2):
                kept.append(bytes(100_000))
                recorder.tick()
    finally:
        ctracemalloc.stop()


class RowsTest(ViewTest):
    def test_keys(self):
        self.assertEqual({row["filename"]: row["size"] for row in self.rows("report 1.ctm -k filename")}, LIVE)
        modules = {row["module"]: row["origin"] for row in self.rows("report 1.ctm -k module")}
        expected = {"shop.orders": "own", "shop": "own", "yaml.loader": "installed", "apt.cache": "installed"}
        expected.update({"json.decoder": "stdlib", "importlib._bootstrap": "imports", "ctracemalloc.run.report": "tracer"})
        self.assertEqual(modules, {**expected, "<unknown>": "unknown"})
        packages = {row["package"]: row["size"] for row in self.rows("report 1.ctm -k package")}
        self.assertEqual((packages["shop"], packages["yaml"], packages["apt"]), (5050, 600, 300))
        self.assertEqual(len(packages), 7)
        text = self.shown("report 1.ctm -k package")
        for words in (
            " shop\n",
            " yaml\n",
            "(standard library)\n",
            "(import system)\n",
            "(ctracemalloc)\n",
            "(no Python frame)\n",
        ):
            self.assertIn(words, text)
        self.assertEqual(len(self.rows("report 1.ctm -k traceback")), len(SITES))
        self.assertEqual(self.shown("report 1.ctm --traceback"), self.shown("report 1.ctm -k traceback"))
        functions = {row["function"]: row["lineno"] for row in self.rows("report functions.ctm -k function")}
        self.assertEqual(functions, {"Order.load": 3, "load": 6, "save": 9})  # of the last nothing is live

    def test_by_code(self):
        text = self.shown("report 1.ctm")
        line = next(line for line in text.splitlines() if line.startswith("  by code"))
        self.assertIn("own code 5050 B (81.8%), installed packages 900 B (14.6%), standard library 100 B (1.6%)", line)

    def test_limit_and_sort(self):
        for option in ("-l 2", "--limit 2", "--top 2", "-l2"):
            self.assertIn("top 2 of 9 lines\n", self.shown(f"report 1.ctm {option}"))
        self.assertEqual([row["size"] for row in self.rows("report 1.ctm -l 3")], [4000, 1000, 600])
        self.assertEqual([row["count"] for row in self.rows("report 1.ctm --sort count -l 3")], [4, 3, 2])
        self.assertEqual(len(self.rows("tree 1.ctm -l 3")), 4)  # and the root
        self.assertIn("3 of ", self.shown("tree 1.ctm -l 3"))

    def test_measures(self):
        peak = {row["filename"]: row["peak_size"] for row in self.rows("report 1.ctm -k filename --at-peak")}
        self.assertEqual((peak[YAML], peak[JSON]), (2000, 900))
        first = self.rows("report 1.ctm --churn")[0]
        self.assertEqual((first["filename"], first["allocated_size"] - first["size"]), (JSON, 50_000))
        first = self.rows("report 1.ctm --allocated")[0]
        self.assertEqual((first["filename"], first["allocated_size"]), (JSON, 50_100))
        for short, long in (("--sort peak", "--at-peak"), ("--sort allocated", "--allocated")):
            for command in ("report 1.ctm", "diff 1.ctm 2.ctm", "tree 1.ctm"):
                self.assertEqual(self.shown(f"{command} {short}"), self.shown(f"{command} {long}"))
        self.refused("report 1.ctm --at-peak --churn", "not allowed with")
        self.refused("report 1.ctm --churn --sort peak", "--sort peak does not go with")

    def test_cumulative_counts_a_block_once(self):
        rows = {(row["filename"], row["lineno"]): row["size"] for row in self.rows("report 1.ctm --cumulative")}
        self.assertEqual(rows[SHOP, 20], 1000)
        self.assertEqual(rows[SHOP, 10], 4000 + 600)
        self.assertEqual(rows[MAIN, 1], 4000 + 600 + 300 + 100)
        files = {row["filename"]: row["size"] for row in self.rows("report 1.ctm --cumulative -k filename")}
        self.assertEqual((files[SHOP], files[MAIN]), (5600, WHOLE - 40))
        for key in ("lineno", "function", "filename", "module", "package"):
            text = self.shown(f"report 1.ctm --cumulative -k {key} -l 99")
            self.assertIn("each with what it called", text)
            shares = [float(share) for share in re.findall(r"([\d.]+)%", text)]
            self.assertLessEqual(max(shares), 100)
        self.refused("report 1.ctm --cumulative -k traceback", "--cumulative does not go with --key traceback")
        self.refused("report 1.ctm --cumulative -k label:pid", "--cumulative does not go with --key label:pid")

    def test_a_tree_has_own_and_total(self):
        text = self.shown("tree 1.ctm --threshold 0")
        self.assertRegex(text, r"(?m)^5000 B +0 B +81.0% .* ├─ /srv/app/main.py:1$")
        self.assertRegex(text, r"(?m)^1000 B +0 B .* ├─ /srv/app/main.py:2$")
        self.assertEqual(len(re.findall(r"orders.py:20", text)), 3)
        self.assertIn("│  ├─ ", text)
        ascii_text = self.shell("LC_ALL=C ctracemalloc tree 1.ctm --threshold 0", LC_ALL="C")
        self.assertTrue(ascii_text.isascii())
        self.assertIn("|  |- ", ascii_text)

    def test_threshold(self):
        self.assertEqual(self.files("report 1.ctm --threshold 5%"), {SHOP, YAML})
        self.assertEqual(self.files("report 1.ctm --threshold 5"), {SHOP, YAML})
        self.assertEqual(self.files("report 1.ctm --threshold 300B"), {SHOP, YAML, APT})
        self.assertEqual(self.files("report 1.ctm --threshold 0.5KiB"), {SHOP, YAML})
        self.assertIn(", and 6 below the threshold\n", self.shown("report 1.ctm --threshold 5%"))
        self.assertNotIn("apt", self.shown("tree 1.ctm --threshold 10%"))
        self.refused("report 1.ctm --threshold much", "neither a percentage")
        self.refused("report 1.ctm --threshold 101%", "neither a percentage")

    def test_source_lines(self):
        (self.folder / "mine.py").write_text("first = 1\nsecond = bytes(9)\n", encoding="utf-8")
        ctracemalloc.Snapshot([(0, 9, (("mine.py", 2),), 1)], 1).dump(self.folder / "mine.bin")
        self.assertIn("\n      second = bytes(9)\n", self.shown("report mine.bin"))
        self.assertNotIn("second", self.shown("report mine.bin --no-source"))
        self.assertIn("          second = bytes(9)\n", self.shown("report mine.bin -k traceback"))
        self.assertNotIn("second", self.shown("report mine.bin -k traceback --no-source"))

    def test_own_folds(self):
        text = self.shown("report 1.ctm --own")
        self.assertRegex(text, r"\n *900 B +4 .* \(installed packages\) +--no-own: all\n")
        self.assertRegex(text, r"\n *80 B +1 .* \(import system\) +--no-own: all\n")
        self.assertRegex(text, r"\n *20 B +1 .* \(ctracemalloc\) +--no-own: all\n")
        self.assertNotIn("yaml", text)
        self.assertIn("json/decoder.py:7", text)  # the standard library is not folded
        self.assertIn("yaml/loader.py:5", self.shown("report 1.ctm"))
        self.assertEqual(self.shown("report 1.ctm --own --json"), self.shown("report 1.ctm --json"))
        self.assertIn("(installed packages)", self.shown("diff 1.ctm 2.ctm --own --at-peak") + self.shown("report 1.ctm --own"))

    def test_a_terminal_folds(self):
        text = self.on_terminal("report 1.ctm")
        self.assertIn("(installed packages)", text)
        self.assertIn("\x1b[1m", text)
        self.assertIn("yaml/loader.py:5", self.on_terminal("report 1.ctm --no-own --no-color"))


class SelectionTest(ViewTest):
    def test_patterns(self):
        for pattern, files in (
            ("shop", {SHOP, INIT}),
            ("shop.orders", {SHOP}),
            ("yaml", {YAML}),
            ("json", {JSON}),
            ("orders.py", {SHOP}),
            ("shop/orders.py", {SHOP}),
            ("./shop/orders.py", {SHOP}),
            ("/srv/app", {SHOP, INIT}),
            ("shop/", {SHOP, INIT}),
            ("site-packages/", {YAML, TRACER}),
            ("*/site-packages/*", {YAML, TRACER}),
            ("*.loader", {YAML}),
            ("sho[p]*", {SHOP, INIT}),
            ("hop", set()),
            ("rders.py", set()),
            ("main", set()),
        ):
            with self.subTest(pattern):
                self.assertEqual(self.files(f"report 1.ctm --include '{pattern}'"), files)
                self.assertEqual(self.files(f"report 1.ctm --exclude '{pattern}'"), set(LIVE) - files)

    def test_functions(self):
        for pattern, sizes in (("load", [20132, 12132]), ("Order.load", [20132]), ("Order.*", [20132]), ("save", [])):
            found = [row["size"] for row in self.rows(f"report functions.ctm --include {pattern}") if row["size"]]
            self.assertEqual([round(size, -3) for size in found], [round(size, -3) for size in sizes], pattern)
        (row,) = (row for row in self.rows("report functions.ctm --include save --all-frames") if row["size"])
        self.assertEqual(row["function"], "Order.load")

    def test_several_and_all_frames(self):
        self.assertEqual(self.files("report 1.ctm --include yaml --include json"), {YAML, JSON})
        self.assertEqual(self.files("report 1.ctm --include shop --exclude orders.py"), {INIT})
        self.assertEqual(self.files("report 1.ctm --include orders.py --all-frames"), {SHOP, YAML})
        self.assertEqual(self.files("report 1.ctm --exclude main --all-frames"), {TRACER, NOWHERE})
        text = self.shown("report 1.ctm --include yaml")
        self.assertIn("  selected 600 B, 9.7% of what is live: the rows are of these blocks\n", text)
        self.assertIn("100.0%", text)
        self.refused("report 1.ctm --include yaml -k label:pid", "--include and --exclude do not go with")

    def test_selected_in_every_command(self):
        self.assertEqual(self.rows("tree 1.ctm --include yaml")[0]["size"], 600)
        self.assertEqual(self.files("diff 1.ctm 2.ctm --include yaml"), set())
        self.assertEqual(self.files("diff 1.ctm 2.ctm --include shop"), {SHOP})
        self.assertTrue(all("test_cli_view" in name for name in self.files("timeline r.ctr --include test_cli_view")))


class DifferenceTest(ViewTest):
    def test_two(self):
        text = self.shown("diff 1.ctm 2.ctm")
        self.assertIn(f"old     {WHOLE} B in 16 blocks  (1.ctm, the base)\n", text)
        self.assertIn("change  +5000 B in +6 blocks\n  grown    +5000 B in 2 lines\n", text)
        self.assertRegex(text, r"\n\+4000 B +grown +8000 B +\+4 +8 +/srv/app/shop/orders.py:10\n")
        back = self.shown("diff 2.ctm 1.ctm")
        self.assertIn("  shrunk   -5000 B in 2 lines\n", back)
        ctracemalloc.Snapshot([], 1).dump("nothing")
        self.assertIn("  new      ", self.shown("diff nothing 1.ctm"))
        self.assertIn("  gone     ", self.shown("diff 1.ctm nothing"))

    def test_what_keeps_growing(self):
        text = self.shown("diff 1.ctm 2.ctm 3.ctm")
        self.assertIn("2 lines that grew each time, by growth\n", text)
        self.assertRegex(text, r"\n\+8000 B +4000 B +8000 B +11.7 KiB +/srv/app/shop/orders.py:10\n")
        self.assertEqual(self.rows("diff 1.ctm 3.ctm 2.ctm"), [])
        self.assertEqual([len(row["history"]) for row in self.rows("diff 1.ctm 2.ctm 3.ctm")], [3, 3])
        self.refused("diff 1.ctm 2.ctm 3.ctm -k traceback", "--key traceback goes with two files")

    def test_tree_of_two(self):
        text = self.shown("tree 1.ctm 2.ctm")
        self.assertIn("ctracemalloc  1.ctm, the base\n", text)
        self.assertRegex(text, r"\n\+4000 B +\+4000 B +8600 B +\+4  .*orders.py:10\n")
        self.refused("tree 1.ctm 2.ctm 3.ctm", "tree takes one file, or two to compare")


class InputTest(ViewTest):
    def test_standard_input(self):
        text = self.shell("cat 1.ctm | ctracemalloc report - -l 1")
        self.assertTrue(text.startswith("ctracemalloc  -\n"))
        self.assertIn(f"live     {WHOLE} B", text)
        self.assertIn("change  +5000 B", self.shell("ctracemalloc diff 1.ctm - <2.ctm"))
        self.assertIn("<all calls>", self.shell("ctracemalloc tree - <1.ctm"))
        self.assertIn("live memory", self.shell("cat r.ctr | ctracemalloc timeline -"))
        self.refused("diff - -", "- (standard input) is one file")

    def test_standard_output(self):
        text = self.shell("ctracemalloc timeline r.ctr -o - | ctracemalloc report - -l 1")
        self.assertIn("  moment   ", text)
        text = self.shell("ctracemalloc merge -o - 1.ctm 2.ctm 2>/dev/null | ctracemalloc report - -l 1")
        self.assertIn("  merged   2 snapshots\n", text)

    def test_the_newest_file(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            self.refused("report", "this directory has no snapshot, recording or black box", status=3)
            self.refused("timeline", "this directory has no recording", status=3)
            Path("text.ctm").write_text("no snapshot", encoding="utf-8")
            for number, (source, name) in enumerate((("r.ctr", "b.txt"), ("1.ctm", "a"))):
                Path(name).write_bytes((self.folder / source).read_bytes())
                os.utime(name, (1000 + number, 1000 + number))
            self.assertTrue(self.shown("report").startswith("ctracemalloc  a, the newest file here\n"))
            self.assertTrue(self.shown("tree").startswith("ctracemalloc  a, the newest file here\n"))
            self.assertTrue(self.shown("timeline").startswith("recording  b.txt, the newest recording here\n"))
            self.assertEqual(json.loads(self.shown("report --json"))["files"], ["a"])

    def test_moments(self):
        whole = json.loads(self.shown("report r.ctr --json"))["totals"]["size"]
        first = json.loads(self.shown("report r.ctr --at 0 --json"))["totals"]["size"]
        self.assertGreater(whole, first + 190_000)
        self.assertIn("<all calls>", self.shown("tree r.ctr --at 0:00"))
        self.refused("report r.ctr --at 99:00:00", "there is no moment", status=3)
        self.refused("report r.ctr --at soon", "is not a time")
        self.refused("report 1.ctm --at 1", "--at is a moment of a recording", status=3)
        self.refused("timeline r.ctr --from 99:00:00", "there is no moment")
        self.refused("timeline 1.ctm", "it is a snapshot, not a recording: `report` reads it", status=3)

    def test_bad_files(self):
        Path("bad.ctm").write_bytes(Path("1.ctm").read_bytes()[:-7])
        Path("text").write_text("hello", encoding="utf-8")
        Path("empty").mkdir()
        for command in ("report", "tree", "diff 1.ctm", "timeline"):
            self.refused(f"{command} missing.ctm", "missing.ctm: No such file or directory", status=3)
            self.refused(f"{command} text", "text: ", status=3)
            self.refused(f"{command} empty", "empty: ", status=3)
            self.refused(f"{command} bad.ctm", "bad.ctm: ", status=3)

    def test_bad_options(self):
        self.refused("report 1.ctm -k size", "invalid choice: 'size'")
        self.refused("report 1.ctm -k label:", "invalid choice: 'label:'")
        self.refused("report 1.ctm --sort weight", "invalid choice: 'weight'")
        self.refused("report 1.ctm -l few", "'few' is not a number of rows")
        self.refused("report 1.ctm --format xml", "invalid choice: 'xml'")
        self.refused("report 1.ctm 2.ctm", "unrecognized arguments: 2.ctm")
        self.refused("reports 1.ctm", "invalid choice: 'reports'")
        self.refused("tree 1.ctm -k filename", "unrecognized arguments")


class LimitTest(ViewTest):
    def limited(self, line, words):
        status, out, err = self.run_command(line)
        self.assertEqual((status, err), (1, f"{cli_arguments.PROGRAM}: {words}\n"))
        self.assertTrue(out)

    def test_over(self):
        self.shown("report 1.ctm --fail-over 6170")
        self.shown("report 1.ctm --fail-over 1MiB")
        self.limited("report 1.ctm --fail-over 6169", "6170 B live is over the limit of 6169 B (--fail-over)")
        self.limited("report 1.ctm --fail-over 6kB --json", "6170 B live is over the limit of 6000 B (--fail-over)")
        self.limited("report 1.ctm --include yaml --fail-over 500", "600 B live is over the limit of 500 B (--fail-over)")
        self.limited("report 1.ctm --at-peak --fail-over 1K", "8370 B at the peak is over the limit of 1024 B (--fail-over)")
        self.limited("diff 1.ctm 2.ctm --fail-over 10K", "10.9 KiB live is over the limit of 10.0 KiB (--fail-over)")
        self.refused("report 1.ctm --fail-over lots", "is not a size")

    def test_growth(self):
        self.shown("diff 1.ctm 2.ctm --fail-growth 5000")
        self.shown("diff 2.ctm 1.ctm --fail-growth 0")
        self.limited("diff 1.ctm 2.ctm --fail-growth 4999", "+5000 B live is more growth than 4999 B (--fail-growth)")
        self.limited("diff 1.ctm 2.ctm 3.ctm --fail-growth 9999", "+10000 B live is more growth than 9999 B (--fail-growth)")
        self.shown("diff 1.ctm 2.ctm --exclude shop --fail-growth 0")
        status, _out, err = self.run_command("report r.ctr --fail-growth 100KiB")
        self.assertEqual(status, 1)
        self.assertIn("is more growth than 100 KiB (--fail-growth)", err)
        self.shown("report r.ctr --fail-growth 10MiB")


class SettingsTest(ViewTest):
    def settings(self, text):
        path = self.folder / "pyproject.toml"
        path.write_text(text, encoding="utf-8")
        self.addCleanup(path.unlink, missing_ok=True)

    def test_order(self):
        self.settings("[tool.ctracemalloc]\nlimit = 3\n[tool.ctracemalloc.tree]\nlimit = 4\n[tool.other]\nx = 1\n")
        self.assertEqual(len(self.rows("report 1.ctm")), 3)
        self.assertEqual(len(self.rows("tree 1.ctm")), 5)
        (self.folder / "below").mkdir(exist_ok=True)
        os.chdir(self.folder / "below")
        self.assertEqual(len(self.rows("report ../1.ctm")), 3)
        with mock.patch.dict(os.environ, {"CTRACEMALLOC_LIMIT": "2"}):
            self.assertEqual(len(self.rows("report ../1.ctm")), 2)
            self.assertEqual(len(self.rows("report ../1.ctm -l 1")), 1)

    def test_kinds_of_values(self):
        self.settings(
            '[tool.ctracemalloc]\nexclude = ["yaml", "shop"]\nno_source = true\nthreshold = "100B"\nformat = "json"\n'
        )
        found = {row["filename"] for row in json.loads(self.shown("report 1.ctm"))["rows"]}
        self.assertEqual(found, {APT, JSON})
        self.assertIn("by code", self.shown("report 1.ctm -f text"))
        with mock.patch.dict(os.environ, {"CTRACEMALLOC_FORMAT": "text", "CTRACEMALLOC_OWN": "yes"}):
            self.assertIn("(installed packages)", self.shown("report 1.ctm"))

    def test_errors(self):
        for text, words in (
            ("limits = 3", "has no setting 'limits'; did you mean limit?"),
            ("[tool.ctracemalloc.reports]\nlimit = 3", "has no setting 'reports'; did you mean report?"),
            ("[tool.ctracemalloc.report]\nrecord = 'x'", "has no setting 'record'"),
            ("json = true", "has no setting 'json'"),
            ("force = true", "has no setting 'force'"),
            ("limit = 'few'", "limit: 'few' is not a number of rows"),
            ("key = 'size'", "key: invalid choice: 'size'"),
            ("format = 'xml'", "format: invalid choice: 'xml'"),
            ("own = 'perhaps'", "own: 'perhaps' is neither true nor false"),
            ("limit = [1, 2]", "limit: one value, not 2"),
            ("report = 3", "report is a table"),
        ):
            with self.subTest(text):
                self.settings(f"[tool.ctracemalloc]\n{text}\n")
                self.refused("report 1.ctm", words)
                self.doCleanups()
                self.setUp()

    def test_a_damaged_file(self):
        self.settings("[tool.ctracemalloc\n")
        self.refused("report 1.ctm", "pyproject.toml: ", status=3)
        self.settings("[tool.ctracemalloc]\nlimit = " + "[" * 5000)
        self.refused("report 1.ctm", "pyproject.toml: values are nested too deeply", status=3)
        (self.folder / "pyproject.toml").write_bytes(b"[tool.ctracemalloc]\nlimit = 1 # \xff\n")
        self.refused("report 1.ctm", "pyproject.toml: 'utf-8' codec can't decode", status=3)

    def test_variables(self):
        with mock.patch.dict(os.environ, {"CTRACEMALLOC": "0", "CTRACEMALLOC_RUN": "/nowhere"}):
            self.shown("report 1.ctm")
        with mock.patch.dict(os.environ, {"CTRACEMALLOC_LIMT": "3"}):
            self.refused("report 1.ctm", "no command has a setting CTRACEMALLOC_LIMT; did you mean CTRACEMALLOC_LIMIT?")
        with mock.patch.dict(os.environ, {"CTRACEMALLOC_LIMIT": "few"}):
            self.refused("report 1.ctm", "CTRACEMALLOC_LIMIT: limit: 'few' is not a number of rows")


class FolderTest(ProgramTest):
    def test_runs_from_different_directories_compare(self):
        self.write("prog.py", "kept = [bytes(1000) for _ in range(100)]\n")
        (self.folder / "sub").mkdir()
        here = self.python("-m", "ctracemalloc", "run", "-o", "here.ctm", "prog.py")
        code = "import os, sys; os.chdir('sub'); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        there = self.python("-c", code, "-m", "ctracemalloc", "run", "-o", "../there.ctm", "../prog.py")
        self.assertEqual((here.returncode, there.returncode), (0, 0), there.stderr)
        for name in ("here.ctm", "there.ctm"):
            document = json.loads(self.python("-m", "ctracemalloc", "report", name, "--json", "--include", "prog.py").stdout)
            files = {row["filename"] for row in document["rows"]}
            self.assertEqual(files, {str(self.folder / "prog.py")})
        done = self.python("-m", "ctracemalloc", "diff", "here.ctm", "there.ctm", "--include", "prog.py", "--json")
        document = json.loads(done.stdout)
        self.assertEqual([row["change"] for row in document["rows"] if row["change"] in ("new", "gone")], [])


class RefusalTest(ProgramTest):
    """What was asked makes no sense, or there is no room to say so."""

    def shell(self, script, **options):
        command = ["bash", "-c", script, "bash", sys.executable]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, **options
        )

    def setUp(self):
        super().setUp()
        ctracemalloc.Snapshot([(0, 10, (("a.py", 1),), 1)], 1).dump(self.folder / "a.ctm")

    def test_refused(self):
        (self.folder / "empty").mkdir()
        for line, status, words in (
            ("run -o - -c pass", 2, "standard output is the program's"),
            ("report empty --at 1", 2, "--at is a moment of one recording"),
            ("report a.ctm --fail-growth 1", 2, "--fail-growth of a report needs a recording"),
            ("tree empty", 3, "empty: it is a directory"),
            ("tree - </dev/zero", 3, "-: standard input is neither"),
            ("attach $$ --count 1", 3, "is this command itself"),
            ("report a.ctm >/dev/full", 3, "standard output: No space left on device"),
        ):
            with self.subTest(line):
                done = self.shell(f'exec "$1" -m ctracemalloc {line}')
                self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_limits_on_nothing(self):
        """The rows are printed, as with a limit that is broken; the status says that nothing was tested."""
        for line in ("report a.ctm --fail-over 1", "diff a.ctm a.ctm --fail-growth 1"):
            done = self.shell(f'exec "$1" -m ctracemalloc {line} --include nosuchthing')
            self.assertEqual(done.returncode, 2)
            self.assertTrue(done.stderr.endswith(": the limit is on nothing: no block matches --include and --exclude\n"))

    def test_no_room_for_the_error(self):
        done = self.shell('exec "$1" -m ctracemalloc report missing.ctm 2>/dev/full')
        self.assertEqual((done.returncode, done.stdout), (3, ""))


class OutputTest(ViewTest):
    def test_widths(self):
        for width in (40, 80):
            with mock.patch.dict(os.environ, {"COLUMNS": str(width)}):
                for command in (
                    "report 1.ctm",
                    "report 1.ctm -k traceback",
                    "tree 1.ctm",
                    "diff 1.ctm 2.ctm",
                    "timeline r.ctr",
                ):
                    lines = self.shown(f"{command} --threshold 0").splitlines()
                    self.assertEqual([line for line in lines if columns(line) > width], [], (command, width))

    def test_colours(self):
        plain = self.shown("report 1.ctm")
        self.assertNotIn("\x1b", plain)
        with mock.patch.dict(os.environ, {"FORCE_COLOR": "1"}):
            colored = self.shown("report 1.ctm")
            self.assertEqual(re.sub("\x1b\\[[0-9;]*m", "", colored), plain)
            self.assertNotEqual(colored, plain)
            self.assertEqual(self.shown("report 1.ctm --no-color"), plain)
            with mock.patch.dict(os.environ, {"NO_COLOR": "1"}):
                self.assertEqual(self.shown("report 1.ctm"), plain)

    def test_locales(self):
        for command in ("report", "tree", "timeline"):
            text = self.shell(f"ctracemalloc {command} r.ctr", LC_ALL="C")
            self.assertTrue(text.isascii())

    def test_a_reader_that_goes_away(self):
        ctracemalloc.Snapshot([(0, 10 + n, ((f"file-{n}.py", 1),), 1) for n in range(5000)], 1).dump("many.bin")
        for command in ("report many.bin -l 5000", "report many.bin --json", "report many.bin --csv", "tree many.bin -l 5000"):
            script = f"ctracemalloc {command} --threshold 0 | true; echo ${{PIPESTATUS[0]}}"
            self.assertEqual(self.shell(script), "141\n", command)

    def test_ctrl_c(self):
        words = [sys.executable, "-m", "ctracemalloc", "report", "-"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, cwd=self.folder, env=self.environment, **pipes) as process:
            wait_until_it_reads(process.pid)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err), (130, b"", b""))


def wait_until_it_reads(pid):
    """Until the process sleeps in a read of its standard input."""
    for _ in range(2000):
        fields = Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()
        if fields[:2] == ["0", "0x0"]:  # read(0, …
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not read")


if __name__ == "__main__":
    unittest.main()
