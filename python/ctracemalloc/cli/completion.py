"""`completion`: prints the code that completes the command in a shell."""

import argparse
import os

from ..model.frames import KEYS
from .arguments import Commands, Parser, UsageError
from .commands import build_parser, parsers_of

SHELLS = ("bash", "zsh", "fish", "tcsh")
EXTRA = "completion needs the package shtab: pip install 'ctracemalloc[cli]'"
EPILOG = """\
The code belongs into a file of the shell's:
bash: ~/.local/share/bash-completion/completions/ctracemalloc
zsh:  _ctracemalloc, in a folder of $fpath
fish: ~/.config/fish/completions/ctracemalloc.fish"""
FILES = ("file", "files", "old", "new", "output", "black_box", "record", "target")  # destinations that are names of files


def add(commands: Commands) -> Parser:
    completion = commands.add_parser(
        "completion",
        help="print the code that completes this command in a shell",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS, nargs="?", help="default: the one of $SHELL")
    return completion


def execute(parsed: argparse.Namespace) -> int:
    shell = parsed.shell or os.path.basename(os.environ.get("SHELL", ""))
    if shell not in SHELLS:
        raise UsageError(f"which shell? completion takes {', '.join(SHELLS)}")
    print(code_for(shell))
    return 0


def code_for(shell: str) -> str:
    try:
        import shtab  # imported late: 57 ms
    except ImportError:
        raise ImportError(EXTRA) from None

    parser = build_parser()
    parser.prog = "ctracemalloc"
    for command in parsers_of(parser).values():
        for action in command._actions:
            if action.dest in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.dest == "key" and action.choices is None and action.nargs != 0:
                action.choices = KEYS
    return str(shtab.complete(parser, shell=shell))
