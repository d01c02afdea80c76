"""`diff`: prints what changed between two saved snapshots, or what kept growing over more of them."""

import argparse

from ..model.table import ALL, table_of
from ..render.documents import diff_document
from ..render.text.diff import diff_lines
from . import limits, sources
from .arguments import Commands, Parser, UsageError, add_view_options, view_of
from .stdout import on_terminal, print_document, print_lines, style_of


def add(commands: Commands) -> Parser:
    diff = commands.add_parser("diff", help="print what changed between files, the first of which is the base")
    diff.add_argument("old", metavar="OLD", help="the base")
    diff.add_argument("new", metavar="NEW", nargs="+", help="with several, the rows are those that grew each time")
    add_view_options(diff)
    limits.add_options(diff)
    return diff


def execute(parsed: argparse.Namespace) -> int:
    view = view_of(parsed, terminal=on_terminal())
    paths = [parsed.old, *parsed.new]
    if len(paths) > 2 and view.key == "traceback":
        raise UsageError("--key traceback goes with two files")
    if paths.count(sources.STDIN) > 1:
        raise UsageError("- (standard input) is one file")
    loaded = [sources.load(path) for path in paths]
    for source in loaded:
        sources.check_known(source, view.measure)
    snapshots = [source.snapshot for source in loaded]
    with sources.naming(", ".join(paths)):
        table = table_of(snapshots, view._replace(limit=ALL))
    if parsed.format != "text":
        shown = table._replace(rows=table.rows[: view.limit])
        print_document(diff_document(shown, view, snapshots, paths), parsed.format)
    else:
        style = style_of(parsed, loaded[-1].run)
        print_lines(diff_lines(table, snapshots, view, style, names=paths, samples=True))
    return limits.check_diff(parsed, table, view)
