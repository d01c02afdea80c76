"""`ctracemalloc` and `python -m ctracemalloc`: finds the command and executes it.

Model: a command is the module of its name. Only the module of the given command is imported, so that no command waits for
the imports of others; the help imports all of them. An error that a user can do something about is one line on stderr and an
exit status of its kind.
"""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

import ctracemalloc

from .._words import printable
from ..formats.output import RefusedError
from . import configuration
from .arguments import BAD_FILE, PROGRAM, USAGE, UsageError
from .commands import ALIASES, COMMANDS, build_parser, parser_of
from .program import options_with_value, split_program

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a write; errors of files have a name


def have_streams(parsed: argparse.Namespace) -> bool:
    """False: the answer goes to stdout, which is closed (sys.stdout is None, as under cron); the error is printed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
    if sys.stdout is not None or parsed.command == "run":
        return True
    sys.stdout = io.StringIO()
    if getattr(parsed, "output", None) not in (None, "-"):
        return True
    print(f"{PROGRAM} {parsed.command}: standard output is closed", file=sys.stderr)
    return False


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    program: list[str] = []
    given = [ALIASES.get(name, name) for name in arguments[:1]]
    names = given if given and given[0] in COMMANDS else COMMANDS
    parser = build_parser(names)
    if given and given[0] in COMMANDS:
        configuration.apply(parser, given[0])
    if given == ["run"]:
        options, program = split_program(arguments[1:], options_with_value(parser_of(parser, "run")))
        arguments = ["run", *options]
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    parsed.program = program
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        parsed = parse(sys.argv[1:] if arguments is None else arguments)
        if not have_streams(parsed):
            return USAGE
        status: int = parsed.execute(parsed)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of the pipe (a pager, head) has ended. Let the interpreter's last flush write to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return end_by(signal.SIGPIPE)
    except KeyboardInterrupt:
        return end_by(signal.SIGINT)
    except (UsageError, RefusedError, ImportError) as error:
        complain(str(error))
        return USAGE
    except (OSError, ctracemalloc.FileError) as error:
        complain(text_of(error))
        return BAD_FILE


def complain(text: str) -> None:
    try:
        print(f"{PROGRAM}: {printable(text)}", file=sys.stderr, flush=True)
    except OSError:  # a full disk: the exit status says it
        pass


def text_of(error: Exception) -> str:
    """Without the number that an OSError has before its text, which begins with the file's name as all others do."""
    if isinstance(error, OSError) and isinstance(error.filename, str) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"standard output: {error.strerror}"
    return str(error)


def end_by(signum: int) -> int:
    """The exit status by which a shell names a signal's end."""
    return 128 + signum


def script() -> None:
    """The console script `ctracemalloc`."""
    sys.exit(main())
