"""`detach`: stops the tracing that attach has started."""

import argparse
import os

from ..blackbox.finding import find
from . import orders
from .arguments import Commands, Parser


def add(commands: Commands) -> Parser:
    detach = commands.add_parser("detach", help="stop the tracing that attach has started (Python 3.14)")
    detach.add_argument("pid", type=int, metavar="PID")
    return detach


def execute(parsed: argparse.Namespace) -> int:
    pid: int = parsed.pid
    if find(pid) is None:
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"there is no process {pid}")
        raise FileNotFoundError(f"process {pid} has no black box")
    orders.stop(pid)
    return 0
