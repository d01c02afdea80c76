"""`merge`: makes one snapshot of many."""

import argparse
import sys

from .._ctracemalloc import FileError, Snapshot
from .._words import counted, printable
from ..formats import compression, kinds, output
from ..model.sums import sums_of
from ..render.text import losses
from ..render.text.samples import sample_facts
from ..render.text.style import Style
from ..render.text.tables import fact_lines
from ..render.text.units import format_amount
from . import sources
from .arguments import PROGRAM, Commands, Parser, add_output_options, label_argument

FORM = "where to? merge writes into the file of -o: merge -o OUT IN..."


def add(commands: Commands) -> Parser:
    merge = commands.add_parser("merge", help="make one snapshot of many")
    add_output_options(merge, "where the snapshot of all goes")
    merge.add_argument("files", metavar="IN", nargs="+", help="a snapshot or a black box")
    merge.add_argument(
        "--label",
        dest="labels",
        action="append",
        type=label_argument,
        default=[],
        metavar="NAME=VALUE",
        help="one more label for all blocks; they have source, pid and command anyway",
    )
    return merge


def execute(parsed: argparse.Namespace) -> int:
    if parsed.output is None:
        parsed.parser.error(FORM)
    output.check(parsed.output, kinds.SNAPSHOT, inputs=parsed.files, force=parsed.force)
    for path in parsed.files:
        sources.expect(path, kinds.SNAPSHOT, kinds.BLACK_BOX)
    try:
        merged = Snapshot.merge(parsed.files, labels=dict(parsed.labels))
    except ValueError as error:
        if isinstance(error, FileError):
            raise
        print(f"{PROGRAM}: {printable(str(error))}", file=sys.stderr)
        return 2
    output.save(merged, parsed.output, compression.of_name(parsed.output))
    print_merged(merged, parsed)
    return 0


def print_merged(merged: Snapshot, parsed: argparse.Namespace) -> None:
    files, amount = counted(len(parsed.files), "snapshot"), format_amount(sums_of(merged))
    out = sys.stderr if output.is_stream(parsed.output, 1) else sys.stdout
    style = Style.for_stream(out, refused=True)
    print(style.name(f"{parsed.output}: {files}, {amount}"), file=out)
    for line in fact_lines([*sample_facts(merged), *losses.facts(merged)], style):
        print(line, file=out)
