"""The black box of this process: what start(black_box=...) needs, forks, and the end.

Model: the extension creates the file and calls prepare() for its path. A process has at most one black box, so the state of
this side is in variables of the module. A black box in the default folder is removed when the process ends.
"""

import atexit
import os
import shlex
import sys
import time

from .. import _ctracemalloc
from .._ctracemalloc import FileError
from .folder import make_folder
from .reading import BlackBox

KEEP_SECONDS = 24 * 3600  # how long the black box of a killed program stays in the default folder, so that users can read it

_owned: tuple[int, bytes] | None = None  # pid and path of a black box in the default folder, to be removed at exit
_hooks_are_set = False
_children: str | bool | None = None  # prefix of the paths in forks; True: the default folder; None: forks have no black box
_had_box = False  # whether there was a black box before the fork
_ender = 0  # the process in which other code calls end() (`run`, which has the facts about how the program ended)


def prepare(black_box: object, children: bool) -> tuple[bytes, str]:
    """For start(): the path of the file, and the command line that it stores."""
    global _owned, _children, _hooks_are_set
    given: str | bytes = default_path() if black_box is True else os.fspath(black_box)  # type: ignore[call-overload]
    path = os.fsencode(os.path.abspath(given))
    if b"\0" in path:
        raise ValueError("embedded null byte")
    sys.audit("open", os.fsdecode(path), "wb", 0)
    if not _hooks_are_set:
        atexit.register(at_exit)
        os.register_at_fork(before=before_fork, after_in_child=begin_child)
        _hooks_are_set = True
    remove_owned()
    if black_box is True:
        _owned = (os.getpid(), path)
    _children = None if not children else True if black_box is True else os.fsdecode(path)
    command = shlex.join(sys.orig_argv).encode("utf-8", "backslashreplace").decode()
    return path, command.replace("\0", "")


def before_fork() -> None:
    global _had_box
    _had_box = _ctracemalloc._black_box_state()[0]


def begin_child() -> None:
    """In a fork: the black box belongs to the parent. If children were requested, the same tables continue in another file."""
    global _owned
    if _children is None or not _had_box:
        return
    try:
        if _children is True:
            path = default_path()
            _owned = (os.getpid(), os.fsencode(path))
        else:
            path = f"{_children}.{os.getpid()}"
        _ctracemalloc._black_box_continue(path)
    except (OSError, RuntimeError, MemoryError) as error:
        from .. import _messages

        _messages.complain(f"process {os.getpid()} has no black box: {error}")


def at_exit() -> None:
    if _ender != os.getpid():
        end()


def set_ended_elsewhere() -> None:
    """The caller will call end() when this process ends; at_exit() then does nothing."""
    global _ender
    _ender = os.getpid()


def end() -> None:
    """Record that the program has ended. Tracing continues for code that still reads the numbers."""
    try:
        _ctracemalloc._black_box_end(True)
    except MemoryError:
        pass  # the black box continues to the very end, which is better than a message in a program that did not ask for one
    remove_owned()


def abandon(path: str) -> None:
    """The program was not started: remove its black box. `path`: "" for none, "auto" for the default folder."""
    remove_owned()
    if path not in ("", "auto"):
        try:
            os.unlink(path)
        except OSError:
            pass


def remove_owned() -> None:
    global _owned
    owned, _owned = _owned, None
    if owned is not None and owned[0] == os.getpid():
        try:
            os.unlink(owned[1])
        except OSError:
            pass  # another process has removed it


def default_path() -> str:
    folder = make_folder()
    remove_stale(folder)
    return os.path.join(folder, f"{os.getpid()}.box")


def remove_stale(folder: str) -> None:
    """Remove black boxes of processes that are gone: at once if they ended, after a day if they were killed."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            age = time.time() - os.lstat(path).st_mtime
            if name.endswith(".tmp"):
                gone = age > KEEP_SECONDS
            else:
                with BlackBox(path) as box:
                    gone = not box.running and (box.ended is not None or age > KEEP_SECONDS)
            if gone:
                os.unlink(path)
        except (OSError, FileError):
            pass
