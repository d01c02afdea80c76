"""Where memory was allocated: locations, frames, lines of source."""

import linecache
import os
import tokenize  # noqa: F401 - linecache needs it, and must not import it in a signal handler

from ..._ctracemalloc import Frame, Traceback
from ..._words import counted
from ...formats.sources import has_changed as has_changed_since
from ...formats.sources import is_source
from .style import Style

INDENT = "      "
NO_FRAME = "no Python frame"
MOVED = "  [possibly moved: the file has changed]"


def format_frames(traceback: Traceback, style: Style) -> list[str]:
    lines = []
    for frame in reversed(traceback):
        name = f" in {style.name(frame.name)}" if frame.name else ""
        lines.append(style.location(f"{style.path(frame.filename)}:{frame.lineno}", name, len(INDENT)))
        source = source_text(frame, style, len(INDENT) + 4)
        if source:
            lines.append("    " + source)
    total = traceback.total_nframe
    if total is not None and total > len(traceback):
        left = total - len(traceback)
        text = f"({counted(left, 'older frame')} {'was' if left == 1 else 'were'} not kept)"
        lines += style.prose(text, len(INDENT))
    return lines


def source_text(frame: Frame, style: Style, indent: int) -> str:
    """The source line, or "". The program's disk or a loader of the program's supplies it, so any error is possible."""
    if not style.with_source:
        return ""
    try:
        line = linecache.getline(source_path(frame.filename, style), frame.lineno)
    except Exception:  # an invalid file name, a loader that fails: the report does not have this line
        return ""
    text = line.strip().replace("\t", " ")
    if text and has_changed(frame.filename, style):
        indent += len(MOVED)
        return style.text(text, indent) + MOVED
    return style.text(text, indent)


def has_changed(filename: str, style: Style) -> bool:
    """Is today's file another one than when the snapshot was made, as far as that is known?"""
    if filename not in style.changed:
        path = os.path.join(style.folder, filename)
        style.changed[filename] = has_changed_since(path, style.digests.get(filename), style.began)
    return style.changed[filename]


def source_path(filename: str, style: Style) -> str:
    """The path of the source, from where the program was started. "" if it is there and no source."""
    path = os.path.join(style.folder, filename)
    if os.path.exists(path):
        return path if is_source(path) else ""
    return filename  # linecache may find it in another way
