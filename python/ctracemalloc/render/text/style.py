"""The style of an output: colours, width, encoding, and the folder that paths are relative to.

Model: a Style is made once for an output and passed to the functions that make lines for it. On a terminal rows fit its width,
or COLUMNS if that is set; elsewhere there is no limit and rows are not cut. Characters that the encoding of the output does not
have are replaced by ASCII, so that every line can be written.

A path is printed relative to the directory where the command was given if it is below it, and relative to the library folder
of its Python (lib/python3.X, site-packages) if it is below that; the shorter of the two. It depends on nothing else, so `run`
and `report`, given in one directory, print the same path.
"""

import codecs
import os
import re
import sys
from typing import TextIO

from ..._words import printable
from .columns import columns, cut_end, cut_path, wrap

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-~=+*#"
# Codes of the terminal's own 16 colours, which fit its background, light or dark; by what a text is.
COLORS = {
    "title": "1",
    "dim": "2",
    "function": "36",
    "large": "31",
    "middle": "33",
    "grown": "31",
    "shrunk": "32",
    "new": "35",
    "gone": "34",
}
FALLBACK_WIDTH = 80  # of a terminal that does not report its width
MIN_WIDTH = 20
TEXT_WIDTH = 92  # of source text and command lines where there is no limit
LIBRARY = re.compile(r".*/lib(?:64)?/python3(?:\.\d+t?)?/(?:site-packages/|dist-packages/)?")


class Style:
    """The properties of one output and the functions that depend on them."""

    def __init__(self, color: bool, width: int | None = None, encoding: str = "utf-8", folder: str | None = None) -> None:
        self.color = color
        self.width = width  # maximal columns of a line; None: no limit
        self.encoding = encoding
        self.folder = current_folder() if folder is None else folder  # the folder that paths are relative to
        self.with_source = True  # are lines of source shown?
        self.digests: dict[str, int] = {}  # of source files, when the snapshot was made
        self.began: float | None = None  # when the program began, UNIX time in seconds; None: not known
        self.changed: dict[str, bool] = {}  # whether a source file is another one today; filled when asked
        self.bars = BARS if printable(BARS, encoding) == BARS else ASCII_BARS

    @staticmethod
    def wanted(fd: int, refused: bool) -> bool:
        """Should the output have colours?"""
        if refused or os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return is_terminal(fd) and os.environ.get("TERM") != "dumb"

    @classmethod
    def for_stream(cls, stream: TextIO | None, refused: bool) -> "Style":
        try:
            descriptor = stream.fileno() if stream is not None else -1
        except (OSError, ValueError):
            descriptor = -1  # a stream without a file
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

    def location(self, path: str, rest: str, indent: int) -> str:
        """A path with the text behind it; where both do not fit, the text is cut first."""
        if self.width is None:
            return path + rest
        available = self.width - indent
        rest = cut_end(rest, max(0, available - min(columns(path), available * 2 // 3)))
        return cut_path(path, available - columns(rest)) + rest

    def prose(self, text: str, indent: int = 0) -> list[str]:
        """The lines of one of this package's texts, which fit the width when they are indented by `indent`."""
        return [text] if self.width is None else wrap(text, self.width - indent)

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def bold(self, text: str) -> str:
        return self.paint(COLORS["title"], text)

    def dim(self, text: str) -> str:
        return self.paint(COLORS["dim"], text)

    def role(self, role: str, text: str) -> str:
        """Paint a text by what it is, one of COLORS; "": nothing special."""
        return self.paint(COLORS[role], text) if role else text

    def grown(self, text: str, amount: int) -> str:
        return self.role("grown" if amount > 0 else "shrunk", text) if amount else text


# --- what the output can show ---


def style_for_file(stream: TextIO) -> Style:
    """For text that a program prints to a file of its own, which is left as it is: no colours, and the width of a terminal."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):
        descriptor = -1  # a stream without a file
    return Style(False, width_of(descriptor) if is_terminal(descriptor) else None, encoding_of(stream))


def is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def width_of(descriptor: int) -> int | None:
    """COLUMNS, or the width of the descriptor's terminal; None: it is not a terminal."""
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
    """The encoding that names have to be printable in.

    In the locale C Python guesses and writes UTF-8, 3.15 in each. If the user has set the locale C, and no encoding, this is
    ASCII. A stream that has another encoding than UTF-8 was not guessed.
    """
    encoding = getattr(stream, "encoding", None)
    if not isinstance(encoding, str):
        return "utf-8"
    try:
        name = codecs.lookup(encoding).name
        guessed = sys.flags.utf8_mode and "utf8" not in sys._xoptions and not os.environ.get("PYTHONUTF8")
        if guessed and name == "utf-8" and not os.environ.get("PYTHONIOENCODING"):
            name = codecs.lookup(locale_encoding() or encoding).name
        return name
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
    """The path relative to the folder, or relative to the Python library that contains it."""
    library = LIBRARY.match(path)
    best = path[library.end() :] if library is not None else path
    prefix = folder.rstrip("/") + "/"
    if len(prefix) > 1 and path.startswith(prefix) and len(path) - len(prefix) < len(best):
        best = path[len(prefix) :]
    return best or path
