"""`diff`: prints what changed between two saved snapshots."""

import argparse

from ..render.text.diff import format_diff
from . import sources
from .arguments import Commands, Parser, add_grouping_options, add_table_options, check_grouping
from .stdout import print_lines, style_of


def add(commands: Commands) -> Parser:
    diff = commands.add_parser("diff", help="print what changed between two saved snapshots")
    diff.add_argument("old", metavar="OLD")
    diff.add_argument("new", metavar="NEW")
    add_table_options(diff)
    add_grouping_options(diff)
    return diff


def execute(parsed: argparse.Namespace) -> int:
    check_grouping(parsed)
    print_lines(diff_lines(parsed))
    return 0


def diff_lines(parsed: argparse.Namespace) -> list[str]:
    style = style_of(parsed)
    loaded = sources.load(parsed.old), sources.load(parsed.new)
    old, new = (source.snapshot for source in loaded)
    if parsed.at_peak:
        old, new = sources.peak_of(loaded[0], parsed.old), sources.peak_of(loaded[1], parsed.new)
    with sources.naming(f"{parsed.old}, {parsed.new}"):
        return format_diff(old, new, parsed.key, parsed.top, style, cumulative=parsed.cumulative, sort=parsed.sort)
