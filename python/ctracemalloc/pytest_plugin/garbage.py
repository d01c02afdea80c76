"""Garbage, which is no growth of the test that leaves it, and how it is collected in little time.

Model: to collect all takes time in proportion to all objects of the process. Objects that are new since some moment are young,
unless the program has collected since, so to collect these is enough otherwise. A whole collection also empties the free lists,
in which CPython keeps memory of what was freed, to use it again. That alone is quick: a collection while all objects are frozen
has nothing to look at.
"""

import gc

YOUNG = 1  # generation, of gc.collect


def collections_made() -> int:
    """By which objects may have become old."""
    return sum(int(generation["collections"]) for generation in gc.get_stats()[1:])


def collect_young() -> None:
    gc.collect(YOUNG)


def empty_free_lists() -> None:
    """After collect_young(): it would make all objects old. What the program itself has frozen stays so."""
    if gc.get_freeze_count():
        gc.collect()
        return
    gc.freeze()
    try:
        gc.collect()
    finally:
        gc.unfreeze()


def collect_all() -> None:
    gc.collect()
