"""Garbage, which is no growth of the test that leaves it, and how it is collected in little time.

Model: to collect all takes time in proportion to all objects of the process. Objects that are new since some moment are young,
unless the program has collected since, so to collect these is enough otherwise. A whole collection also empties the free lists,
in which CPython keeps memory of what was freed, to use it again. That alone is quick: a collection while all objects are frozen
has nothing to look at.

It has a price that is paid later: CPython waits with its next whole collection until there are a quarter more objects than in
the last one, which here has seen none. So whatever counts towards that collection is left out as far as possible: those of the
newest generation hardly do.
"""

import gc

NEWEST, YOUNG = 0, 1  # generations, of gc.collect


def collections_made() -> tuple[int, int]:
    """All, and those by which objects may have become old."""
    newest, *older = (int(generation["collections"]) for generation in gc.get_stats())
    return newest + sum(older), sum(older)


def collect_newest() -> None:
    """Enough for what was made since the last collection."""
    gc.collect(NEWEST)


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
