"""zstd for snapshot files, by a library that this interpreter has.

Model: bytes in, bytes out. The library is Python 3.14's own `compression.zstd`, or one of the packages `zstandard` and
`backports.zstd`; it is imported when it is first needed. The sizes in a compressed file cannot be trusted, so the file is
decompressed in pieces, up to a limit that depends on its size.
"""

import importlib
import io
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Literal, NoReturn

from .._ctracemalloc import FileError

# On older Pythons a module `compression` is not the standard library's.
LIBRARIES = (*(["compression.zstd"] if sys.version_info >= (3, 14) else []), "zstandard", "backports.zstd")
SUFFIX = ".zst"
LEVEL = 3
PIECE = 1 << 20  # bytes
SPARE_SIZE = 64 << 20  # bytes that every file may decompress to
MAX_RATIO = 200


def library() -> ModuleType:
    for name in LIBRARIES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError("zstd compression needs Python 3.14 or the package zstandard: pip install 'ctracemalloc[zstd]'")


def compress(content: bytes) -> bytes:
    zstd = library()
    if zstd.__name__ == "zstandard":
        return bytes(zstd.ZstdCompressor(level=LEVEL).compress(content))
    return bytes(zstd.compress(content, level=LEVEL))


def decompress(content: bytes, name: object) -> bytes:
    """FileError if the file is damaged, or contains more than SPARE_SIZE plus MAX_RATIO times its size.

    `name` is the file's name, for messages.
    """
    zstd = library()
    limit = SPARE_SIZE + MAX_RATIO * len(content)
    pieces, total = [], 0
    try:
        for piece in decompressed_pieces(zstd, content):
            total += len(piece)
            if total > limit:
                fail(name, f"more than {limit} bytes are in {len(content)} compressed ones")
            pieces.append(piece)
    except (zstd.ZstdError, EOFError) as error:
        fail(name, f"the compressed data are damaged: {error}")
    return b"".join(pieces)


def decompressed_head(content: bytes, size: int) -> bytes:
    """The first `size` bytes of what `content` decompresses to; fewer if it is damaged or there is no library."""
    try:
        zstd = library()
    except ImportError:
        return b""
    try:
        with opened(zstd, content) as file:
            return bytes(file.read(size))
    except (zstd.ZstdError, EOFError):
        return b""


def decompressed_pieces(zstd: ModuleType, content: bytes) -> Iterator[bytes]:
    with opened(zstd, content) as file:
        while piece := file.read(PIECE):
            yield piece


def opened(zstd: ModuleType, content: bytes) -> Any:
    """A binary file that reads what `content` decompresses to."""
    source = io.BytesIO(content)
    if zstd.__name__ == "zstandard":
        return zstd.ZstdDecompressor().stream_reader(source, read_across_frames=True)
    return zstd.ZstdFile(source)


def fail(name: object, reason: str) -> NoReturn:
    error = FileError(f"{name!r} is not a valid snapshot file: {reason} (at byte 0)")
    error.reason = reason
    error.offset = 0
    raise error from None


def of_name(path: str) -> Literal["zstd"] | None:
    """The compression that the command line uses for a file of this name."""
    return "zstd" if path.endswith(SUFFIX) else None
