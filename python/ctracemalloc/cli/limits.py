"""Limits: --fail-over and --fail-growth make a report or a difference a gate for shells.

Model: a limit is on the selected blocks, by the measure that is shown (live unless asked otherwise). A broken limit is one line
on stderr and exit status 1.
"""

import argparse
import sys
from collections.abc import Sequence

from .._ctracemalloc import Snapshot
from .._words import printable
from ..formats import kinds
from ..model.figures import ALLOCATED, FREED, LIVE, PEAK, Figures
from ..model.table import Table, View, table_of
from ..render.text.units import format_bytes, format_change
from . import sources
from .arguments import BROKEN_LIMIT, FINE, PROGRAM, UsageError, size_argument
from .sources import Source

WORDS = {LIVE: "live", PEAK: "at the peak", ALLOCATED: "ever allocated", FREED: "freed again"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-over", type=size_argument, metavar="SIZE", help="exit status 1 if the blocks shown have more bytes than this"
    )
    parser.add_argument(
        "--fail-growth",
        type=size_argument,
        metavar="SIZE",
        help="exit status 1 if they grew by more (of a recording: from its begin)",
    )


def check_report(parsed: argparse.Namespace, source: Source, view: View) -> int:
    if parsed.fail_over is None and parsed.fail_growth is None:
        return FINE  # without the work of totals
    table = table_of([source.snapshot], view._replace(limit=0))
    check_selection(table.totals, table.whole)
    broken = over(parsed, table.totals[-1], view.measure)
    if parsed.fail_growth is not None:
        first = sources.open_recording(source.path).snapshot(0)
        broken = growth(parsed, totals_of([first, source.snapshot], view), view.measure) or broken
    return BROKEN_LIMIT if broken else FINE


def check_kind(parsed: argparse.Namespace, source: Source) -> None:
    """UsageError if the file has no begin that growth can be from."""
    if parsed.fail_growth is not None and (source.kind != kinds.RECORDING or source.path == sources.STDIN):
        raise UsageError("--fail-growth of a report needs a recording; of two snapshots `diff` tells the growth")


def check_selection(totals: Sequence[Figures], whole: Sequence[Figures]) -> None:
    """UsageError if a limit is on nothing at all: a pattern with a typing error must not pass a gate."""
    if any(map(any, whole)) and not any(map(any, totals)):
        raise UsageError("the limit is on nothing: no block matches --include and --exclude")


def check_diff(parsed: argparse.Namespace, table: Table, view: View) -> int:
    totals = table.totals
    if parsed.fail_over is not None or parsed.fail_growth is not None:
        check_selection(totals, table.whole)
    broken = over(parsed, totals[-1], view.measure)
    return BROKEN_LIMIT if growth(parsed, totals, view.measure) or broken else FINE


def totals_of(snapshots: Sequence[Snapshot], view: View) -> tuple[Figures, ...]:
    return table_of(snapshots, view._replace(limit=0)).totals


def over(parsed: argparse.Namespace, total: Figures, measure: str) -> bool:
    size = total.amount(measure)[0]
    if parsed.fail_over is None or size <= parsed.fail_over:
        return False
    complain(f"{format_bytes(size)} {WORDS[measure]} is over the limit of {format_bytes(parsed.fail_over)} (--fail-over)")
    return True


def growth(parsed: argparse.Namespace, totals: Sequence[Figures], measure: str) -> bool:
    size = (totals[-1] - totals[0]).amount(measure)[0]
    if parsed.fail_growth is None or size <= parsed.fail_growth:
        return False
    complain(f"{format_change(size)} {WORDS[measure]} is more growth than {format_bytes(parsed.fail_growth)} (--fail-growth)")
    return True


def complain(text: str) -> None:
    print(f"{PROGRAM}: {printable(text)}", file=sys.stderr)
