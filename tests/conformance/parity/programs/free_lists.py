"""Free lists: objects that are freed and reused without a call of the allocator."""

import contextvars

MOMENTS = ["first", "revived", "churned"]


def floats(start, count):
    return [start + n * 0.25 for n in range(count)]


def tuples(count):
    return [(n, n + 1, n + 2) for n in range(count)]


def small_tuples(count):
    return [(n,) for n in range(count)]


def lists(count):
    return [[n] for n in range(count)]


def dicts(count):
    return [{"a": n} for n in range(count)]


def integers(count):
    return [n + 10_000 for n in range(count)]


def slices(count):
    return [slice(n, n + 1000) for n in range(count)]


def contexts(count):
    return [contextvars.copy_context() for _ in range(count)]


def methods(count):
    return [[].append for _ in range(count)]


def iterators(count):
    return [iter((n, n)) for n in range(count)] + [iter([n]) for n in range(count)]


def complexes(count):
    return [complex(n, 1) for n in range(count)]


def ranges(count):
    return [range(n, n + 1000) for n in range(count)]


def fill(count):
    return [
        floats(0.5, count),
        tuples(count),
        small_tuples(count),
        lists(count),
        dicts(count),
        integers(count),
        slices(count // 10),
        contexts(count // 4),
        methods(count),
        iterators(count),
        complexes(count),
        ranges(count),
    ]


def again(count):
    return [
        iterators(count),
        methods(count),
        contexts(count // 4),
        slices(count // 10),
        integers(count),
        dicts(count),
        lists(count),
        small_tuples(count),
        tuples(count),
        floats(7.5, count),
        complexes(count),
    ]


def main(moment):
    held = fill(150)
    moment("first")
    held.clear()
    held.append(again(60))
    moment("revived")
    total = 0.0
    for n in range(3000):
        total += n * 1.5
        pair = (n, total)
        kept = {"n": n, "pair": pair}
        if n % 100 == 0:
            held.append(kept)
    moment("churned")
    return held
