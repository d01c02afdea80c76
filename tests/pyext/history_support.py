"""Snapshots from the core whose sites have a history: files with rows that the tests choose.

Model: the module dumps one trace for each site. Then the counters of the sites in the file are replaced
(docs/formats/snapshot.md) and its checksums are recomputed.
"""

import struct

import ctracemalloc as m

CRC_TABLE = []
for _value in range(256):
    for _ in range(8):
        _value = _value >> 1 ^ (0x82F63B78 if _value & 1 else 0)
    CRC_TABLE.append(_value)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def snapshot_of_sites(sites, path, *, peak_known=True, limit=5):
    """sites: (raw trace, live, freed, at_peak); no two neighbours have equal traces."""
    m.Snapshot([site[0] for site in sites], limit).dump(path)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    directory, rows = 64, struct.unpack_from("<I", data, 20)[0]
    for index in range(rows):
        at = directory + 40 * index
        kind, _, offset, length, count, row_size, _ = struct.unpack_from("<IIQQQII", data, at)
        if kind == 1:
            live = sum(site[1] for site in sites)
            size = sum(site[1] * site[0][1] for site in sites)
            struct.pack_into("<QQ", data, offset + 8, live, size)
            struct.pack_into("<I", data, offset + 72, peak_known)
        elif kind == 7:
            assert count == len(sites) + 1
            for row, (_, live, freed, at_peak) in enumerate(sites, 1):
                struct.pack_into("<QQ", data, offset + row * row_size + 8, live + freed, freed)
                at_peak *= peak_known
                struct.pack_into("<Q", data, offset + row * row_size + 40, at_peak)
        struct.pack_into("<I", data, at + 36, crc32c(data[offset : offset + length]))
    struct.pack_into("<I", data, 56, crc32c(data[directory : directory + 40 * rows]))
    struct.pack_into("<I", data, 60, crc32c(data[:60]))
    with open(path, "wb") as file:
        file.write(data)
    return m.Snapshot.load(path)
