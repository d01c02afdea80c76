"""`rss`: prints what the resident memory of a process consists of."""

import argparse
import json

from ..render.text.resident import format_resident
from ..resident.measure import resident_memory
from ..resident.result import ResidentMemory
from .arguments import Commands, Parser, top_argument
from .stdout import print_lines, style_of

SCHEMA = 1


def add(commands: Commands) -> Parser:
    rss = commands.add_parser("rss", help="print what the resident memory of a process consists of")
    rss.add_argument("pid", type=pid_argument, metavar="PID")
    rss.add_argument("-n", "-l", "--limit", type=top_argument, default=5, metavar="N", help="names below each row (default: 5)")
    rss.add_argument("--json", action="store_true", help="print one JSON document, with sizes in bytes")
    rss.add_argument("--no-color", action="store_true", help="no colours, even on a terminal (also: NO_COLOR)")
    return rss


def pid_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a process id")
    return int(text)


def execute(parsed: argparse.Namespace) -> int:
    result = resident_memory(parsed.pid)
    if parsed.json:
        print_lines([json.dumps(document(result), indent=1)])
    else:
        print_lines(format_resident(result, parsed.limit, style_of(parsed)))
    return 0


def document(result: ResidentMemory) -> dict[str, object]:
    totals = {"size": result.total, "status": result.status, "swap": result.swap, "hugetlb": result.hugetlb}
    return {
        "schema": SCHEMA,
        "pid": result.pid,
        "totals": {**totals, "unexplained": result.unexplained},
        "rows": [{**row._asdict(), "detail": dict(row.detail)} for row in result.rows],
        "unknown": list(result.unknown),
        "traced": None if result.traced is None else result.traced._asdict(),
    }
