"""The lines of source that a page has: of the program's own files, as they are on this machine now.

Model: names of files come from the snapshot, which may be somebody else's, so a file is left out unless its ending is one that
code has. It is left out, too, if its name, where its links lead, or a folder above it is named as secrets are; if it is no
regular file of a disk; or if there is no room: the files with most memory come first. A file that may have changed since the
program ran is marked.
"""

import io
import os
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...formats.sources import content_of, has_changed

MOST_FILES = 200
MOST_BYTES = 4 << 20  # of all files
CODE = (".py", ".pyw", ".pyx", ".pxd", ".pxi", ".html", ".htm", ".xml", ".jinja", ".jinja2", ".j2", ".mako", ".tmpl", ".tpl")
SECRET = re.compile(
    r"secret(?!ar)|password|passwd|credential|api_?key|private_?key|(^|[._-])(tokens?|private)([._-]|$)|(^|[._-])env([._-]|$)",
    re.IGNORECASE,
)
SECRET_FOLDERS = {".ssh", ".aws", ".gnupg", ".kube", ".docker", "secrets"}
CHANGED = "the file has changed since the program ran: lines may have moved"


class Source(NamedTuple):
    file: int  # in Graph.files
    text: str
    note: str  # what a reader has to know; empty: nothing


def sources_of(names: Iterable[tuple[int, str]], digests: Mapping[str, int], began: float | None) -> list[Source]:
    """names: (file, name), those with most memory first. digests: of the files when the program ended, if they are known.

    began: when the program did, UNIX time in seconds; None: not known.
    """
    found: list[Source] = []
    room = MOST_BYTES
    for file, name in names:
        text = None if looks_secret(name) or leads_to_secret(name) else text_of(name, room)
        if text is not None:
            room -= len(text)
            found.append(Source(file, text, CHANGED if has_changed(name, digests.get(name), began) else ""))
            if len(found) == MOST_FILES:
                break
    return found


def looks_secret(name: str) -> bool:
    """Also of what has no ending of code."""
    *folders, base = name.split("/")
    return not base.lower().endswith(CODE) or SECRET.search(base) is not None or not SECRET_FOLDERS.isdisjoint(folders)


def leads_to_secret(name: str) -> bool:
    try:
        return looks_secret(os.path.realpath(name))
    except (OSError, ValueError):
        return True  # no file can have the name


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
