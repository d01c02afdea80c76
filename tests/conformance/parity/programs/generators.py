"""Generators: suspended ones hold frames, delegation nests them."""

MOMENTS = ["suspended", "finished"]


def numbers(limit):
    for number in range(limit):
        item = [number] * (number % 5 + 1)
        yield item


def delegate(limit):
    yield from numbers(limit)
    yield from (bytearray(n + 1) for n in range(limit))


def pipeline(source):
    for item in source:
        yield (item, len(item) * 1.5)


def main(moment):
    running = [pipeline(delegate(30)) for _ in range(50)]
    held = [next(generator) for generator in running for _ in range(10)]
    moment("suspended")
    for generator in running[::2]:
        held.extend(generator)
    for generator in running[1::2]:
        generator.close()
    moment("finished")
    return held
