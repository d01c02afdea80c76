"""The page of `top`: totals, rates, a graph over time, and a table that is opened row by row down to a traceback.

Model: a *level* is a table: which blocks it is of, what its rows stand for, and the cursor in it. Opening a row puts a level on
the stack, going back takes it off. Rows are computed when something has changed, and texts are made for those that are seen.
"""

import time
from collections.abc import Sequence

from .._ctracemalloc import FileError
from .._words import clock, counted, printable
from ..model.frames import FILENAME, FUNCTION, LINENO, MODULE, PACKAGE, TRACEBACK
from ..model.origin import RUNNING
from ..model.watch import GROWTH, LOCATION, Look, Order, Point, Rows, Selection, Watch
from ..render.text.losses import texts as loss_texts
from ..render.text.origin import end_text
from ..render.text.resident import format_resident
from ..render.text.rows import NOUNS
from ..render.text.style import Style
from ..render.text.units import format_bytes, format_change
from .detail import detail_lines
from .graph import graph_lines
from .page import (
    BOLD,
    DIM,
    GROWN,
    PLAIN,
    SHRUNK,
    WARNING,
    Cursor,
    Line,
    Page,
    Prompt,
    TextPage,
    columns_of,
    cut_line,
    patterns_of,
    text_line,
    two_sides,
    words_line,
)
from .programs import program_text
from .sources import RecordingSource, Source, resident_of
from .table import Layout, callers_text, texts_of

INTERVALS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
SHARE = 0.1  # of a core: a look that takes long is followed by a pause that keeps to it
LEAST_DELAY = 0.01
NEXT_KEY = {PACKAGE: MODULE, MODULE: FILENAME, FILENAME: FUNCTION, FUNCTION: LINENO, LINENO: TRACEBACK}
ALL_KEYS = (*NEXT_KEY, TRACEBACK)
RESIDENT_NAMES = 3  # below each row
KEY_WORDS = (
    ("q", "quit"),
    ("Enter", "open"),
    ("Esc", "back"),
    ("s", "sort"),
    ("m", "mark"),
    ("g", "growing"),
    ("/", "filter"),
    ("?", "help"),
    ("k", "key"),
    ("p", "pause"),
    ("o", "own"),
)
HELP = """\
Enter, right     open the row: file, function, line, traceback with its source
Esc, Backspace   back
up down PgUp PgDn Home End, mouse    move; a click on a head sorts by it
s S              sort by the next column, by the one before
k K              next key, the key before: package, module, file, function, line
/                filter: patterns as of --include; !PATTERN as of --exclude
o                the import system, ctracemalloc and installed packages: one row each or all rows
m                mark: growth and allocations count from now
r                reset: the mark goes back to where the view was opened
g                only what keeps growing: in each part of the time since the mark
i                what the resident memory of the process consists of
l                what is missing from the numbers
p, Space         pause; of a recording: play
left, right      of a recording: a moment back, a moment on ([ and ]: the first, the last)
+ -              more seconds between two looks, fewer
q                quit; the program goes on
? h              this help

size, count      what is live: bytes and blocks
growth           the change of size since the mark
allocated        bytes allocated since the mark, whether freed again or not
peak             what was live at the moment of the peak of the whole program
"""


class Level:
    def __init__(self, selection: Selection, crumbs: tuple[str, ...] = ()) -> None:
        self.selection, self.crumbs = selection, crumbs
        self.cursor = Cursor()
        self.current: int | None = None  # the number of the row that the cursor follows; None: it stays at the top


class LivePage(Page):
    def __init__(
        self,
        source: Source,
        selection: Selection,
        order: Order,
        interval: float = 0.5,
        *,
        source_lines: bool = True,
        owns_program: bool = False,
        folder: str | None = None,
    ) -> None:
        """owns_program: `run --live` has started it, and asks before it is left alone."""
        self.source, self.order, self.interval = source, order, interval
        self.source_lines, self.owns_program, self.folder = source_lines, owns_program, folder
        self.levels = [Level(selection)]
        self.patterns_text = ""
        self.paused = isinstance(source, RecordingSource) and not source.follows
        self.prompt: Prompt | None = None
        self.overlay: TextPage | None = None
        self.asks = False
        self.error = ""
        self.used = time.process_time()  # by this process, when the last pause began
        self.begun = time.monotonic()  # when the last tick was due
        self.rows: Rows | None = None
        self.layout = Layout(80, True)
        self.head_line = 0  # of the table
        self.watch = Watch(self.first_look())
        self.take_look()

    def first_look(self) -> Look:
        if isinstance(self.source, RecordingSource):
            return self.source.look_at(self.source.position if self.source.follows else 0)
        look = self.source.look()
        assert look is not None
        return look

    @property
    def level(self) -> Level:
        return self.levels[-1]

    @property
    def replays(self) -> RecordingSource | None:
        return self.source if isinstance(self.source, RecordingSource) else None

    # --- time ---

    def delay(self) -> float:
        """The interval, or as long as it takes to stay below SHARE. Everything since the last call counts, drawing as well."""
        used, now = time.process_time(), time.monotonic()
        pause = (used - self.used) * (1 / SHARE - 1)
        delay = max(self.interval - (now - self.begun), pause, LEAST_DELAY)
        self.used, self.begun = used, now + delay
        return delay

    def tick(self) -> bool:
        if self.paused:
            return False
        if self.replays is not None and not self.replays.follows and self.rows is not None:
            if self.replays.is_at_end and not self.replays.running:
                self.paused = True
                return True
            self.replays.move(1)
        return self.take_look()

    def take_look(self) -> bool:
        was_running = self.source.running
        try:
            look = self.source.look()
            self.error = ""
        except (OSError, FileError, ValueError) as error:
            look, self.error = None, printable(str(error))
        changed = look is not None and self.watch.add(look)
        if changed or self.rows is None:
            self.compute()
        return look is not None or bool(self.error) or was_running != self.source.running

    def compute(self) -> None:
        """The rows of the level, from what is known."""
        between = None
        if self.replays is not None and self.order.growing:
            between = self.replays.between(self.watch.mark.time, self.watch.newest.time)
        self.rows = self.watch.rows(self.level.selection, self.order, between)
        level, order = self.level, self.rows.order
        if level.current is not None and level.current in (found := {row: index for index, row in enumerate(order)}):
            level.cursor.index = found[level.current]

    # --- keys ---

    def press(self, key: str) -> bool:
        if self.asks:
            self.asks = False
            self.done = key in ("q", "y", "enter")
            return True
        if self.prompt is not None:
            if not self.prompt.press(key):
                self.prompt = None
            return True
        if self.overlay is not None:
            if not self.overlay.press(key):
                self.overlay = None
            return True
        if self.level.cursor.press(key):
            self.follow_cursor()
            return True
        command = COMMANDS.get(key)
        if command is not None:
            getattr(self, command)()
        return command is not None

    def paste(self, text: str) -> bool:
        if self.prompt is not None:
            self.prompt.text += "".join(char for char in text if char.isprintable())
        return self.prompt is not None

    def follow_cursor(self) -> None:
        order = self.rows.order if self.rows is not None else []
        cursor = self.level.cursor
        cursor.index = max(0, min(cursor.index, len(order) - 1))
        self.level.current = order[cursor.index] if cursor.index else None

    def quit(self) -> None:
        self.asks = self.owns_program and self.source.running
        self.done = not self.asks

    def open(self) -> None:
        level, order = self.level, self.rows.order if self.rows is not None else []
        if level.cursor.index >= len(order):
            return
        number, selection = order[level.cursor.index], level.selection
        if selection.key == TRACEBACK:
            self.open_traceback(number)
            return
        place = self.watch.place(selection, number)
        within = (*selection.within, (selection.key, selection.fold, self.watch.identity(selection, number)))
        key = FILENAME if place.folded else NEXT_KEY[selection.key]
        crumb = texts_of(place, selection.key, self.style(None))
        text = crumb[1] if selection.key == FUNCTION and crumb[1] else crumb[0]
        self.levels.append(Level(selection._replace(key=key, fold=False, within=within), (*level.crumbs, text)))
        self.compute()
        if key == TRACEBACK and self.rows is not None and len(self.rows.order) == 1:
            only = self.rows.order[0]
            self.back()
            self.open_traceback(only)

    def open_traceback(self, node: int) -> None:
        def make(style: Style) -> list[Line]:
            return detail_lines(self.watch, node, self.level.selection, style)

        self.overlay = TextPage(make)

    def back(self) -> None:
        if len(self.levels) > 1:
            self.levels.pop()
            self.compute()

    def sort(self, steps: int = 1) -> None:
        names = [*self.layout.names, LOCATION]
        index = names.index(self.order.by) if self.order.by in names else 0
        self.sort_by(names[(index + steps) % len(names)])

    def sort_back(self) -> None:
        self.sort(-1)

    def sort_by(self, name: str) -> None:
        self.order = self.order._replace(by=name)
        self.compute()

    def next_key(self, steps: int = 1) -> None:
        level = self.level
        key = ALL_KEYS[(ALL_KEYS.index(level.selection.key) + steps) % len(ALL_KEYS)]
        self.levels[-1] = Level(level.selection._replace(key=key), level.crumbs)
        self.compute()

    def key_before(self) -> None:
        self.next_key(-1)

    def fold(self) -> None:
        selection = self.levels[0].selection
        self.levels = [Level(selection._replace(fold=not selection.fold))]
        self.compute()

    def ask_filter(self) -> None:
        self.prompt = Prompt("filter: ", self.patterns_text, self.set_filter)

    def set_filter(self, text: str) -> None:
        self.patterns_text = text.strip()
        patterns = patterns_of(self.patterns_text)
        for level in self.levels:
            level.selection = level.selection._replace(patterns=patterns)
        self.compute()

    def set_mark(self) -> None:
        self.watch.set_mark(self.watch.newest)
        self.compute()

    def reset(self) -> None:
        self.watch.set_mark(self.watch.first)
        self.compute()

    def grow(self) -> None:
        growing = not self.order.growing
        self.order = self.order._replace(growing=growing, by=GROWTH if growing else self.order.by)
        self.compute()

    def pause(self) -> None:
        self.paused = not self.paused
        replay = self.replays
        if not self.paused and replay is not None and replay.is_at_end and not replay.running:
            replay.go_to(0)
            self.take_look()

    def slower(self) -> None:
        self.interval = next((value for value in INTERVALS if value > self.interval), INTERVALS[-1])

    def faster(self) -> None:
        self.interval = next((value for value in reversed(INTERVALS) if value < self.interval), INTERVALS[0])

    def left(self) -> None:
        if self.replays is not None:
            self.go_to(self.replays.position - 1)

    def right(self) -> None:
        if self.replays is not None:
            self.go_to(self.replays.position + 1)
        else:
            self.open()

    def to_first(self) -> None:
        self.go_to(0)

    def to_last(self) -> None:
        self.go_to(1 << 40)

    def go_to(self, position: int) -> None:
        if self.replays is not None:
            self.replays.go_to(position)
            self.paused = not self.replays.follows
            self.take_look()

    def help(self) -> None:
        self.overlay = TextPage(lambda style: [[(text, PLAIN)] for line in HELP.splitlines() for text in style.prose(line)])

    def show_losses(self) -> None:
        def make(style: Style) -> list[Line]:
            texts = loss_texts(self.source.losses) or ["Nothing is missing from the numbers."]
            return [[(line, PLAIN)] for text in texts for line in style.prose(text)]

        self.overlay = TextPage(make)

    def show_resident(self) -> None:
        """What the memory of the process consists of, at this moment."""
        try:
            result, problem = resident_of(self.source), ""
        except OSError as error:
            result, problem = None, printable(str(error))

        def make(style: Style) -> list[Line]:
            if result is None:
                return [[(line, PLAIN)] for line in style.prose(problem)]
            return [[(line, PLAIN)] for line in format_resident(result, RESIDENT_NAMES, style)]

        self.overlay = TextPage(make)

    def click(self, x: int, y: int) -> bool:
        if self.overlay is not None or self.prompt is not None or self.rows is None:
            return False
        if y == self.head_line:
            self.sort_by(self.layout.column_at(x))
            return True
        cursor = self.level.cursor
        index = cursor.offset + y - self.head_line - 1
        if not (y > self.head_line and index < len(self.rows.order) and y - self.head_line <= cursor.height):
            return False
        if index == cursor.index:
            self.open()
        else:
            cursor.index = index
            self.follow_cursor()
        return True

    def scroll(self, steps: int) -> bool:
        return self.press("down" if steps > 0 else "up")

    # --- lines ---

    def style(self, width: int | None) -> Style:
        style = Style(False, width, folder=self.folder)
        style.with_source = self.source_lines
        return style

    def lines(self, width: int, height: int) -> list[Line]:
        style = self.style(max(width, 1))
        top = [*self.title_lines(width), *self.loss_lines(width, height)]
        if self.overlay is not None:
            body = [*top[:1], *self.overlay.lines(style, max(1, height - 2))]
        else:
            top += graph_lines(self.points(), self.position(), width, graph_height(height), style)
            body = [*top, *self.table_lines(width, max(1, height - len(top) - 1), len(top), style)]
        body = body[: height - 1]
        return [*body, *([[]] * (height - 1 - len(body))), self.last_line(width)]

    def title_lines(self, width: int) -> list[Line]:
        total = self.watch.newest.tree
        size, count = total.total_size[0], total.total_count[0]
        first = two_sides([("ctracemalloc  ", BOLD), (program_text(self.source.command), PLAIN)], self.state(), width)
        facts: Line = [(f"pid {self.source.pid}", PLAIN), (f"  live {format_bytes(size)}", BOLD)]
        peak = total.total_peak_size[0] if total.peak_known else self.replays.recording.peak.size if self.replays else None
        if peak is not None:
            facts.append((f"  peak {format_bytes(peak)}", PLAIN))
        rates = self.watch.rates(self.source.spacing)
        if rates is not None:
            role = GROWN if rates.growth > 0 else SHRUNK if rates.growth < 0 else PLAIN
            facts.append((f"  allocated {format_bytes(rates.allocated)}/s", PLAIN))
            facts.append((f"  growth {format_change(rates.growth)}/s", role))
        blocks = (f"  {counted(count, 'block')}", PLAIN)
        if columns_of([*facts, blocks]) <= width:
            facts.insert(2, blocks)
        if total.estimated:
            facts.append(("  (estimates, of a sample)", DIM))
        return [first, cut_line(facts, width)]

    def state(self) -> str:
        if self.error:
            return self.error
        running = self.source.running
        if self.replays is not None:
            moments = self.replays.moments
            place = f"{clock(self.replays.now, 1)} of {clock(moments[-1].time, 1)}"
            what = "recording" if running and self.replays.follows else "paused" if self.paused else "playing"
            return f"{what}  {place}" if running else f"{self.end()}  {what}  {place}"
        if not running:
            return self.end()
        return "paused" if self.paused else f"{RUNNING}, {self.interval:g} s"

    def end(self) -> str:
        """How the program ended."""
        status = self.source.exit_status
        run = {name: value for name, value in self.source.run().items() if name != "ended at"}
        text = printable(end_text(run))
        known = status is None or "exit status" in text
        return f"ended: {text}" if known else f"ended: {text}, exit status {status}"

    def loss_lines(self, width: int, height: int) -> list[Line]:
        texts = loss_texts(self.source.losses)
        if not texts or height < 12:
            return []
        more = f"  (+{len(texts) - 1}: l shows them)" if len(texts) > 1 else ""
        return [text_line(f"lost: {texts[0]}{more}", width, WARNING)]

    def points(self) -> Sequence[Point]:
        return self.replays.points() if self.replays is not None else self.watch.points

    def position(self) -> float | None:
        return self.replays.now if self.replays is not None and not self.replays.follows else None

    def table_lines(self, width: int, height: int, above: int, style: Style) -> list[Line]:
        assert self.rows is not None
        tree = self.watch.newest.tree
        self.layout = Layout(width, tree.peak_known)
        level, rows = self.level, self.rows
        self.head_line = above + 1
        shown = level.cursor.place(len(rows.order), height - 2)
        lines = [self.caption(width), self.layout.head(self.order.by)]
        for index in shown:
            number = rows.order[index]
            place, function = self.texts(number, style)
            lines.append(self.layout.row(rows.cells(number), place, function, index == level.cursor.index))
        return lines if rows.order else [*lines, text_line(self.why_empty(), width, DIM)]

    def texts(self, number: int, style: Style) -> tuple[str, str | None]:
        selection, watch = self.level.selection, self.watch
        if selection.key == TRACEBACK:
            return callers_text(watch.newest.tree, number, watch.frames.place, style), None
        return texts_of(watch.place(selection, number), selection.key, style)

    def caption(self, width: int) -> Line:
        assert self.rows is not None
        selection = self.level.selection
        line: Line = [(counted(len(self.rows.order), NOUNS[selection.key]), BOLD)]
        if self.level.crumbs:
            line.append((f" in {' > '.join(self.level.crumbs)}", PLAIN))
        if self.order.growing:
            line.append((f", growing in each of {counted(self.rows.parts, 'part')} of the time", PLAIN))
        if selection.patterns:
            line.append((f", filter {printable(self.patterns_text) or 'as given'}", PLAIN))
        return cut_line([*line, (f"; mark: {self.mark_text()}", DIM)], width)

    def mark_text(self) -> str:
        seconds = self.watch.newest.time - self.watch.mark.time
        if self.replays is not None:
            return f"at {clock(self.watch.mark.time, 1)}"
        return f"{clock(seconds)} ago" if seconds else "now"

    def why_empty(self) -> str:
        if self.order.growing:
            return "Nothing grew in each part of the time since the mark (g shows all rows)."
        if self.level.selection.patterns:
            return "The filter leaves nothing (/ changes it)."
        return "Nothing was allocated here."

    def last_line(self, width: int) -> Line:
        if self.asks:
            return text_line("The program still runs. q again: leave, it goes on; any other key: stay", width, BOLD)
        if self.prompt is not None:
            return self.prompt.line(width)
        if self.overlay is not None:
            return words_line((("Esc", "back"), ("up down", "scroll"), ("q", "back")), width)
        if self.replays is not None:
            return words_line((("q", "quit"), ("p", "play"), ("left right", "in time"), *KEY_WORDS[1:9]), width)
        return words_line(KEY_WORDS, width)


COMMANDS = {
    "q": "quit",
    "ctrl+c": "quit",
    "enter": "open",
    "escape": "back",
    "backspace": "back",
    "s": "sort",
    "S": "sort_back",
    "k": "next_key",
    "K": "key_before",
    "/": "ask_filter",
    "o": "fold",
    "m": "set_mark",
    "r": "reset",
    "g": "grow",
    "l": "show_losses",
    "i": "show_resident",
    "p": "pause",
    "space": "pause",
    "left": "left",
    "right": "right",
    "[": "to_first",
    "]": "to_last",
    "+": "slower",
    "-": "faster",
    "?": "help",
    "h": "help",
}


def graph_height(height: int) -> int:
    return 4 if height >= 30 else 3 if height >= 20 else 1 if height >= 14 else 0
