"""`rss`: prints what the resident memory of a process consists of."""

import argparse

from ..render.documents import head
from ..render.text.resident import format_resident
from ..resident.measure import resident_memory
from ..resident.result import ResidentMemory
from .arguments import Commands, Parser, add_color, add_format, add_limit
from .stdout import print_document, print_lines, style_of

NAMES = 5


def add(commands: Commands) -> Parser:
    rss = commands.add_parser("rss", help="print what the resident memory of a process consists of")
    rss.add_argument("pid", type=pid_argument, metavar="PID", help="the process; it need not be traced")
    add_limit(rss, "limit", NAMES, f"names below each row (default: {NAMES})")
    add_format(rss, csv=False)
    add_color(rss)
    return rss


def pid_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a process id")
    return int(text)


def execute(parsed: argparse.Namespace) -> int:
    result = resident_memory(parsed.pid)
    if parsed.format == "json":
        print_document(document(result), parsed.format)
    else:
        print_lines(format_resident(result, parsed.limit, style_of(parsed)))
    return 0


def document(result: ResidentMemory) -> dict[str, object]:
    totals = {"size": result.total, "status": result.status, "swap": result.swap, "hugetlb": result.hugetlb}
    return {
        **head("rss"),
        "pid": result.pid,
        "totals": {**totals, "unexplained": result.unexplained},
        "rows": [{**row._asdict(), "detail": dict(row.detail)} for row in result.rows],
        "unknown": list(result.unknown),
        "traced": None if result.traced is None else result.traced._asdict(),
    }
