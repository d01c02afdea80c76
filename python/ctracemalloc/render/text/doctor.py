"""The doctor's facts as text: what each means to a user of the tracer.

Model: the extension's `_doctor()` returns the facts (it traces for a moment, because most of them are results of self-tests
made at start). Some facts hold or do not hold; these decide whether tracing is exact.
"""

from collections.abc import Mapping

from ...model.doctor import lost_facts
from .style import Style

# What it means when the fact holds, and when it does not.
MEANINGS = {
    "allocators": (
        "every block of the raw, mem and obj domains is seen",
        "blocks of some domain are not seen: totals are too small",
    ),
    "free_lists": (
        "an object that comes from a free list gets the traceback of its new owner",
        "such an object keeps the traceback of the first owner of its memory; sizes, counts and totals stay right",
    ),
    "tracked_blocks": (
        "memory that extensions report (numpy's domain 389047, for one) is in snapshots",
        "memory that extensions report through PyTraceMalloc_Track is missing",
    ),
    "memory": (
        "nothing was lost",
        "some tracebacks are those of an earlier owner of the memory",
    ),
    "frames": (
        "file, line and function of each frame are read exactly",
        "frames may be missing or wrong",
    ),
}


def format_facts(facts: Mapping[str, object], style: Style) -> list[str]:
    lines = []
    for name, value in facts.items():
        if not isinstance(value, Mapping):
            lines += format_text(f"{name}: {value}", style)
            continue
        ok = bool(value.get("ok"))
        lines += format_text(f"{name}: {value.get('detail', '')}", style, mark="ok" if ok else "LOST")
        if name in MEANINGS:
            lines += format_text(MEANINGS[name][0 if ok else 1], style, indent=8)
    return lines + format_text(verdict(lost_facts(facts)), style, indent=0)


def verdict(lost: list[str]) -> str:
    if lost:
        return f"something is lost on this interpreter: {', '.join(lost)}"
    return "all right: tracing is exact on this interpreter"


def format_text(text: str, style: Style, mark: str = "", indent: int = 6) -> list[str]:
    """Split the text into lines that fit a terminal; `mark` is printed before the first."""
    first, *rest = style.prose(style.name(text), indent)
    return [f"{mark:<{indent}}{first}", *(" " * indent + line for line in rest)]
