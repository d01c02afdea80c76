"""Arguments of the command line: options that several commands share, and the checks of their values."""

import argparse
import re
from typing import Any, NoReturn, Protocol

from .._words import parse_clock, printable
from ..recording.writing import MAX_INTERVAL, MIN_INTERVAL, check_interval

PROGRAM = "python -m ctracemalloc"
KEYS = ("lineno", "function", "filename", "traceback")
SORTS = ("size", "count", "peak", "allocated")
MAX_NFRAME = 65535
MAX_SAMPLE_INTERVAL = 1 << 48
FORCE_HELP = "write FILE even if it is something else than such a file, or is read as well"


class Parser(argparse.ArgumentParser):
    """Prints arguments in error messages like other names (_words.printable)."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def nframe_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NFRAME):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number in range [1; {MAX_NFRAME}]")
    return int(text)


def interval_argument(text: str) -> int:
    """A number of bytes, in the units in which sizes are printed: 65536, 512K, 512KiB, "512 KiB"."""
    match = re.fullmatch(r"(\d{1,15}) ?(?:([KMGT])(?:iB)?|B)?", text, re.IGNORECASE | re.ASCII)
    value = int(match[1]) << (10 * (1 + "KMGT".index(match[2].upper())) if match[2] else 0) if match else 0
    if not 1 <= value <= MAX_SAMPLE_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of bytes from 1 to 256 TiB, as in 65536, 512KiB (512K) or 4MiB"
        )
    return value


def seconds_argument(text: str) -> float:
    try:
        return check_interval(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from {MIN_INTERVAL} to {MAX_INTERVAL:.0f}"
        ) from None


def time_argument(text: str) -> float:
    try:
        return parse_clock(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time, as in 12.3 (seconds) or 1:02:03") from None


def top_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)


def key_argument(text: str) -> str:
    if text in KEYS or (text.startswith("label:") and len(text) > len("label:")):
        return text
    raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {', '.join(KEYS)}, label:NAME)")


def label_argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


class Commands(Protocol):
    """The type of add_subparsers()'s result; argparse has no public name for it."""

    def add_parser(self, name: str, **options: Any) -> Parser: ...


def add_output_options(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", dest="output", metavar="FILE", help=text)
    parser.add_argument("--force", action="store_true", help=FORCE_HELP)


def add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--top", type=top_argument, default=10, metavar="N", help="rows to show (default: 10)")
    parser.add_argument(
        "--key",
        type=key_argument,
        default="lineno",
        metavar="KEY",
        help=f"what a row stands for: {', '.join(KEYS)} or label:NAME (default: lineno)",
    )
    parser.add_argument("--no-color", action="store_true", help="no colours, even on a terminal (also: NO_COLOR)")


def add_grouping_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cumulative",
        action="store_true",
        help="count a block for every frame of its traceback (keys lineno and filename)",
    )
    parser.add_argument(
        "--traceback",
        action="store_const",
        const="traceback",
        dest="key",
        help="short for --key traceback: whole tracebacks",
    )
    parser.add_argument(
        "--sort",
        choices=SORTS,
        default="size",
        help="order of the rows: live size or count, size at the peak, size of all ever allocated (default: size)",
    )
    parser.add_argument(
        "--at-peak",
        action="store_true",
        help="what was live at the moment of the peak, instead of at the moment of the snapshot",
    )


def check_grouping(parsed: argparse.Namespace) -> None:
    if parsed.cumulative and parsed.key not in ("lineno", "filename"):
        parsed.parser.error(f"--cumulative goes with --key lineno or filename, not {parsed.key}")
