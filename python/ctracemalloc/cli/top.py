"""`top`: the live view of a running program, or of a recording; without a terminal, one look as text or JSON.

Model: what is looked at is a black box or a recording that is being made; both are files, and the program does nothing for it.
"""

import argparse
import os
import sys

from .._words import printable
from ..blackbox import finding
from ..formats import kinds
from ..model.frames import FILENAME
from ..model.table import ALL, LABEL, table_of
from ..model.watch import ALLOCATED, COUNT, PEAK, SIZE, SORTS, Order, Selection
from ..render.documents import report_document
from ..render.text.processes import INDENT, what
from ..render.text.report import format_report
from ..render.text.units import format_bytes
from ..tui.chooser import ChooserPage
from ..tui.live import LivePage
from ..tui.page import Page
from ..tui.programs import Program, recording_of, running_programs
from ..tui.sources import Source, open_source
from . import orders, processes, sources, terminal
from .arguments import (
    PROGRAM,
    Commands,
    Parser,
    UsageError,
    add_color,
    add_format,
    add_keys,
    add_limit,
    add_selection,
    seconds_argument,
    view_of,
)
from .stdout import on_terminal, print_document, print_lines, style_of

MOST_NAMED = 8
NFRAME = 1  # frames kept, if tracing is started
ONE_LOOK = (SIZE, COUNT, PEAK, ALLOCATED)  # the sorts of one look, which has no mark


def add(commands: Commands) -> Parser:
    top = commands.add_parser("top", help="watch the memory of a running program, or replay a recording")
    top.add_argument(
        "target",
        metavar="PID|FILE",
        nargs="?",
        help="a process, a black box, a recording, or a directory of processes (default: the program that runs)",
    )
    top.add_argument(
        "--interval", type=seconds_argument, default=0.5, metavar="SECONDS", help="between two looks (default: 0.5)"
    )
    top.add_argument("--once", action="store_true", help="print one look (without a terminal this is the default)")
    add_limit(top, "limit", None, "rows to show (default: all; 10 in text)")
    add_keys(top)
    top.add_argument("--sort", choices=SORTS, help="order of the rows; growth is since the mark (default: size)")
    add_selection(top)
    top.add_argument("--no-source", action="store_true", help="no lines of source")
    add_format(top)
    add_color(top)
    top.set_defaults(measure=None)
    return top


def execute(parsed: argparse.Namespace) -> int:
    if parsed.once or parsed.format != "text" or not terminal.is_interactive():
        return print_look(parsed)
    terminal.require(terminal.LIVE)
    if (parsed.key or "").startswith(LABEL):
        raise UsageError(f"the live view has no rows of labels: `{PROGRAM} top --once -k {parsed.key}` prints them")
    terminal.show(first_page(parsed), color=not parsed.no_color)
    return 0


def first_page(parsed: argparse.Namespace) -> Page:
    if parsed.target is not None and not os.path.isdir(parsed.target):
        return live_page(open_path(path_of(parsed.target)), parsed)
    programs = some_programs() if parsed.target is None else programs_in(parsed.target)
    if len(programs) == 1:
        return live_page(open_path(programs[0].path), parsed)
    return ChooserPage(programs, lambda program: live_page(open_path(program.path), parsed))


def programs_in(folder: str) -> list[Program]:
    """The processes of `run --follow-children` that can be looked into, each below its parent."""
    found = []
    for one in processes.processes_of(folder).processes:
        kind = kinds.kind_of(one.file) if one.file else None
        if one.file and kind in (kinds.BLACK_BOX, kinds.RECORDING):
            size = "" if one.numbers is None else f"  {format_bytes(one.numbers.size)} live"
            found.append(Program(one.pid, one.file, kind, one.began or 0.0, f"{INDENT * one.depth}{what(one)}{size}"))
    if not found:
        raise UsageError(
            f"{folder}: no process in it has a black box or a recording; `{PROGRAM} report {folder}` shows what there is"
        )
    return found


def live_page(source: Source, parsed: argparse.Namespace, *, owns_program: bool = False) -> LivePage:
    view = view_of(parsed, terminal=True)
    selection = Selection(parsed.key or FILENAME, view.fold, (), view.patterns, view.any_frame, view.cumulative)
    limit = ALL if parsed.limit is None else parsed.limit
    order = Order(parsed.sort or SIZE, False, limit, view.threshold_percent, view.threshold_size)
    return LivePage(source, selection, order, parsed.interval, source_lines=not parsed.no_source, owns_program=owns_program)


def open_path(path: str) -> Source:
    with sources.naming(path, kinds.kind_of(path) or kinds.BLACK_BOX):
        return open_source(path)


def path_of(target: str) -> str:
    """The file that a target means."""
    if not (target.isascii() and target.isdecimal()):
        sources.expect(target, kinds.BLACK_BOX, kinds.RECORDING)
        return target
    pid = int(target)
    path = finding.find(pid) or recording_of(pid)
    if path is None and os.path.exists(f"/proc/{pid}"):
        start_tracing(pid)
    if path is None:
        with finding.attach(pid) as box:
            path = box.path
    return path


def start_tracing(pid: int) -> None:
    """As `attach` does."""
    orders.start(pid, NFRAME, None, orders.Way("auto", lambda text: None))
    print(f"{PROGRAM}: process {pid} is traced from now on; blocks that it allocated before are not known", file=sys.stderr)


def some_programs() -> list[Program]:
    programs = running_programs()
    if not programs:
        raise UsageError(
            "which program? none of yours that runs has a black box or a recording:"
            f" `{PROGRAM} run --live-remote ...` starts one that has, `{PROGRAM} top FILE` shows a file"
        )
    return programs


def the_program() -> Program:
    programs = some_programs()
    if len(programs) > 1:
        named = [f"{one.pid} ({printable(one.command)})" for one in programs[:MOST_NAMED]]
        more = f" and {len(programs) - MOST_NAMED} more" if len(programs) > MOST_NAMED else ""
        raise UsageError(f"which program? give one of these as PID: {', '.join(named)}{more}")
    return programs[0]


def print_look(parsed: argparse.Namespace) -> int:
    if parsed.sort not in (None, *ONE_LOOK):
        raise UsageError(f"--sort {parsed.sort} is for the live view; one look is sorted by {', '.join(ONE_LOOK)}")
    if parsed.target is not None and os.path.isdir(parsed.target):
        raise UsageError(f"{parsed.target}: it is a directory; `{PROGRAM} report {parsed.target}` prints its processes")
    view = view_of(parsed, terminal=on_terminal())
    path = the_program().path if parsed.target is None else path_of(parsed.target)
    source = open_path(path)
    snapshot, run = source.snapshot(), source.run()
    if parsed.format != "text":
        document = report_document(table_of([snapshot], view), view, snapshot, path, run)
        print_document({**document, "command": "top"}, parsed.format)
    else:
        print_lines(format_report(snapshot, view, style_of(parsed, run), run=run, name=path))
    return 0
