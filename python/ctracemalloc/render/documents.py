"""Tables as JSON and CSV, for other programs.

Model: a document is a dict with the number of the schema, what was asked for, the totals, and the rows. Sizes are in bytes. A
figure that the file does not have is null (empty in CSV). Every command's document has the same fields where it has the same
facts. docs/reference/command-line.md describes them, and the JSON Schema that the tests compare with is
docs/reference/report.schema.json. In CSV there are the rows, with the same columns whatever their number.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .._ctracemalloc import Snapshot, Traceback, __version__
from .._losses import HasLosses, Loss
from .._words import safe_cell
from ..model.calls import Calls, Node
from ..model.changes import kind_of_change
from ..model.figures import Figures
from ..model.frames import TRACEBACK, Place
from ..model.origin import merged_of
from ..model.table import LABEL, Row, Table, View
from ..recording.reading import Moment, Recording

SCHEMA = 1
NAMES = ("size", "count", "peak_size", "peak_count", "allocated_size", "allocated_count")
PLACE = ("filename", "lineno", "function", "module", "package", "origin")
LABEL_PLACE = ("label", "value")
MOST_NESTED = 3  # of a fact about the program: lists in lists
Document: TypeAlias = dict[str, Any]


def report_document(table: Table, view: View, snapshot: Snapshot, file: str, run: Mapping[str, Any]) -> Document:
    return {
        **head_of_view("report", view, [file], snapshot),
        "estimated": is_estimated(snapshot),
        "sample_interval": snapshot.sample_interval,
        "traceback_limit": snapshot.traceback_limit,
        "merged": merged_of(snapshot),
        "run": {name: value for name, value in run.items() if isinstance(name, str) and is_plain(value)},
        "totals": figures_of(table.totals[-1], table),
        "origins": {origin: figures_of(figures, table) for origin, figures in table.by_origin.items()},
        "number": table.number,
        "rows": [
            {**place_of(row.place, view), **figures_of(row.figures, table), **frames_of(row, table, view)} for row in table.rows
        ],
    }


def diff_document(table: Table, view: View, snapshots: Sequence[Snapshot], files: Sequence[str]) -> Document:
    """Of two or more snapshots, the oldest first. Differences are from the first to the last."""
    return {
        **head_of_view("diff", view, files, *snapshots),
        "estimated": is_estimated(*snapshots),
        "base": files[0],
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
            **frames_of(row, table, view),
        }
        for row in table.rows
    ]


def timeline_document(recording: Recording, ends: tuple[int, int], table: Table, view: View, file: str) -> Document:
    """ends: indexes of the first and the last moment; rows are what changed between them."""
    moments = recording.totals()[ends[0] : ends[1] + 1]
    return {
        **head_of_view("timeline", view, [file], recording),
        "estimated": bool(recording.sample_intervals),
        "began": recording.started,
        "interval": recording.interval,
        "pid": recording.pid,
        "program": recording.command,
        "ended": recording.ended,
        "from": moments[0].time,
        "to": moments[-1].time,
        "moments": [moment_of(moment) for moment in moments],
        "totals": change_of(table.totals, table),
        "number": table.number,
        "rows": rows_of_change(table, view),
    }


def moment_of(moment: Moment) -> Document:
    return {**moment._asdict(), "resident": moment.resident or None}


def tree_document(calls: Calls, view: View, snapshots: Sequence[Snapshot], files: Sequence[str]) -> Document:
    """Rows are nodes, each behind its parent. A figure is of a node with all that it called, `own_` of the node alone."""
    root = calls.nodes[0]
    return {
        **head_of_view("tree", view, files, *snapshots),
        "estimated": is_estimated(*snapshots),
        "base": files[0] if calls.is_diff else None,
        "totals": figures_of_node(root.now, root.total, calls),
        "number": calls.number + 1,
        "rows": [node_of(node, view, calls) for node in calls.nodes.values()],
    }


def node_of(node: Node, view: View, calls: Calls) -> Document:
    own = figures_of_node(node.own_now, node.own, calls)
    return {
        "node": node.number,
        "parent": node.parent if node.number else None,
        **(dict.fromkeys(PLACE) if node.place is None else place_of(node.place, view)),
        **figures_of_node(node.now, node.total, calls),
        **{f"own_{name}": figure for name, figure in own.items()},
    }


def figures_of_node(now: Figures, change: Figures, calls: Calls) -> Document:
    return {**figures_of(now, calls), **(differences_of(change, calls) if calls.is_diff else {})}


def head(command: str) -> Document:
    return {"schema": SCHEMA, "command": command, "version": __version__}


def head_of_view(command: str, view: View, files: Sequence[str], *items: HasLosses) -> Document:
    return {
        **head(command),
        "files": list(files),
        "key": view.key,
        "measure": view.measure,
        "sort": "count" if view.by_count else "size",
        "cumulative": view.cumulative,
        "losses": [loss for index, item in enumerate(items) for loss in losses_of(item, files[index])],
    }


def is_estimated(*snapshots: Snapshot) -> bool:
    return any(snapshot.sample_interval is not None for snapshot in snapshots)


def losses_of(item: HasLosses, file: str) -> list[Document]:
    return [loss_of(loss, file) for loss in item.losses]


def loss_of(loss: Loss, file: str) -> Document:
    return {"file": file, "kind": loss.kind, "detail": loss.detail, "count": loss.count}


def is_plain(value: object, nested: int = 0) -> bool:
    """Can JSON have it? A file may contain anything."""
    if isinstance(value, list | tuple):
        return nested < MOST_NESTED and all(is_plain(item, nested + 1) for item in value)
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def figures_of(figures: Figures, known: Table | Calls) -> Document:
    is_known = (True, True, known.peak_known, known.peak_known, known.churn_known, known.churn_known)
    return {name: figure if has else None for name, figure, has in zip(NAMES, figures, is_known, strict=True)}


def differences_of(change: Figures, known: Table | Calls) -> Document:
    return {f"{name}_diff": figure for name, figure in figures_of(change, known).items()}


def change_of(history: Sequence[Figures], table: Table) -> Document:
    """The newest figures, the change of each, and those of all snapshots."""
    return {
        **figures_of(history[-1], table),
        **differences_of(history[-1] - history[0], table),
        "history": [figures_of(figures, table) for figures in history],
    }


def place_of(place: Place, view: View) -> Document:
    if place.label is not None:
        return {"label": view.key.removeprefix(LABEL), "value": place.label}
    return {
        "filename": place.filename or None,
        "lineno": place.lineno or None,
        "function": place.function or None,
        "module": place.code.module if view.key != "package" else None,
        "package": place.code.package,
        "origin": place.code.origin,
    }


def frames_of(row: Row, table: Table, view: View) -> Document:
    """The frames of a row, the oldest first; of all keys but "traceback", at most one."""
    traceback: Traceback | None = table.traceback(row)
    if traceback is not None:
        frames = [{"filename": frame.filename, "lineno": frame.lineno, "function": frame.name} for frame in traceback]
        return {"traceback": frames, "total_nframe": traceback.total_nframe}
    place = row.place
    if not place.filename or view.key not in ("lineno", "function"):
        return {"traceback": []}
    return {"traceback": [{"filename": place.filename, "lineno": place.lineno, "function": place.function or None}]}


# --- CSV ---


def csv_text(document: Document) -> str:
    """The rows of a document, below their names. A traceback is a text, the oldest frame first."""
    out = io.StringIO()
    names = columns_of(document)
    plain, quoted = (
        csv.DictWriter(out, names, lineterminator="\n", extrasaction="ignore", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    plain.writeheader()
    for row in document["rows"]:
        frames = row.get("traceback", ())
        text = ";".join(f"{frame['filename']}:{frame['lineno']}" for frame in frames)
        cells = {name: safe_cell(value) for name, value in {**row, "traceback": text}.items()}
        # Before 3.13 csv does not quote a carriage return by itself, and readers take it for the end of the row.
        has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells.values())
        (quoted if has_return else plain).writerow(cells)
    return out.getvalue()


def columns_of(document: Document) -> list[str]:
    """The names of the columns, which do not depend on the rows."""
    key = document["key"]
    place = LABEL_PLACE if key.startswith(LABEL) else PLACE
    figures = [name for name in document["totals"] if name != "history"]
    if document["command"] == "tree":
        return ["node", "parent", *place, *figures, *(f"own_{name}" for name in figures)]
    change = [] if document["command"] == "report" else ["change"]
    return [*place, *change, *figures, "traceback", *(["total_nframe"] if key == TRACEBACK else [])]
