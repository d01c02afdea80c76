"""A second reader of black boxes, written from docs/formats/black-box.md alone: it shares no code with libctm.

usage: black_box_reader.py FILE

`read(path)` returns the contents of the file of a program that has ended, or raises Refused with the rule that it breaks.
It is plain Python, slow, and checks only what the specification requires.
"""

import os
import struct
import sys
from collections import Counter, namedtuple

from second_reader import Refused, crc32c, need

Box = namedtuple("Box", "pid nframe command started ended end lack interval peak_bytes sites told")
Told = namedtuple("Told", "losses exit_status end_text")
Site = namedtuple("Site", "domain size frames total labels")  # frames: (file, line, function), the oldest first
Counts = namedtuple("Counts", "live at_peak allocated")
SIZES = STRING, FUNCTION, FRAME, TRACEBACK, LABEL, SITE, BYTES = (16, 12, 8, 20, 16, 64, 1)
NAMES = ("strings", "functions", "frames", "tracebacks", "labels", "sites", "bytes")
TABLE_SIZE = 8 + 40 * 8


class Table:
    """The rows of one table of one shard; rows that were never written to are not read."""

    def __init__(self, file, at, row_size, first_log2):
        self.file, self.row_size, self.first_log2 = file, row_size, first_log2
        self.count, *self.chunks = struct.unpack("<41Q", os.pread(file, TABLE_SIZE, at))
        self.size = os.fstat(file).st_size

    def place(self, index):
        chunk = (index + (1 << self.first_log2)).bit_length() - 1 - self.first_log2
        need(chunk < len(self.chunks) and self.chunks[chunk] != 0, "a row without a chunk")
        within = index + (1 << self.first_log2) - (1 << (self.first_log2 + chunk))
        return self.chunks[chunk] + within * self.row_size

    def read(self, index, length):
        at = self.place(index)
        need(at >= 65536 and at + length <= self.size, "a row outside the file")
        return os.pread(self.file, length, at)

    def row(self, index, layout):
        need(0 < index < self.count, "an id of a row that there is not")
        return struct.unpack_from(layout, self.read(index, self.row_size))


class Shard:
    def __init__(self, file, index, logs):
        tables = {}
        for number, name in enumerate(NAMES):
            at = 4232 + (index * len(NAMES) + number) * TABLE_SIZE
            tables[name] = Table(file, at, SIZES[number], logs[number == 6])
        self.tables = tables
        self.known = {}

    def string(self, index):
        if index == 0:
            return ""
        offset, length, _ = self.tables["strings"].row(index, "<QII")
        data = self.tables["bytes"].read(offset, length + 1)
        need(data[-1:] == b"\0", "a string that does not end")
        return data[:-1].decode("utf-8", "surrogatepass")

    def frame(self, index):
        function, line = self.tables["frames"].row(index, "<Ii")
        filename, name, _first = self.tables["functions"].row(function, "<IIi")
        return self.string(filename), line, self.string(name)

    def traceback(self, index):
        """Its frames, the oldest first, and the number of frames of the whole stack."""
        if index not in self.known:
            parent, frame, total = self.tables["tracebacks"].row(index, "<IIi")
            need(parent < index, "a traceback that is its own caller")
            before = self.traceback(parent)[0] if parent else ()
            self.known[index] = (*before, self.frame(frame)), total
        return self.known[index]

    def label_set(self, index):
        if index == 0:
            return ()
        parent, key, value = self.tables["labels"].row(index, "<III")
        need(parent < index, "a label set that is its own parent")
        return (*self.label_set(parent), (self.string(key), self.string(value)))

    def sites(self, peak_stamp):
        for index in range(1, self.tables["sites"].count):
            row = self.tables["sites"].row(index, "<QQQIIIIQQQ")
            size, allocated, freed, domain, traceback, labels, stamp, at_peak, remote, since = row
            live = allocated - freed
            known = at_peak if stamp == peak_stamp else live
            of_since = since & 0xFFFFFFFF if since >> 32 == peak_stamp else 0
            frames, total = self.traceback(traceback)
            site = Site(domain, size, frames, total, self.label_set(labels))
            yield site, Counts(live - remote, known - (remote - of_since), allocated)


def read_control(file):
    data = os.pread(file, 4232, 0)
    need(os.fstat(file).st_size >= 65536 and data[:8] == b"\x89CTMBOX\n", "magic")
    order, version, size, shards, *rest = struct.unpack_from("<4I7I2I3I2Q", data, 8)
    need((order, version, size, shards) == (0x01020304, 1, 65536, 5) and tuple(rest[:7]) == SIZES, "layout")
    need(struct.unpack_from("<I", data, 4188)[0] == crc32c(data[:4188]), "checksum")
    logs, (pid, nframe, length), (interval, started) = rest[7:9], rest[9:12], rest[12:]
    need(length <= 4096, "length of the command")
    command = data[88 : 88 + length].decode("utf-8", "surrogatepass")
    generation, ended, end, lack, peak, stamp = struct.unpack_from("<QQIIQQ", data, 4192)
    need(generation % 2 == 0, "killed while the tables were emptied")
    told = read_told(os.pread(file, 65536, 0))
    return Box(pid, nframe, command, started, ended, end, lack, interval, peak, {}, told), logs, stamp


def text_of(field):
    return field.split(b"\0")[0].decode("utf-8", "surrogatepass")


def read_told(data):
    count, known, status = struct.unpack_from("<IIi", data, 15712)
    need(count <= 32, "too many losses")
    rows = [struct.unpack_from("<Q32s472s", data, 16208 + 512 * index) for index in range(count)]
    losses = [(count, text_of(kind), text_of(detail)) for count, kind, detail in rows]
    return Told(losses, status if known else None, text_of(data[15728:16208]))


def read(path):
    file = os.open(path, os.O_RDONLY)
    try:
        box, logs, stamp = read_control(file)
        sums = Counter(), Counter(), Counter()
        for index in range(5):
            for site, counts in Shard(file, index, logs).sites(stamp):
                for total, count in zip(sums, counts, strict=True):
                    total[site] += count
        for site in sums[2]:
            box.sites[site] = Counts(*(total[site] for total in sums))
        need(all(counts.live >= 0 and counts.at_peak >= 0 for counts in box.sites.values()), "a count below 0")
        live = sum(site.size * counts.live for site, counts in box.sites.items())
        if live > box.peak_bytes and not box.interval:  # killed in the event that made a new peak
            box = box._replace(peak_bytes=live)
            for site, counts in box.sites.items():
                box.sites[site] = counts._replace(at_peak=counts.live)
        return box
    finally:
        os.close(file)


def main():
    try:
        box = read(sys.argv[1])
    except Refused as error:
        raise SystemExit(f"{sys.argv[1]}: {error}") from None
    print(box._replace(sites=len(box.sites)))
    for site, counts in sorted(box.sites.items(), key=lambda item: -item[0].size * item[1].live)[:20]:
        print(site.size * counts.live, counts, site)


if __name__ == "__main__":
    main()
