"""`report`: prints a saved snapshot as text."""

import argparse
import os

from ..model.origin import merged_of
from ..render.text.snapshot import format_peak, format_snapshot
from . import processes, sources
from .arguments import Commands, Parser, add_grouping_options, add_table_options, check_grouping
from .stdout import print_lines, style_of


def add(commands: Commands) -> Parser:
    report = commands.add_parser("report", help="print a saved snapshot")
    report.add_argument("file", metavar="FILE", help="a file, or the directory of `run --follow-children`")
    add_table_options(report)
    add_grouping_options(report)
    return report


def execute(parsed: argparse.Namespace) -> int:
    check_grouping(parsed)
    print_lines(report_lines(parsed))
    return 0


def report_lines(parsed: argparse.Namespace) -> list[str]:
    style = style_of(parsed)
    if os.path.isdir(parsed.file):
        return processes.folder_lines(parsed.file, style)
    source = sources.load(parsed.file)
    rows = {"cumulative": parsed.cumulative, "sort": parsed.sort}
    with sources.naming(parsed.file):
        if parsed.at_peak:
            peak, merged = sources.peak_of(source, parsed.file), merged_of(source.snapshot)
            return format_peak(peak, parsed.key, parsed.top, style, **rows, merged=merged)
        return format_snapshot(source.snapshot, parsed.key, parsed.top, style, **rows, run=source.run)
