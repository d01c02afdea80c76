"""Reading the wire format of Protocol Buffers: the fields of a message.

Model: a message is bytes; its fields are read one after another, each with its number and either a number or bytes. What does
not end where it should is a ValueError.
"""

from collections.abc import Iterator

NUMBER, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # wire types
MAX_VARINT, MAX_SHIFT = 10, 63  # bytes, bits
MASK = (1 << 64) - 1


def fields(content: bytes) -> Iterator[tuple[int, int, bytes | None]]:
    """(field, number, bytes) of each field; None: it has a number, and no bytes."""
    at, end = 0, len(content)
    while at < end:
        key, at = varint(content, at)
        field, wire = key >> 3, key & 7
        if wire == NUMBER:
            value, at = varint(content, at)
            yield field, value, None
        elif wire == BYTES:
            size, at = varint(content, at)
            if at + size > end:
                raise ValueError("a field ends behind its message")
            yield field, 0, content[at : at + size]
            at += size
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            at += 8 if wire == EIGHT_BYTES else 4
        else:
            raise ValueError("a field has no valid type")


def varint(content: bytes, at: int) -> tuple[int, int]:
    """(a number, where the next field begins)"""
    if at < len(content) and content[at] < 128:  # nearly all
        return content[at], at + 1
    value = 0
    for shift, byte in enumerate(content[at : at + MAX_VARINT]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value & MASK, at + shift + 1
    raise ValueError("a number does not end")


def numbers(number: int, content: bytes | None, most: int) -> list[int]:
    """Of a repeated field of numbers, which may be packed: the first `most`."""
    if most <= 0:
        return []
    if content is None:
        return [number]
    found, value, shift = [], 0, 0
    for byte in content:
        if byte < 128:
            found.append((value | byte << shift) & MASK)
            value = shift = 0
            if len(found) == most:
                break
        else:
            value |= (byte & 127) << shift
            shift += 7
            if shift > MAX_SHIFT:
                break
    if shift:
        raise ValueError("a number does not end")
    return found


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
