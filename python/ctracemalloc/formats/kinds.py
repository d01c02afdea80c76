"""The kinds of files, determined by their first bytes."""

import os
import stat

SNAPSHOT = "snapshot"
RECORDING = "recording"
BLACK_BOX = "black box"
MAGICS = {
    b"\x89CTM\r\n\x1a\n": SNAPSHOT,
    b"\x89CTR\r\n\x1a\n": RECORDING,
    b"\x89CTMBOX\n": BLACK_BOX,
}
MAGIC_SIZE = 8
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_HEAD = 1 << 18  # bytes: more than the first block of a compressed file


def kind_of(path: str) -> str | None:
    """The kind of a regular file, compressed or not; None: it is not one of this package's kinds, or not a regular file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None  # opening and closing a pipe would consume its reader
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        head = os.read(descriptor, MAGIC_SIZE)
        if head.startswith(ZSTD_MAGIC):
            from . import compression  # imported late: `import ctracemalloc` has to be fast

            head = compression.decompressed_head(head + os.read(descriptor, ZSTD_HEAD), MAGIC_SIZE)
    finally:
        os.close(descriptor)
    return MAGICS.get(head)


def may_begin(head: bytes) -> bool:
    """May a file that begins so be one of this package's, compressed or not, or a pickle?"""
    begins = (*MAGICS, ZSTD_MAGIC, b"\x80", b"c", b"(")
    return any(begin.startswith(head[: len(begin)]) for begin in begins)
