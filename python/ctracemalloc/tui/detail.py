"""One traceback with its figures, its frames, and the source around the line that allocated."""

import linecache

from .._ctracemalloc import Frame, Traceback
from .._words import counted, printable
from ..model.figures import figures_at, own_columns
from ..model.watch import Selection, Watch
from ..render.text.columns import cut_end
from ..render.text.locations import format_frames, source_path
from ..render.text.style import Style
from ..render.text.units import format_bytes, format_change
from .page import BOLD, DIM, PLAIN, Line

AROUND = 3  # lines of source before and behind


def detail_lines(watch: Watch, node: int, selection: Selection, style: Style) -> list[Line]:
    tree = watch.tree_of(watch.newest, selection)
    mark = own_columns(watch.tree_of(watch.mark, selection))
    now = figures_at(own_columns(tree), node)
    older = figures_at(mark, node) if node < len(mark[0]) else None
    growth = now.size - (older.size if older is not None else 0)
    allocated = now.allocated_size - (older.allocated_size if older is not None else 0)
    texts = [
        f"live {format_bytes(now.size)} in {counted(now.blocks, 'block')}",
        f"since the mark: growth {format_change(growth)}, allocated {format_bytes(allocated)}",
        *([f"at the peak {format_bytes(now.peak_size)}"] if tree.peak_known else []),
        f"ever allocated {format_bytes(now.allocated_size)} in {counted(now.allocated_blocks, 'block')}",
    ]
    lines: list[Line] = [[(part, BOLD)] for text in texts for part in style.prose(text)]
    return [*lines, [], *traceback_lines(tree.traceback(node), style)]


def traceback_lines(traceback: Traceback, style: Style) -> list[Line]:
    """The most recent frame first."""
    lines: list[Line] = [[(line, DIM if line.startswith("    ") else PLAIN)] for line in format_frames(traceback, style)]
    return [*lines, [], *context_lines(traceback, style)] if style.with_source else lines


def context_lines(traceback: Traceback, style: Style) -> list[Line]:
    """The source around the most recent frame."""
    if not len(traceback):
        return []
    frame: Frame = traceback[-1]
    try:
        lines = linecache.getlines(source_path(frame.filename, style))
    except Exception:  # an invalid file name, a loader that fails: there is no source to show
        return []
    if not 1 <= frame.lineno <= len(lines):
        return []
    first, last = max(1, frame.lineno - AROUND), min(len(lines), frame.lineno + AROUND)
    found: list[Line] = []
    for number in range(first, last + 1):
        text = printable(lines[number - 1].rstrip().expandtabs(4))
        is_it = number == frame.lineno
        found.append(
            [(cut_end(f"{'>' if is_it else ' '} {number:>5}  {text}", style.width or 1 << 30), BOLD if is_it else DIM)]
        )
    return found
