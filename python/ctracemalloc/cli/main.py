"""`python -m ctracemalloc`: finds the command and has it executed.

Model: a command is the module of its name. Only that of the command that is given is imported, so that none waits for what
others need; all of them for the help.
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

COMMANDS = ("run", "report", "diff", "recording", "merge", "attach", "detach", "doctor")  # in the order of the help


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """names: the commands that it has to know."""
    parser = Parser(prog=PROGRAM, description="Trace the memory a Python program allocates.")
    parser.add_argument("--version", action="version", version=f"ctracemalloc {ctracemalloc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = importlib.import_module(f"{__package__}.{name}")
        command = module.add(commands)
        # What is wrong with a command's words is told with its usage.
        command.set_defaults(parser=command, execute=module.execute)
    return parser


def have_streams(parsed: argparse.Namespace) -> bool:
    """A command whose answer goes to stdout says so if that is closed (sys.stdout is None, as under cron)."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
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
        # The reader (a pager, head) has gone. Let the interpreter's last flush hit nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ImportError, ctracemalloc.FileError) as error:
        print(f"{PROGRAM}: {printable(str(error))}", file=sys.stderr)
        return 2
