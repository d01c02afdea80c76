"""`tree`: prints the call tree of a file, or of the difference of two."""

import argparse

from ..model.branches import Branches
from ..model.calls import calls_of
from ..model.table import ALL, View
from ..render.documents import tree_document
from ..render.text.snapshot import format_head
from ..render.text.style import Style
from ..render.text.tree import format_tree
from . import sources, terminal
from .arguments import Commands, Parser, UsageError, add_view_options, time_argument, view_of
from .report import FILE_HELP
from .sources import Source
from .stdout import on_terminal, print_document, print_lines, style_of

LINES = 40
THRESHOLD = (0.5, 0)  # percent, bytes


def add(commands: Commands) -> Parser:
    tree = commands.add_parser("tree", help="print who called what: the call tree by total size, or what changed in it")
    tree.add_argument("files", metavar="FILE", nargs="*", help=f"{FILE_HELP}; of two, the first is the base")
    tree.add_argument("--at", type=time_argument, metavar="TIME", help="the moment of a recording (default: the last)")
    add_view_options(tree, keys=False)
    tree.add_argument(
        "-i",
        "--interactive",
        action=argparse.BooleanOptionalAction,
        help="a tree whose calls are opened and closed (default: on a terminal, if textual is there)",
    )
    tree.set_defaults(threshold=None)
    return tree


def execute(parsed: argparse.Namespace) -> int:
    if len(parsed.files) > 2:
        raise UsageError("tree takes one file, or two to compare")
    is_text = parsed.format == "text"
    if is_text and wants_pages(parsed):
        return show_calls(parsed)
    if parsed.threshold is None:
        parsed.threshold = THRESHOLD if is_text else (0.0, 0)
    view = view_of(parsed, terminal=on_terminal())
    if parsed.limit is None:
        view = view._replace(limit=LINES if is_text else ALL)
    loaded = load_all(parsed, view)
    snapshots = [source.snapshot for source in loaded]
    calls = calls_of(snapshots, view)
    if is_text:
        style = style_of(parsed)
        print_lines([*head_of(loaded, style), "", *format_tree(calls, view, style)])
    else:
        print_document(tree_document(calls, view, snapshots, [source.path for source in loaded]), parsed.format)
    return 0


def load_all(parsed: argparse.Namespace, view: View) -> list[Source]:
    loaded = [sources.load(path, parsed.at) for path in parsed.files or [None]]
    for source in loaded:
        sources.check_known(source, view.measure)
    return loaded


def wants_pages(parsed: argparse.Namespace) -> bool:
    if parsed.interactive is None and not (parsed.limit is None and terminal.is_interactive() and terminal.has_textual()):
        return False
    if parsed.interactive is not False:
        terminal.require(terminal.TREE)
    return parsed.interactive is not False


def show_calls(parsed: argparse.Namespace) -> int:
    from ..tui.calls import TreePage  # imported late: the text needs none of it

    parsed.threshold = parsed.threshold or (0.0, 0)
    view = view_of(parsed, terminal=True)
    loaded = load_all(parsed, view)
    branches = Branches([source.snapshot for source in loaded], view)
    title = " -> ".join(source.path + (", the newest file here" if source.newest else "") for source in loaded)
    terminal.show(TreePage(branches, title), color=not parsed.no_color)
    return 0


def head_of(loaded: list[Source], style: Style) -> list[str]:
    lines = []
    for source in loaded:
        base = ", the base" if len(loaded) == 2 and source is loaded[0] else ""
        newest = ", the newest file here" if source.newest else ""
        head = format_head(source.snapshot, source.snapshot.at_peak, style, "", source.run)
        lines += [f"{style.bold('ctracemalloc')}  {style.name(source.path)}{base}{newest}", *head[1:]]
    return lines
