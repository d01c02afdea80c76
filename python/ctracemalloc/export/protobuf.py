"""The wire format of Protocol Buffers, as far as profiles need it: numbers, texts, and messages in messages.

Model: a message is the concatenation of its fields. A field is a key (its number and one of two wire types) and a number of
variable length, or a length and bytes. An encoder of our own is shorter than the description of a message, and exporting a
profile, also over HTTP in a program that serves its own, needs no package of others.
"""

from collections.abc import Iterable

NUMBER, BYTES = 0, 2  # wire types
SMALL = [bytes([number]) for number in range(128)]
MASK = (1 << 64) - 1


def varint(number: int) -> bytes:
    """A negative number is that of its 64 bits."""
    if 0 <= number < 128:
        return SMALL[number]
    number &= MASK
    parts = bytearray()
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def number(field: int, value: int) -> bytes:
    """A field of an integer or boolean type; 0, the default, takes no room."""
    return varint(field << 3 | NUMBER) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    """A field with a message, or with bytes."""
    return varint(field << 3 | BYTES) + varint(len(content)) + content


def text(field: int, content: str) -> bytes:
    """A field with a text. What is not valid Unicode is an escape as in Python's literals: a string must be UTF-8."""
    return message(field, utf8(content))


def packed(field: int, values: Iterable[int]) -> bytes:
    """A repeated field of numbers."""
    return message(field, b"".join(map(varint, values)))


def utf8(content: str) -> bytes:
    return content.encode("utf-8", "backslashreplace")
