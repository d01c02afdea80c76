"""`python -m ctracemalloc`: finds the command and executes it.

Model: a command is the module of its name. Only the module of the given command is imported, so that no command waits for
the imports of others; the help imports all of them.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

import ctracemalloc

from .._words import printable
from .arguments import PROGRAM, Parser
from .program import split_program

COMMANDS = ("run", "report", "diff", "recording", "merge", "attach", "detach", "rss", "doctor")  # in the order of the help


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """names: the commands that the parser has."""
    parser = Parser(prog=PROGRAM, description="Trace the memory a Python program allocates.")
    parser.add_argument("--version", action="version", version=f"ctracemalloc {ctracemalloc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = importlib.import_module(f"{__package__}.{name}")
        command = module.add(commands)
        # An error in a command's arguments is reported with the usage of that command.
        command.set_defaults(parser=command, execute=module.execute)
    return parser


def have_streams(parsed: argparse.Namespace) -> bool:
    """False: the answer goes to stdout, which is closed (sys.stdout is None, as under cron); the error is printed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
    if sys.stdout is not None or parsed.command == "run":
        return True
    sys.stdout = io.StringIO()
    if getattr(parsed, "output", None):
        return True
    print(f"{PROGRAM} {parsed.command}: standard output is closed", file=sys.stderr)
    return False


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    program: list[str] = []
    if arguments[:1] == ["run"]:
        options, program = split_program(arguments[1:])
        arguments = ["run", *options]
    given = arguments[:1]
    names = given if given and given[0] in COMMANDS else COMMANDS
    parsed, unknown = build_parser(names).parse_known_args(arguments)
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    parsed.program = program
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(sys.argv[1:] if arguments is None else arguments)
    if not have_streams(parsed):
        return 2
    try:
        status: int = parsed.execute(parsed)
        return status
    except BrokenPipeError:
        # The reader of the pipe (a pager, head) has ended. Let the interpreter's last flush write to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ImportError, ctracemalloc.FileError) as error:
        print(f"{PROGRAM}: {printable(str(error))}", file=sys.stderr)
        return 2
