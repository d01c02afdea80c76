"""A saved snapshot as text, on one screen: facts, what is live and whose code allocated it, what made the peak, what churned.

Model: without a wish for something else there are up to three tables: what is live; what was live at the peak, if that was much
more; what was allocated and freed again, if that was very much. With such a wish there is the one table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..._ctracemalloc import Snapshot
from ..._words import counted
from ...model.figures import ALLOCATED, FREED, LIVE, NONE, PEAK
from ...model.origin import merged_of, run_of
from ...model.sums import peak_stands_out
from ...model.table import Table, View, table_of
from ...places.files import ORIGINS as ORDER
from .places import ORIGINS
from .rows import format_report_rows
from .snapshot import format_head, peaks_text
from .style import Style
from .tables import fact_lines
from .units import SELECTED, format_bytes, format_percent, share_text

TYPE_CHECKING = False  # a program that `run` traces needs none of these
if TYPE_CHECKING:
    from ...resident.result import ResidentMemory

CHURN_RATIO = 4  # the churn has a table if it is so many times the peak, and CHURN_BYTES
CHURN_BYTES = 1024 * 1024
LEAST_SHARE = 0.001  # of whose code something is
MORE_ROWS = 5  # at most, of the second and third table
TITLES = {PEAK: "at the peak", FREED: "freed again"}
SHARES = {LIVE: "of what is live", PEAK: "of the peak", ALLOCATED: "of all ever allocated", FREED: "of all freed again"}


def format_report(
    snapshot: Snapshot,
    view: View,
    style: Style,
    *,
    run: Mapping[str, Any] | None = None,
    name: str = "",
    newest: bool = False,
    saved: str = "",
    only: bool = False,
    resident: "ResidentMemory | None" = None,
) -> list[str]:
    """run: facts about the program; None: those in the snapshot. name: of the file that was read, if any; saved: of the one
    that has just been written. only: just the table of `view`. resident: of the process, if it runs.
    """
    table = table_of([snapshot], view)
    lines = format_head(snapshot, snapshot.at_peak, style, saved, run_of(snapshot) if run is None else run)
    lines[0] = style.bold("ctracemalloc") + title_of(name, newest, style)
    facts = [("by code", origins_text(table, view.measure)), *selection_facts(table, view)]
    if resident is not None:
        from .resident import resident_facts

        facts += resident_facts(resident)
    lines += fact_lines(facts, style)
    lines += ["", *format_report_rows(table, view, style)]
    for measure in () if only else further(table):
        part = view._replace(measure=measure, limit=min(view.limit, MORE_ROWS))
        more = table_of([snapshot], part)
        size, blocks = more.totals[-1].amount(measure)
        text = f"{format_bytes(size)} in {counted(blocks, 'block')}"
        text += peaks_text(merged_of(snapshot)) if measure == PEAK else ""
        lines += ["", f"{style.bold(TITLES[measure])}  {text}", *format_report_rows(more, part, style)]
    return lines


def title_of(name: str, newest: bool, style: Style) -> str:
    text = f"  {style.name(name)}" if name else ""
    return text + (", the newest file here" if newest else "")


def further(table: Table) -> Sequence[str]:
    """What else has a table."""
    total = table.totals[-1]
    found = []
    if table.peak_known and peak_stands_out(total.size, total.peak_size):
        found.append(PEAK)
    churn = total.amount(FREED)[0]
    if table.churn_known and churn >= max(CHURN_RATIO * max(total.peak_size, total.size), CHURN_BYTES):
        found.append(FREED)
    return found


def origins_text(table: Table, measure: str) -> str:
    """Whose code allocated it, the program's own first; what is next to nothing is left out."""
    whole = table.totals[-1].amount(measure)[0]
    texts = []
    for origin in ORDER:
        size = table.by_origin.get(origin, NONE).amount(measure)[0]
        if size >= LEAST_SHARE * whole and size:
            texts.append(f"{ORIGINS[origin]} {format_bytes(size)} ({format_percent(100 * size / whole)})")
    return ", ".join(texts) or "nothing"


def selection_facts(table: Table, view: View) -> list[tuple[str, str]]:
    """How much of the whole the patterns left."""
    if not view.patterns:
        return []
    part, whole = (figures[-1].amount(view.measure)[0] for figures in (table.totals, table.whole))
    return [(SELECTED, f"{share_text(part, whole, SHARES[view.measure])}: the rows are of these blocks")]
