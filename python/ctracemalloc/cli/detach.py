"""`detach`: stops the tracing that attach has started."""

import argparse
import os

from ..blackbox.finding import find
from . import orders
from .arguments import Commands, Parser
from .attach import add_method_options, way_of


def add(commands: Commands) -> Parser:
    detach = commands.add_parser("detach", help="stop the tracing that attach has started")
    detach.add_argument("pid", type=int, metavar="PID", help="the process")
    add_method_options(detach)
    return detach


def execute(parsed: argparse.Namespace) -> int:
    pid: int = parsed.pid
    if find(pid) is None:
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"there is no process {pid}")
        raise FileNotFoundError(f"process {pid} has no black box")
    orders.stop(pid, way_of(parsed))
    return 0
