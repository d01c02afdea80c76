"""Large buffers, above pymalloc's limit, mapped by the C library, resized up and down; zlib and array too."""

import array
import io
import zlib

MOMENTS = ["big", "resized"]


def main(moment):
    big = [bytearray(1 << n) for n in range(8, 24)]
    blocks = [bytes(100_000 + n) for n in range(20)]
    numbers = array.array("d", bytes(8 * 50_000))
    stream = io.BytesIO()
    for n in range(300):
        stream.write(b"x" * (n * 10))
    packed = zlib.compress(stream.getvalue())
    moment("big")
    for buffer in big:
        buffer.extend(bytes(len(buffer) // 3))
    numbers.extend(range(1000))
    del big[::3]
    joined = b"".join(blocks)
    views = [memoryview(joined)[n : n + 10] for n in range(0, 1000, 10)]
    words = ("word " * 40_000).split()
    text = "ü" * 30_000 + "€" * 30_000
    encoded = text.encode()
    moment("resized")
    return packed, views, words, encoded
