"""What a terminal shows: pages of lines, a cursor in a list, and a prompt for a line of text.

Model: a line is a list of spans, a text with its role; app.py knows the colours of the roles. All texts are printable already.
A page is asked for its lines when it has changed, with the size of the terminal, and returns at most so many. A key is a
character, or the name of a key that has none ("up", "enter").
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeAlias

from .._words import printable
from ..places.patterns import Patterns
from ..render.text.columns import columns, cut_end, cut_start, pad
from ..render.text.style import Style

PLAIN, BOLD, DIM, HEAD, CURSOR, GROWN, SHRUNK, GRAPH, WARNING = ROLES = (
    "plain",
    "bold",
    "dim",
    "head",
    "cursor",
    "grown",
    "shrunk",
    "graph",
    "warning",
)
Span: TypeAlias = tuple[str, str]  # text, role
Line: TypeAlias = list[Span]


class Page(ABC):
    """A page that takes no keys."""

    done = False  # the view closes
    following: "Page | None" = None  # the page that takes this one's place

    def delay(self) -> float | None:
        """Seconds until tick() is to be called; None: never."""
        return None

    def tick(self) -> bool:
        """Has the page changed?"""
        return False

    @abstractmethod
    def lines(self, width: int, height: int) -> list[Line]:
        """What is shown, at most `height` lines."""

    def press(self, key: str) -> bool:
        """Has the page changed?"""
        return False

    def paste(self, text: str) -> bool:
        return False

    def click(self, x: int, y: int) -> bool:
        return False

    def scroll(self, steps: int) -> bool:
        return False


class Cursor:
    """A place in a list, and the part of the list that is shown."""

    def __init__(self) -> None:
        self.index = 0
        self.offset = 0
        self.height = 1

    def place(self, number: int, height: int) -> range:
        """The indexes that are shown, of a list with so many items, in so many lines."""
        self.height = max(height, 1)
        self.index = max(0, min(self.index, number - 1))
        self.offset = max(self.index - self.height + 1, min(self.offset, self.index))
        self.offset = max(0, min(self.offset, number - self.height))
        return range(self.offset, min(number, self.offset + max(height, 0)))

    def press(self, key: str) -> bool:
        page = max(1, self.height - 1)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -LONG_WAY, "end": LONG_WAY}.get(key)
        if steps is not None:
            self.index = max(0, self.index + steps)
        return steps is not None


LONG_WAY = 1 << 40


class Prompt:
    """A line of text that is being typed."""

    def __init__(self, label: str, text: str, done: Callable[[str], None]) -> None:
        self.label, self.text, self.done = label, text, done

    def press(self, key: str) -> bool:
        """False: it is finished."""
        if key in ("enter", "escape"):
            if key == "enter":
                self.done(self.text)
            return False
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "ctrl+u":
            self.text = ""
        elif key == "space" or len(key) == 1:
            self.text += " " if key == "space" else key
        return True

    def line(self, width: int) -> Line:
        label = cut_end(self.label, width // 2)
        return [(label, BOLD), (cut_start(printable(self.text), max(0, width - columns(label) - 1)), PLAIN), (" ", CURSOR)]


class TextPage:
    """Lines to read, on top of a page."""

    def __init__(self, make: Callable[[Style], list[Line]]) -> None:
        self.make = make
        self.offset = 0
        self.height = 1

    def lines(self, style: Style, height: int) -> list[Line]:
        found = self.make(style)
        self.height = height
        self.offset = max(0, min(self.offset, len(found) - height))
        return found[self.offset : self.offset + height]

    def press(self, key: str) -> bool:
        """False: it is closed."""
        page = max(1, self.height - 1)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "space": page, "home": -LONG_WAY, "end": LONG_WAY}
        self.offset = max(0, self.offset + steps.get(key, 0))
        return key in steps


# --- lines ---


def text_line(text: str, width: int, role: str = PLAIN) -> Line:
    return [(cut_end(text, width), role)]


def two_sides(left: Line, right: str, width: int) -> Line:
    """The right side has precedence, as long as it leaves a half for the left one."""
    right = cut_end(right, width // 2)
    room = width - columns(right) - 2
    line = cut_line(left, room)
    return [*line, (" " * (width - columns_of(line) - columns(right)), PLAIN), (right, BOLD)]


def cut_line(line: Line, width: int) -> Line:
    found, used = [], 0
    for text, role in line:
        part = cut_end(text, max(0, width - used))
        if part:
            found.append((part, role))
        used += columns(part)
        if part != text:
            break
    return found


def columns_of(line: Line) -> int:
    return sum(columns(text) for text, _role in line)


def under_cursor(line: Line, width: int) -> Line:
    return [(pad("".join(text for text, _role in line), width, "<"), CURSOR)]


def words_line(words: Iterable[tuple[str, str]], width: int) -> Line:
    """Keys and what they do, as many as fit."""
    line: Line = []
    used = 0
    for key, text in words:
        needed = columns(key) + 1 + columns(text) + 2
        if used + needed - 2 > width:
            break
        line += [(key, BOLD), (f" {text}  ", DIM)]
        used += needed
    return cut_line(line, width)


def patterns_of(text: str) -> Patterns:
    """Of a line of patterns: those that begin with ! exclude."""
    words = text.split()
    include = [word for word in words if not word.startswith("!")]
    return Patterns(include, [word[1:] for word in words if len(word) > 1 and word.startswith("!")])
