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
KERNEL_FOLDERS = ("/proc/", "/sys/", "/dev/")  # whose files are made when they are read, and may never end
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


def is_source(path: str) -> bool:
    """Is it a regular file of a disk, and not too large? Names come from a file, so they may be those of anything."""
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SIZE and not real.startswith(KERNEL_FOLDERS)


def content_of(path: str, most: int) -> bytes | None:
    """None: it is no source, or has more than `most` bytes."""
    if not is_source(path):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            content = file.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None


def has_changed(path: str, stored: int | None, began: float | None) -> bool:
    """Is today's file another one than when the program ran, as far as that is known?

    stored: its digest when the program ended. began: when the program began, UNIX time in seconds; a file that was modified
    after that may have changed before or after its lines ran.
    """
    if stored is not None:
        return digest_of(path) not in (stored, None)
    try:
        return began is not None and os.stat(path).st_mtime > began
    except (OSError, ValueError):
        return False


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
