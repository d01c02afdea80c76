"""Names that a program may have, from all kinds of characters."""

import random
import unicodedata

import ctracemalloc

ENCODINGS = ("utf-8", "ascii", "cp1252", "latin-1", "koi8-r", "shift_jis", "utf-16")
SPECIAL = [
    "\x1b[2J",
    "nul\0byte",
    "two\nlines\r\n",
    "half\ud83d",
    "bytes\udcff\udc80",
    "\u202ereversed",
    "tab\there",
    "\x9b31m",
    "漢字" * 30,
    "e\u0301" * 60,
    "\u0301leads",
    "👩\u200d👩\u200d👧",
    "x" * 5000,
    "/" * 300,
    "",
    " ",
    "\u2028line",
    "\ue000private",
    "a/" * 80 + "end.py",
    "\U000e0001tag",
    "<frozen importlib._bootstrap_external>",
    "ü/ö/ä.py",
]

KINDS = {}  # characters by category
for code in range(0x110000):
    KINDS.setdefault(unicodedata.category(chr(code)), []).append(code)


def names(seed, count):
    """Special names, and names of characters of every category."""
    chance = random.Random(seed)
    for _ in range(count):
        chars = [chr(chance.choice(KINDS[chance.choice(sorted(KINDS))])) for _ in range(chance.randrange(1, 60))]
        yield "".join(chars)
    yield from SPECIAL


def snapshot_of(all_names):
    sites = [(0, 1000 + i, ((name, i), ("main.py", 1)), 3) for i, name in enumerate(all_names)]
    return ctracemalloc.Snapshot(sites, 2)
