"""Text functions that messages and reports share: safe names, counted nouns, times.

Model: a name (of a file, a function, a label, a command line, a line of source) may contain any character. If such names
were printed unchanged, a file called "\\x1b[2J" would empty the terminal, and one with a lone surrogate would raise
UnicodeEncodeError. So every name passes through printable() before it becomes part of a text. Two kinds of characters become
escapes, as in Python's literals: those without a glyph of their own (control and format characters, surrogates, line ends,
unassigned and private characters, all spaces but " "), and those that the output's encoding does not have. A backslash stays
a backslash: the text is for people, and the exact names are in the snapshot.

This module imports nothing of the package, so that every error message may use it. What only reports need is in render/text.
"""


def printable(text: str, encoding: str = "utf-8") -> str:
    if not text.isprintable():
        text = "".join([char if char.isprintable() else escape(char) for char in text])
    if text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def safe_cell(value: object) -> object:
    """A cell of a CSV file: a text that a spreadsheet would take for a formula is preceded by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def counted(number: int, noun: str, sign: bool = False) -> str:
    """For example "1 line", "2,000 lines", "+1 block"."""
    text = f"{number:+,}" if sign else f"{number:,}"
    return f"{text} {noun}" if number in (1, -1) else f"{text} {noun}s"


def clock(seconds: float, digits: int = 0) -> str:
    """For example 12.3 s, 4:05 or 1:02:03, with at least `digits` digits behind the point."""
    rounded = round(seconds, max(digits, 1))
    if rounded < 60:
        return f"{rounded:.{max(digits, 1)}f} s"
    rounded = round(seconds, digits)
    minutes, rest = divmod(int(rounded), 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{rounded % 1:.{digits}f}"[1:] if digits else ""
    return f"{hours}:{minutes:02}:{rest:02}{fraction}" if hours else f"{minutes}:{rest:02}{fraction}"


def short_clock(seconds: float) -> str:
    """clock() with as many digits as the number has: 65.2 is 1:05.2, and 65.0 is 1:05."""
    digits = 0
    while digits < 9 and round(seconds, digits) != seconds:
        digits += 1
    return clock(seconds, digits)


def parse_clock(text: str) -> float:
    """Convert a result of clock(), or plain seconds, into seconds. ValueError if `text` is neither."""
    *before, last = text.removesuffix("s").strip().split(":")
    if len(before) > 2 or not all(part.isascii() and part.isdecimal() for part in before):
        raise ValueError(f"not a time: {text!r}")
    if not 0 <= float(last) < (60 if before else float("inf")):
        raise ValueError(f"not a time: {text!r}")
    minutes = 0
    for part in before:
        minutes = minutes * 60 + int(part)
    return minutes * 60 + float(last)
