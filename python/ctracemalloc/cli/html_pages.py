"""What `flamegraph` and `html` share: from files to the data sets of one page, and the file that it is written into.

Model: one snapshot, black box or pickle is one data set; of two the first is the base of a difference. A recording is one data
set with many states, or a snapshot if --at says which moment. A directory is a run whose children were followed: a data set of
all processes together, and one of each of the largest.
"""

import argparse
import os
import sys
import time
import webbrowser
from collections.abc import Sequence

from .._words import counted
from ..formats import kinds, output
from ..formats.whole import write_whole
from ..model.figures import LIVE
from ..model.graph import LEAST_PERCENT, Least
from ..model.processes import Processes
from ..places.patterns import Patterns
from ..render.html import datasets
from ..render.html.datasets import Choice
from ..render.html.document import PAGE, PROCESSES, TIMELINE, Named, kind_of_page, page
from ..render.text.processes import what
from ..render.text.style import Style
from ..render.text.tables import fact_lines
from ..render.text.units import SELECTED, format_bytes
from . import processes, sources
from .arguments import Parser, UsageError, add_measures, add_output_options, add_patterns, threshold_argument, time_argument
from .progress import working
from .sources import Source

FILE_HELP = (
    "a snapshot, black box or recording, a file of tracemalloc, or the directory of a run that followed its children; "
    "of two, the first is the base; - is standard input (default: the newest here)"
)
MOST_PROCESSES = 50  # with a data set of their own
ORDERS = ("size", "count")


def add_page_options(command: Parser, ending: str) -> None:
    """ending: of the name of a page whose name is not given."""
    command.set_defaults(ending=ending)
    command.add_argument("files", metavar="FILE", nargs="*", help=FILE_HELP)
    add_output_options(command, f"the page; - is standard output (default: the name of FILE, with the ending {ending}, here)")
    command.add_argument("--at", type=time_argument, metavar="TIME", help="one moment of a recording (default: all of it)")
    command.add_argument("--title", help="of the page (default: the names of the files)")
    command.add_argument("--browser", action="store_true", help="open the page in a browser")
    add_measures(command)
    command.add_argument("--sort", choices=ORDERS, default=ORDERS[0], help="what the page shows first: bytes or blocks")
    add_patterns(command)
    command.add_argument(
        "--threshold",
        type=threshold_argument,
        metavar="PERCENT|SIZE",
        help=f"merge calls that are below this in every figure (default: {LEAST_PERCENT}%% if there are very many, else 0)",
    )


def write_page(parsed: argparse.Namespace, sections: Sequence[str]) -> int:
    """Read the files, write the page, and say so."""
    if len(parsed.files) > 2:
        raise UsageError(f"{parsed.command} takes one file, or two to compare")
    if parsed.browser and parsed.output == output.STDOUT:
        raise UsageError("--browser needs a file, and -o is standard output")
    files = parsed.files or [sources.newest_file()]
    target = default_name(files[-1], parsed.ending) if parsed.output is None else parsed.output
    output.check(target, PAGE, inputs=files, force=parsed.force, told_by=kind_of_page)
    if target == output.STDOUT:
        output.refuse_terminal()
    found = named_datasets(files, parsed)
    with working(f"writing {target}"):
        title = parsed.title or " -> ".join(os.path.basename(os.path.normpath(file)) for file in files)
        text = page(title, found, having(sections, found), created=time.time(), measure=parsed.measure or LIVE, by=parsed.sort)
        content = text.encode("ascii", "xmlcharrefreplace")
        if target == output.STDOUT:
            sys.stdout.buffer.write(content)
        else:
            write_whole(target, [content])
    if not output.is_stream(target, 1):
        print_written(target, len(content), found)
    if parsed.browser:
        webbrowser.open("file://" + os.path.realpath(target))
    return 0


def print_written(target: str, size: int, found: Sequence[Named]) -> None:
    """One line, and how much the patterns left, if there are some. size: bytes."""
    style = Style.for_stream(sys.stdout, refused=True)
    print(style.name(f"{target}: {format_bytes(size)}, {summary_of(found)}"), flush=True)
    for line in fact_lines([fact for fact in found[0].dataset.facts if fact[0] == SELECTED], style):
        print(line, flush=True)


def having(sections: Sequence[str], found: Sequence[Named]) -> list[str]:
    """Without the sections that are of recordings, or of runs with several processes, only."""
    recorded = any(named.dataset.ticks is not None for named in found)
    several = any(named.dataset.processes is not None for named in found)
    absent = {*(() if recorded else (TIMELINE,)), *(() if several else (PROCESSES,))}
    return [section for section in sections if section not in absent]


def default_name(file: str, ending: str) -> str:
    if file == sources.STDIN:
        raise UsageError("which name? FILE is standard input, so -o has to say where the page goes")
    base = os.path.basename(os.path.normpath(os.path.realpath(file) if os.path.isdir(file) else file))
    stem = base if os.path.isdir(file) else output.split_ending(base)[0]
    return stem + ending


def summary_of(found: Sequence[Named]) -> str:
    graphs = [named.dataset.graph for named in found]
    calls = sum(len(graph.parent) - 1 - len(graph.merged) for graph in graphs)  # without the root, and what stands for others
    merged = sum(sum(graph.merged) for graph in graphs)
    text = counted(calls, "call")
    return f"{text}, {merged:,} more merged" if merged else text


# --- data sets ---


def choice_of(parsed: argparse.Namespace) -> Choice:
    patterns = Patterns(parsed.include, parsed.exclude)
    return Choice(patterns, parsed.all_frames, least_of(parsed), not parsed.no_source)


def least_of(parsed: argparse.Namespace) -> Least | None:
    return None if parsed.threshold is None else Least(*parsed.threshold)


def named_datasets(files: Sequence[str], parsed: argparse.Namespace) -> list[Named]:
    choice = choice_of(parsed)
    if len(files) == 2:
        return [difference([load(file, parsed) for file in files], choice)]
    (file,) = files
    if file != sources.STDIN and os.path.isdir(file):
        return of_folder(file, parsed, choice)
    if parsed.at is None:
        with sources.opened(file) as real:
            if kinds.kind_of(real) == kinds.RECORDING:
                recording = sources.open_recording(file, real)
                with sources.naming(file, kinds.RECORDING), working(f"reading {file}"):
                    return [Named(file, recording.command, datasets.of_recording(recording, choice))]
            source = load(file if real == file else real, parsed)._replace(path=file)
    else:
        source = load(file, parsed)
    return [Named(source.path, "", datasets.of_snapshot(source.snapshot, source.run, choice, source.path))]


def load(file: str, parsed: argparse.Namespace) -> Source:
    source = sources.load(file, parsed.at)
    sources.check_known(source, parsed.measure or LIVE)
    return source


def difference(loaded: Sequence[Source], choice: Choice) -> Named:
    older, newer = loaded
    runs = [source.run for source in loaded]
    labels = older.path, newer.path
    dataset = datasets.of_difference(older.snapshot, newer.snapshot, labels, runs, choice)
    return Named(newer.path, f"compared with {older.path}", dataset)


def of_folder(folder: str, parsed: argparse.Namespace, choice: Choice) -> list[Named]:
    """All processes together, then the largest, in the order in which they began."""
    if parsed.at is not None:
        raise UsageError("--at is a moment of one recording, and this is a directory")
    found = processes.processes_of(folder)
    merged = processes.merged(found)
    sources.check_known(Source(folder, kinds.SNAPSHOT, merged, {}), parsed.measure or LIVE)
    shown = largest(found)
    choice = choice._replace(share=1 / (1 + len(shown)))
    rows = datasets.rows_of_processes(found, {index: 1 + place for place, index in enumerate(shown)})
    whole = datasets.of_processes(found, merged, choice)._replace(processes=rows)
    named = [Named("all processes", folder, whole)]
    for index in shown:
        process = found.processes[index]
        source = sources.load(process.file)
        name = f"{process.pid} {what(process)}"
        named.append(Named(name, " ".join(process.command), datasets.of_snapshot(source.snapshot, source.run, choice, name)))
    return named


def largest(found: Processes) -> list[int]:
    """Indexes of the processes that have a data set, in the order in which they began."""
    sizes = [(process.numbers.size, -index) for index, process in enumerate(found.processes) if process.numbers is not None]
    return sorted(-index for _size, index in sorted(sizes, reverse=True)[:MOST_PROCESSES])
