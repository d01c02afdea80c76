"""`report`: prints a saved snapshot, a black box, or a moment of a recording."""

import argparse

from ..model.table import table_of
from ..render.documents import report_document
from ..render.text.report import format_report
from . import limits, sources
from .arguments import Commands, Parser, add_view_options, time_argument, view_of
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
    source = sources.load(parsed.file, parsed.at)
    sources.check_known(source, view.measure)
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
        )
        print_lines(lines)
    return limits.check_report(parsed, source, view)
