#!/usr/bin/env python3
"""Measures queries, start and stop on large heaps: the cost should grow with the sites, not with the blocks.

Model: each *part* is a process of its own (scale_part.py). It makes a heap, measures several times and prints the
best time, because other load can only make a call slower. Memory is the difference between two processes that run the
same program with and without tracing. Results are printed beside targets and never asserted: they depend on the machine.

usage: scale.py [--python PATH] [--quick] [--no-install] [--output FILE.json]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from run import BUILD, HERE, ROOT, describe

BLOCKS = 10_000_000
OBJECTS = 3_000_000
READING = 0.010  # seconds for a query of a snapshot of 10,000 sites
PATHS = (48_000, 817_000)  # of calls: about 100,000 and 1,700,000 tracebacks
A_TRACEBACK = 1e-6  # seconds for a query of a tree
LOAD_AND_TREE = 2 / 1_700_000  # the same for loading its file as well
COMMAND = 0.09  # seconds until a report of a small file is printed
CALLS = {  # seconds
    "get_traced_memory()": 100e-9, "start()": 0.005, "stop()": 0.005, "stop(), all blocks live": 0.005,
}  # fmt: skip
BYTES_A_BLOCK = 16
HEAPS = ["mixed", "object", "int", "tuple", "str", "bytes 100", "bytes 500"]
WITH_TARGET = ("mixed", "object", "int", "tuple", "str")  # the tracer's slots are a quarter of a larger block
MEGA = 1_000_000


def prepare(python):
    """Makes a virtual environment with only the package; returns its Python."""
    version = subprocess.check_output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    folder = BUILD / f"scale-{version.strip()}"
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.check_call([python, "-m", "venv", folder])
    pip = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.check_call([*pip, "--force-reinstall", "--no-deps", ROOT])
    return inside


def run_part(python, *arguments):
    command = [python, "-I", HERE / "scale_part.py", *map(str, arguments)]
    return json.loads(subprocess.check_output(command, text=True))


def duration(seconds):
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


class Table:
    """Rows of (what, measured, target), each printed at once."""

    def __init__(self):
        self.rows = []
        print("| what | measured | target |\n|---|---|---|")

    def add(self, what, value, text, target=None, limit=""):
        met = None if target is None else value <= target
        self.rows.append({"what": what, "value": value, "target": target, "met": met})
        verdict = "" if met is None else f"{limit}{'' if met else ': **missed**'}"
        print(f"| {what} | {text} | {verdict} |", flush=True)


def measure_reading(python, table, sites, blocks, nframe, rounds):
    part = run_part(python, "reading", sites, blocks, nframe, rounds)
    title = f"{sites:,} sites, nframe {nframe}"
    for call, seconds in part["seconds"].items():
        target = READING * max(1, sites / 10_000)
        table.add(f"{title}: `{call}`", seconds, duration(seconds), target, f"≤ {duration(target)}")
    return part


def measure_tree(python, table, paths, rounds):
    part = run_part(python, "tree", paths, rounds)
    count = part["tracebacks"]
    for call, seconds in part["seconds"].items():
        target = count * (LOAD_AND_TREE if call == "Snapshot.load(path).call_tree()" else A_TRACEBACK)
        table.add(f"{count:,} tracebacks: `{call}`", seconds, duration(seconds), target, f"≤ {duration(target)}")
    return part


def measure_command(python, table, paths, rounds):
    """Of the command line, over an empty interpreter."""
    part = run_part(python, "command", paths, rounds)
    for command, seconds in part["seconds"].items():
        small = "small" in command
        what = f"`ctracemalloc {command}`" if small else f"{part['tracebacks']:,} tracebacks: `ctracemalloc {command}`"
        table.add(what, seconds, duration(seconds), COMMAND if small else None, f"≤ {duration(COMMAND)}")
    return part


def measure_calls(python, table, blocks):
    part = run_part(python, "calls", blocks, 5)
    for call, seconds in part.items():
        name, _, condition = call.partition(", ")
        what = f"`{name}`{', ' + condition if condition else ''}"
        table.add(what, seconds, duration(seconds), CALLS[call], f"≤ {duration(CALLS[call])}")
    return part


def measure_heap(python, table, kind, objects):
    """Resident bytes that tracing adds per block. ctracemalloc counts the blocks."""
    parts = {tracer: run_part(python, "memory", tracer, kind, objects) for tracer in ("none", "ctracemalloc", "tracemalloc")}
    ours, theirs = ((parts[t]["heap"] - parts["none"]["heap"]) for t in ("ctracemalloc", "tracemalloc"))
    blocks = parts["ctracemalloc"]["blocks"]
    text = f"{ours / blocks:.1f} bytes a block ({blocks:,} blocks; tracemalloc {theirs / blocks:.1f})"
    table.add(f"memory, {kind}", ours / blocks, text, BYTES_A_BLOCK if kind in WITH_TARGET else None, f"≤ {BYTES_A_BLOCK}")
    if kind == "mixed":
        kept = [(parts[t]["stopped"] - parts["none"]["stopped"]) / MEGA for t in ("ctracemalloc", "tracemalloc")]
        trimmed = (parts["tracemalloc"]["trimmed"] - parts["none"]["trimmed"]) / MEGA
        text = f"{kept[0]:.1f} MB (tracemalloc {kept[1]:.1f}; {trimmed:.1f} after malloc_trim)"
        table.add(f"memory, {kind}: still there after `stop()`", kept[0], text, 1, "≤ 1 MB")
    return parts


def measure_large(python, table):
    """Large blocks: the memory that tracing adds must not grow with their size."""
    parts = {tracer: run_part(python, "memory", tracer, "large", 100) for tracer in ("none", "ctracemalloc")}
    added = (parts["ctracemalloc"]["heap"] - parts["none"]["heap"]) / MEGA
    table.add("memory, 100 blocks of 50 MB", added, f"{added:.1f} MB in all", 1, "≤ 1 MB")
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--quick", action="store_true", help="a tenth of the blocks, no more than 100,000 sites")
    parser.add_argument("--no-install", action="store_true", help="the Python has the package")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    python = Path(options.python) if options.no_install else prepare(options.python)
    blocks, objects = (BLOCKS // 10, OBJECTS // 10) if options.quick else (BLOCKS, OBJECTS)
    machine = describe(python)
    print(f"Python {machine['python']}, {machine['processor']}, {machine['cores']} cores, {machine['system']},")
    print(f"commit {machine['commit']}, {machine['date']}. {blocks:,} live blocks; the best of several.\n")
    table, parts = Table(), []
    sizes = [(10_000, 1, 15), (10_000, 25, 15), (100_000, 1, 5), (1_000_000, 1, 3)]
    for sites, nframe, rounds in sizes[:3] if options.quick else sizes:
        parts.append(measure_reading(python, table, sites, blocks, nframe, rounds))
    for paths in PATHS[:1] if options.quick else PATHS:
        parts.append(measure_tree(python, table, paths, 5))
    parts.append(measure_command(python, table, PATHS[0], 5))
    parts.append(measure_calls(python, table, blocks))
    for kind in HEAPS:
        parts.append(measure_heap(python, table, kind, objects))
    parts.append(measure_large(python, table))
    output = options.output or BUILD / f"scale-{machine['python']}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"machine": machine, "rows": table.rows, "parts": parts}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
