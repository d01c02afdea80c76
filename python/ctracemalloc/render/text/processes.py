"""The processes of a run as text: the line in the report of `run`, and the tree of a folder.

Only child_lines() is needed in a program that `run` traces.
"""

import os
import shlex
import signal

from ..._words import counted
from .columns import columns, pad
from .origin import BLACK_BOX_ENDS, date
from .style import Style
from .tables import fact_lines, format_facts
from .units import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.processes import Process, Processes, Totals

COMMAND = "ctracemalloc"
INDENT = "  "  # for each generation
GAP = "  "
SIDES = ">>><<"  # of the columns before the last
MOST_INDENT = 60  # so that something of a command line is visible on any terminal
HELPERS = (  # parts of command lines of Python's own helper processes
    ("resource_tracker import main", "resource tracker"),
    ("multiprocessing.forkserver import main", "fork server"),
)


def child_lines(started: int, folder: str, style: Style) -> list[str]:
    """What a program's report says of the Python processes that it started. folder: they are followed into this one."""
    if folder:
        text = f"followed: {COMMAND} report {style.path(folder)}"
    elif started:
        what = "1 Python process was" if started == 1 else f"{started:,} Python processes were"
        text = f"{what} not followed (--follow-children)"
    else:
        return []
    return fact_lines([("children", text)], style)


def format_processes(found: "Processes", style: Style, folder: str = "") -> list[str]:
    """The totals, and a row for each process, below its parent."""
    totals = found.totals()
    title = f"{count_text(totals.processes)}{f' in {style.path(folder)}' if folder else ''}"
    lines = format_facts(title, facts_of(totals), style)
    if found.processes:
        lines += ["", *format_tree(found.processes, style)]
    problems = [(process, problem) for process in found.processes for problem in process.problems]
    if problems:
        lines += ["", *(style.text(f"process {process.pid}: {problem}", 0) for process, problem in problems)]
    return lines


def count_text(number: int) -> str:
    return "1 process" if number == 1 else f"{number:,} processes"


def facts_of(totals: "Totals") -> list[tuple[str, str]]:
    facts = []
    if totals.counted:
        facts.append(("live", f"{format_bytes(totals.size)} in {counted(totals.count, 'block')}, at the end of each"))
    if totals.peaks:
        separate = f", the sum of {totals.peaks:,} separate peaks" if totals.peaks > 1 else ""
        facts.append(("peak", f"{format_bytes(totals.peak)}{separate}"))
    highest = totals.highest
    if highest is not None:
        where = f"of {counted(totals.recorded, 'recording')}, in {count_text(highest.processes)} at one moment"
        facts.append(("at once", f"{format_bytes(highest.size)}, the highest sum {where}: {date(highest.time)}"))
    if totals.are_estimates:
        facts.append(("sample", "the numbers are estimates"))
    lost = totals.processes - totals.counted - totals.untraced
    if lost:
        facts.append(("no file", f"{count_text(lost)} left no numbers"))
    if totals.untraced:
        why = "another Python, or without the environment, or with -E, -I or -S"
        facts.append(("untraced", f"{count_text(totals.untraced)}: {why}"))
    return facts


def format_tree(processes: "list[Process]", style: Style) -> list[str]:
    rows = [("pid", "live", "peak", "ended", "file", "process")]
    for one in processes:
        file = os.path.basename(one.file) if one.file else "-"
        rows.append(
            (str(one.pid or "?"), *sizes(one), style.name(end_of(one)), style.name(file), INDENT * one.depth + what(one))
        )
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    indent = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    lines = []
    for *cells, process in rows:
        texts = [pad(cell, width, side) for cell, width, side in zip(cells, widths[:-1], SIDES, strict=True)]
        lines.append(GAP.join([*texts, style.text(process, min(indent, MOST_INDENT))]).rstrip())
    return lines


def sizes(process: "Process") -> tuple[str, str]:
    numbers = process.numbers
    if numbers is None:
        return "-", "-"
    return format_bytes(numbers.size), "-" if numbers.peak is None else format_bytes(numbers.peak)


def end_of(process: "Process") -> str:
    from ...model.processes import EXEC, KILLED, UNKNOWN

    if process.end == KILLED and process.signal is not None:
        return signal_name(process.signal)
    if process.end == EXEC:
        return f"exec {os.path.basename(process.program or 'python')}"
    return "killed, or by C code" if process.end == UNKNOWN else BLACK_BOX_ENDS.get(process.end, process.end)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def what(process: "Process") -> str:
    """Its name, if it has one; a fork has its parent's command line, which is not repeated."""
    if process.name:
        return process.name
    if process.by == "fork":
        return "fork"
    command = shlex.join(process.command)
    return next((helper for part, helper in HELPERS if part in command), command) or "?"
