"""`attach`: shows the memory of a running program.

Model: the numbers are read from the program's black box; the program does no work for it. A program without a black box
is ordered to start one (orders.py).
"""

import argparse
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Iterator

from ..blackbox import finding
from ..blackbox.reading import BlackBox, Totals, rates_between, read_totals
from ..formats import compression, kinds, output
from ..model.origin import run_of_black_box
from ..render.text.blackbox import format_look
from ..render.text.report import format_report
from . import orders, sources
from .arguments import (
    PROGRAM,
    Commands,
    Parser,
    add_output_options,
    add_table_options,
    interval_argument,
    nframe_argument,
    seconds_argument,
    table_view_of,
    top_argument,
)
from .stdout import on_terminal, print_lines, style_of

CLEAR = "\x1b[H\x1b[2J"
LOOK = 0.2  # seconds between two looks whether a program that is traced for a time has ended


def add(commands: Commands) -> Parser:
    attach = commands.add_parser("attach", help="look into a running program, and start tracing in one that is not traced")
    attach.add_argument("target", metavar="PID|FILE", help="a process, or the file of its black box")
    attach.add_argument(
        "--interval", type=seconds_argument, default=1.0, metavar="SECONDS", help="between two looks (default: 1)"
    )
    attach.add_argument("--count", type=top_argument, metavar="N", help="looks (default: until the program ends)")
    attach.add_argument(
        "--duration",
        type=duration_argument,
        metavar="SECONDS",
        help="trace for that long (Ctrl-C: less), print a report, and stop tracing if this command has started it",
    )
    add_output_options(attach, "write a snapshot of now into FILE instead; with --duration: of the end, as well")
    attach.add_argument(
        "-n",
        "--nframe",
        dest="nframe",
        type=nframe_argument,
        default=1,
        metavar="NFRAME",
        help="frames kept, if tracing is started",
    )
    attach.add_argument(
        "--sample-interval",
        type=interval_argument,
        metavar="BYTES",
        help="sample blocks at this mean distance instead of tracing all, if tracing is started",
    )
    add_method_options(attach)
    add_table_options(attach)
    return attach


def duration_argument(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def add_method_options(parser: Parser) -> None:
    parser.add_argument(
        "--method",
        choices=orders.METHODS,
        default="auto",
        help="how tracing is started and stopped (default: sys.remote_exec where it works, else gdb, else lldb)",
    )
    parser.add_argument("--verbose", action="store_true", help="show what the debugger is told and says")


def way_of(parsed: argparse.Namespace) -> orders.Way:
    return orders.Way(parsed.method, show if parsed.verbose else lambda text: None)


def show(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def execute(parsed: argparse.Namespace) -> int:
    if parsed.output is not None:
        output.check(parsed.output, kinds.SNAPSHOT, inputs=[parsed.target], force=parsed.force)
    target = int(parsed.target) if parsed.target.isascii() and parsed.target.isdecimal() else parsed.target
    started = isinstance(target, int) and finding.find(target) is None and os.path.exists(f"/proc/{target}")
    if started:
        orders.start(target, parsed.nframe, parsed.sample_interval, way_of(parsed))
        note = f"process {target} is traced from now on; blocks that it allocated before are not known"
        print(f"{PROGRAM}: {note}", file=sys.stderr)
    if not isinstance(target, int):
        sources.expect(target, kinds.BLACK_BOX)
    with finding.attach(target) as box:
        if parsed.duration is not None:
            trace_for_a_time(box, parsed, target if started else None)
        elif parsed.output is not None:
            save(box, parsed.output)
        else:
            with contextlib.suppress(KeyboardInterrupt):
                watch(box, parsed)
    return 0


def save(box: BlackBox, path: str) -> None:
    snapshot = box.snapshot()
    snapshot.run = run_of_black_box(box)
    output.save(snapshot, path, compression.of_name(path))


def trace_for_a_time(box: BlackBox, parsed: argparse.Namespace, pid: int | None) -> None:
    """pid: the process in which tracing is to be stopped at the end."""
    with contextlib.suppress(KeyboardInterrupt):
        until = time.monotonic() + parsed.duration
        while box.running and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK))
    with ignoring_interrupts():
        try:
            run, snapshot = run_of_black_box(box), box.snapshot()
            if parsed.output is not None:
                snapshot.run = run
                snapshot.dump(parsed.output, compression=compression.of_name(parsed.output))
        finally:
            if pid is not None and box.running:
                orders.stop(pid, way_of(parsed))
        view = table_view_of(parsed, terminal=on_terminal())
        print_lines(format_report(snapshot, view, style_of(parsed, run), run=run))


@contextlib.contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """The second Ctrl-C of an impatient user must not leave the program traced."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def watch(box: BlackBox, parsed: argparse.Namespace) -> None:
    style, view = style_of(parsed), table_view_of(parsed, terminal=on_terminal())
    last: Totals | None = None
    looks = 0
    while True:
        running = box.running
        snapshot, now = box.snapshot(), time.time()
        totals = read_totals(snapshot, now)
        rates = None if last is None else rates_between(last, totals)
        text = "\n".join(format_look(box, snapshot, rates, view, style, running=running))
        print(CLEAR + text if style.color else text, flush=True)
        looks += 1
        if looks == parsed.count or not running:
            return
        last = totals
        time.sleep(parsed.interval)
