"""`attach`: shows the memory of a running program.

Model: the numbers are read from the program's black box; the program does no work for it. A program without a black box
can be ordered to start one (orders.py).
"""

import argparse
import os
import sys
import time

from ..blackbox import finding
from ..blackbox.reading import BlackBox, Totals, rates_between, read_totals
from ..formats import compression, kinds, output
from ..model.origin import run_of_black_box
from ..render.text.blackbox import format_look
from ..render.text.style import Style
from . import orders, sources
from .arguments import Commands, Parser, add_output_options, add_table_options, nframe_argument, seconds_argument, top_argument

CLEAR = "\x1b[H\x1b[2J"


def add(commands: Commands) -> Parser:
    attach = commands.add_parser(
        "attach", help="look into a running program's black box, or start tracing in one (Python 3.14)"
    )
    attach.add_argument("target", metavar="PID|FILE")
    attach.add_argument(
        "--interval", type=seconds_argument, default=1.0, metavar="SECONDS", help="between two looks (default: 1)"
    )
    attach.add_argument("--count", type=top_argument, metavar="N", help="looks (default: until the program ends)")
    add_output_options(attach, "write a snapshot of now into FILE instead")
    attach.add_argument(
        "-n", dest="nframe", type=nframe_argument, default=1, metavar="NFRAME", help="frames kept, if tracing is started"
    )
    add_table_options(attach)
    return attach


def execute(parsed: argparse.Namespace) -> int:
    if parsed.output is not None:
        output.check(parsed.output, kinds.SNAPSHOT, inputs=[parsed.target], force=parsed.force)
    target = int(parsed.target) if parsed.target.isascii() and parsed.target.isdecimal() else parsed.target
    if isinstance(target, int) and finding.find(target) is None and os.path.exists(f"/proc/{target}"):
        orders.start(target, parsed.nframe)
    if not isinstance(target, int):
        sources.expect(target, kinds.BLACK_BOX)
    with finding.attach(target) as box:
        if parsed.output is not None:
            snapshot = box.snapshot()
            snapshot.run = run_of_black_box(box)
            output.save(snapshot, parsed.output, compression.of_name(parsed.output))
            return 0
        try:
            watch(box, parsed)
        except KeyboardInterrupt:
            pass
    return 0


def watch(box: BlackBox, parsed: argparse.Namespace) -> None:
    style = Style.for_stream(sys.stdout, parsed.no_color)
    last: Totals | None = None
    looks = 0
    while True:
        running = box.running
        snapshot, now = box.snapshot(), time.time()
        totals = read_totals(snapshot, now)
        rates = None if last is None else rates_between(last, totals)
        text = "\n".join(format_look(box, snapshot, rates, parsed.key, parsed.top, style, running=running))
        print(CLEAR + text if style.color else text, flush=True)
        looks += 1
        if looks == parsed.count or not running:
            return
        last = totals
        time.sleep(parsed.interval)
