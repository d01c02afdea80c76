"""The black box of a process: attach().

Model: it is one of the files that the process has mapped; or, if the process has ended, it is in the default folder.
"""

import os
import stat

from .._ctracemalloc import FileError
from .folder import folders, is_private
from .reading import BlackBox, _Path, open_black_box


def find(pid: int) -> str | None:
    """The path of a process's black box: the one that it writes, or one that it left in the default folder. None: no box."""
    mapped = mapped_files(pid)
    for path in mapped or ():
        if is_black_box(path):
            return path
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        uid = os.geteuid()
    for folder in folders(uid):
        path = os.path.join(folder, f"{pid}.box")
        if is_private(folder, uid) and os.path.isfile(path) and not os.path.islink(path):
            return path if mapped is None or has_ended(path) else None
    return None


def mapped_files(pid: int) -> list[str] | None:
    """Files whose beginning the process has mapped for writing, under names that this process can open. None: not known."""
    found = []
    try:
        with open(f"/proc/{pid}/maps", "rb") as maps:
            for line in maps:
                fields = line.rstrip(b"\n").split(maxsplit=5)
                if len(fields) == 6 and fields[1] == b"rw-s" and int(fields[2], 16) == 0 and fields[5][:1] == b"/":
                    path = os.fsdecode(fields[5].replace(b"\\012", b"\n"))
                    found.append(reachable(pid, path, int(fields[4])))
    except OSError:
        return None
    return [path for path in found if path]


def reachable(pid: int, path: str, inode: int) -> str:
    """A path by which this process can open the file: `path`, or `path` below the root of that process. "": there is none."""
    for name in (path, f"/proc/{pid}/root{path}"):
        try:
            status = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_ino == inode:
            return name
    return ""


def is_black_box(path: str) -> bool:
    try:
        BlackBox(path).close()
    except (OSError, FileError):
        return False
    return True


def has_ended(path: str) -> bool:
    """Has the program ended by itself? False for the black box of a killed process, whose pid another process may have now."""
    try:
        with BlackBox(path) as box:
            return box.ended is not None
    except (OSError, FileError):
        return False


def attach(target: int | _Path) -> BlackBox:
    """Open the black box of a running program, by its process id or by the path.

    The program does no work for it and notices nothing.
    """
    if not isinstance(target, int):
        return open_black_box(target)
    path = find(target)
    if path is None:
        if not os.path.exists(f"/proc/{target}"):
            raise ProcessLookupError(f"there is no process {target}, and no black box of one")
        raise FileNotFoundError(
            f"process {target} has no black box: start it with `python -m ctracemalloc run --black-box auto ...`"
            " or start(black_box=True)"
        )
    return open_black_box(path)
