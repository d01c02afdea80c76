"""The default folder: where a black box is if no path was given.

Model: the folder belongs to the user, no other user may enter it, and it has a file PID.box for each process.
"""

import os
import stat


def folders(uid: int) -> list[str]:
    """Folders where the black boxes of a user's processes may be, the preferred folder first."""
    parents = [f"/run/user/{uid}", os.environ.get("XDG_RUNTIME_DIR", "")]
    found = [os.path.join(parent, "ctracemalloc") for parent in parents if os.path.isabs(parent)]
    return [*found, f"/tmp/ctracemalloc-{uid}"]


def is_private(folder: str, uid: int) -> bool:
    """Is it a folder (not a link) of that user, which no other user may enter?"""
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
            pass  # it exists, or its parent does not: checked below
        if is_private(folder, uid):
            return folder
    raise PermissionError(f"{folder!r} is not a folder of this user's alone: give a path for the black box")
