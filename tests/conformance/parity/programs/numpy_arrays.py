"""numpy: arrays are tracked in a domain of their own, 389047."""

import numpy as np

MOMENTS = ["made", "reduced"]


def main(moment):
    arrays = [np.zeros(n * 100 + 1) for n in range(50)]
    big = np.arange(100_000, dtype=np.int64).reshape(100, -1)
    sums = [array + 1.5 for array in arrays]
    moment("made")
    del arrays[::2]
    columns = [big[:, n].copy() for n in range(0, 100, 7)]
    product = big[:, :100] @ big[:100, :100]
    big = np.resize(big, (10, 10))
    objects = np.array([[n] for n in range(100)] + ["text"], dtype=object)
    scalars = [np.float64(n) for n in range(200)]
    moment("reduced")
    return sums, columns, product, objects, scalars
