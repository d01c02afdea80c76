"""Measures, cuts and wraps texts in columns of a terminal. All texts are printable (_words.py) already."""

import unicodedata

ELLIPSIS = "..."  # replaces what was cut off
WIDE = ("W", "F")
NO_WIDTH = ("Mn", "Me")


def columns(text: str) -> int:
    """How many columns of a terminal a printable text needs."""
    if text.isascii():
        return len(text)
    return sum(map(char_columns, text))


def char_columns(char: str) -> int:
    if unicodedata.category(char) in NO_WIDTH or "\u1160" <= char <= "\u11ff":  # the latter join the syllable before
        return 0
    return 2 if unicodedata.east_asian_width(char) in WIDE else 1


def pad(text: str, width: int, side: str) -> str:
    """side: "<" or ">", as in format strings."""
    space = " " * (width - columns(text))
    return space + text if side == ">" else text + space


def cut_end(text: str, width: int) -> str:
    """The beginning of a text that is too wide."""
    if columns(text) <= width:
        return text
    return fitting(text, width - len(ELLIPSIS)) + ELLIPSIS if width > len(ELLIPSIS) else ELLIPSIS[:width]


def cut_start(text: str, width: int) -> str:
    """The end of a text that is too wide."""
    if columns(text) <= width:
        return text
    return ELLIPSIS + fitting(text[::-1], width - len(ELLIPSIS))[::-1] if width > len(ELLIPSIS) else ELLIPSIS[:width]


def fitting(text: str, width: int) -> str:
    """As many characters from the beginning as fit."""
    used = 0
    for index, char in enumerate(text):
        used += char_columns(char)
        if used > width:
            return text[:index]
    return text


def cut_path(path: str, width: int) -> str:
    """The last parts of a path that is too wide; whole parts, if at least one fits."""
    if columns(path) <= width:
        return path
    parts = path.split("/")
    for start in range(1, len(parts)):
        short = "/".join([ELLIPSIS, *parts[start:]])
        if columns(short) <= width:
            return short
    return cut_start(path, width)


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words. A word that is too wide has a line of its own and is not cut."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and columns(lines[-1]) + 1 + columns(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
