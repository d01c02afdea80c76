"""`export`: writes a file in the format of another tool."""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

from .._ctracemalloc import FileError, Snapshot
from ..export.formats import FORMATS, Format, format_of_name, kind_of
from ..export.selected import Selected
from ..formats import kinds, output
from ..formats.output import RefusedError
from ..formats.whole import write_whole
from ..model.figures import LIVE
from ..model.sums import sums_of
from ..places.patterns import Patterns
from ..render.text import losses
from ..render.text.samples import sample_facts
from ..render.text.style import Style
from ..render.text.tables import fact_lines
from ..render.text.units import SELECTED, format_bytes, share_text
from . import sources
from .arguments import OPTIONS, Commands, Parser, UsageError, add_measures, add_output_options, add_patterns, time_argument
from .progress import working
from .report import FILE_HELP
from .sources import Source

WHICH = "which format? -f NAME, or a file name of -o that says it (.pb.gz); NAME is one of {names}"
SAVED = "ctracemalloc"  # the name, but for its ending, of what is made of standard input


def add(commands: Commands) -> Parser:
    export = commands.add_parser("export", help="write a file in the format of another tool: pprof, speedscope, Parquet ...")
    export.add_argument("file", metavar="FILE", nargs="?", help=FILE_HELP)
    export.add_argument("--at", type=time_argument, metavar="TIME", help="the moment of a recording (default: the last)")
    names = ", ".join(FORMATS)
    export.add_argument(
        "-f", "--format", metavar="NAME", choices=FORMATS, help=f"one of {names} (default: what the ending of -o says)"
    )
    add_output_options(export, "where it goes; - is standard output (default: the name of FILE with the ending of the format)")
    add_measures(export)
    add_patterns(export)
    return export


def execute(parsed: argparse.Namespace) -> int:
    form = format_of(parsed)
    measure = measure_of(parsed, form)
    path = sources.newest_file(kinds.RECORDING if form.over_time else None) if parsed.file is None else parsed.file
    target = default_name(path, form) if parsed.output is None else parsed.output
    check_target(target, form, path, parsed.force)
    if form.over_time:
        export_recording(parsed, form, path, target)
        return 0
    source = sources.load(path, parsed.at)
    for each in (*form.needs, measure):
        sources.check_known(source, each)
    selected, size = write(source, form, measure, target, parsed)
    facts = [*selection_facts(selected), *facts_of(source.snapshot)]
    print_written(Written(target, size, form, path, parsed.file is None), facts)
    return 0


class Written(NamedTuple):
    target: str
    size: int  # bytes
    form: Format
    path: str  # of what
    newest: bool  # the path was not given: it is the newest file


def export_recording(parsed: argparse.Namespace, form: Format, path: str, target: str) -> None:
    for option, given in (("--at", parsed.at is not None), ("--include", parsed.include), ("--exclude", parsed.exclude)):
        if given:
            raise UsageError(f"{option} does not go with -f {form.name}, which is of all moments and all code")
    with sources.opened(path) as real:
        if (found := kinds.kind_of(real)) not in (None, kinds.RECORDING):
            raise FileError(
                f"{path}: it is a {found}, not a recording, which `run --record FILE` makes and -f {form.name} is of"
            )
        recording = sources.open_recording(path, real)
        if not len(recording):
            raise FileError(f"{path}: the recording has no moments")
        facts = losses.facts(recording)
        with sources.naming(path, kinds.RECORDING, real), working(f"writing {target}"):
            size = write_pieces(form.pieces_over_time()(recording, texts_of(facts)), target)
    print_written(Written(target, size, form, path, parsed.file is None), facts)


def format_of(parsed: argparse.Namespace) -> Format:
    form = FORMATS.get(parsed.format) if parsed.format else format_of_name(parsed.output or "")
    if form is None:
        parser: Parser = parsed.parser
        parser.error(WHICH.format(names=", ".join(FORMATS)))
    return form


def measure_of(parsed: argparse.Namespace, form: Format) -> str:
    measure: str = parsed.measure or LIVE
    if parsed.measure and measure not in form.measures:
        has = "has what is live or what was live at the peak" if form.measures else "has all figures"
        raise UsageError(f"{OPTIONS[measure]} does not go with -f {form.name}: a {form.kind} {has}")
    return measure


def default_name(path: str, form: Format) -> str:
    """In the current directory."""
    stem = SAVED if path == sources.STDIN else output.split_ending(os.path.basename(path))[0]
    return stem + form.endings[0]


def check_target(target: str, form: Format, path: str, force: bool) -> None:
    if target == output.STDOUT and not form.is_text and os.isatty(1):
        raise RefusedError(f"-: standard output is a terminal, and a {form.kind} is no text; redirect it, or give -o a file")
    output.check(target, form.kind, inputs=[path], force=force, told_by=kind_of)


def write(source: Source, form: Format, measure: str, target: str, parsed: argparse.Namespace) -> tuple[Selected, int]:
    """What is in the file, and its number of bytes."""
    patterns = Patterns(parsed.include, parsed.exclude)
    with sources.naming(source.path), working(f"writing {target}"):
        selected = Selected(source.snapshot, run=source.run, patterns=patterns, any_frame=parsed.all_frames)
        size = write_pieces(form.pieces()(selected, measure, texts_of(facts_of(source.snapshot))), target)
    return selected, size


def write_pieces(made: Iterator[bytes], target: str) -> int:
    """The number of bytes."""
    pieces = Counted(made)
    if target != output.STDOUT:
        write_whole(target, pieces)
    else:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
    return pieces.size


class Counted:
    """Pieces, whose bytes are counted as they pass."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.size = pieces, 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.size += len(piece)
            yield piece


def facts_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    """What readers of the numbers should know: (name, text)."""
    return [*sample_facts(snapshot), *losses.facts(snapshot)]


def selection_facts(selected: Selected) -> list[tuple[str, str]]:
    """How much of the whole the patterns left."""
    if not selected.patterns:
        return []
    part, whole = selected.tree.total_size[0], sums_of(selected.snapshot).size
    return [(SELECTED, f"{share_text(part, whole)}: the file is of these blocks")]


def texts_of(facts: list[tuple[str, str]]) -> list[str]:
    """The same for formats that have room for it."""
    return [f"{name}: {text}" for name, text in facts]


def print_written(written: Written, facts: list[tuple[str, str]]) -> None:
    """One line, and what is lost; on stderr if the file went to standard output."""
    is_stdout = output.is_stream(written.target, 1)
    out = sys.stderr if is_stdout else sys.stdout
    style = Style.for_stream(out, refused=True)
    if not is_stdout:
        newest = ", the newest file here" if written.newest else ""
        size = format_bytes(written.size)
        print(style.name(f"{written.target}: {written.form.kind} of {written.path}{newest}, {size}"), file=out)
    for line in fact_lines(facts, style):
        print(line, file=out)
