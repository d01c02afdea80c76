"""The command line: parses it and calls the module that does the work."""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import ctracemalloc
from ctracemalloc import _record
from ctracemalloc._names import counted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctracemalloc._recording import Recording
    from ctracemalloc._terminal import Style

KEYS = ("lineno", "function", "filename", "traceback")
SORTS = ("size", "count", "peak", "allocated")
MAX_NFRAME = 65535
MAX_SAMPLE_INTERVAL = 1 << 48

FORCE_HELP = "write FILE even if it is something else than such a file, or is read as well"
MERGE_FORM = "where to? merge writes into the file of -o: merge -o OUT IN..."

RUN_EPILOG = """\
The program runs as `python SCRIPT ARGS` would run it: the same exit status,
arguments, sys.path, __main__, standard input and signals. The snapshot is
written and the summary printed (on stderr) when it ends: normally, by an
exception, by sys.exit, by SIGINT, and by SIGTERM if the program does not
handle that itself. os._exit, os.exec*, SIGKILL and other signals end it
without a report."""
RUN_USAGE = """\
%(prog)s [options] SCRIPT [ARGS ...]
       %(prog)s [options] -m MODULE [ARGS ...]
       %(prog)s [options] -c CODE [ARGS ...]"""


class Parser(argparse.ArgumentParser):
    """Words of the command line are names like others."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def nframe_argument(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NFRAME):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number in range [1; {MAX_NFRAME}]")
    return int(text)


def interval_argument(text: str) -> int:
    """Bytes, in the units that sizes are printed in: 65536, 512K, 512KiB, "512 KiB"."""
    match = re.fullmatch(r"(\d{1,15}) ?(?:([KMGT])(?:iB)?|B)?", text, re.IGNORECASE | re.ASCII)
    value = int(match[1]) << (10 * (1 + "KMGT".index(match[2].upper())) if match[2] else 0) if match else 0
    if not 1 <= value <= MAX_SAMPLE_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of bytes from 1 to 256 TiB, as in 65536, 512KiB (512K) or 4MiB"
        )
    return value


def seconds_argument(text: str) -> float:
    try:
        return _record.check_interval(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from {_record.MIN_INTERVAL} to {_record.MAX_INTERVAL:.0f}"
        ) from None


def time_argument(text: str) -> float:
    from ctracemalloc import _recording

    try:
        return _recording.parse_clock(text)
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


def build_run_parser(commands: "argparse._SubParsersAction[Parser]") -> None:
    run = commands.add_parser(
        "run",
        help="run a program and report what it allocated",
        usage=RUN_USAGE,
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument(
        "-n",
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
        "--install",
        action="store_true",
        help="make `import tracemalloc` give ctracemalloc in the program",
    )
    add_output_options(run, "where the snapshot goes (default: ctracemalloc-PID.ctm in the current directory)")
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
    add_table_options(run)


def build_recording_parser(commands: "argparse._SubParsersAction[Parser]") -> None:
    recording = commands.add_parser("recording", help="print memory over time, and what grew between two moments")
    recording.add_argument("file", metavar="FILE")
    recording.add_argument(
        "--from", dest="start", type=time_argument, metavar="TIME", help="the tick nearest to it (default: the first)"
    )
    recording.add_argument("--to", dest="end", type=time_argument, metavar="TIME", help="the same (default: the last tick)")
    add_output_options(recording, "write the snapshot of the moment --to into FILE instead")
    add_table_options(recording)


def build_attach_parsers(commands: "argparse._SubParsersAction[Parser]") -> None:
    attach = commands.add_parser(
        "attach", help="look into a running program's black box, or start tracing in one (Python 3.14)"
    )
    attach.add_argument("target", metavar="PID|FILE")
    attach.add_argument(
        "--interval", type=seconds_argument, default=1.0, metavar="SECONDS", help="between two looks (default: 1)"
    )
    attach.add_argument("--count", type=top_argument, metavar="N", help="looks (default: until the program ends)")
    add_output_options(attach, "write a snapshot of now into FILE instead")
    attach.add_argument(
        "-n", dest="nframe", type=nframe_argument, default=1, metavar="NFRAME", help="frames kept, if tracing is started"
    )
    add_table_options(attach)
    detach = commands.add_parser("detach", help="stop the tracing that attach has started (Python 3.14)")
    detach.add_argument("pid", type=int, metavar="PID")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m ctracemalloc", description="Trace the memory a Python program allocates.")
    parser.add_argument("--version", action="version", version=f"ctracemalloc {ctracemalloc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    build_run_parser(commands)

    report = commands.add_parser("report", help="print a saved snapshot")
    report.add_argument("file", metavar="FILE")
    add_table_options(report)
    add_grouping_options(report)

    diff = commands.add_parser("diff", help="print what changed between two saved snapshots")
    diff.add_argument("old", metavar="OLD")
    diff.add_argument("new", metavar="NEW")
    add_table_options(diff)
    add_grouping_options(diff)

    build_recording_parser(commands)
    merge = commands.add_parser("merge", help="make one snapshot of many")
    add_output_options(merge, "where the snapshot of all goes")
    merge.add_argument("files", metavar="IN", nargs="+")
    merge.add_argument(
        "--label",
        dest="labels",
        action="append",
        type=label_argument,
        default=[],
        metavar="NAME=VALUE",
        help="one more label for all blocks; they have source, pid and command anyway",
    )

    build_attach_parsers(commands)
    commands.add_parser("doctor", help="check that tracing is exact on this interpreter")
    for command in commands.choices.values():
        command.set_defaults(own=command)  # what is wrong with a command's words is told with its usage
    return parser


def split_program(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split what follows `run` into its own options and the program with its arguments."""
    takes_value = ("-n", "-o", "--top", "--key", "--sample-interval", "--record", "--record-interval", "--black-box")
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            return list(arguments[:index]), list(arguments[index + 1 :])
        is_program = word[:2] in ("-m", "-c") or word == "-" or not word.startswith("-")
        if is_program:
            break
        index += 2 if word in takes_value else 1
    return list(arguments[:index]), list(arguments[index:])


def have_streams(parsed: argparse.Namespace) -> bool:
    """A command whose answer goes to stdout says so if that is closed (sys.stdout is None, as under cron)."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is not None or parsed.command == "run":
        return True
    sys.stdout = io.StringIO()
    if getattr(parsed, "output", None):
        return True
    print(f"python -m ctracemalloc {parsed.command}: standard output is closed", file=sys.stderr)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = build_parser()
    program: list[str] = []
    if arguments[:1] == ["run"]:
        options, program = split_program(arguments[1:])
        arguments = ["run", *options]
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        parsed.own.error(f"unrecognized arguments: {' '.join(unknown)}")
    if not have_streams(parsed):
        return 2
    try:
        return dispatch(parser, parsed, program)
    except BrokenPipeError:
        # The reader (a pager, head) has gone. Let the interpreter's last flush hit nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ImportError, ctracemalloc.FileError) as error:
        print(f"{parser.prog}: {printable(str(error))}", file=sys.stderr)
        return 2


def merge_files(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> int:
    from ctracemalloc import _compression, _losses, _output, _report, _source, _terminal

    if parsed.output is None:
        parsed.own.error(MERGE_FORM)
    _output.check(parsed.output, _output.SNAPSHOT, inputs=parsed.files, force=parsed.force)
    for path in parsed.files:
        _source.expect(path, _output.SNAPSHOT, _output.BLACK_BOX)
    try:
        merged = ctracemalloc.Snapshot.merge(parsed.files, labels=dict(parsed.labels))
    except ValueError as error:
        if isinstance(error, ctracemalloc.FileError):
            raise
        print(f"{parser.prog}: {printable(str(error))}", file=sys.stderr)
        return 2
    merged.dump(parsed.output, compression=_compression.of_name(parsed.output))
    files, amount = counted(len(parsed.files), "snapshot"), _report.amount_text(_report.totals_of(merged))
    out = sys.stderr if _output.is_stream(parsed.output, 1) else sys.stdout
    style = _terminal.Style.for_stream(out, refused=True)
    print(style.name(f"{parsed.output}: {files}, {amount}"), file=out)
    for line in _terminal.fact_lines([*_report.sample_facts(merged), *_losses.facts(merged)], style):
        print(line, file=out)
    return 0


def dispatch(parser: argparse.ArgumentParser, parsed: argparse.Namespace, program: list[str]) -> int:
    if parsed.command == "doctor":
        from ctracemalloc import _checkup

        return _checkup.print_facts(sys.stdout)
    if parsed.command == "run":
        from ctracemalloc import _run

        problem = _run.launch(parsed, program)
        parser.exit(2, f"{parser.prog} run: {printable(problem)}\n")
    if parsed.command in ("attach", "detach"):
        from ctracemalloc import _attach

        return _attach.main(parsed)
    if parsed.command == "recording":
        return print_recording(parsed)
    if parsed.command == "merge":
        return merge_files(parser, parsed)
    if parsed.cumulative and parsed.key not in ("lineno", "filename"):
        parsed.own.error(f"--cumulative goes with --key lineno or filename, not {parsed.key}")
    print_lines(report_lines(parsed) if parsed.command == "report" else diff_lines(parsed))
    return 0


def style_of(parsed: argparse.Namespace) -> "Style":
    from ctracemalloc import _terminal

    return _terminal.Style.for_stream(sys.stdout, parsed.no_color)


def report_lines(parsed: argparse.Namespace) -> list[str]:
    from ctracemalloc import _report, _source

    style = style_of(parsed)
    source = _source.load(parsed.file)
    rows = {"cumulative": parsed.cumulative, "sort": parsed.sort}
    with _source.naming(parsed.file):
        if parsed.at_peak:
            peak, merged = _source.peak_of(source, parsed.file), _report.merged_of(source.snapshot)
            return _report.format_peak(peak, parsed.key, parsed.top, style, **rows, merged=merged)
        return _report.format_snapshot(source.snapshot, parsed.key, parsed.top, style, **rows, run=source.run)


def diff_lines(parsed: argparse.Namespace) -> list[str]:
    from ctracemalloc import _report, _source

    style = style_of(parsed)
    sources = _source.load(parsed.old), _source.load(parsed.new)
    old, new = (source.snapshot for source in sources)
    if parsed.at_peak:
        old, new = _source.peak_of(sources[0], parsed.old), _source.peak_of(sources[1], parsed.new)
    with _source.naming(f"{parsed.old}, {parsed.new}"):
        return _report.format_diff(old, new, parsed.key, parsed.top, style, cumulative=parsed.cumulative, sort=parsed.sort)


def print_recording(parsed: argparse.Namespace) -> int:
    from ctracemalloc import _output, _source, _timeline

    if parsed.output is not None:
        _output.check(parsed.output, _output.SNAPSHOT, inputs=[parsed.file], force=parsed.force)
    recording = _source.open_recording(parsed.file)
    try:
        if parsed.output is not None:
            write_moment(recording, parsed)
            return 0
        lines = _timeline.format_recording(
            recording, parsed.key, parsed.top, style_of(parsed), start=parsed.start, end=parsed.end
        )
    except ctracemalloc.FileError:
        raise
    except ValueError as error:  # a moment that is not there
        parsed.own.error(str(error))
    print_lines(lines)
    return 0


def write_moment(recording: "Recording", parsed: argparse.Namespace) -> None:
    from ctracemalloc import _compression, _source

    snapshot = recording.snapshot(parsed.end)
    snapshot.run = _source.of_moment(recording, parsed.end)
    snapshot.dump(parsed.output, compression=_compression.of_name(parsed.output))


def print_lines(lines: list[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
