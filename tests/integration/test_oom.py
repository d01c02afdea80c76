"""Programs that run out of memory under `run`: each ends as it does untraced, and leaves a snapshot whose peak has the line.

A number determines a run: what the program does, the size of its steps, its limit of address space, and whether it has a
black box. CTM_OOM_RUNS=N makes N runs (default 12; 500 with CTM_LONG=1), CTM_OOM_FIRST=N begins with number N.
"""

import math
import os
import random
import subprocess
import sys
import tempfile
import unittest
from functools import cache
from pathlib import Path

import ctracemalloc
from support import LONG, SANITIZED, SLOWER

RUNS = int(os.environ.get("CTM_OOM_RUNS", 500 if LONG else 12))
FIRST = int(os.environ.get("CTM_OOM_FIRST", 0))
UNPRINTED = "lost sys.stderr"  # what the interpreter prints if it has no memory for its traceback, traced or not
# What it prints instead of a MemoryError if it has no memory for that while it unwinds a deep recursion: untraced, 3.13 did so
# in 45 of 121 runs of the program "recursion" with steps of 3995 bytes and limits from 60 to 65 MiB.
LOST_ERROR = "SystemError: error return without exception set"
MIB = 1 << 20

HEAD = """\
import resource, sys, threading
step, limit = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""
# In each program, the line marked HERE allocates nearly all of the memory.
PROGRAMS = {
    "steps": """
def load():
    rows = []
    while True:
        rows.append(bytes(step))  # HERE
load()
""",
    "recursion": """
sys.setrecursionlimit(10**6)
def load(rows, depth):
    while depth == 900:
        rows.append(bytes(step))  # HERE
    load(rows, depth + 1)
load([], 0)
""",
    "places": """
def load():
    rows = []
    while True:
        names = {"rows": rows, "step": step}
        try:
            exec(compile("def f(): rows.append([step])\\n", f"file{len(rows)}.py", "exec"), names)
        except SystemError:  # the compiler does not set a MemoryError
            raise MemoryError from None
        names["f"]()
        rows.append(bytes(step))  # HERE
load()
""",
    "thread": """
def load():
    rows = []
    while True:
        rows.append(bytes(step))  # HERE
thread = threading.Thread(target=load)
thread.start()
thread.join()
sys.exit(5)
""",
    "handled": """
def load(rows):
    while True:
        rows.append(bytes(step))  # HERE
for i in range(3):
    rows = []
    try:
        load(rows)
    except MemoryError:
        n = len(rows)
        del rows
tracer = sys.modules.get("ctracemalloc")
kept = [bytes(5000) for i in range(1000)]  # KEPT
exact = True
if tracer is not None and tracer.is_tracing():
    size = sys.getsizeof(kept[0])
    frames = [trace.traceback[0] for trace in tracer.take_snapshot().traces if trace.size == size]
    exact = sum(frame.lineno == KEPT and frame.filename == __file__ for frame in frames) == 1000
print(n > 0, exact)
sys.exit(6)
""",
}


def line_with(source, mark):
    return next((i for i, line in enumerate(source.splitlines(), 1) if line.endswith("# " + mark)), 0)


def program(name):
    source = HEAD + PROGRAMS[name]
    return source.replace("== KEPT", f"== {line_with(source, 'KEPT')}")


def here(name):
    return line_with(program(name), "HERE")


class Draw:
    """The properties of the run with a number."""

    def __init__(self, number):
        chance = random.Random(number)
        self.program = list(PROGRAMS)[number % len(PROGRAMS)]
        self.step = round(math.exp(chance.uniform(math.log(1000), math.log(30_000_000))))
        if self.program == "places":
            self.step = min(max(self.step, 10_000), 100_000)
        self.limit = chance.randrange(300, 800) * MIB
        self.black_box = chance.random() < 0.5

    def __str__(self):
        box = ", black box" if self.black_box else ""
        return f"{self.program}, steps of {self.step} bytes, limit {self.limit // MIB} MiB{box}"


@unittest.skipIf(SANITIZED, "a sanitizer needs more address space than there is")
class OutOfMemoryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in PROGRAMS:
            (self.folder / f"{name}.py").write_text(program(name), encoding="utf-8")
        self.environment = {k: v for k, v in os.environ.items() if k != "CTRACEMALLOC"}

    def python(self, *command):
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120 * SLOWER,
        )

    @cache  # noqa: B019 - lives as long as the test
    def untraced(self, program):
        """Exit status, and the last line on stderr."""
        ended = self.python(self.folder / f"{program}.py", 10_000, 300 * MIB)
        last = (ended.stderr.strip().splitlines() or [""])[-1]
        return ended.returncode, ended.stdout, last

    def traced(self, script, *arguments, options=()):
        output = self.folder / "out.ctm"
        output.unlink(missing_ok=True)
        ended = self.python("-m", "ctracemalloc", "run", "-o", output, *options, script, *arguments)
        self.assertTrue(output.exists(), ended.stderr[-2000:])
        return ended, ctracemalloc.Snapshot.load(str(output))

    def check(self, draw):
        script = self.folder / f"{draw.program}.py"
        options = ["--black-box", self.folder / "box"] if draw.black_box else []
        ended, snapshot = self.traced(script, draw.step, draw.limit, options=options)
        status, printed, last = self.untraced(draw.program)
        self.assertEqual((ended.returncode, ended.stdout), (status, printed), ended.stderr[-2000:])
        if last == UNPRINTED and UNPRINTED not in ended.stderr:
            last = "MemoryError"  # the report has released memory, so there was enough to print it
            if draw.program == "recursion" and LOST_ERROR in ended.stderr:
                last = LOST_ERROR
        self.assertIn(last, ended.stderr)
        before, _, report = ended.stderr.rpartition(last) if last else ("", "", ended.stderr)
        self.assertIn(f"{draw.program}.py:{here(draw.program)}", report, before[-1000:])
        largest = snapshot.at_peak.statistics("lineno")[0]
        frame = largest.traceback[0]
        self.assertEqual((frame.filename, frame.lineno), (str(script), here(draw.program)))
        if draw.program != "places":
            self.assertGreater(largest.size, draw.limit // 3)
        if draw.black_box:
            with ctracemalloc.open_black_box(self.folder / "box") as box:
                frame = box.snapshot().at_peak.statistics("lineno")[0].traceback[0]
            self.assertEqual((frame.filename, frame.lineno), (str(script), here(draw.program)))

    def test_runs(self):
        wrong = 0
        for number in range(FIRST, FIRST + RUNS):
            draw = Draw(number)
            with self.subTest(number=number, draw=str(draw)):
                wrong += 1
                self.check(draw)
                wrong -= 1
        self.assertEqual(wrong, 0, f"of {RUNS} runs")


if __name__ == "__main__":
    unittest.main()
