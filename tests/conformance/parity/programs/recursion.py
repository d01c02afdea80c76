"""Recursion: trees built at many depths, deeper than most limits on frames."""

MOMENTS = ["tree", "deep"]


def tree(depth):
    if depth == 0:
        return bytearray(40)
    return [tree(depth - 1), tree(depth - 1), "x" * (depth + 100)]


def deep(n, held):
    held.append([n, bytearray(n % 7 + 1)])
    if n:
        deep(n - 1, held)


def main(moment):
    held = tree(8)
    moment("tree")
    chain = []
    deep(300, chain)
    moment("deep")
    return held, chain
