"""The state of a program's black box, as text."""

from ..._ctracemalloc import Snapshot
from ...blackbox.reading import BlackBox, Rates
from ...model.table import View
from .origin import describe_black_box
from .report import format_report
from .style import Style
from .units import format_bytes, format_change

PER_SECOND = "  per second  "


def format_look(
    box: BlackBox, snapshot: Snapshot, rates: Rates | None, view: View, style: Style, *, running: bool
) -> list[str]:
    """rates: since the previous reading; None: this is the first."""
    state = style.name(f"{describe_black_box(box, running)}  {box.command}")
    title = f"process {box.pid}"
    lines = [f"{style.bold(title)}  {style.text(state, len(title) + 2)}"]
    lines += format_report(snapshot, view, style, only=True)
    return lines if rates is None else [*lines, "", *format_rates(rates, style)]


def format_rates(rates: Rates, style: Style) -> list[str]:
    text = (
        f"{format_change(rates.size)} live, {rates.count:+,.1f} blocks;"
        f" {format_bytes(rates.allocated_size)} in {rates.allocated_count:,.0f} blocks allocated"
    )
    first, *rest = style.prose(text, len(PER_SECOND))
    return [PER_SECOND + first, *(" " * len(PER_SECOND) + line for line in rest)]
