"""Compare libctm with the second reader (tests/readers): random snapshots, and damaged files with valid checksums.

usage: second_reader_oracle.py LIBCTM.so [ROUNDS [SEED]]

Each snapshot is made by a builder and encoded; both readers must read the same tables from it. Then bytes are changed and the
checksums recomputed, and both readers must accept the file or both refuse it; if they accept it, the tables must be the same.
"""

import ctypes
import random
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "readers"))
import second_reader

OK, FORMAT = 0, 5
U32, U64, SIZE, POINTER = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p
WORDS = [b"main.py", b"f", b"caf\xc3\xa9.pyc", b"\xed\xb2\x80", b"a\0b", "\U0001f40d".encode(), b"task", b"x" * 255]
SITE_LAYOUT = struct.Struct("<QQQIIIIQ")


class Library:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        for name in ("sites", "tracebacks", "frames", "functions", "labels", "string"):
            getattr(self.library, "ctm_snapshot_" + name).restype = POINTER

    def call(self, name, *arguments):
        return getattr(self.library, "ctm_" + name)(*arguments)

    def add(self, builder, what, *arguments):
        out = U32()
        status = self.call("builder_" + what, builder, *arguments, ctypes.byref(out))
        assert status == OK, (what, status)
        return out.value

    def build(self, rng):
        """A random snapshot as the bytes of a file."""
        builder, snapshot = POINTER(), POINTER()
        assert self.call("builder_new", ctypes.byref(builder)) == OK
        strings = [self.add(builder, "string", word, SIZE(len(word))) for word in rng.sample(WORDS, 6)]
        functions = [self.add(builder, "function", *(rng.choice(strings) for _ in "ab"), i) for i in range(4)]
        frames = [self.add(builder, "frame", rng.choice(functions), line) for line in range(-1, 5)]
        tracebacks, labels = [0], [0]
        for _ in range(rng.randrange(12)):
            tracebacks.append(self.add(builder, "traceback", rng.choice(tracebacks), rng.choice(frames), 3))
        for _ in range(rng.randrange(6)):
            labels.append(self.add(builder, "label", rng.choice(labels), rng.choice(strings), rng.choice(strings)))
        for _ in range(rng.randrange(12)):
            allocated = rng.choice([0, 1, 7, 1 << 30])
            freed, peak = rng.randint(0, allocated), rng.randint(0, allocated)
            keys = rng.randrange(3), rng.choice(tracebacks), rng.choice(labels)
            site = SITE_LAYOUT.pack(rng.choice([0, 1, 512, 1 << 31]), allocated, freed, *keys, 0, peak)
            assert self.call("builder_site", builder, site, ctypes.c_bool(rng.random() < 0.5)) == OK
        self.call("builder_set_peak_known", builder, ctypes.c_bool(rng.random() < 0.7))
        self.call("builder_set_info", builder, U32(25), U64(rng.randrange(1 << 40)), U64(7))
        origin = U64(rng.randrange(1 << 62)), U64(5), U32(42), U32(rng.choice(strings))
        assert self.call("builder_set_origin", builder, *origin) == OK
        for _ in range(rng.choice([0, 0, 1, 3])):
            kind, detail = rng.choice([b"memory", b"k"]), rng.choice([b"", "caf\u00e9".encode(), b"x" * 600])
            self.call("builder_loss", builder, kind, detail, U64(rng.choice([0, 7])))
        assert self.call("builder_finish", builder, ctypes.byref(snapshot)) == OK
        self.call("builder_free", builder)
        data, size = POINTER(), SIZE()
        assert self.call("snapshot_encode", snapshot, b"abc", SIZE(3), ctypes.byref(data), ctypes.byref(size)) == OK
        copy = ctypes.string_at(data, size.value)
        ctypes.CDLL(None).free(data)
        self.call("snapshot_unref", snapshot)
        return copy

    def rows(self, snapshot, name, layout, count):
        at = self.call("snapshot_" + name, snapshot)
        return list(struct.iter_unpack(layout, ctypes.string_at(at, count * struct.calcsize(layout))))

    def read(self, data, seen):
        """The tables, with as many rows as the other reader found; None: refused."""
        snapshot = POINTER()
        status = self.call("snapshot_decode", data, SIZE(len(data)), ctypes.byref(snapshot), None, None, None)
        assert status in (OK, FORMAT), status
        if status != OK:
            return None
        tables = [("functions", "<IIi"), ("frames", "<Ii"), ("tracebacks", "<IIi"), ("labels", "<III")]
        result = []
        if seen is not None:
            result = [self.rows(snapshot, name, layout, len(getattr(seen, name))) for name, layout in tables]
            result.append(self.rows(snapshot, "sites", SITE_LAYOUT.format, len(seen.sites)))
            result.append([self.string(snapshot, i) for i in range(len(seen.strings))])
            result.append(self.losses(snapshot))
        self.call("snapshot_unref", snapshot)
        return result

    def losses(self, snapshot):
        at = POINTER()
        count = self.call("snapshot_losses", snapshot, ctypes.byref(at))
        rows = struct.iter_unpack("<Q32s472s", ctypes.string_at(at, count * 512)) if count else ()
        text = [[field.rstrip(b"\0").decode("utf-8", "surrogatepass") for field in row[1:]] for row in rows]
        rows = struct.iter_unpack("<Q504x", ctypes.string_at(at, count * 512)) if count else ()
        return [(row[0], *texts) for row, texts in zip(rows, text)]

    def string(self, snapshot, number):
        length = SIZE()
        at = self.call("snapshot_string", snapshot, U32(number), ctypes.byref(length))
        return ctypes.string_at(at, length.value).decode("utf-8", "surrogatepass")


def agree(library, data):
    """(do both agree, was the file accepted)"""
    try:
        seen = second_reader.read(data)
    except second_reader.Refused:
        seen = None
    tables = library.read(data, seen)
    if seen is None or tables is None:
        return seen is None and tables is None, False
    expected = [seen.functions, seen.frames, seen.tracebacks, seen.labels, [tuple(s) for s in seen.sites], seen.strings]
    expected.append(seen.losses)
    return tables == expected, True


def damage(data, rng):
    """Change some bytes of sections and recompute all checksums."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        out[rng.randrange(64, len(out))] = rng.choice([0, 1, 2, 3, 9, 127, 128, 255])
    count, directory = struct.unpack_from("<I", out, 20)[0], struct.unpack_from("<Q", out, 32)[0]
    for at in range(directory, directory + 40 * count, 40):
        offset, length = struct.unpack_from("<QQ", out, at + 8)
        struct.pack_into("<I", out, at + 36, second_reader.crc32c(out[offset : offset + length]))
    struct.pack_into("<I", out, 56, second_reader.crc32c(out[directory : directory + 40 * count]))
    struct.pack_into("<I", out, 60, second_reader.crc32c(out[:60]))
    return bytes(out)


def main():
    library = Library(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    passed = failed = damaged_but_let_through = refused = 0
    for number in range(rounds):
        whole = library.build(rng)
        for data in [whole] + [damage(whole, rng) for _ in range(20)]:
            same, good = agree(library, data)
            same = same and (good or data is not whole)
            passed, failed = passed + same, failed + (not same)
            damaged_but_let_through += good and data is not whole
            refused += not good
            if not same and failed < 10:
                print(f"round {number}: the readers disagree: {data.hex()}")
    print(f"{passed} passed, {failed} failed ({damaged_but_let_through} damaged files let through, {refused} refused)")
    return 1 if failed or not refused or not damaged_but_let_through else 0


if __name__ == "__main__":
    sys.exit(main())
