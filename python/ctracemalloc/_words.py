"""Words that messages and reports share: safe names, counted nouns, times.

Model: a name (of a file, a function, a label, a command line, a line of source) may hold any character. Printed as it is, a
file called "\\x1b[2J" empties the terminal, and one with a lone surrogate is a UnicodeEncodeError. So every name goes
through printable() on its way into a text: what has no shape of its own (control and format characters, surrogates, line ends,
unassigned and private characters, all spaces but " ") and what the output's encoding does not have become an escape, as in
Python's literals. A backslash stays one: this is for reading, and the exact names are in the snapshot.

This module imports nothing of the package, so that error messages may use it everywhere. What only reports need is in
render/text.
"""


def printable(text: str, encoding: str = "utf-8") -> str:
    if not text.isprintable():
        text = "".join([char if char.isprintable() else escape(char) for char in text])
    if text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def counted(number: int, noun: str, sign: bool = False) -> str:
    """As "1 line", "2,000 lines", "+1 block"."""
    text = f"{number:+,}" if sign else f"{number:,}"
    return f"{text} {noun}" if number in (1, -1) else f"{text} {noun}s"


def clock(seconds: float, digits: int = 0) -> str:
    """As 12.3 s, 4:05 or 1:02:03, with at least so many digits behind the point."""
    rounded = round(seconds, max(digits, 1))
    if rounded < 60:
        return f"{rounded:.{max(digits, 1)}f} s"
    rounded = round(seconds, digits)
    minutes, rest = divmod(int(rounded), 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{rounded % 1:.{digits}f}"[1:] if digits else ""
    return f"{hours}:{minutes:02}:{rest:02}{fraction}" if hours else f"{minutes}:{rest:02}{fraction}"


def parse_clock(text: str) -> float:
    """What clock() gives, and plain seconds, as seconds; ValueError."""
    *before, last = text.removesuffix("s").strip().split(":")
    if len(before) > 2 or not all(part.isascii() and part.isdecimal() for part in before):
        raise ValueError(f"not a time: {text!r}")
    if not 0 <= float(last) < (60 if before else float("inf")):
        raise ValueError(f"not a time: {text!r}")
    minutes = 0
    for part in before:
        minutes = minutes * 60 + int(part)
    return minutes * 60 + float(last)
