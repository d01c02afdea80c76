"""The default folder: where black boxes are whose path nobody has given.

Model: a folder of the user's own, which nobody else may enter, with a file PID.box for each process.
"""

import os
import stat


def folders(uid: int) -> list[str]:
    """Where the boxes of a user's processes may be, the best folder first."""
    parents = [f"/run/user/{uid}", os.environ.get("XDG_RUNTIME_DIR", "")]
    found = [os.path.join(parent, "ctracemalloc") for parent in parents if os.path.isabs(parent)]
    return [*found, f"/tmp/ctracemalloc-{uid}"]


def is_private(folder: str, uid: int) -> bool:
    """Is it a folder, no link, of that user, which nobody else may enter?"""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def make_folder() -> str:
    uid = os.geteuid()
    for folder in folders(uid):
        try:
            os.mkdir(folder, 0o700)
        except OSError:
            pass  # it is there, or its parent is not: seen below
        if is_private(folder, uid):
            return folder
    raise PermissionError(f"{folder!r} is not a folder of this user's alone: give a path for the black box")
