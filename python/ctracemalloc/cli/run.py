"""`run`: the launcher.

Model: the launcher replaces itself by the program. launch() replaces this process (execve) by `python [the same interpreter
options] -X ctracemalloc_run=SETTINGS PROGRAM ARGS`. So __main__, sys.argv, sys.path, tracebacks, exit status, standard input
and multiprocessing are the interpreter's own, and no frame of this package is below the program's.

In the new process `ctracemalloc.pth` finds the option and calls run/begin.py, which starts tracing before the program's
first line. Where that file is not installed (the package is on PYTHONPATH only), the launcher puts the folder
`_startup/pythonpath` on PYTHONPATH; its sitecustomize does the same and removes the folder again.
"""

import argparse
import os
import posix
import sys

from .._messages import complain
from .._words import printable
from ..formats import compression, kinds, output
from ..render.text.style import Style, is_terminal
from ..run import journal
from ..run.settings import FOLLOW_VARIABLE, RUN_OPTION, RecordOptions, Settings
from ..run.startup import HOOK, STARTUP_FOLDER, add_paths, hook_is_installed
from . import wrapper
from .arguments import (
    PROGRAM,
    Commands,
    Parser,
    add_output_options,
    add_table_options,
    interval_argument,
    labels_argument,
    nframe_argument,
    seconds_argument,
    table_view_of,
)
from .program import can_begin, script_of

SNAPSHOT_SUFFIX = ".ctm"

EPILOG = """\
The program runs as `python SCRIPT ARGS` would run it: the same exit status,
arguments, sys.path, __main__, standard input and signals. The snapshot is
written and the summary printed (on stderr) when it ends: normally, by an
exception, by sys.exit, by SIGINT, and by SIGTERM if the program does not
handle that itself. os._exit, os.exec*, SIGKILL and other signals end it
without a report."""
USAGE = """\
%(prog)s [options] SCRIPT [ARGS ...]
       %(prog)s [options] -m MODULE [ARGS ...]
       %(prog)s [options] -c CODE [ARGS ...]"""


def add(commands: Commands) -> Parser:
    run = commands.add_parser(
        "run",
        help="run a program and report what it allocated",
        usage=USAGE,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument(
        "-n",
        "--nframe",
        dest="nframe",
        type=nframe_argument,
        default=1,
        metavar="NFRAME",
        help="frames kept of each traceback (default: 1)",
    )
    run.add_argument(
        "--sample-interval",
        type=interval_argument,
        metavar="BYTES",
        help="trace a sample, about one block in so many bytes (512KiB, 4MiB, ...); cheaper, and all sizes are estimates",
    )
    run.add_argument(
        "--labels",
        type=labels_argument,
        default=[],
        metavar="NAMES",
        help="label blocks with the name of their thread, their asyncio task, or both: thread, task or thread,task",
    )
    run.add_argument(
        "--install",
        action="store_true",
        help="make `import tracemalloc` give ctracemalloc in the program",
    )
    add_output_options(run, "where the snapshot goes; a directory: to ctracemalloc.PID.ctm there (default: the current one)")
    run.add_argument(
        "--black-box",
        metavar="FILE",
        help="keep the tables in FILE as well, whatever ends the program; auto: in the default place, for attach",
    )
    run.add_argument(
        "--black-box-children",
        action="store_true",
        help="forks of the program get black boxes of their own, in FILE.PID",
    )
    run.add_argument(
        "--zstd",
        action="store_true",
        help="compress the snapshot (also if FILE ends in .zst); the default FILE ends in .zst then",
    )
    run.add_argument("--record", metavar="FILE", help="also record memory over time into FILE")
    run.add_argument(
        "--record-interval",
        type=seconds_argument,
        default=1.0,
        metavar="SECONDS",
        help="time between two ticks of the recording (default: 1)",
    )
    run.add_argument(
        "--record-children",
        action="store_true",
        help="forks of the program get recordings of their own, in FILE.PID",
    )
    run.add_argument(
        "--follow-children",
        action="store_true",
        help="trace all Python processes that descend from the program as well, each into files of its own, ctracemalloc.PID.*;"
        " -o names their directory",
    )
    view = run.add_mutually_exclusive_group()
    view.add_argument("--live", action="store_true", help="show the live view beside the program, whose output goes to a file")
    view.add_argument("--live-remote", action="store_true", help="say how to open the live view in another terminal")
    add_table_options(run)
    return run


def execute(parsed: argparse.Namespace) -> int:
    problem = problem_with(parsed, parsed.program) if parsed.live or parsed.live_remote else ""
    if not problem and (parsed.live or parsed.live_remote):
        from . import live  # imported late: other runs need none of it

        if parsed.live:
            return live.run_beside(parsed, lambda: launch(parsed, parsed.program))
        live.announce(parsed)
    problem = problem or launch(parsed, parsed.program)
    parsed.parser.exit(2, f"{PROGRAM} run: {printable(problem)}\n")
    return 2


def launch(parsed: argparse.Namespace, program: list[str]) -> str:
    """Replace this process by the program. Returns only if that fails: a text that says why."""
    problem = problem_with(parsed, program)
    if problem:
        return problem
    options, started_as = wrapper.split_command(sys.orig_argv[1:])
    wrapper_name = wrapper.wrapper_of(started_as)
    if wrapper.is_console_script(started_as):
        options = []  # they are the script's, not the user's
    executable = wrapper.executable(wrapper_name is not None)
    words = ["--", *program] if is_like_an_option(program) else program
    environment = dict(os.environ)
    command = [executable, *options, *words]
    if can_begin(program):  # if not, the interpreter reports it, and nothing is left to do
        if wrapper_name is not None:
            add_paths(environment, wrapper.paths_of_application(started_as))
        if not hook_is_installed():
            add_paths(environment, [STARTUP_FOLDER])
        settings = settings_of(parsed)
        if parsed.follow_children:
            try:
                environment[FOLLOW_VARIABLE] = create_journal(parsed, settings)
            except OSError as error:
                return str(error)
        command = [executable, *options, "-X", f"{RUN_OPTION}={settings.encode()}", *words]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None: closed, as under cron
            stream.flush()
    if wrapper_name is not None:
        complain(f"the program takes the place of {wrapper_name}, which ends here without a result")
        wrapper.end_timers()
    posix.execve(executable, command, environment)  # not os.execve, which debuggers replace


def problem_with(parsed: argparse.Namespace, program: list[str]) -> str:
    """Why the program cannot be traced; "": it can."""
    if not program:
        return "what to run? give a SCRIPT, -m MODULE or -c CODE"
    if program[0] in ("-m", "-c") and len(program) == 1:
        return f"{program[0]} needs an argument"
    if not sys.executable:
        return "this interpreter does not know its own path (sys.executable is empty)"
    if sys.flags.no_site:
        return "tracing from the first line needs the site module (do not give python -S)"
    try:
        check_outputs(parsed, program)
        if wants_zstd(parsed):
            compression.library()
    except (OSError, ImportError) as error:
        return str(error)
    if sys.flags.ignore_environment and not hook_is_installed():
        return f"{HOOK} is not in site-packages, and python -E or -I rules out PYTHONPATH"
    return ""


def is_like_an_option(program: list[str]) -> bool:
    """Is it a file whose name looks like an option?"""
    return program[0].startswith("-") and script_of(program) is not None


def wants_zstd(parsed: argparse.Namespace) -> bool:
    return parsed.zstd or compression.of_name(parsed.output or "") is not None


def settings_of(parsed: argparse.Namespace) -> Settings:
    path = "" if parsed.output is None else os.path.abspath(path_of(parsed))
    settings = Settings(parsed.nframe, parsed.sample_interval or 0, parsed.install, path)
    view = table_view_of(parsed, terminal=is_terminal(2))
    settings.key, settings.limit, settings.fold = view.key, view.limit, view.fold
    settings.source = not parsed.no_source
    settings.labels = parsed.labels
    settings.zstd = wants_zstd(parsed)
    if parsed.record is not None:
        settings.record = RecordOptions(parsed.record_interval, parsed.record_children, os.path.abspath(parsed.record))
    if parsed.black_box is not None:
        settings.black_box = "auto" if parsed.black_box == "auto" else os.path.abspath(parsed.black_box)
        settings.box_children = parsed.black_box_children
    settings.force = parsed.force
    settings.color = Style.wanted(2, parsed.no_color)
    return settings


def path_of(parsed: argparse.Namespace) -> str:
    """The file that -o names; in a directory, one with the usual name. The program will have this process's id."""
    given: str = parsed.output
    if not parsed.follow_children and given.endswith(os.sep):
        os.makedirs(given, exist_ok=True)
    if parsed.follow_children or not os.path.isdir(given):
        return given
    suffix = compression.SUFFIX if parsed.zstd else ""
    return output.free_name(os.path.join(given, f"ctracemalloc.{os.getpid()}{SNAPSHOT_SUFFIX}{suffix}"))


def check_outputs(parsed: argparse.Namespace, program: list[str]) -> None:
    """OSError if an output file must not be written, or cannot be."""
    if parsed.output == output.STDOUT:
        raise output.RefusedError("standard output is the program's: give -o a file or a directory")
    black_box = None if parsed.black_box == "auto" else parsed.black_box
    outputs = [
        (None if parsed.output is None else path_of(parsed), kinds.SNAPSHOT),
        (parsed.record, kinds.RECORDING),
        (black_box, kinds.BLACK_BOX),
    ]
    if parsed.follow_children:
        check_folder(folder_of(parsed))
        outputs = [(path, kind) for path, kind in outputs[1:] if path is None or not os.path.isdir(path)]
    path = script_of(program)
    script = [] if path is None else [path]
    output.check_all(outputs, inputs=script, force=parsed.force)
    if parsed.force and black_box is not None and not os.path.isdir(black_box):
        output.remove_other_kind(black_box, kinds.BLACK_BOX, script)  # the core overwrites only black boxes


def folder_of(parsed: argparse.Namespace) -> str:
    """The directory for the files of all processes."""
    return os.path.abspath(parsed.output or ".")


def check_folder(folder: str) -> None:
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise output.RefusedError(f"with --follow-children, -o names a directory: {folder} is a file")
    if not os.path.isdir(folder):
        if folder.endswith((SNAPSHOT_SUFFIX, compression.SUFFIX)):
            raise output.RefusedError(f"with --follow-children, -o names a directory, not a file like {folder}")
        output.check_folder(folder)
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise output.RefusedError(f"the directory {folder} may not be written")


def create_journal(parsed: argparse.Namespace, settings: Settings) -> str:
    """Make the directory if there is none, and in it the journal, named after this process, which the program will be."""
    folder = folder_of(parsed)
    os.makedirs(folder, exist_ok=True)
    name, number = f"ctracemalloc.{os.getpid()}", 2
    path = os.path.join(folder, name + journal.SUFFIX)
    while not output.claim(path):
        path, number = os.path.join(folder, f"{name}-{number}{journal.SUFFIX}"), number + 1
    settings.output, settings.journal = "", path
    journal.create(path, os.getpid(), settings.encode())
    return path
