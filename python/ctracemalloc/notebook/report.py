"""What a cell or a statement has allocated, as it is displayed when it has ended."""

from .. import Snapshot, get_traceback_limit
from .._exempt import own_memory
from ..scopes import scope
from .cells import CellStyle
from .flame import frame_of
from .listing import Shown
from .options import Options
from .tables import figures_text, listings_of

FLAT = "no callers in the flame graph: tracing was on, with 1 frame of each traceback (ctracemalloc.start(100) keeps callers)"


def report_of(one: scope, name: str, options: Options, style: CellStyle) -> Shown:
    """one: has ended. name: of the cell, or the statement."""
    with own_memory():
        try:
            figures, listings = figures_text(one), listings_of(one, options.limit, style)
            snapshots = snapshots_of(one) if options.flame else []
        except RuntimeError as error:
            return Shown(name, [str(error)], [], style)
        facts = [figures]
        if options.flame and get_traceback_limit() == 1:
            facts.append(FLAT)
        frame = frame_of(snapshots, f"{name}: memory", style) if snapshots else ""
        return Shown(name, facts, listings, style, frame)


def snapshots_of(one: scope) -> list[tuple[str, Snapshot]]:
    stays = [("what stays", one.end_snapshot())] if one.growth else []
    return [("what made the peak", one.peak_snapshot()), *stays]
