"""CSV: a row for each traceback, with all figures.

Model: the columns are the place that allocated (the most recent frame), the six figures of a snapshot in bytes and blocks,
and the traceback, the oldest frame first. A figure that the snapshot does not know is an empty cell. A cell that a spreadsheet
would take for a formula is preceded by an apostrophe; what is not valid Unicode is an escape.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from .._words import safe_cell
from ..model.figures import Figures
from .collapsed import SEPARATOR, frame_texts
from .protobuf import utf8
from .selected import Selected

COLUMNS = ("filename", "lineno", "function", *Figures._fields, "traceback")
NAMES = {"size": "size", "blocks": "count", "peak_blocks": "peak_count", "allocated_blocks": "allocated_count"}  # as in JSON
HEADER = ",".join(NAMES.get(column, column) for column in COLUMNS)
PIECE = 1 << 20  # characters, and a row more: rows of deep stacks are wide


def pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    out = io.StringIO()
    plain, quoted = (csv.writer(out, lineterminator="\n", quoting=style) for style in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    yield f"{HEADER}\n".encode()
    for row in rows(selected):
        cells = [safe_cell(cell) for cell in row]
        # Before 3.13 csv does not quote a carriage return by itself, and readers take it for the end of the row.
        has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoted if has_return else plain).writerow(cells)
        if out.tell() >= PIECE:
            yield utf8(out.getvalue())
            out.seek(0)
            out.truncate()
    yield utf8(out.getvalue())


def rows(selected: Selected) -> Iterator[Sequence[object]]:
    tree, texts, names = selected.tree, frame_texts(selected), selected.function_names()
    known = (True, True, tree.peak_known, tree.peak_known, tree.churn_known, tree.churn_known)
    for node, figures in enumerate(zip(*selected.own(), strict=True)):
        if not any(figures):
            continue
        chain = selected.chain(node)
        name, filename, _first = names[tree.frame_function[chain[0]]]
        cells = [figure if has else "" for figure, has in zip(figures, known, strict=True)]
        traceback = SEPARATOR.join([texts[frame] for frame in reversed(chain)])
        yield filename, tree.frame_lineno[chain[0]], name, *cells, traceback
