"""Files of the standard module: a pickle for `tracemalloc.Snapshot.load`, and the text that its documentation prints.

Model: the pickle has a trace for each live block, or for each that was live at the peak: the files, lines and sizes. The text
has a line for each line of code, `file:line: size=…, count=…, average=…` as `str(Statistic)`, the largest first.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from .._ctracemalloc import Snapshot, _format_size
from .._words import printable
from ..formats.stdlib_pickle import encode_snapshot
from ..model.figures import PEAK
from ..model.frames import LINENO
from ..model.table import View, table_of
from .selected import UNKNOWN, Selected


def pickle_pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """measure: live or peak."""
    if selected.snapshot.sample_interval is not None:
        raise ValueError("it is of a sample, and a reader of a tracemalloc file would take its blocks for all there are")
    snapshot = at_peak(selected.snapshot) if measure == PEAK else selected.snapshot
    traces = snapshot.traces._traces
    if selected.patterns:
        chosen = Selected(snapshot, run=selected.run, patterns=selected.patterns, any_frame=selected.any_frame)
        traces = [trace for trace, wanted in zip(traces, wanted_traces(chosen), strict=True) if wanted]
    return encode_snapshot(list(traces), {"traceback_limit": snapshot.traceback_limit})


def at_peak(snapshot: Snapshot) -> Snapshot:
    peak = snapshot.at_peak
    if peak is None:
        raise ValueError("what was live at the peak is not in this file")
    return peak


def wanted_traces(selected: Selected) -> Iterator[bool]:
    """Traces are the sites in their order, each as often as it has live blocks."""
    wanted = selected.selection()
    return chain.from_iterable(repeat(bool(wanted[site.node]), int(site.blocks)) for site in selected.sites)


def text_pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    view = View(LINENO, measure, patterns=selected.patterns, any_frame=selected.any_frame)
    for row in table_of([selected.snapshot], view).rows:
        size, count = row.figures.amount(measure)
        place = f"{printable(row.place.filename or UNKNOWN)}:{row.place.lineno}"
        average = f", average={_format_size(size / count, False)}" if count else ""
        yield f"{place}: size={_format_size(size, False)}, count={count}{average}\n".encode()
