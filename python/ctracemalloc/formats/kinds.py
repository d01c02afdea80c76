"""The kinds of files there are, told by their first bytes."""

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
    """What a regular file is, by its first bytes, zstd or not; None: nothing of ours, or no regular file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None  # whoever opens and closes a pipe takes it from its reader
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        head = os.read(descriptor, MAGIC_SIZE)
        if head.startswith(ZSTD_MAGIC):
            from . import compression  # `import ctracemalloc` has to be quick

            head = compression.decompressed_head(head + os.read(descriptor, ZSTD_HEAD), MAGIC_SIZE)
    finally:
        os.close(descriptor)
    return MAGICS.get(head)
