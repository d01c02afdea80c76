"""The lines of source that a page has: of the program's own files, as they are on this machine now.

Model: a file is left out if its name, or that of a folder above it, is one that secrets have, if it is no regular file of text,
or if there is no room: the files with most memory come first. A file that has changed since the program ended is marked.
"""

import os
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...formats.sources import MAX_SIZE, digest_of

MOST_FILES = 200
MOST_BYTES = 4 << 20  # of all files
SECRET = re.compile(
    r"(^|[._-])(secrets?|passwords?|passwd|credentials?|tokens?|private|api_?keys?)([._-]|$)"
    r"|^\.env|\.env$|\.(pem|key|p12|pfx|jks|kdbx|crt|cer|asc|gpg)$|^id_(rsa|dsa|ecdsa|ed25519)",
    re.IGNORECASE,
)
SECRET_FOLDERS = {".ssh", ".aws", ".gnupg", ".kube", ".docker", "secrets"}
CHANGED = "the file has changed since the program ran: lines may have moved"


class Source(NamedTuple):
    file: int  # in Graph.files
    text: str
    note: str  # what a reader has to know; empty: nothing


def sources_of(names: Iterable[tuple[int, str]], digests: Mapping[str, int]) -> list[Source]:
    """names: (file, name), those with most memory first. digests: of the files when the program ended, if they are known."""
    found: list[Source] = []
    room = MOST_BYTES
    for file, name in names:
        text = None if looks_secret(name) else text_of(name, room)
        if text is not None:
            room -= len(text)
            stored = digests.get(name)
            found.append(Source(file, text, CHANGED if stored is not None and stored != digest_of(name) else ""))
            if len(found) == MOST_FILES:
                break
    return found


def looks_secret(name: str) -> bool:
    *folders, base = name.split("/")
    return SECRET.search(base) is not None or not SECRET_FOLDERS.isdisjoint(folders)


def text_of(name: str, room: int) -> str | None:
    """None: it cannot be read as a file of Python's or plain text, or is longer than `room`."""
    try:
        if not os.path.isfile(name) or os.stat(name).st_size > min(room, MAX_SIZE):
            return None
        with tokenize.open(name) as file:  # in the encoding that the file names
            return file.read()
    except (OSError, SyntaxError, ValueError):
        return None
