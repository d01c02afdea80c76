"""Closures, partials, decorators, context managers, properties and class bodies with loops."""

import contextlib
import functools
import itertools
import operator

MOMENTS = ["all"]


def counted(function):
    calls = []

    @functools.wraps(function)
    def wrapper(*args, **options):
        calls.append((args, options))
        return function(*args, **options)

    wrapper.calls = calls
    return wrapper


@counted
def build(n, *, size=3):
    return [n] * size


@functools.lru_cache(maxsize=100)
def cached(n):
    return f"cached {n}", [n]


@contextlib.contextmanager
def resource(n, log):
    log.append(f"open {n}")
    yield bytearray(n)
    log.append(f"close {n}")


def main(moment):
    log, held = [], []
    built = [build(n, size=n % 5) for n in range(200)]
    results = [cached(n % 150) for n in range(300)]
    for n in range(50):
        with resource(n, log) as buffer, resource(n + 1, log):
            held.append(buffer)
    partials = [functools.partial(operator.add, n) for n in range(100)]
    chains = list(itertools.chain.from_iterable([n, str(n)] for n in range(100)))
    groups = {key: list(group) for key, group in itertools.groupby(range(300), key=lambda n: n // 17)}
    ordered = sorted(chains, key=str)
    mapped = list(map(lambda n: [n, n * 2.5], range(120)))
    with contextlib.ExitStack() as stack:
        for n in range(30):
            held.append(stack.enter_context(resource(n, log)))
    moment("all")
    return built, results, partials, groups, ordered, mapped
