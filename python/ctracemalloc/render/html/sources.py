"""The lines of source that a page has: of the program's own files, as they are on this machine now.

Model: names of files come from the snapshot, which may be somebody else's, so a file is left out if its name or where its links
lead is that of a secret or of what is no Python code (secrets.py), and the page says which; if it is no regular file of a disk;
or if there is no room: the files with most memory come first. A file that may have changed since the program ran is marked.
"""

import io
import os
import tokenize
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..._words import counted, printable
from ...formats.sources import content_of, has_changed, is_source
from .secrets import why_left_out

MOST_FILES = 200
MOST_BYTES = 4 << 20  # of all files
MOST_NAMED = 5  # of the files that are left out for one reason
CHANGED = "the file has changed since the program ran: lines may have moved"


class Source(NamedTuple):
    file: int  # in Graph.files
    text: str
    note: str  # what a reader has to know; empty: nothing


class Sources(NamedTuple):
    found: list[Source]
    left_out: dict[str, list[str]]  # by the reason, files of this machine


def sources_of(names: Iterable[tuple[int, str]], digests: Mapping[str, int], began: float | None) -> Sources:
    """names: (file, name), those with most memory first. digests: of the files when the program ended, if they are known.

    began: when the program did, UNIX time in seconds; None: not known.
    """
    found: list[Source] = []
    left_out: dict[str, list[str]] = {}
    room = MOST_BYTES
    for file, name in names:
        if why := why_left_out(name):
            if is_source(name):
                left_out.setdefault(why, []).append(name)
            continue
        text = text_of(name, room) if len(found) < MOST_FILES else None
        if text is not None:
            room -= len(text)
            found.append(Source(file, text, CHANGED if has_changed(name, digests.get(name), began) else ""))
    return Sources(found, left_out)


def left_out_texts(left_out: Mapping[str, list[str]]) -> list[str]:
    """A line for each reason."""
    texts = []
    for why, names in left_out.items():
        shown = [printable(os.path.basename(name)) for name in names[:MOST_NAMED]]
        more = [counted(len(names) - MOST_NAMED, "more file")] if len(names) > MOST_NAMED else []
        texts.append(f"{', '.join([*shown, *more])}: {why}")
    return texts


def text_of(name: str, room: int) -> str | None:
    """In the encoding that the file names; None: it is no text, or is longer than `room`."""
    content = content_of(name, room)
    if content is None:
        return None
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except (SyntaxError, ValueError, LookupError):
        return None
