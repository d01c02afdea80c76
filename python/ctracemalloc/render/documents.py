"""Tables as JSON and CSV, for other programs.

Model: a document is a dict with the number of the schema, what was asked for, the totals, and the rows. Sizes are in bytes. A
figure that the file does not have is null (empty in CSV). docs/reference/command-line.md describes it, and the JSON Schema
that the tests compare with is docs/reference/report.schema.json.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from .._ctracemalloc import Snapshot, Traceback, __version__
from .._losses import Loss
from ..model.calls import Calls, Node
from ..model.changes import kind_of_change
from ..model.figures import Figures
from ..model.frames import Place
from ..model.origin import merged_of
from ..model.table import Row, Table, View
from ..recording.reading import Recording

SCHEMA = 1
NAMES = ("size", "count", "peak_size", "peak_count", "allocated_size", "allocated_count")
Document: TypeAlias = dict[str, Any]


def report_document(table: Table, view: View, snapshot: Snapshot, file: str, run: Mapping[str, Any]) -> Document:
    return {
        **head_of_view("report", view),
        "file": file,
        **facts(snapshot),
        "run": {name: value for name, value in run.items() if is_plain(value)},
        "totals": figures_of(table.totals[-1], table),
        "origins": {origin: figures_of(figures, table) for origin, figures in table.by_origin.items()},
        "number": table.number,
        "rows": [
            {**place_of(row.place, view), **figures_of(row.figures, table), "traceback": frames_of(row, table, view)}
            for row in table.rows
        ],
    }


def diff_document(table: Table, view: View, snapshots: Sequence[Snapshot], files: Sequence[str]) -> Document:
    """Of two or more snapshots, the oldest first. Differences are from the first to the last."""
    return {
        **head_of_view("diff", view),
        "files": list(files),
        "base": files[0],
        "estimated": any(snapshot.sample_interval is not None for snapshot in snapshots),
        "losses": [loss_of(loss) for snapshot in snapshots for loss in snapshot.losses],
        "totals": change_of(table.totals, table),
        "number": table.number,
        "rows": rows_of_change(table, view),
    }


def rows_of_change(table: Table, view: View) -> list[Document]:
    return [
        {
            **place_of(row.place, view),
            "change": kind_of_change(row, view.measure),
            **change_of(row.history, table),
            "traceback": frames_of(row, table, view),
        }
        for row in table.rows
    ]


def timeline_document(recording: Recording, ends: tuple[int, int], table: Table, view: View, file: str) -> Document:
    """ends: indexes of the first and the last moment; rows are what changed between them."""
    moments = recording.totals()
    return {
        **head_of_view("timeline", view),
        "file": file,
        "began": recording.started,
        "interval": recording.interval,
        "pid": recording.pid,
        "program": recording.command,
        "ended": recording.ended,
        "losses": [loss_of(loss) for loss in recording.losses],
        "from": moments[ends[0]].time if moments else None,
        "to": moments[ends[1]].time if moments else None,
        "moments": [moment._asdict() for moment in moments[ends[0] : ends[1] + 1]],
        "totals": change_of(table.totals, table),
        "number": table.number,
        "rows": rows_of_change(table, view),
    }


def tree_document(calls: Calls, view: View, files: Sequence[str]) -> Document:
    """Rows are nodes, each behind its parent; `size` and so on are totals of a node with all that it called."""
    return {
        **head_of_view("tree", view),
        "files": list(files),
        "difference": calls.is_diff,
        "totals": dict(zip(NAMES, calls.whole, strict=True)),
        "number": calls.number,
        "rows": [node_of(node, view) for node in calls.nodes.values()],
    }


def node_of(node: Node, view: View) -> Document:
    place = {} if node.place is None else place_of(node.place, view)
    return {
        "node": node.number,
        "parent": node.parent if node.number else None,
        **place,
        **dict(zip(NAMES, node.total, strict=True)),
        **{f"own_{name}": figure for name, figure in zip(NAMES, node.own, strict=True)},
    }


def head(command: str) -> Document:
    return {"schema": SCHEMA, "command": command, "version": __version__}


def head_of_view(command: str, view: View) -> Document:
    return {**head(command), "key": view.key, "measure": view.measure, "cumulative": view.cumulative}


def facts(snapshot: Snapshot) -> Document:
    return {
        "estimated": snapshot.sample_interval is not None,
        "sample_interval": snapshot.sample_interval,
        "traceback_limit": snapshot.traceback_limit,
        "merged": merged_of(snapshot),
        "losses": [loss_of(loss) for loss in snapshot.losses],
    }


def loss_of(loss: Loss) -> Document:
    return {"kind": loss.kind, "detail": loss.detail, "count": loss.count}


def is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | int | float)


def figures_of(figures: Figures, table: Table) -> Document:
    known = (True, True, table.peak_known, table.peak_known, table.churn_known, table.churn_known)
    return {name: figure if is_known else None for name, figure, is_known in zip(NAMES, figures, known, strict=True)}


def change_of(history: Sequence[Figures], table: Table) -> Document:
    """The newest figures, the change of each, and those of all snapshots before."""
    change = figures_of(history[-1] - history[0], table)
    return {
        **figures_of(history[-1], table),
        **{f"{name}_diff": value for name, value in change.items()},
        "history": [figures_of(figures, table) for figures in history],
    }


def place_of(place: Place, view: View) -> Document:
    if place.label is not None:
        return {"label": view.key.partition(":")[2], "value": place.label}
    found = {
        "filename": place.filename or None,
        "lineno": place.lineno or None,
        "function": place.function or None,
        "module": place.code.module if view.key != "package" else None,
        "package": place.code.package,
        "origin": place.code.origin,
    }
    return found if view.key != "traceback" else {**found, "total_nframe": None}


def frames_of(row: Row, table: Table, view: View) -> list[Document]:
    """The frames of a row, the oldest first; of all keys but "traceback", at most one."""
    traceback: Traceback | None = table.traceback(row)
    if traceback is not None:
        return [{"filename": frame.filename, "lineno": frame.lineno, "function": frame.name} for frame in traceback]
    place = row.place
    if not place.filename or view.key not in ("lineno", "function"):
        return []
    return [{"filename": place.filename, "lineno": place.lineno, "function": place.function or None}]


# --- CSV ---


def csv_lines(document: Document) -> Iterable[str]:
    """The rows of a document, with a head. A cell that a spreadsheet would take for a formula is preceded by an apostrophe."""
    rows = [flat(row) for row in document["rows"]]
    names = list(rows[0]) if rows else [*NAMES]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().splitlines()


def flat(row: Document) -> Document:
    """A row without what has an inner structure; a traceback is a text, the oldest frame first."""
    frames = row.get("traceback", ())
    text = ";".join(f"{frame['filename']}:{frame['lineno']}" for frame in frames)
    return {**{name: value for name, value in row.items() if name not in ("traceback", "history")}, "traceback": text}


def safe_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
