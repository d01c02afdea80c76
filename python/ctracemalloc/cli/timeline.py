"""`timeline` (also `recording`): prints memory over time, or saves the snapshot of a moment."""

import argparse

from .._ctracemalloc import FileError
from ..formats import compression, kinds, output
from ..model.origin import run_of_moment
from ..model.table import table_of
from ..recording.reading import Recording
from ..recording.ticks import Ticks
from ..render.documents import timeline_document
from ..render.text.recording import format_recording
from . import sources
from .arguments import Commands, Parser, add_output_options, add_view_options, time_argument, view_of
from .stdout import on_terminal, print_document, print_lines, style_of


def add(commands: Commands) -> Parser:
    timeline = commands.add_parser(
        "timeline", aliases=["recording"], help="print memory over time, and what grew between two moments"
    )
    timeline.add_argument("file", metavar="FILE", nargs="?", help="a recording (default: the newest here)")
    timeline.add_argument(
        "--from", dest="start", type=time_argument, metavar="TIME", help="the tick nearest to it (default: the first)"
    )
    timeline.add_argument("--to", dest="end", type=time_argument, metavar="TIME", help="the same (default: the last tick)")
    add_output_options(timeline, "write the snapshot of the moment --to into FILE instead")
    add_view_options(timeline)
    return timeline


def execute(parsed: argparse.Namespace) -> int:
    view = view_of(parsed, terminal=on_terminal())
    path = sources.newest_file(kinds.RECORDING) if parsed.file is None else parsed.file
    if parsed.output is not None:
        output.check(parsed.output, kinds.SNAPSHOT, inputs=[path], force=parsed.force)
    with sources.opened(path) as real:
        recording = sources.open_recording(path, real)
        if not len(recording) and (parsed.output is not None or parsed.format != "text"):
            raise FileError(f"{path}: the recording has no moments")
        try:
            if parsed.output is not None:
                write_moment(recording, parsed)
            elif parsed.format == "text":
                style = style_of(parsed)
                title = path if parsed.file is not None else f"{path}, the newest recording here"
                print_lines(format_recording(recording, view, style, start=parsed.start, end=parsed.end, name=title))
            else:
                first, last = Ticks(recording.times, recording.interval).range(parsed.start, parsed.end)
                times = recording.times
                snapshots = [recording.snapshot(times[first]), recording.snapshot(times[last])]
                document = timeline_document(recording, (first, last), table_of(snapshots, view), view, path)
                print_document(document, parsed.format)
        except FileError:
            raise
        except ValueError as error:  # no such moment
            parsed.parser.error(str(error))
    return 0


def write_moment(recording: Recording, parsed: argparse.Namespace) -> None:
    snapshot = recording.snapshot(parsed.end)
    snapshot.run = run_of_moment(recording, parsed.end)
    output.save(snapshot, parsed.output, compression.of_name(parsed.output))
