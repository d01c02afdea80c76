"""What IPython shows of a snapshot, of a scope, and of a list of statistics: their HTML.

Model: `Snapshot._repr_html_` of the extension and `scope._repr_html_` call functions of this file, which need no IPython. A
list cannot have such a method, so there is a formatter for lists while the extension of IPython is loaded. It is for lists
that have nothing but statistics, or nothing but differences; of all others it says what would be said without it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from .. import Snapshot
from .._ctracemalloc import Statistic, StatisticDiff
from .._exempt import own_memory
from ..model.origin import run_of
from ..render.text.snapshot import head_facts
from ..scopes import scope
from .cells import CellStyle
from .listing import as_html, paragraph
from .options import LIMIT
from .tables import figures_text, lines_of, listings_of, of_differences, of_statistics

Formatter: TypeAlias = Callable[[Any], Any]
ROWS = 10  # of a snapshot


def snapshot_html(snapshot: Snapshot) -> str:
    """Facts, and the largest lines."""
    with own_memory():
        style = CellStyle()
        facts = head_facts(snapshot, snapshot.at_peak, style, "", run_of(snapshot))
        texts = [paragraph(f"{name}: {text}") for name, text in facts]
        return "".join([paragraph("Snapshot", "b"), *texts, as_html(lines_of(snapshot, "", ROWS, style))])


def scope_html(one: scope) -> str:
    """Its figures, what made its peak, and what stays; only its repr, if they are not known."""
    with own_memory():
        style = CellStyle()
        try:
            figures, listings = figures_text(one), listings_of(one, LIMIT, style)
        except RuntimeError:
            return paragraph(repr(one))
        return "".join([paragraph(f"scope {one.name}".rstrip(), "b"), paragraph(figures), *map(as_html, listings)])


def list_html(rows: Sequence[object]) -> str | None:
    """None: it is no list of statistics."""
    kinds = set(map(type, rows))
    if kinds not in ({Statistic}, {StatisticDiff}):
        return None
    with own_memory():
        if kinds == {Statistic}:
            return as_html(of_statistics(cast("Sequence[Statistic]", rows), CellStyle()))
        return as_html(of_differences(cast("Sequence[StatisticDiff]", rows), CellStyle()))


class ListFormatter:
    """The formatter of lists, in front of the one that the shell had, if any."""

    def __init__(self, shell: Any) -> None:
        self.formatter = shell.display_formatter.formatters["text/html"]
        self.before: Formatter | None = self.formatter.for_type(list)
        self.formatter.for_type(list, self)

    def __call__(self, rows: list[object]) -> Any:
        if type(rows) is not list:  # a class of the program's may have a method of its own
            method = getattr(rows, "_repr_html_", None)
            if method is not None:
                return method()
        found = list_html(rows)
        return self.before(rows) if found is None and self.before is not None else found

    def remove(self) -> None:
        if self.formatter.for_type(list) is self:
            if self.before is None:
                self.formatter.pop(list)
            else:
                self.formatter.for_type(list, self.before)
