"""Digests of the source files that a snapshot names: whether a line is still what it was.

Model: `run` computes a digest of each file when the program ends, and stores them with the snapshot, as `run["sources"]`. A
report that prints a line of source computes the digest of today's file. A file that cannot be read has no digest, and then
nothing is said about its lines. The digest is CRC-32 of the bytes: it guards against mistakes, not against malice.
"""

import os
import stat
import time
from binascii import crc32
from collections.abc import Iterable, Mapping

CHUNK = 1 << 18  # bytes
MAX_SIZE = 1 << 24  # bytes: a larger file is no source that somebody reads
PATIENCE = 1.0  # seconds for all files


def digest_of(path: str) -> int | None:
    """None: it is not a regular file that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE:
            return None
        digest = 0
        while chunk := os.read(descriptor, CHUNK):
            digest = crc32(chunk, digest)
        return digest
    except OSError:
        return None
    finally:
        os.close(descriptor)


def digests_of(names: Iterable[str], folder: str) -> dict[str, int]:
    """folder: that relative names are relative to. Files that there was no time for are left out."""
    found = {}
    until = time.monotonic() + PATIENCE
    for name in names:
        if not name or name.startswith("<"):
            continue
        digest = digest_of(os.path.join(folder, name))
        if digest is not None:
            found[name] = digest
        if time.monotonic() > until:
            break
    return found


def stored_in(run: Mapping[str, object]) -> dict[str, int]:
    """The digests in a file's facts. A file may contain anything."""
    sources = run.get("sources")
    if not isinstance(sources, dict):
        return {}
    found = {name: digest for name, digest in sources.items() if isinstance(name, str) and isinstance(digest, int)}
    folder = run.get("folder")
    if isinstance(folder, str):  # rows have whole paths, tracebacks the names of then
        found |= {os.path.normpath(os.path.join(folder, name)): digest for name, digest in found.items()}
    return found
