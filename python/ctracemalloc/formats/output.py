"""Which files a command may write: one rule for all of them.

Model: each file that a command writes has a kind: snapshot, recording, black box, or a format of another tool. A command may
write a path that does not exist, an empty file, what is not a regular file (a device, a pipe), and a file of the same kind.
Every other existing file belongs to the user, and so does a file that the command reads: the command refuses to write it,
unless the option --force is given. Links are followed, so another name for the same file is the same file.

A command checks before it does anything. The report of `run` is written long after the check, so the name is reserved: the
file is created, empty, in one step that fails if it exists (O_EXCL), and the existing file is checked again then.

From Python, Snapshot.dump and record() overwrite an existing file, as the standard module does.
"""

import os
import stat
from itertools import count

from .kinds import MAGICS, kind_of

TYPE_CHECKING = False  # this module is a part of `import ctracemalloc`, which has to be fast
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from .._ctracemalloc import Snapshot


class RefusedError(OSError):
    """A file that a command must not write."""


def check(
    path: str,
    kind: str,
    *,
    inputs: "Iterable[str]" = (),
    force: bool = False,
    told_by: "Callable[[str], str | None]" = kind_of,
) -> None:
    """RefusedError if a command must not write `path`; another OSError if it cannot.

    told_by: the function that tells the kind of an existing file; that of `export` knows the formats of other tools.
    """
    if path == STDOUT:
        return
    if not path:
        raise RefusedError("cannot write to a file without a name")
    try:
        status = os.stat(path)
    except FileNotFoundError:
        check_folder(path)
        return
    if stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"cannot write to {path}: it is a directory")
    if force or not stat.S_ISREG(status.st_mode):
        return
    if any(is_file(name, status) for name in inputs):
        raise RefusedError(f"cannot write to {path}: it is one of the files that are read (--force writes it all the same)")
    if status.st_size > 0 and (found := told_by(path)) != kind:
        whose = " of ctracemalloc" if kind in MAGICS.values() else ""
        what = f"it is a {found}, not a {kind}" if found else f"it exists and is not a {kind}{whose}"
        raise RefusedError(f"cannot write to {path}: {what} (--force overwrites it)")


def check_all(outputs: "Iterable[tuple[str | None, str]]", *, inputs: "Iterable[str]" = (), force: bool = False) -> None:
    """check() for each pair (path or None, kind). No two may be the same file."""
    seen: dict[str, str] = {}
    inputs = list(inputs)
    for path, kind in outputs:
        if path is None or path == STDOUT:
            continue
        check(path, kind, inputs=inputs, force=force)
        real = os.path.realpath(path)
        if real in seen and (os.path.isfile(real) or not os.path.exists(real)):
            raise RefusedError(f"cannot write to {path}: the {seen[real]} goes there as well")
        seen[real] = kind


def check_folder(path: str) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise RefusedError(f"cannot write to {path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RefusedError(f"cannot write to {path}: the directory {folder} may not be written")


def is_file(name: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(name), status)
    except OSError:
        return False  # the code that reads it reports the error


def remove_other_kind(path: str, kind: str, inputs: "Iterable[str]") -> None:
    """Remove a regular file of another kind that is not an input, because the user gave --force."""
    if os.path.isfile(path) and kind_of(path) != kind and not any(is_file(name, os.stat(path)) for name in inputs):
        os.unlink(path)


def is_stream(path: str, descriptor: int) -> bool:
    """Is the file at `path` the same as the descriptor's?"""
    if path == STDOUT:
        return descriptor == 1
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


# --- at the moment of writing ---

STDOUT = "-"


def save(snapshot: "Snapshot", path: str, compression: "Literal['zstd'] | None") -> None:
    """Write a snapshot to a file; "-": to standard output, unless that is a terminal. An OSError has the file's name."""
    if path != STDOUT:
        from .whole import naming  # imported late: `import ctracemalloc` has to be fast

        with naming(path):
            snapshot.dump(path, compression=compression)
        return
    refuse_terminal()
    snapshot.dump("/dev/stdout", compression=compression)


def refuse_terminal() -> None:
    """Of what is no text, or too much of it."""
    if os.isatty(1):
        raise RefusedError("-: standard output is a terminal; redirect it, or give -o a file")


def claim(path: str) -> bool:
    """Create the file, empty; False if it exists. Any other OSError is raised; the write will fail with the same one."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        return False
    return True


def remove_if_empty(path: str) -> None:
    """Remove the file that claim() created, if nothing was written into it."""
    try:
        if os.stat(path).st_size == 0:
            os.unlink(path)
    except OSError:
        pass  # already removed, or cannot be removed: nothing is lost


def split_ending(path: str) -> tuple[str, str]:
    """An ending may have two parts: .ctm.zst."""
    stem, ending = os.path.splitext(path)
    if ending == ".zst":
        stem, before = os.path.splitext(stem)
        ending = before + ending
    return stem, ending


def free_name(path: str) -> str:
    """`path`, or the first of PATH-2, PATH-3 … that does not exist; nothing is created."""
    stem, ending = split_ending(path)
    names = (f"{stem}-{number}{ending}" for number in count(2))
    while os.path.lexists(path):
        path = next(names)
    return path


def claim_free_name(path: str) -> str:
    """`path`, or the first free one of PATH-2, PATH-3 … (before its ending). The file exists then, and is empty."""
    stem, ending = split_ending(path)
    names = (f"{stem}-{number}{ending}" for number in count(2))
    while not claim(path):
        path = next(names)
    return path
