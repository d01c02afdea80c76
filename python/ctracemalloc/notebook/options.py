"""The words behind %ctracemalloc and %%ctracemalloc.

Model: options come first and the statement is the rest, as it was written: its quotes and braces are Python's.
"""

import argparse
import re
from typing import NamedTuple, NoReturn

MAGIC = "ctracemalloc"
FOLLOW, UNFOLLOW, HISTORY = ACTIONS = ("--follow", "--unfollow", "--cell-history")
WITH_VALUE = ("-l", "--limit", "-n", "--nframe")
WORD = re.compile(r"\s*(\S+)")
LIMIT = 5  # rows
NFRAME = 100  # a cell's own frames have those of the kernel below them
MOST_FRAMES = 65535


class OptionError(ValueError):
    """One line that says what is wrong."""


class Options(NamedTuple):
    action: str  # one of ACTIONS; "": run something
    flame: bool
    limit: int  # rows
    nframe: int  # frames of a traceback, if tracing is off
    code: str  # the statement


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{self.prog}: {message}")


def parser_of(prog: str) -> Parser:
    parser = Parser(prog=prog, add_help=False, allow_abbrev=False)
    parser.add_argument("--flame", action="store_true")
    parser.add_argument("-l", "--limit", type=int, default=LIMIT)
    parser.add_argument("-n", "--nframe", type=int, default=NFRAME)
    actions = parser.add_mutually_exclusive_group()
    for action in ACTIONS:
        actions.add_argument(action, dest="action", action="store_const", const=action, default="")
    return parser


def parse(text: str, *, is_cell: bool) -> Options:
    """OptionError: an option is unknown or has a wrong value, or there is too much or nothing behind them."""
    prog = ("%%" if is_cell else "%") + MAGIC
    words, code = split(text)
    parsed = parser_of(prog).parse_args(words)
    options = Options(parsed.action, parsed.flame, parsed.limit, parsed.nframe, code)
    if options.limit < 1:
        raise OptionError(f"{prog}: --limit must be at least 1, not {options.limit}")
    if not 1 <= options.nframe <= MOST_FRAMES:
        raise OptionError(f"{prog}: --nframe must be between 1 and {MOST_FRAMES}, not {options.nframe}")
    check_rest(options, prog, is_cell)
    return options


def check_rest(options: Options, prog: str, is_cell: bool) -> None:
    if is_cell and options.action:
        raise OptionError(f"{prog}: {options.action} is of the line magic: %{MAGIC} {options.action}")
    if is_cell and options.code:
        raise OptionError(f"{prog}: only options may be on its line, not {options.code!r}")
    if options.action and options.code:
        raise OptionError(f"{prog}: {options.action} runs no statement, so {options.code!r} is too much")
    if not (is_cell or options.action or options.code):
        raise OptionError(f"{prog}: a statement to run is missing, or one of {', '.join(ACTIONS)}")


def split(text: str) -> tuple[list[str], str]:
    """The words of the options, and the rest. -- ends the options."""
    words: list[str] = []
    at = 0
    while (found := WORD.match(text, at)) and found[1].startswith("-"):
        at = found.end()
        if found[1] == "--":
            break
        words.append(found[1])
        if found[1] in WITH_VALUE and (value := WORD.match(text, at)):
            words.append(value[1])
            at = value.end()
    return words, text[at:].strip()
