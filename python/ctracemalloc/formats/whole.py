"""Writing a file completely or not at all, piece by piece.

Model: the pieces go into a new file beside the target, `.ctracemalloc-….tmp`, which replaces the target when the last one is
written, and is removed if that fails. A device, a pipe or a file descriptor is written to as it is.
"""

import contextlib
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
    """A file that is replaced keeps its mode. An OSError has the file's name, also one of a full disk."""
    if isinstance(path, int):
        with open(path, "wb") as file:  # a file descriptor, which open() closes
            file.writelines(chunks)
        return
    name = os.fsdecode(path)
    target = os.path.realpath(name)
    with naming(name):
        if os.path.exists(target) and not os.path.isfile(target):
            # A device or a pipe; for a directory this raises.
            with open(target, "wb", opener=open_device) as file:
                file.writelines(chunks)
        else:
            replace(target, within_limit(chunks, name))


def replace(target: str, chunks: Iterable[bytes]) -> None:
    """The file that is written meanwhile has a name of its own, and no more readers than the one that it replaces."""
    mode = stat.S_IMODE(os.stat(target).st_mode) if os.path.exists(target) else None
    temporary = os.path.join(os.path.dirname(target), f".ctracemalloc-{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666 if mode is None else 0o600)
    try:
        with open(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            if mode is not None:
                os.fchmod(descriptor, mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Give an OSError the name of the file that is written, if it has none: that of a write has none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = path
        raise
