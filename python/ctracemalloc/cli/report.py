"""`report`: prints a saved snapshot, a black box, or a moment of a recording."""

import argparse
import os

from ..blackbox import finding
from ..formats import kinds
from ..model.origin import RUNNING
from ..model.table import View, table_of
from ..render.documents import report_document
from ..render.text.processes import format_processes
from ..render.text.report import format_report
from ..render.text.rows import format_report_rows
from ..resident.result import ResidentMemory
from . import limits, processes, sources
from .arguments import Commands, Parser, UsageError, add_view_options, time_argument, view_of
from .stdout import on_terminal, print_document, print_lines, style_of

FILE_HELP = "a snapshot, black box or recording, or a file of tracemalloc; - is standard input (default: the newest here)"


def add(commands: Commands) -> Parser:
    report = commands.add_parser("report", help="print what is in a file: what is live, what made the peak, what churned")
    report.add_argument("file", metavar="FILE", nargs="?", help=FILE_HELP)
    report.add_argument("--at", type=time_argument, metavar="TIME", help="the moment of a recording (default: the last)")
    add_view_options(report)
    limits.add_options(report)
    return report


def execute(parsed: argparse.Namespace) -> int:
    view = view_of(parsed, terminal=on_terminal())
    if parsed.file is not None and os.path.isdir(parsed.file):
        return report_folder(parsed, view)
    source = sources.load(parsed.file, parsed.at)
    sources.check_known(source, view.measure)
    limits.check_kind(parsed, source)
    if parsed.format != "text":
        table = table_of([source.snapshot], view)
        print_document(report_document(table, view, source.snapshot, source.path, source.run), parsed.format)
    else:
        lines = format_report(
            source.snapshot,
            view,
            style_of(parsed, source.run),
            run=source.run,
            name=source.path,
            newest=source.newest,
            only=bool(parsed.sort or parsed.measure or parsed.cumulative),
            resident=resident_of(source),
        )
        print_lines(lines)
    return limits.check_report(parsed, source, view)


def resident_of(source: sources.Source) -> ResidentMemory | None:
    """What the process of a black box has in memory, if it runs and may be looked into."""
    pid = source.run.get("pid")
    if source.kind != kinds.BLACK_BOX or source.run.get("ended") != RUNNING or not isinstance(pid, int):
        return None
    from ..resident.measure import resident_memory  # imported late: most reports are of programs that have ended

    try:
        found = finding.find(pid)
        is_same = found is not None and os.path.samefile(found, source.path)
        return resident_memory(pid) if is_same else None
    except OSError:
        return None


def report_folder(parsed: argparse.Namespace, view: View) -> int:
    """The processes of a run that followed its children, and the rows of all of them together."""
    if parsed.at is not None:
        raise UsageError("--at is a moment of one recording, and this is a directory")
    found = processes.processes_of(parsed.file)
    merged = processes.merged(found)
    source = sources.Source(parsed.file, kinds.SNAPSHOT, merged, {})
    sources.check_known(source, view.measure)
    limits.check_kind(parsed, source)
    table = table_of([merged], view)
    if parsed.format == "text":
        style = style_of(parsed)
        print_lines([*format_processes(found, style, parsed.file), "", *format_report_rows(table, view, style)])
    else:
        document = report_document(table, view, merged, parsed.file, {})
        print_document({**document, **processes.document_of(found)}, parsed.format)
    return limits.check_report(parsed, source, view)
