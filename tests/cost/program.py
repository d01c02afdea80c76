"""Allocates and frees blocks with as little other work as possible: run.py counts the instructions.

usage: program.py KIND NFRAME DEPTH COUNT PADDING      NFRAME 0: without tracing; -N: N frames of a sample that takes no block
"""

import sys
from itertools import repeat


def objects(count):
    for _ in repeat(None, count):
        object()


def floats(count):
    x = 1.5
    for _ in repeat(None, count):
        x * x


def lists(count):
    for _ in repeat(None, count):
        [].append(None)


def leaf():
    object()


def pair():
    leaf()
    leaf()


def calls(count):
    # Each block has a new innermost call, and another line of the caller than the block before.
    for _ in repeat(None, count):
        pair()
        pair()


def empty_free_lists():
    """Objects from before the start of tracing are not traced; objects that enter the free lists now are."""
    held = [(n * 1.5, [n]) for n in range(1000)]
    held.clear()


def run(function, depth, count):
    if depth > 0:
        return run(function, depth - 1, count)
    return function(count)


def main():
    kind, nframe, depth, count, padding = sys.argv[1], *map(int, sys.argv[2:])
    held = [object() for _ in range(padding)]  # moves all later blocks
    if nframe != 0:
        import ctracemalloc

        ctracemalloc.start(abs(nframe), sample_interval=2**48 if nframe < 0 else None)
    empty_free_lists()
    function = {"objects": objects, "floats": floats, "lists": lists, "calls": calls}[kind]
    run(function, depth, 1000)
    run(function, depth, count)
    del held


main()
