"""Pages on a terminal (tui): whether there can be any, and the opening of one.

Model: textual is an extra and takes a quarter of a second, so it is imported when a page opens.
"""

import importlib.util
import os
import sys
from typing import TextIO

from ..render.text.style import is_terminal
from .arguments import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..tui.page import Page

LIVE, TREE = "live view", "interactive tree"
EXTRA = "the {view} needs the package textual: pip install 'ctracemalloc[cli]'"


def is_interactive() -> bool:
    """Are all three standard streams a terminal that has more than lines? textual reads one and writes to another."""
    if os.environ.get("TERM") == "dumb":
        return False
    return all(map(is_on_terminal, (sys.stdin, sys.stdout, sys.stderr)))


def is_on_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and is_terminal(stream.fileno())
    except (OSError, ValueError):
        return False  # a stream without a file


def has_textual() -> bool:
    return importlib.util.find_spec("textual") is not None


def require(view: str) -> None:
    """UsageError or ImportError if the view cannot be shown."""
    if not is_interactive():
        raise UsageError(f"the {view} needs a terminal (standard input, output and error)")
    if not has_textual():
        raise ImportError(EXTRA.format(view=view))
    try:
        from ..tui import app  # noqa: F401 - the next import finds it
    except ImportError as error:
        raise ImportError(f"{EXTRA.format(view=view)} ({error})") from None


def show(page: "Page", *, color: bool = True) -> None:
    """After require()."""
    if not color:
        os.environ["NO_COLOR"] = "1"  # textual reads it when an app begins
    from ..tui import app

    app.show(page)
