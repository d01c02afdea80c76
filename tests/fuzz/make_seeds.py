#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to tests/fuzz/seeds: the tests replay them, and a fuzzer begins with them.

usage: make_seeds.py [EXAMPLE]

EXAMPLE is the built examples/c/memory_over_time.c, which makes the recording. Files whose name begins with "found-" are
inputs that once broke something or that a fuzzer found interesting; they are not changed.
"""

import pickle
import random
import struct
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "data"
SEEDS = HERE / "seeds"
STRING, FUNCTION, FRAME, TRACEBACK, LABEL, SITE, INFO = 0, 1, 2, 3, 4, 5, 7  # steps of fuzz_round_trip.c


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def damaged(data, rng, changes):
    """Change bytes behind the header to values that are likely to matter."""
    copy = bytearray(data)
    for _ in range(changes):
        copy[rng.randrange(64, len(copy))] = rng.choice([0, 1, 2, 3, 127, 128, 255])
    return bytes(copy)


def damage_all(target, name, data, rng):
    write(target, f"{name}-whole", data)
    write(target, f"{name}-cut-head", data[:40])
    write(target, f"{name}-cut-middle", data[: len(data) // 2])
    write(target, f"{name}-cut-end", data[:-1])
    write(target, f"{name}-longer", data + bytes(9))
    for number, changes in enumerate([1, 1, 2, 3]):
        write(target, f"{name}-damaged-{number}", damaged(data, rng, changes))


def text(data):
    return bytes([STRING, len(data)]) + data


def program(rng, sites, peak):
    """The calls of a builder: some code, label sets, and sites of them."""
    out = text(b"main.py") + text(b"work") + text("caf\u00e9.pyc".encode()) + text(b"\xed\xb2\x80") + text(b"a\0b")
    out += b"".join(bytes([FUNCTION, rng.randrange(6), rng.randrange(6), rng.randrange(99)]) for _ in range(4))
    out += b"".join(bytes([FRAME, 1 + rng.randrange(4), 0, rng.randrange(99)]) for _ in range(6))
    out += b"".join(bytes([TRACEBACK, rng.randrange(i + 1), 1 + rng.randrange(6), 9]) for i in range(8))
    out += b"".join(bytes([LABEL, rng.randrange(i + 1), 1 + rng.randrange(5), rng.randrange(6)]) for i in range(5))
    for _ in range(sites):
        allocated = rng.randrange(100)
        freed, at_peak = rng.randrange(allocated + 1), rng.randrange(allocated + 1)
        size, domain, merge = rng.choice([0, 1, 16, 100, 200]), rng.randrange(3), rng.randrange(2)
        number = bytes([size, 3]) if size >= 128 else bytes([size])
        ids = bytes([domain, rng.randrange(9), rng.randrange(6)])
        out += bytes([SITE]) + number + bytes([allocated, freed]) + ids + bytes([at_peak, merge])
    return out + bytes([INFO, 100, 50, 42, 1, peak])


def main():
    rng = random.Random(5)
    for folder in SEEDS.glob("*"):
        for old in folder.iterdir():
            if not old.name.startswith("found-") and (folder.name != "recording" or len(sys.argv) > 1):
                old.unlink()
    for path in sorted(GOLDEN.glob("*.ctm")):
        # Each later file has a source of random numbers of its own, so that the older seeds do not change.
        own = rng if path.stem in ("v1", "v1.1") else random.Random(path.stem)
        damage_all("reader", path.stem, path.read_bytes(), own)
    for number, sites in enumerate([0, 1, 3, 10, 40]):
        write("round_trip", f"program-{number}", program(rng, sites, number % 2))
    write("round_trip", "edges", program(rng, 0, 1) + bytes([SITE, 202, 1, 0, 0, 0, 0, 1, 0]) * 3)
    write_stdlib_seeds(rng)
    write_black_box_seeds(rng)
    write_told_seeds(random.Random("told"))
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording"
            subprocess.run([sys.argv[1], path], check=True, stdout=subprocess.DEVNULL)
            damage_all("recording", "example", path.read_bytes(), rng)


def change(rng):
    """A struct change of fuzz_black_box.c, with a value that is likely to matter."""
    value = rng.choice([0, 1, 2, 3, 7, 127, 255, 300, 512, 4096, 65536, 1 << 20, 1 << 32, (1 << 64) - 1])
    return struct.pack("<BBHQ", rng.randrange(8), rng.randrange(40), rng.randrange(1 << 13), value)


def write_told_seeds(rng):
    """Losses, and how a program ended: for a builder, a black box, a recording."""
    losses = bytes([7, 1, 1, 1, 0, 129]) + b"memory".ljust(40, b" ")
    losses += bytes([7, 1, 1, 1, 0, 130]) + b"\n\x80" + "\u00e9".encode() * 30
    write("round_trip", "losses", program(rng, 3, 1) + losses)
    write("round_trip", "many-losses", b"".join(bytes([7, 1, 1, 1, 0, 129, n]).ljust(47, b"k") for n in range(40)))
    for number in range(6):
        at, value = 15712 + rng.choice([0, 4, 16, 496, 504, 536, 1008]), rng.choice([0, 3, 255, 128])
        write("black_box", f"told-{number}", struct.pack("<BBHQ", 1, 0, at, value) * (1 + number % 2))
    damage_all("recording", "told", (GOLDEN / "recording-v1.1.ctr").read_bytes(), rng)


def write_black_box_seeds(rng):
    write("black_box", "unchanged", b"")
    for what in range(8):
        for number in range(3):
            write("black_box", f"what-{what}-{number}", bytes([what]) + change(rng)[1:])
    for number in range(8):
        write("black_box", f"many-{number}", b"".join(change(rng) for _ in range(2 + 3 * number)))


def write_stdlib_seeds(rng):
    """Dumps of the standard module, in every protocol."""
    frames = [("a.py", 1), ("caf\u00e9\udc80.py", 70000), ("a.py", 1)]
    traces = [(n % 2 * 7, 10**n, tuple(frames[: 1 + n % 3]), 1 + n) for n in range(9)]
    snapshot = tracemalloc.Snapshot(traces, 5)
    snapshot.note = {"text": "x", "list": [1, 2.5, None, True, b"bytes"]}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(snapshot, protocol)
        write("stdlib", f"protocol-{protocol}", data)
        write("stdlib", f"protocol-{protocol}-cut", data[: len(data) * 2 // 3])
        write("stdlib", f"protocol-{protocol}-damaged", damaged(data, rng, 2))


if __name__ == "__main__":
    main()
