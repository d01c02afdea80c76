"""Read a snapshot file by docs/file-format.md alone, and print what is in it.

usage: format_oracle.py FILE [EXPECTED]

Shares no code with libctm, so it tells whether document and writer agree. With EXPECTED, the
output must equal that file's text.
"""

import struct
import sys


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def read_sections(data):
    magic, order, major, _minor, header_size, count, size, directory, row_size, flags = struct.unpack_from(
        "<8sIHHIIQQII", data
    )
    assert magic == b"\x89CTM\r\n\x1a\n" and order == 0x01020304 and major == 1 and flags == 0
    assert size == len(data) and header_size >= 64 and row_size >= 40
    directory_crc, header_crc = struct.unpack_from("<II", data, 56)
    assert header_crc == crc32c(data[:60])
    assert directory_crc == crc32c(data[directory : directory + count * row_size])
    sections, end = {}, 0
    for i in range(count):
        kind, _flags, offset, length, rows, each, crc = struct.unpack_from(
            "<IIQQQII", data, directory + i * row_size
        )
        assert offset % 8 == 0 and offset >= end and length == rows * each
        end = offset + length
        body = data[offset:end]
        assert len(body) == length and crc == crc32c(body)
        sections[kind] = (body, rows, each)
    return sections


def rows(section, layout):
    body, count, each = section
    return [struct.unpack_from(layout, body, i * each) for i in range(count)]


def describe(data):
    sections = read_sections(data)
    nframe, flags, blocks, size, peak, tracer = rows(sections[1], "<IIQQQQ")[0]
    assert flags in (0, 1)
    yield f"nframe {nframe}, {blocks} blocks, {size} bytes, peak {peak}, tracer {tracer}"
    if flags == 1:
        yield f"a sample, one in {rows(sections[1], '<40xQ')[0][0]} bytes"
    offsets = [row[0] for row in rows(sections[2], "<Q")]
    text = sections[3][0]
    assert offsets[:2] == [0, 1] and offsets[-1] == len(text)
    strings = [text[a : b - 1].decode("utf-8", "surrogatepass") for a, b in zip(offsets, offsets[1:])]
    functions = rows(sections[4], "<IIi")
    frames = rows(sections[5], "<Ii")
    tracebacks = rows(sections[6], "<IIi")
    for block_size, allocated, freed, domain, traceback, labels, reserved in rows(sections[7], "<QQQIIII")[1:]:
        assert labels == reserved == 0
        yield f"site: domain {domain}, {allocated} - {freed} blocks of {block_size} bytes"
        if traceback:
            yield f"    {tracebacks[traceback][2]} frames"
        while traceback:
            parent, frame, _total = tracebacks[traceback]
            function, line = frames[frame]
            filename, name, first = functions[function]
            yield f"    {strings[filename]!a}:{line} {strings[name]!a} from line {first}"
            assert parent < traceback
            traceback = parent
    if 8 in sections:
        yield f"attributes {sections[8][0]!r}"


def main():
    with open(sys.argv[1], "rb") as file:
        text = "".join(line + "\n" for line in describe(file.read()))
    if len(sys.argv) < 3:
        sys.stdout.write(text)
        return 0
    with open(sys.argv[2], encoding="ascii") as file:
        same = file.read() == text
    print("1 passed, 0 failed" if same else text + "0 passed, 1 failed")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
