"""`recording`: prints memory over time as text, or saves the snapshot of a moment."""

import argparse

from .._ctracemalloc import FileError
from ..formats import compression, kinds, output
from ..model.origin import run_of_moment
from ..recording.reading import Recording
from ..render.text.recording import format_recording
from . import sources
from .arguments import Commands, Parser, add_output_options, add_table_options, time_argument
from .stdout import print_lines, style_of


def add(commands: Commands) -> Parser:
    recording = commands.add_parser("recording", help="print memory over time, and what grew between two moments")
    recording.add_argument("file", metavar="FILE")
    recording.add_argument(
        "--from", dest="start", type=time_argument, metavar="TIME", help="the tick nearest to it (default: the first)"
    )
    recording.add_argument("--to", dest="end", type=time_argument, metavar="TIME", help="the same (default: the last tick)")
    add_output_options(recording, "write the snapshot of the moment --to into FILE instead")
    add_table_options(recording)
    return recording


def execute(parsed: argparse.Namespace) -> int:
    if parsed.output is not None:
        output.check(parsed.output, kinds.SNAPSHOT, inputs=[parsed.file], force=parsed.force)
    recording = sources.open_recording(parsed.file)
    try:
        if parsed.output is not None:
            write_moment(recording, parsed)
            return 0
        lines = format_recording(recording, parsed.key, parsed.top, style_of(parsed), start=parsed.start, end=parsed.end)
    except FileError:
        raise
    except ValueError as error:  # no such moment
        parsed.parser.error(str(error))
    print_lines(lines)
    return 0


def write_moment(recording: Recording, parsed: argparse.Namespace) -> None:
    snapshot = recording.snapshot(parsed.end)
    snapshot.run = run_of_moment(recording, parsed.end)
    snapshot.dump(parsed.output, compression=compression.of_name(parsed.output))
