"""Writing a file completely or not at all, piece by piece.

Model: the pieces go into a file beside the target, which replaces the target when the last one is written. A device, a pipe or
a file descriptor is written to as it is.
"""

import errno
import os
import resource
import stat
import time
from collections.abc import Iterable, Iterator
from typing import TypeAlias

PATIENCE = 2.0  # seconds to wait for a pipe's reader

Target: TypeAlias = int | str | bytes | os.PathLike[str] | os.PathLike[bytes]


def open_device(path: str, flags: int) -> int:
    """Open a device or pipe. Waits for a pipe's reader, but at most PATIENCE."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            descriptor = os.open(path, flags & ~os.O_CREAT | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def within_limit(chunks: Iterable[bytes], path: str) -> Iterator[bytes]:
    """OSError instead of SIGXFSZ: beyond the process's file size limit the system sends it, and it kills by default."""
    limit, size = resource.getrlimit(resource.RLIMIT_FSIZE)[0], 0
    for chunk in chunks:
        size += len(chunk)
        if limit not in (resource.RLIM_INFINITY, -1) and size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        yield chunk


def write_whole(path: Target, chunks: Iterable[bytes]) -> None:
    """A file that is replaced keeps its mode."""
    if isinstance(path, int):
        target: int | str = path  # a file descriptor, which open() closes
    else:
        target = os.path.realpath(os.fsdecode(path))
    if isinstance(target, int) or (os.path.exists(target) and not os.path.isfile(target)):
        # A device or a pipe; for a directory this raises.
        with open(target, "wb", opener=None if isinstance(target, int) else open_device) as file:
            file.writelines(chunks)
        return
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            for chunk in within_limit(chunks, target):
                file.write(chunk)
        if os.path.exists(target):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
