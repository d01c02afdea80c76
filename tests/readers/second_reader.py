"""A second reader of snapshot files, written from docs/formats/snapshot.md alone: it shares no code with libctm.

usage: second_reader.py FILE [EXPECTED]

Prints the contents of the file. With EXPECTED, the output must equal that file's text. `read(data)` returns the tables of a
file or raises Refused with the rule that it breaks. It is plain Python, slow, and checks only what the specification requires.
"""

import math
import struct
import sys
from collections import Counter, namedtuple

Section = namedtuple("Section", "body rows row_size")
INFO = "nframe flags blocks bytes peak tracer interval taken started pid command facts reserved"
Info = namedtuple("Info", INFO)
Site = namedtuple("Site", "size allocated freed domain traceback labels reserved at_peak")
Snapshot = namedtuple("Snapshot", "info strings functions frames tracebacks lengths labels sites attributes losses")
REQUIRED = range(1, 8)
LEAST_ROW_SIZE = {1: 40, 2: 8, 3: 1, 4: 12, 5: 8, 6: 12, 7: 40, 8: 1, 9: 12, 10: 512}
TABLE = [((value >> 1) ^ (0x82F63B78 * (value & 1))) for value in range(256)]
for _ in range(7):
    TABLE = [(value >> 1) ^ (0x82F63B78 * (value & 1)) for value in TABLE]


class Refused(ValueError):
    pass


def need(rule, what):
    if not rule:
        raise Refused(what)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 255] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def read_sections(data):
    need(len(data) >= 64 and data[:8] == b"\x89CTM\r\n\x1a\n", "magic")
    order, major, _minor, header_size, count, size, directory, row_size, flags, _zero, directory_crc, header_crc = (
        struct.unpack_from("<IHHIIQQIIQII", data, 8)
    )
    need(order == 0x01020304 and major == 1, "byte order or version")
    need(header_crc == crc32c(data[:60]), "checksum of the header")
    need(size == len(data) and header_size >= 64 and row_size >= 40 and flags == 0 and count <= 4096, "header")
    need(header_size <= directory and directory + count * row_size <= size, "place of the directory")
    need(directory_crc == crc32c(data[directory : directory + count * row_size]), "checksum of the directory")
    sections, end = {}, 64
    for at in range(directory, directory + count * row_size, row_size):
        kind, flags, offset, length, rows, each, crc = struct.unpack_from("<IIQQQII", data, at)
        need(kind != 0 and offset % 8 == 0 and offset >= end and offset + length <= size, "place of a section")
        need(length == rows * each and crc == crc32c(data[offset : offset + length]), "length or checksum")
        end = offset + length
        if kind not in LEAST_ROW_SIZE:
            need(not flags & 1, "unknown section")
            continue
        need(kind not in sections and each >= LEAST_ROW_SIZE[kind], "two sections of a kind, or short rows")
        need(each == 1 or kind not in (3, 8), "rows of bytes")
        sections[kind] = Section(data[offset:end], rows, each)
    need(all(kind in sections for kind in REQUIRED), "a section is missing")
    return sections


def read_rows(section, layout):
    """The rows as tuples; fields beyond the row's end are 0."""
    size = struct.calcsize(layout)
    cut = [section.body[i * section.row_size :][: min(size, section.row_size)] for i in range(section.rows)]
    return [struct.unpack(layout, row.ljust(size, b"\0")) for row in cut]


def read_table(sections, kind, layout):
    if kind not in sections:
        return [(0,) * len(layout[1:])]
    rows = read_rows(sections[kind], layout)
    need(0 < len(rows) < 1 << 32 and not any(rows[0]), "row 0")
    need(kind == 7 or len(set(rows)) == len(rows), "two equal rows")
    return rows


def read_strings(sections):
    offsets = [row[0] for row in read_rows(sections[2], "<Q")]
    text = sections[3].body
    need(2 <= len(offsets) < 1 << 32 and offsets[:2] == [0, 1] and offsets[-1] == len(text), "string offsets")
    need(all(a < b <= len(text) for a, b in zip(offsets, offsets[1:])), "string offsets")
    need(all(text[end - 1] == 0 for end in offsets[1:]), "NUL at the end")
    strings = [text[a : b - 1] for a, b in zip(offsets, offsets[1:])]
    need(len(set(strings)) == len(strings), "two equal strings")
    try:
        return [string.decode("utf-8", "surrogatepass") for string in strings], strings
    except UnicodeDecodeError as error:
        raise Refused("UTF-8") from error


def check_tables(functions, frames, tracebacks, labels, strings):
    for filename, name, _line in functions:
        need(max(filename, name) < len(strings), "no such string")
    need(all(0 < function < len(functions) for function, _line in frames[1:]), "no such function")
    lengths, sizes = [0], [0]
    for number, (parent, frame, _total) in enumerate(tracebacks[1:], 1):
        need(parent < number and 0 < frame < len(frames), "traceback")
        lengths.append(lengths[parent] + 1)
    for number, (parent, key, value) in enumerate(labels[1:], 1):
        need(parent < number and 0 < key < len(strings) and value < len(strings), "label set")
        need(len(strings[key]) <= 255 and (not parent or strings[labels[parent][1]] < strings[key]), "key of a label")
        sizes.append(sizes[parent] + 1)
    need(max(lengths) <= 65535 and max(sizes) <= 255, "depth")
    return lengths


def check_sites(info, sites, tracebacks, labels):
    for site in sites[1:]:
        need(site.freed <= site.allocated and site.at_peak <= site.allocated and site.reserved == 0, "site")
        need(site.traceback < len(tracebacks) and site.labels < len(labels), "site")
    at_peak = [(site.at_peak, site.at_peak * site.size) for site in sites]
    live = [(site.allocated - site.freed, (site.allocated - site.freed) * site.size) for site in sites]
    need(info.facts & 1 or not any(blocks for blocks, _bytes in at_peak), "peak not known")
    need(all(sum(column) < 1 << 63 for column in (*zip(*live), *zip(*at_peak))), "sums too large")
    need((info.blocks, info.bytes) == tuple(map(sum, zip(*live))), "sums")
    estimates = [[weight(info, site) * value for value in row] for site, row in zip(sites, live)]
    need(not info.interval or all(sum(column) < 2**62 for column in zip(*estimates)), "estimates")


def weight(info, site):
    """How many blocks a recorded block represents."""
    return -1 / math.expm1(-site.size / info.interval) if info.interval and site.size else 1


def text_of(field):
    """A text that is padded with NULs to the size of its field."""
    body = field.rstrip(b"\0")
    need(len(body) < len(field) and not any(byte < 32 or byte == 127 for byte in body), "text of a loss")
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Refused("UTF-8 of a loss") from error


def read_losses(sections):
    if 10 not in sections:
        return []
    rows = read_rows(sections[10], "<Q32s472s")
    need(1 <= len(rows) <= 32 and all(kind[0] for _count, kind, _detail in rows), "losses")
    return [(count, text_of(kind), text_of(detail)) for count, kind, detail in rows]


def read(data):
    sections = read_sections(data)
    need(sections[1].rows == 1, "one row of info")
    info = Info(*read_rows(sections[1], "<IIQQQQQQQIIII")[0])
    strings, raw = read_strings(sections)
    need(info.flags & ~1 == 0 and (info.flags == 1) == (info.interval > 0) and info.interval <= 1 << 48, "sample")
    need(info.command < len(strings), "no such command")
    need(not info.facts & 1 or sections[7].row_size >= 48, "no blocks at the peak")
    functions, frames = read_table(sections, 4, "<IIi"), read_table(sections, 5, "<Ii")
    tracebacks, labels = read_table(sections, 6, "<IIi"), read_table(sections, 9, "<III")
    sites = [Site(*row) for row in read_table(sections, 7, "<QQQIIIIQ")]
    lengths = check_tables(functions, frames, tracebacks, labels, raw)
    check_sites(info, sites, tracebacks, labels)
    attributes = sections[8].body if 8 in sections else None
    losses = read_losses(sections)
    return Snapshot(info, strings, functions, frames, tracebacks, lengths, labels, sites, attributes, losses)


def frames_of(snapshot, traceback):
    """(file, line, name, line of the definition), the most recent first."""
    while traceback:
        traceback, frame, _total = snapshot.tracebacks[traceback]
        function, line = snapshot.frames[frame]
        filename, name, first = snapshot.functions[function]
        yield snapshot.strings[filename], line, snapshot.strings[name], first


def pairs_of(snapshot, labels):
    while labels:
        labels, key, value = snapshot.labels[labels]
        yield snapshot.strings[key], snapshot.strings[value]


def sums(snapshot, key, column):
    """{key(frames): blocks} and {key(frames): bytes} of a column of the sites, of which 'live' is one."""
    blocks, size = Counter(), Counter()
    for site in snapshot.sites[1:]:
        count = site.allocated - site.freed if column == "live" else getattr(site, column)
        group = key(list(frames_of(snapshot, site.traceback)))
        blocks[group] += count
        size[group] += count * site.size
    return blocks, size


def describe(snapshot):
    info = snapshot.info
    yield f"nframe {info.nframe}, {info.blocks} blocks, {info.bytes} bytes, peak {info.peak}, tracer {info.tracer}"
    if info.flags == 1:
        yield f"a sample, one in {info.interval} bytes"
    if info.taken or info.started or info.pid or info.command:
        yield f"taken {info.taken}, started {info.started}, pid {info.pid}, {snapshot.strings[info.command]!a}"
    for site in snapshot.sites[1:]:
        peak = f", {site.at_peak} at the peak" if info.facts & 1 else ""
        yield f"site: domain {site.domain}, {site.allocated} - {site.freed} blocks of {site.size} bytes{peak}"
        for key, value in pairs_of(snapshot, site.labels):
            yield f"    label {key!a} = {value!a}"
        if site.traceback:
            yield f"    {snapshot.tracebacks[site.traceback][2]} frames"
        for filename, line, name, first in frames_of(snapshot, site.traceback):
            yield f"    {filename!a}:{line} {name!a} from line {first}"
    for count, kind, detail in snapshot.losses:
        yield f"lost {kind!a}, {count} times: {detail!a}"
    if snapshot.attributes is not None:
        yield f"attributes {snapshot.attributes!r}"


def main():
    with open(sys.argv[1], "rb") as file:
        text = "".join(line + "\n" for line in describe(read(file.read())))
    if len(sys.argv) < 3:
        sys.stdout.write(text)
        return 0
    with open(sys.argv[2], encoding="ascii") as file:
        same = file.read() == text
    print("1 passed, 0 failed" if same else text + "0 passed, 1 failed")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
