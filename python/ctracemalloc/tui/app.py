"""The terminal: one widget that shows the lines of a page, and passes keys, clicks and time to it.

Model: textual is used for what a terminal needs (its modes, keys, the mouse, its size) and for nothing else: one App and one
Widget, render_line, events, set_timer. All else is pages (page.py). Colours are the terminal's own, so a light background stays
light.
"""

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .page import BOLD, CURSOR, DIM, GRAPH, GROWN, HEAD, PLAIN, SHRUNK, WARNING, Line, Page

COLORS = {
    PLAIN: Style(),
    BOLD: Style(bold=True),
    DIM: Style(dim=True),
    HEAD: Style(underline=True, dim=True),
    CURSOR: Style(reverse=True),
    GROWN: Style(color="red"),
    SHRUNK: Style(color="green"),
    GRAPH: Style(color="cyan"),
    WARNING: Style(color="yellow"),
}


class Screenful(Widget):
    """The lines of the app's page."""

    DEFAULT_CSS = "Screenful { width: 100%; height: 100%; }"
    shown: list[Line]
    shown_size = (-1, -1)

    def update(self) -> None:
        """The page has changed: draw the lines that are others than before."""
        width, height = self.size
        old = self.shown if self.shown_size == (width, height) else None
        self.shown, self.shown_size = self.page.lines(width, height), (width, height)
        if old is None:
            self.refresh()
            return
        changed = [y for y, (line, before) in enumerate(zip(self.shown, old, strict=False)) if line != before]
        if changed:
            self.refresh(*[Region(0, y, width, 1) for y in changed])

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self.shown_size != (width, height):
            self.shown, self.shown_size = self.page.lines(width, height), (width, height)
        line = self.shown[y] if y < len(self.shown) else []
        return Strip([Segment(text, COLORS[role]) for text, role in line if text]).adjust_cell_length(width)

    @property
    def page(self) -> Page:
        app = self.app
        assert isinstance(app, PageApp)
        return app.page

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.changed(self.page.press(name_of(event)))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.changed(self.page.paste(event.text))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.changed(self.page.click(event.x, event.y))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.changed(self.page.scroll(1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.changed(self.page.scroll(-1))

    def changed(self, has_changed: bool) -> None:
        app = self.app
        assert isinstance(app, PageApp)
        app.changed(has_changed)


class PageApp(App[None]):
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [Binding("ctrl+c", "interrupt", show=False, priority=True)]

    def __init__(self, page: Page) -> None:
        super().__init__(ansi_color=True)
        self.page = page

    def compose(self) -> ComposeResult:
        yield Screenful()

    def on_mount(self) -> None:
        screenful = self.query_one(Screenful)
        screenful.can_focus = True  # it takes the keys
        screenful.focus()
        self.wait()

    def wait(self) -> None:
        delay = self.page.delay()
        if delay is not None:
            self.set_timer(delay, self.tick)

    def tick(self) -> None:
        self.changed(self.page.tick())
        self.wait()

    def action_interrupt(self) -> None:
        self.changed(self.page.press("ctrl+c"))

    def changed(self, has_changed: bool) -> None:
        if self.page.following is not None:
            self.page, self.page.following = self.page.following, None
            has_changed = True
            self.wait()
        if self.page.done:
            self.exit()
        elif has_changed:
            self.query_one(Screenful).update()


def name_of(event: events.Key) -> str:
    """The character of a key, or the name of one that has none."""
    text: str | None = event.character
    name: str = event.key
    return text if text is not None and len(text) == 1 and text.isprintable() and text != " " else name


def show(page: Page) -> None:
    """Show pages until one is done."""
    PageApp(page).run()
