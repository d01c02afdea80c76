"""A page with the running programs, of which one is chosen."""

from collections.abc import Callable, Sequence

from .._words import printable
from ..render.text.columns import pad
from ..render.text.origin import date
from .page import BOLD, DIM, PLAIN, Cursor, Line, Page, cut_line, text_line, under_cursor, words_line
from .programs import Program, program_text

WORDS = (("Enter", "look into it"), ("up down", "choose"), ("q", "quit"))


class ChooserPage(Page):
    def __init__(self, programs: Sequence[Program], opened: Callable[[Program], Page]) -> None:
        self.programs, self.opened = programs, opened
        self.cursor = Cursor()
        self.error = ""

    def lines(self, width: int, height: int) -> list[Line]:
        shown = self.cursor.place(len(self.programs), height - 3)
        head = text_line(f"{'pid':>8}  {'began':19}  {'kind':9}  program", width, DIM)
        lines = [text_line("Which program?", width, BOLD), head]
        for index in shown:
            one = self.programs[index]
            text = f"{one.pid:>8}  {date(one.started)}  {pad(one.kind, 9, '<')}  {program_text(one.command)}"
            line = cut_line([(text, PLAIN)], width)
            lines.append(under_cursor(line, width) if index == self.cursor.index else line)
        lines = lines[: height - 1]
        last = text_line(self.error, width, BOLD) if self.error else words_line(WORDS, width)
        return [*lines, *([[]] * (height - 1 - len(lines))), last]

    def press(self, key: str) -> bool:
        if key in ("q", "escape", "ctrl+c"):
            self.done = True
        elif key == "enter":
            self.choose()
        else:
            return self.cursor.press(key)
        return True

    def choose(self) -> None:
        try:
            self.following = self.opened(self.programs[self.cursor.index])
        except (OSError, ValueError) as error:
            self.error = printable(str(error))

    def click(self, x: int, y: int) -> bool:
        index = self.cursor.offset + y - 2
        if not (y >= 2 and index < len(self.programs)):
            return False
        if index == self.cursor.index:
            self.choose()
        self.cursor.index = index
        return True

    def scroll(self, steps: int) -> bool:
        return self.press("down" if steps > 0 else "up")
