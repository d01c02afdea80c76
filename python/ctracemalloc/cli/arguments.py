"""Arguments of the command line: options that several commands share, the checks of their values, and the exit statuses.

Model: an option has the same name, letter and meaning in every command that has it.
"""

import argparse
import os
import re
import sys
from typing import Any, NoReturn, Protocol

from .._words import parse_clock, printable
from ..model.figures import ALLOCATED, FREED, LIVE, PEAK
from ..model.frames import KEYS
from ..model.table import ALL, LABEL, View
from ..places.patterns import Patterns
from ..recording.writing import MAX_INTERVAL, MIN_INTERVAL, check_interval
from ..run.settings import AUTOMATIC_LABELS

# The command as it was called.
PROGRAM = "python -m ctracemalloc" if os.path.basename(sys.argv[0] if sys.argv else "") == "__main__.py" else "ctracemalloc"
# Exit statuses. A limit is what --fail-over and --fail-growth give, and for the doctor that nothing is lost.
FINE, BROKEN_LIMIT, USAGE, BAD_FILE = range(4)

SORTS = ("size", "count", "peak", "allocated")
MEASURES = {"size": LIVE, "count": LIVE, "peak": PEAK, "allocated": ALLOCATED}  # of a sort
OPTIONS = {PEAK: "--at-peak", ALLOCATED: "--allocated", FREED: "--churn"}  # of a measure
MAX_NFRAME = 65535
MAX_SAMPLE_INTERVAL = 1 << 48
ROWS = 10
FORCE_HELP = "write FILE even if it is something else than such a file, or is read as well"
SIZES = "as in 65536, 512KiB (512K) or 4MiB; kB and MB are powers of 1000"
FORMATS = ("text", "json", "csv")


class UsageError(Exception):
    """A request that makes no sense, found after the arguments were parsed."""


class Parser(argparse.ArgumentParser):
    """Prints arguments in error messages like other names (_words.printable)."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def nframe_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NFRAME):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number in range [1; {MAX_NFRAME}]")
    return int(text)


def size_of(text: str) -> int | None:
    """A number of bytes, in the units in which sizes are printed: 65536, 512K, 512KiB, "512 KiB"; None: it is none."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([KMGT])(i?B)?|B)?", text, re.IGNORECASE | re.ASCII)
    if match is None:
        return None
    unit = 1000 if (match[3] or "").upper() == "B" else 1024
    return int(float(match[1]) * unit ** (1 + "KMGT".index(match[2].upper()))) if match[2] else int(float(match[1]))


def interval_argument(text: str) -> int:
    value = size_of(text)
    if value is None or not 1 <= value <= MAX_SAMPLE_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes from 1 to 256 TiB, {SIZES}")
    return value


def labels_argument(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(AUTOMATIC_LABELS):
        raise argparse.ArgumentTypeError(f"{text!r} is neither thread, task nor both, thread,task")
    return names


def size_argument(text: str) -> int:
    value = size_of(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, {SIZES}")
    return value


def threshold_argument(text: str) -> tuple[float, int]:
    """(percent, bytes), of which one is 0."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?%?", text, re.ASCII)
    if match is not None and float(match[1]) <= 100:
        return float(match[1]), 0
    value = size_of(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a percentage, as in 0.5 or 0.5%, nor a size, {SIZES}")
    return 0.0, value


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
    if text in KEYS or (text.startswith(LABEL) and len(text) > len(LABEL)):
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


def add_limit(parser: argparse.ArgumentParser, dest: str, default: int | None, text: str) -> None:
    parser.add_argument("-l", "--limit", "--top", dest=dest, type=top_argument, default=default, metavar="N", help=text)


def add_color(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-color", action="store_true", help="no colours, even on a terminal (also: NO_COLOR)")


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Of the commands that print rows of a program that runs, or that has just ended."""
    add_limit(parser, "limit", ROWS, f"rows to show (default: {ROWS})")
    add_key(parser)
    add_own(parser)
    add_no_source(parser)
    add_color(parser)


def add_format(parser: argparse.ArgumentParser, csv: bool = True) -> None:
    choices = FORMATS if csv else FORMATS[:2]
    parser.add_argument("-f", "--format", choices=choices, default="text", help="of what is printed (default: text)")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="short for --format json")
    if csv:
        parser.add_argument("--csv", action="store_const", const="csv", dest="format", help="short for --format csv")


def add_view_options(parser: argparse.ArgumentParser, *, keys: bool = True) -> None:
    """Of the commands that print rows of files. keys: rows are of places, for which there is a choice."""
    add_limit(parser, "limit", None, f"rows to show (default: {ROWS}; all in JSON and CSV)" if keys else "rows to show")
    if keys:
        add_keys(parser)
    else:
        parser.set_defaults(key=None, cumulative=False)
    add_measures(parser)
    parser.add_argument(
        "--sort",
        choices=SORTS,
        help="order of the rows: by size or count; peak and allocated are --at-peak and --allocated (default: size)",
    )
    add_selection(parser)
    if keys:
        add_no_source(parser)
    add_format(parser)
    add_color(parser)


def add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-k",
        "--key",
        type=key_argument,
        metavar="KEY",
        help=f"what a row stands for: {', '.join(KEYS)} or label:NAME (default: lineno)",
    )
    parser.add_argument("--traceback", action="store_const", const="traceback", dest="key", help="short for --key traceback")


def add_own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--own",
        action=argparse.BooleanOptionalAction,
        help="one row each for the import system, the tracer and installed packages (default: on a terminal)",
    )


def add_no_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-source", action="store_true", help="no lines of source below the rows")


def add_keys(parser: argparse.ArgumentParser) -> None:
    add_key(parser)
    parser.add_argument(
        "--cumulative", action="store_true", help="count a block for each place in its traceback, once for each row"
    )


def add_measures(parser: argparse.ArgumentParser) -> None:
    measures = parser.add_mutually_exclusive_group()
    for option, measure, text in (
        ("--at-peak", PEAK, "what was live at the moment of the peak, instead of what is live"),
        ("--allocated", ALLOCATED, "what was ever allocated"),
        ("--churn", FREED, "what was allocated and freed again"),
    ):
        measures.add_argument(option, action="store_const", const=measure, dest="measure", help=text)


def add_patterns(parser: argparse.ArgumentParser) -> None:
    for option, text in (
        ("--include", "only blocks that such code allocated: a file, module or function, or a pattern (*); may be repeated"),
        ("--exclude", "no blocks that such code allocated; may be repeated"),
    ):
        parser.add_argument(option, action="append", default=[], metavar="PATTERN", help=text)
    parser.add_argument("--all-frames", action="store_true", help="patterns match by any frame of a traceback")


def add_selection(parser: argparse.ArgumentParser) -> None:
    add_patterns(parser)
    add_own(parser)
    parser.add_argument(
        "--threshold", type=threshold_argument, default=(0.0, 0), metavar="PERCENT|SIZE", help="leave out rows below this"
    )


def add_output_options(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", dest="output", metavar="FILE", help=text)
    parser.add_argument("--force", action="store_true", help=FORCE_HELP)


def folds(parsed: argparse.Namespace, key: str, *, terminal: bool) -> bool:
    """Is code that is not the program's one row for each origin? terminal: does a terminal show the rows?"""
    wanted: bool = terminal if parsed.own is None else parsed.own
    return wanted and not key.startswith(LABEL)


def table_view_of(parsed: argparse.Namespace, *, terminal: bool) -> View:
    """For the options of add_table_options()."""
    key = parsed.key or "lineno"
    return View(key, fold=folds(parsed, key, terminal=terminal), limit=parsed.limit)


def view_of(parsed: argparse.Namespace, *, terminal: bool) -> View:
    """terminal: does a terminal show the rows?"""
    key, sort = parsed.key or "lineno", parsed.sort or "size"
    measure = parsed.measure or MEASURES[sort]
    if parsed.measure and sort in ("peak", "allocated") and MEASURES[sort] != measure:
        raise UsageError(f"--sort {sort} does not go with {OPTIONS[parsed.measure]}")
    if parsed.cumulative and (key == "traceback" or key.startswith(LABEL)):
        raise UsageError(f"--cumulative does not go with --key {key}")
    patterns = Patterns(parsed.include, parsed.exclude)
    if patterns and key.startswith(LABEL):
        raise UsageError(f"--include and --exclude do not go with --key {key}")
    is_text = parsed.format == "text"
    limit = (ROWS if is_text else ALL) if parsed.limit is None else parsed.limit
    fold = is_text and folds(parsed, key, terminal=terminal)
    percent, size = parsed.threshold
    every = not is_text and parsed.limit is None
    return View(
        key, measure, sort == "count", parsed.cumulative, fold, patterns, parsed.all_frames, percent, size, limit, every
    )
