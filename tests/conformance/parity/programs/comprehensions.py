"""Comprehensions of all kinds, nested, with lambdas and conditions, over several lines."""

MOMENTS = ["all"]


def main(moment):
    squares = [n * n * 1000 for n in range(500)]
    table = {f"key {n}": [row + 0.5 for row in range(n % 9) if row % 2] for n in range(300)}
    names = {f"{a}-{b}" for a in range(20) for b in range(20)}
    matrix = [[complex(x, y) for x in range(12)] for y in range(12)]
    functions = [lambda x, n=n: [x] * n for n in range(50)]
    results = [function(n) for n, function in enumerate(functions)]
    pairs = tuple((a, b) for a, b in zip(squares, names))
    moment("all")
    return table, matrix, results, pairs
