"""Places in code as text: the last two cells of a row, and the lines below it."""

from ..._ctracemalloc import Frame
from ...model.frames import FILENAME, FUNCTION, LINENO, MODULE, PACKAGE, TRACEBACK, Place
from ...model.table import Row, Table, View
from ...places.files import IMPORTS, INSTALLED, STDLIB, TRACER, UNKNOWN
from .locations import INDENT, NO_FRAME, format_frames, source_text
from .style import Style
from .tables import Cell

ORIGINS = {
    "own": "own code",
    INSTALLED: "installed packages",
    STDLIB: "standard library",
    IMPORTS: "import system",
    TRACER: "ctracemalloc",
    UNKNOWN: NO_FRAME,
}
HOW_TO_UNFOLD = "--no-own: all"
NO_LABEL = "(no such label)"


def place_cells(place: Place, key: str, style: Style) -> list[str]:
    """A location and a function."""
    if place.label is not None:
        return [style.name(place.label) or NO_LABEL, ""]
    if place.folded:
        return [Cell(f"({ORIGINS[place.code.origin]})", "dim"), Cell(HOW_TO_UNFOLD, "dim")]
    if key == PACKAGE:
        return [package_text(place, style), ""]
    if key == MODULE:
        return [style.name(place.code.module) or "<unknown>", ""]
    path = style.path(place.filename)
    if key == FILENAME:
        return [path, ORIGINS[UNKNOWN] if place.code.origin == UNKNOWN else ""]
    function = style.name(place.function) or (ORIGINS[UNKNOWN] if place.code.origin == UNKNOWN else "")
    return [f"{path}:{place.lineno}", Cell(function, "function")]


def package_text(place: Place, style: Style) -> str:
    origin = place.code.origin
    return f"({ORIGINS[origin]})" if origin in (STDLIB, IMPORTS, TRACER, UNKNOWN) else style.name(place.code.package)


def detail_lines(row: Row, table: Table, view: View, style: Style) -> list[str]:
    """The lines below a row: the source text, or the traceback."""
    place, traceback = row.place, table.traceback(row)
    if view.key == TRACEBACK and traceback is not None:
        return [INDENT + line for line in format_frames(traceback, style)]
    if view.key not in (LINENO, FUNCTION) or place.folded or place.label is not None:
        return []
    text = source_text(Frame((place.filename, place.lineno)), style, len(INDENT))
    return [INDENT + text] if text else []
