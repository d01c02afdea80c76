"""The largest lines of a snapshot as text: what programs print with the recipe of the standard module's documentation."""

import sys
from collections.abc import Iterable
from typing import TextIO

from .. import Snapshot, take_snapshot
from .._exempt import own_memory
from ..model.frames import KEYS
from ..model.table import LABEL, View, table_of
from ..places.package import OWN_FILES
from ..places.patterns import Patterns
from ..render.text.display import format_display
from ..render.text.style import style_for_file


def display_top(
    snapshot: Snapshot | None = None,
    key_type: str = "lineno",
    limit: int = 10,
    file: TextIO | None = None,
    *,
    cumulative: bool = False,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> None:
    """Print what holds most memory: the largest rows, each with its line of source, the rest, and the total.

    snapshot: None: one of now, without what this package has allocated itself (RuntimeError if not tracing). key_type: what a
    row is: "lineno", "function", "filename", "module", "package", "traceback", or "label:NAME". limit: rows, at least 1. file:
    what is written to; None: sys.stdout. cumulative: count a block for each place in its traceback. include, exclude: patterns
    as of the option --include. ValueError for an unknown key or limit.
    """
    if key_type not in KEYS and not key_type.startswith(LABEL):
        raise ValueError(f"key_type must be one of {', '.join(KEYS)} or {LABEL}NAME, not {key_type!r}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit!r}")
    with own_memory():
        own = [OWN_FILES] if snapshot is None else []
        patterns = Patterns(tuple(include), (*exclude, *own))
        view = View(key_type, cumulative=cumulative, patterns=patterns, limit=limit)
        table = table_of([take_snapshot() if snapshot is None else snapshot], view)
        output = sys.stdout if file is None else file
        text = "\n".join(format_display(table, view, style_for_file(output)))
    print(text, file=output)
