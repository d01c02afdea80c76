"""The facts of a snapshot as text: the head of a report."""

from collections.abc import Mapping
from typing import Any

from ..._ctracemalloc import Snapshot
from ..._words import counted
from ...model.origin import merged_of, size_in
from ...model.sums import sums_of
from . import losses
from .origin import run_facts
from .samples import sample_facts
from .style import Style
from .tables import format_facts
from .units import format_amount, format_bytes


def format_head(snapshot: Snapshot, peak: Snapshot | None, style: Style, saved: str, run: Mapping[str, Any]) -> list[str]:
    return format_facts("ctracemalloc", head_facts(snapshot, peak, style, saved, run), style)


def head_facts(
    snapshot: Snapshot, peak: Snapshot | None, style: Style, saved: str, run: Mapping[str, Any]
) -> list[tuple[str, str]]:
    sums = sums_of(snapshot)
    merged = merged_of(snapshot)
    facts = [("live", format_amount(sums))]
    facts += peak_facts(peak, run, merged)
    if sums.freed_size is not None:
        text = f"{format_bytes(sums.freed_size)} in {counted(sums.freed_blocks or 0, 'block')}, allocated and freed again"
        facts.append(("churn", text))
    facts += sample_facts(snapshot)
    facts += losses.facts(snapshot)
    facts += run_facts(run, style)
    if merged > 1:
        facts.append(("merged", f"{merged:,} snapshots"))
    facts.append(("frames", frames_text(snapshot.traceback_limit)))
    if saved:
        facts.append(("saved", saved))
    return facts


def frames_text(limit: int) -> str:
    if limit == 1:
        return "1 kept of each traceback: no callers (`run -n 20` keeps them)"
    return f"at most {limit} kept of each traceback"


def peaks_text(merged: int) -> str:
    return f", the sum of {merged:,} separate peaks" if merged > 1 else ""


def peak_facts(peak: Snapshot | None, run: Mapping[str, Any], merged: int) -> list[tuple[str, str]]:
    if peak is not None:
        return [("peak", format_amount(sums_of(peak)) + peaks_text(merged))]
    known = size_in(run, "peak")
    return [] if known is None else [("peak", format_bytes(known))]
