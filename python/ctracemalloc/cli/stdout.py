"""Output of commands on stdout: text for people, JSON and CSV for programs."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ..formats.sources import stored_in
from ..model.origin import number_in
from ..render.documents import Document, csv_text
from ..render.text.style import Style, is_terminal


def style_of(parsed: argparse.Namespace, run: Mapping[str, Any] | None = None) -> Style:
    """run: the facts of the file whose lines of source are shown."""
    style = Style.for_stream(sys.stdout, parsed.no_color)
    style.with_source = not getattr(parsed, "no_source", False)
    style.digests, style.began = stored_in(run or {}), number_in(run or {}, "began")
    return style


def on_terminal() -> bool:
    try:
        return is_terminal(sys.stdout.fileno())
    except (OSError, ValueError):
        return False  # a stream without a file


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def print_document(document: Document, form: str) -> None:
    """form: "json" or "csv". Text that is not valid Unicode is escaped, as in JSON's ASCII form."""
    if form == "json":
        print(json.dumps(document, ensure_ascii=True, allow_nan=False))
    else:
        Style.for_stream(sys.stdout, refused=True)  # what the encoding does not have is escaped
        print(csv_text(document), end="")
    sys.stdout.flush()
