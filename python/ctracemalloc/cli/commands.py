"""The commands, and the parser of their arguments.

Model: a command is the module of its name (module_of), with add() and execute(). It is imported only when its arguments are
parsed.
"""

import argparse
import importlib
import keyword
from collections.abc import Sequence

import ctracemalloc

from .arguments import PROGRAM, Parser

COMMANDS = (  # in the order of the help
    "run",
    "report",
    "tree",
    "flamegraph",
    "html",
    "top",
    "diff",
    "timeline",
    "merge",
    "export",
    "import",
    "attach",
    "detach",
    "rss",
    "doctor",
    "completion",
)
ALIASES = {"recording": "timeline"}


def module_of(command: str) -> str:
    """The module's name: the command's, with an underscore if that is a word of Python's."""
    return f"{command}_" if keyword.iskeyword(command) else command


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """names: the commands that the parser has."""
    parser = Parser(prog=PROGRAM, description="Trace the memory a Python program allocates.")
    parser.add_argument("--version", action="version", version=f"ctracemalloc {ctracemalloc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = importlib.import_module(f"{__package__}.{module_of(name)}")
        command = module.add(commands)
        # An error in a command's arguments is reported with the usage of that command.
        command.set_defaults(parser=command, execute=module.execute)
    return parser


def parsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands, by name and alias."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(commands.choices)


def parser_of(parser: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    return parsers_of(parser)[command]
