"""Parity: the same programs under the standard tracemalloc and under ctracemalloc.

Each program of programs/ has a list MOMENTS and a function main(moment) which calls moment(tag) for each of them. For every
program, moment and nframe of 1, 5 and 25 the two modules must agree on
- size and count of every line of the program's own file,
- every traceback that begins there, with its total_nframe, its domain and its block sizes,
- the traced memory in total, and its peak, within 0.5 %.

child.py excludes what depends on addresses: one seed for all hashes, free lists emptied, and the interpreter's cache of method
lookups cleared before the tracer is read. If the answers still differ, both modules are run again, up to AGAIN times, until
one answer of each module agrees. The output says so, because the cause may matter.

Legitimate differences are listed in known.json with their cause, as
{"program": …, "line": … or null for all, "versions": ["3.11", …] or null, "cause": …}; nothing else may differ.

usage: run.py [--left MODULE] [--right MODULE] [--nframe N] [PROGRAM…]
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOLERANCE = 0.005
NFRAMES = (1, 5, 25)
SHOWN = 20
AGAIN = 3


class CannotRun(Exception):
    """The program needs something that is not installed here."""


def moments_of(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "MOMENTS":
            return ast.literal_eval(node.value)
    raise SystemExit(f"{path} has no MOMENTS")


def run_child(module, nframe, path, tag):
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "answer.json")
        command = [sys.executable, HERE / "child.py", module, str(nframe), path, tag, output]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
        if done.returncode == 77:
            raise CannotRun(done.stdout.strip())
        if done.returncode != 0:
            raise RuntimeError(f"{module} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        with open(output, encoding="utf-8") as file:
            return json.load(file)


class View:
    """One answer of a module: about the program's own file, and about all others."""

    def __init__(self, answer, path):
        self.current, self.peak = answer["current"], answer["peak"]
        self.lines = Counter()  # (line, "size" or "count") of the program's own file
        self.tracebacks = Counter()  # (line, domain, size, frames, total_nframe) -> blocks
        self.elsewhere = Counter()  # (file, line) of any other file -> bytes
        for domain, size, frames, total_nframe, count in answer["rows"]:
            filename, line = frames[0]
            if filename == str(path):
                self.lines[line, "size"] += size * count
                self.lines[line, "count"] += count
                key = (line, domain, size, tuple(map(tuple, frames)), total_nframe)
                self.tracebacks[key] += count
            else:
                self.elsewhere[filename, line] += size * count


def differing(left, right):
    return [key for key in sorted(left.keys() | right.keys(), key=repr) if left[key] != right[key]]


def compare(left, right, path):
    """(differences as (line, text), how many lines of other files differ)."""
    found = []
    for line, what in differing(left.lines, right.lines):
        values = left.lines[line, what], right.lines[line, what]
        found.append((line, f"{path.name}:{line}: {what} {values[0]} != {values[1]}"))
    for key in differing(left.tracebacks, right.tracebacks):
        line, domain, size, frames, total = key
        place = " < ".join(f"{Path(name).name}:{number}" for name, number in frames)
        counts = left.tracebacks[key], right.tracebacks[key]
        text = f"domain {domain}, {size} B, total_nframe {total}: {counts[0]} != {counts[1]} blocks at {place}"
        found.append((line, f"{path.name}:{line}: {text}"))
    for what in ("current", "peak"):
        values = getattr(left, what), getattr(right, what)
        if abs(values[0] - values[1]) > TOLERANCE * values[0]:
            found.append((0, f"{path.name}: {what} {values[0]} != {values[1]} bytes in total"))
    if not left.lines:
        found.append((0, f"{path.name}: no block at any of its lines: nothing was compared"))
    return found, len(differing(left.elsewhere, right.elsewhere))


def load_known():
    version = "{}.{}".format(*sys.version_info)
    entries = json.loads((HERE / "known.json").read_text(encoding="utf-8"))
    return [e for e in entries if e["versions"] is None or version in e["versions"]]


def split_known(differences, program, known):
    """The differences without a known cause, and those with, as (text, cause)."""
    unknown, explained = [], []
    for line, text in differences:
        causes = [entry["cause"] for entry in known if entry["program"] == program and entry["line"] in (None, line)]
        explained.append((text, causes[0])) if causes else unknown.append(text)
    return unknown, explained


def closest(lefts, rights, path, known):
    """(left answer, unknown differences, explained ones, differing lines elsewhere) of the pair that differs least."""
    pairs = []
    for left in lefts:
        for right in rights:
            differences, elsewhere = compare(left, right, path)
            pairs.append((left, *split_known(differences, path.stem, known), elsewhere))
    return min(pairs, key=lambda pair: len(pair[1]))


def check(path, nframe, tag, modules, known):
    """True if the modules agree."""
    lefts, rights = [], []
    for attempt in range(1, AGAIN + 2):
        lefts.append(View(run_child(modules[0], nframe, path, tag), path))
        rights.append(View(run_child(modules[1], nframe, path, tag), path))
        left, unknown, explained, elsewhere = closest(lefts, rights, path, known)
        if not unknown:
            break
    blocks = sum(left.tracebacks.values())
    word = "DIFFERENT" if unknown else "same"
    label = f"{path.stem} nframe={nframe} at {tag!r}"
    if attempt > 1:
        label += f" (in run {attempt})"
    print(f"{word:9} {label}: {blocks} blocks at {len(left.lines) // 2} lines; ", end="")
    print(f"{elsewhere} of {len(left.elsewhere)} lines of other files differ", flush=True)
    for text in unknown[:SHOWN]:
        print("    " + text)
    if len(unknown) > SHOWN:
        print(f"    and {len(unknown) - SHOWN} more")
    for text, cause in explained[:SHOWN]:
        print(f"    known: {text}: {cause}")
    return not unknown


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--left", default="tracemalloc")
    parser.add_argument("--right", default="ctracemalloc")
    parser.add_argument("--nframe", type=int, action="append")
    arguments = parser.parse_args()
    modules = (arguments.left, arguments.right)
    known = load_known()
    passed = failed = skipped = 0
    for path in sorted((HERE / "programs").glob("*.py")):
        if arguments.programs and path.stem not in arguments.programs:
            continue
        for nframe in arguments.nframe or NFRAMES:
            for tag in moments_of(path):
                try:
                    good = check(path, nframe, tag, modules, known)
                except CannotRun as reason:
                    print(f"::skip {path.stem} nframe={nframe}: {reason}")
                    skipped += 1
                    continue
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    print(f"ENDED BAD {path.stem} nframe={nframe} at {tag!r}: {error}", flush=True)
                    good = False
                passed, failed = passed + good, failed + (not good)
    print(f"::counts passed={passed} failed={failed} skipped={skipped}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
