"""The page of `tree`: a call tree whose nodes are opened and closed. The biggest path is open at first.

Model: `opened` has the nodes whose children are shown; the lines follow from it. As in the text of `tree`, lines are indented
only where calls branch, and a chain of frames of a folded origin is one line.
"""

from typing import NamedTuple

from .._ctracemalloc import Frame
from .._words import counted, printable
from ..model.branches import MOST_CHILDREN, Branches
from ..model.calls import ROOT
from ..model.figures import ALLOCATED, FREED, LIVE, PEAK
from ..model.table import View
from ..render.text.columns import columns, cut_end, cut_path, pad
from ..render.text.locations import source_text
from ..render.text.rows import ORDERS
from ..render.text.style import Style
from ..render.text.tables import GAP
from ..render.text.tree import MIN_PLACE, figures_of, text_of
from ..render.text.tree import Line as TreeLine
from ..render.text.units import format_bytes, format_change
from .detail import traceback_lines
from .page import (
    BOLD,
    DIM,
    HEAD,
    PLAIN,
    Cursor,
    Line,
    Page,
    Prompt,
    TextPage,
    cut_line,
    patterns_of,
    text_line,
    two_sides,
    under_cursor,
    words_line,
)

MARKS = ("▸ ", "▾ ", "  ")  # closed, open, nothing below
ASCII_MARKS = ("+ ", "- ", "  ")
KEY_WORDS = (
    ("q", "quit"),
    ("Enter", "open, close"),
    ("e", "biggest path"),
    ("d", "source"),
    ("s", "measure"),
    ("/", "filter"),
    ("?", "help"),
    ("o", "own"),
    ("c", "close all"),
)
HELP = """\
Enter, Space     open or close a call; so does a click on it
right, left      open; close, or go to the caller
e                open the biggest path below
c                close all
d                the traceback with its source
s S              the next measure, the one before: live, at the peak, allocated, freed again
b                by blocks or by bytes
/                filter: patterns as of --include; !PATTERN as of --exclude
o                frames of the import system, ctracemalloc and installed packages: one line or all
up down PgUp PgDn Home End, mouse    move
q                quit
? h              this help

total            of a call with all that it called
own              of the call itself
"""


class Branch(NamedTuple):
    """A line of the tree."""

    number: int  # the node; of (smaller ones), the node above them
    last: int  # the node whose children are below the line
    folded: int  # the number of nodes that the line stands for
    indent: int
    hidden: int = 0  # how many smaller ones the line stands for


class TreePage(Page):
    def __init__(self, branches: Branches, title: str, *, folder: str | None = None) -> None:
        self.branches, self.title, self.folder = branches, title, folder
        self.cursor = Cursor()
        self.prompt: Prompt | None = None
        self.overlay: TextPage | None = None
        self.patterns_text = ""
        self.head_line = 0
        self.open_biggest(ROOT)

    @property
    def view(self) -> View:
        return self.branches.view

    def open_biggest(self, number: int) -> None:
        if number == ROOT:
            self.opened = {ROOT}
        self.opened.update(self.branches.biggest_path(number))
        self.arrange()

    def arrange(self) -> None:
        """The lines, from what is open."""
        branches, lines = self.branches, []
        waiting: list[Branch] = [self.branch(ROOT, 0)]
        while waiting:
            one = waiting.pop()
            lines.append(one)
            if one.hidden or one.last not in self.opened:
                continue
            below = branches.children(one.last)
            indent = one.indent + (len(below) > 1 or one.number == ROOT)
            if len(below) > MOST_CHILDREN:
                waiting.append(Branch(one.last, one.last, 1, indent, len(below) - MOST_CHILDREN))
            waiting += [self.branch(child, indent) for child in reversed(below[:MOST_CHILDREN])]
        self.branch_lines = lines

    def branch(self, number: int, indent: int) -> Branch:
        last, folded = self.branches.end_of_fold(number)
        return Branch(number, last, folded, indent)

    @property
    def current(self) -> Branch:
        self.cursor.index = max(0, min(self.cursor.index, len(self.branch_lines) - 1))
        return self.branch_lines[self.cursor.index]

    # --- keys ---

    def press(self, key: str) -> bool:
        if self.prompt is not None:
            if not self.prompt.press(key):
                self.prompt = None
            return True
        if self.overlay is not None:
            if not self.overlay.press(key):
                self.overlay = None
            return True
        if self.cursor.press(key):
            return True
        command = COMMANDS.get(key)
        if command is not None:
            getattr(self, command)()
        return command is not None

    def paste(self, text: str) -> bool:
        if self.prompt is not None:
            self.prompt.text += "".join(char for char in text if char.isprintable())
        return self.prompt is not None

    def quit(self) -> None:
        self.done = True

    def toggle(self) -> None:
        one = self.current
        if one.last in self.opened:
            self.opened.discard(one.last)
        else:
            self.opened.add(one.last)
        self.arrange()

    def open(self) -> None:
        if self.current.last in self.opened or not self.branches.children(self.current.last):
            self.cursor.index += 1
        else:
            self.toggle()

    def close(self) -> None:
        one = self.current
        if one.last in self.opened and self.branches.children(one.last) and not one.hidden:
            self.toggle()
            return
        parent = one.number if one.hidden else self.branches.tree.parent[one.number]
        for index, line in enumerate(self.branch_lines[: self.cursor.index]):
            if line.last == parent and not line.hidden:
                self.cursor.index = index

    def biggest(self) -> None:
        self.open_biggest(self.current.last)

    def close_all(self) -> None:
        self.opened = {ROOT}
        self.cursor.index = 0
        self.arrange()

    def measure(self, steps: int = 1) -> None:
        tree = self.branches.tree
        known = [LIVE, *([PEAK] if tree.peak_known else []), *([ALLOCATED, FREED] if tree.churn_known else [])]
        index = known.index(self.view.measure) if self.view.measure in known else 0
        self.show(self.view._replace(measure=known[(index + steps) % len(known)]))

    def measure_before(self) -> None:
        self.measure(-1)

    def by_count(self) -> None:
        self.show(self.view._replace(by_count=not self.view.by_count))

    def fold(self) -> None:
        self.show(self.view._replace(fold=not self.view.fold))

    def show(self, view: View) -> None:
        self.branches.show(view)
        self.cursor.index = 0
        self.open_biggest(ROOT)

    def ask_filter(self) -> None:
        self.prompt = Prompt("filter: ", self.patterns_text, self.set_filter)

    def set_filter(self, text: str) -> None:
        self.patterns_text = text.strip()
        self.show(self.view._replace(patterns=patterns_of(self.patterns_text)))

    def show_source(self) -> None:
        traceback = self.branches.tree.traceback(self.current.number)
        self.overlay = TextPage(lambda style: traceback_lines(traceback, style))

    def help(self) -> None:
        self.overlay = TextPage(lambda style: [[(text, PLAIN)] for line in HELP.splitlines() for text in style.prose(line)])

    def click(self, x: int, y: int) -> bool:
        index = self.cursor.offset + y - self.head_line - 1
        if self.overlay is not None or self.prompt is not None or not 0 < y - self.head_line <= self.cursor.height:
            return False
        if index >= len(self.branch_lines):
            return False
        self.cursor.index = index
        self.toggle()
        return True

    def scroll(self, steps: int) -> bool:
        return self.press("down" if steps > 0 else "up")

    # --- lines ---

    def lines(self, width: int, height: int) -> list[Line]:
        style = Style(False, max(width, 1), folder=self.folder)
        top = self.title_lines(width)
        if self.overlay is not None:
            body = [*top[:1], *self.overlay.lines(style, max(1, height - 2))]
            last = words_line((("Esc", "back"), ("up down", "scroll")), width)
        else:
            body = [*top, *self.tree_lines(width, max(1, height - len(top) - 2), len(top), style)]
            last = self.prompt.line(width) if self.prompt is not None else words_line(KEY_WORDS, width)
        body = body[: height - 1]
        return [*body, *([[]] * (height - 1 - len(body))), last]

    def title_lines(self, width: int) -> list[Line]:
        size, blocks = self.branches.calls.whole.amount(self.view.measure)
        text = format_change(size) if self.branches.is_diff else format_bytes(size)
        words = ORDERS[self.view.measure].removeprefix("size ") if self.view.measure != LIVE else "live"
        total = f"{text} in {counted(blocks, 'block')} {words}"
        selected = f"  filter {printable(self.patterns_text) or 'as given'}" if self.view.patterns else ""
        return [two_sides([("ctracemalloc  ", BOLD), (printable(self.title) + selected, PLAIN)], total, width)]

    def tree_lines(self, width: int, height: int, above: int, style: Style) -> list[Line]:
        self.head_line = above
        shown = [self.branch_lines[index] for index in self.cursor.place(len(self.branch_lines), height - 1)]
        current = self.current
        lines = [self.tree_line(one) for one in shown]
        names, cells = figures_of(lines, self.branches.calls, self.view)
        widths = [max(10 if index != 2 else 6, columns(name)) for index, name in enumerate(names)]
        while len(names) > 1 and sum(widths) + GAP * len(widths) + MIN_PLACE > width:
            names.pop()
            widths.pop()
        head = "".join(pad(name, wide, ">") + " " * GAP for name, wide in zip(names, widths, strict=True)) + "call"
        found: list[Line] = [text_line(pad(head, width, "<"), width, HEAD)]
        for one, row in zip(shown, cells, strict=True):
            numbers = "".join(pad(cell, wide, ">") + " " * GAP for cell, wide in zip(row, widths, strict=False))
            line: Line = [(numbers, PLAIN), (self.text(one, style, width - columns(numbers)), PLAIN if not one.hidden else DIM)]
            found.append(under_cursor(cut_line(line, width), width) if one is current else cut_line(line, width))
        return [*found, *([[]] * (height - len(found))), self.source_line(current, style)]

    def tree_line(self, one: Branch) -> TreeLine:
        branches = self.branches
        if one.hidden:
            smaller = branches.children(one.number)[MOST_CHILDREN:]
            return TreeLine("", None, "", sum(branches.sizes[child] for child in smaller))
        return TreeLine("", branches.node(one.number), "")

    def text(self, one: Branch, style: Style, width: int) -> str:
        is_plain = style.bars.isascii()
        marks = ASCII_MARKS if is_plain else MARKS
        indent = "  " * min(one.indent, max(0, width // 4))
        if one.hidden:
            return cut_end(f"{indent}{marks[2]}({one.hidden:,} smaller ones)", width)
        mark = marks[2] if not self.branches.children(one.last) else marks[one.last in self.opened]
        text = text_of(self.branches.node(one.number), one.folded, style).replace("--no-own", "o")
        path, _space, function = text.partition("  ")
        room = width - columns(indent) - 2
        rest = cut_end(f"  {function}" if function else "", max(0, room - min(columns(path), room * 2 // 3)))
        return indent + mark + cut_path(path, room - columns(rest)) + rest

    def source_line(self, one: Branch, style: Style) -> Line:
        place = self.branches.node(one.number).place
        if place is None or one.folded > 1 or one.hidden or not place.lineno:
            return []
        return [(source_text(Frame((place.filename, place.lineno)), style, 0), DIM)]


COMMANDS = {
    "q": "quit",
    "ctrl+c": "quit",
    "escape": "quit",
    "enter": "toggle",
    "space": "toggle",
    "right": "open",
    "left": "close",
    "e": "biggest",
    "c": "close_all",
    "d": "show_source",
    "s": "measure",
    "S": "measure_before",
    "b": "by_count",
    "/": "ask_filter",
    "o": "fold",
    "?": "help",
    "h": "help",
}
