"""How lines are shown: colours, width, encoding, and from where paths are seen.

Model: a Style is made once for an output and goes along to whatever makes lines for it. On a terminal rows fit its width, or
COLUMNS, if that is set; elsewhere nothing has to fit and rows are whole. What the encoding of the output does not have is
shown in ASCII, so that nothing has to be replaced when a line is written.

A path is shown from the directory where the command was given if it is below it, and from the library folder of its Python
(lib/python3.X, site-packages) if it is below that; the shorter of the two. Nothing else has a part in it, so `run` and
`report`, given in one directory, show it alike.
"""

import codecs
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from ._names import columns, cut_end, cut_path, pad, printable, wrap

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-~=+*#"
FALLBACK_WIDTH = 80  # of a terminal that does not say
MIN_WIDTH = 20
TEXT_WIDTH = 92  # of source text and command lines where nothing has to fit
LIBRARY = re.compile(r".*/lib(?:64)?/python3(?:\.\d+t?)?/(?:site-packages/|dist-packages/)?")


class Style:
    """How the lines of one output are to look."""

    def __init__(self, color: bool, width: int | None = None, encoding: str = "utf-8", folder: str | None = None) -> None:
        self.color = color
        self.width = width  # columns that a line may have; None: any
        self.encoding = encoding
        self.folder = current_folder() if folder is None else folder  # from where paths are seen
        self.bars = BARS if printable(BARS, encoding) == BARS else ASCII_BARS

    @staticmethod
    def wanted(fd: int, refused: bool) -> bool:
        """Are colours?"""
        if refused or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return is_terminal(fd)

    @classmethod
    def for_stream(cls, stream: TextIO | None, refused: bool) -> "Style":
        try:
            descriptor = stream.fileno() if stream is not None else -1
        except (OSError, ValueError):
            descriptor = -1  # no file behind it
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
        return cls(cls.wanted(descriptor, refused), width_of(descriptor), encoding_of(stream))

    def name(self, text: str) -> str:
        return printable(text, self.encoding)

    def path(self, path: str) -> str:
        return printable(shorten_path(path, self.folder), self.encoding)

    def text(self, text: str, indent: int) -> str:
        """A name that may be cut at its end: source text, a command line."""
        width = TEXT_WIDTH if self.width is None else self.width - indent
        return cut_end(printable(text, self.encoding), width)

    def place(self, path: str, rest: str, indent: int) -> str:
        """A path with what stands behind it, which goes first if there is no room."""
        if self.width is None:
            return path + rest
        room = self.width - indent
        rest = cut_end(rest, max(0, room - min(columns(path), room * 2 // 3)))
        return cut_path(path, room - columns(rest)) + rest

    def prose(self, text: str, indent: int = 0) -> list[str]:
        """Lines that fit, of a text of ours that is indented by so much."""
        return [text] if self.width is None else wrap(text, self.width - indent)

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def bold(self, text: str) -> str:
        return self.paint("1", text)

    def dim(self, text: str) -> str:
        return self.paint("2", text)

    def grown(self, text: str, amount: int) -> str:
        return self.paint("31" if amount > 0 else "32", text) if amount else text


# --- what the output can show ---


def is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def width_of(descriptor: int) -> int | None:
    """COLUMNS, or the width of the terminal that it is; None: it is none."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and len(given) < 9 and int(given) > 0:
        return max(int(given), MIN_WIDTH)
    if not is_terminal(descriptor):
        return None
    try:
        width = os.get_terminal_size(descriptor).columns
    except OSError:
        width = 0
    return max(width or FALLBACK_WIDTH, MIN_WIDTH)


def encoding_of(stream: TextIO | None) -> str:
    """What names have to be shown in.

    Python writes UTF-8 in the locale C, as a guess. Who asks for that locale, and for no encoding, gets ASCII.
    """
    encoding = getattr(stream, "encoding", None)
    if not isinstance(encoding, str):
        return "utf-8"
    try:
        guessed = sys.flags.utf8_mode and "utf8" not in sys._xoptions and not os.environ.get("PYTHONUTF8")
        if guessed and not os.environ.get("PYTHONIOENCODING"):
            encoding = locale_encoding() or encoding
        return codecs.lookup(encoding).name
    except LookupError:
        return "ascii"


def locale_encoding() -> str:
    from _locale import CODESET, nl_langinfo

    return nl_langinfo(CODESET)


def current_folder() -> str:
    """The current directory, or "" if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def shorten_path(path: str, folder: str) -> str:
    """The path as it is seen from the folder, or from the Python library that it is in."""
    library = LIBRARY.match(path)
    best = path[library.end() :] if library is not None else path
    prefix = folder.rstrip("/") + "/"
    if len(prefix) > 1 and path.startswith(prefix) and len(path) - len(prefix) < len(best):
        best = path[len(prefix) :]
    return best or path


# --- facts ---

FACT_NAME = 8  # columns of a fact's name


def format_facts(title: str, facts: Iterable[tuple[str, str]], style: Style) -> list[str]:
    """Names with texts below a title."""
    return [style.bold(title), *fact_lines(facts, style)]


def fact_lines(facts: Iterable[tuple[str, str]], style: Style) -> list[str]:
    lines = []
    for name, text in facts:
        first, *rest = style.prose(style.name(text), 2 + FACT_NAME + 1)
        lines.append(f"  {name:<{FACT_NAME}} {first}")
        lines += (" " * (2 + FACT_NAME + 1) + line for line in rest)
    return lines


# --- tables ---

GAP = 2  # columns between two
MIN_PLACE = 20  # columns that a place should have
MIN_FUNCTION = 12
MOST_PLACE = 80  # columns that all rows get for it; of a place that is wider, the function stands farther to the right


def format_table(rows: Sequence[Sequence[str]], places: int, drop: Sequence[str], style: Style) -> list[str]:
    """Lines of a table that fit. The first row is the head. Numbers stand to the right, the last `places` columns to the left;
    these are two, a path and a function, or none.

    Where there is no room for places, columns go whose heads are in `drop`, in that order, but never the first.
    """
    table = [list(row) for row in rows]
    for name in drop:
        if style.width is None or needed(table, places) <= style.width:
            break
        if name in table[0][1:]:
            gone = table[0].index(name, 1)
            for row in table:
                del row[gone]
    if style.width is not None and places:
        fit_places(table, style.width)
    widths = widths_of(table)
    if style.width is None and places:
        widths[-2] = min(widths[-2], MOST_PLACE)
    sides = ">" * (len(widths) - places) + "<" * places
    return [(" " * GAP).join(map(pad, row, widths, sides)).rstrip() for row in table]


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]


def needed(rows: Sequence[Sequence[str]], places: int) -> int:
    """Columns that a table needs, if its places are cut as far as they should be."""
    widths = widths_of(rows)
    numbers = widths[: len(widths) - places]
    return sum(numbers) + GAP * (len(numbers) - 1) + (GAP + min(MIN_PLACE, widths[-places]) if places else 0)


def fit_places(rows: list[list[str]], width: int) -> None:
    """Cut the last two columns, a path and a function, to what the numbers leave of the width."""
    *numbers, path, function = widths_of(rows)
    room = width - sum(numbers) - GAP * len(numbers)
    if path + GAP + function <= room:
        return
    most = max(room // 3, room - GAP - path)  # for the function: a third, or what the paths leave
    if most < MIN_FUNCTION:
        for row in rows:
            row[-1] = ""
        cut_column(rows, -2, room)
        return
    cut_column(rows, -1, most)
    cut_column(rows, -2, room - GAP - widths_of(rows)[-1])


def cut_column(rows: list[list[str]], index: int, width: int) -> None:
    for row in rows:
        row[index] = cut_path(row[index], width)
