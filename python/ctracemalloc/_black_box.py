"""Black boxes: the tables of a program that runs, or was killed, read from their file.

Model: start(black_box=PATH) puts the tracer's tables into a shared mapping of a file (docs/formats/black-box.md), so whatever
ends the process, the file holds them as they were. A BlackBox is such a file, opened; attach() finds
the one of a running process among the files that it has mapped, or in the default place, a folder of the user's own with a
file PID.box for each process.
"""

import atexit
import os
import shlex
import stat
import sys
import time
from types import TracebackType
from typing import NamedTuple, TypeAlias

from . import _ctracemalloc
from ._ctracemalloc import FileError, Snapshot
from ._losses import Loss

KEEP_SECONDS = 24 * 3600  # a killed program's box in the default place, for somebody to look at it

_Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_owned: tuple[int, bytes] | None = None  # pid, path: in the default place, to be removed at exit
_hooks_are_set = False
_children: str | bool | None = None  # what the paths of forks are made of; True: the default place; None: they have no box
_had_box = False  # was there a box before the fork?
_ender = 0  # the process in which somebody else ends the box (`run`, which knows how the program ended)


# --- the writer's side ---


def prepare(black_box: object, children: bool) -> tuple[bytes, str]:
    """For start(): the file's path, and what it is to say of the process."""
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
    """In a fork: the parent's box is not this process's; what it holds goes into another one if that was asked for."""
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
        from . import _boot

        _boot.complain(f"process {os.getpid()} has no black box: {error}")


def at_exit() -> None:
    if _ender != os.getpid():
        end()


def is_ended_elsewhere() -> None:
    """Whoever says so calls end() when this process ends."""
    global _ender
    _ender = os.getpid()


def end() -> None:
    """The box ends with the program; tracing goes on for whoever still looks at it."""
    try:
        _ctracemalloc._black_box_end(True)
    except MemoryError:
        pass  # it goes on to the very end: better than a message that the program would not have without us
    remove_owned()


def abandon(path: str) -> None:
    """The program is not started after all: nothing of its box stays. `path`: "" for none, "auto" for the default place."""
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
            pass  # somebody else was tidy


def default_path() -> str:
    folder = make_folder()
    remove_stale(folder)
    return os.path.join(folder, f"{os.getpid()}.box")


def folders(uid: int) -> list[str]:
    """Where the boxes of a user's processes may be, the best place first."""
    places = [f"/run/user/{uid}", os.environ.get("XDG_RUNTIME_DIR", "")]
    found = [os.path.join(place, "ctracemalloc") for place in places if os.path.isabs(place)]
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


def remove_stale(folder: str) -> None:
    """Boxes of programs that are gone: at once if they ended, after a day if they were killed."""
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


# --- the reader's side ---


class Totals(NamedTuple):
    """Sums over all places; of a sample, estimates."""

    time: float  # UNIX time of the reading
    size: int  # bytes live
    count: int  # type: ignore[assignment]  # blocks live
    peak: int  # bytes
    allocated_size: int  # bytes ever allocated
    allocated_count: int


class Rates(NamedTuple):
    """Changes a second between two readings."""

    seconds: float
    size: float  # bytes: growth
    count: float  # type: ignore[assignment]  # blocks
    allocated_size: float  # bytes: churn
    allocated_count: float


def totals_of(snapshot: Snapshot, when: float) -> Totals:
    files = snapshot.statistics("filename", sort="allocated")
    peak = snapshot.at_peak
    return Totals(
        when,
        sum(item.size for item in files),
        sum(item.count for item in files),
        0 if peak is None else sum(item.size for item in peak.statistics("filename")),
        sum(item.allocated_size or 0 for item in files),
        sum(item.allocated_count or 0 for item in files),
    )


def rates_between(old: Totals, new: Totals) -> Rates:
    seconds = new.time - old.time
    if seconds <= 0:
        return Rates(0.0, 0.0, 0.0, 0.0, 0.0)
    return Rates(
        seconds,
        (new.size - old.size) / seconds,
        (new.count - old.count) / seconds,
        (new.allocated_size - old.allocated_size) / seconds,
        (new.allocated_count - old.allocated_count) / seconds,
    )


class BlackBox:
    """An open black box: of a program that runs, that ended, or that was killed."""

    def __init__(self, path: _Path) -> None:
        self._path = os.fsdecode(path)
        sys.audit("open", self._path, "rb", 0)
        self._core = _ctracemalloc._black_box_open(path)
        self._last: Totals | None = None

    def snapshot(self) -> Snapshot:
        """What the tables hold now, or held when the program ended."""
        return self._core.snapshot()

    def peak(self) -> Snapshot:
        """What was live at the moment of the peak."""
        snapshot = self.snapshot().at_peak
        assert snapshot is not None  # every black box knows it
        return snapshot

    def totals(self) -> Totals:
        return totals_of(self.snapshot(), time.time())

    def rates(self) -> Rates | None:
        """What changes a second since the last call; None the first time."""
        old, self._last = self._last, self.totals()
        return None if old is None else rates_between(old, self._last)

    @property
    def path(self) -> str:
        return self._path

    @property
    def started(self) -> float:
        """When tracing began: UNIX time in seconds."""
        return self._core.info()[0] / 1e9

    @property
    def ended(self) -> str | None:
        """How the program ended, in words if they are known, else "stopped" or "exit".

        None: it goes on, or was killed, or ended without a mark.
        """
        kind = self._core.info()[6]
        return None if kind is None else self._core.end()[0] or kind

    @property
    def exit_status(self) -> int | None:
        """The exit status of the program, if it is known."""
        return self._core.end()[1]

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What is not in the numbers."""
        return self._core.losses()

    @property
    def ended_at(self) -> float | None:
        """UNIX time in seconds, if it ended."""
        nanoseconds = self._core.info()[1]
        return nanoseconds / 1e9 if nanoseconds else None

    @property
    def running(self) -> bool:
        """Does a process have it open as its black box?"""
        return self._core.info()[8]

    @property
    def pid(self) -> int:
        """As the process saw itself."""
        return self._core.info()[4]

    @property
    def command(self) -> str:
        """The command line of the program."""
        return self._core.info()[5]

    @property
    def nframe(self) -> int:
        return self._core.info()[3]

    @property
    def sample_interval(self) -> int | None:
        return self._core.info()[2] or None

    @property
    def incomplete(self) -> str | None:
        """Why the file does not hold all; None: it does."""
        return self._core.info()[7]

    def close(self) -> None:
        self._core.close()

    def __enter__(self) -> "BlackBox":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<BlackBox {self._path!r}>"


def open_black_box(path: _Path) -> BlackBox:
    """Open a black box to read it, whatever has become of the program."""
    try:
        return BlackBox(path)
    except FileError as error:
        better = FileError(f"{path!r} is not a valid black box: {error.reason} (at byte {error.offset})")
        better.offset, better.reason = error.offset, error.reason
        raise better from None


def find(pid: int) -> str | None:
    """The black box of a process: the one that it writes, or one that it has left in the default place."""
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
    """Files whose beginning the process has mapped for writing, as this process can open them; None: it cannot be known."""
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
    """The same file seen from here: under its path, or from the root of the process, if that is another one. Or ""."""
    for place in (path, f"/proc/{pid}/root{path}"):
        try:
            status = os.lstat(place)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_ino == inode:
            return place
    return ""


def is_black_box(path: str) -> bool:
    try:
        BlackBox(path).close()
    except (OSError, FileError):
        return False
    return True


def has_ended(path: str) -> bool:
    """Unlike one of a killed process, whose number another one has got since."""
    try:
        with BlackBox(path) as box:
            return box.ended is not None
    except (OSError, FileError):
        return False


def attach(target: int | _Path) -> BlackBox:
    """The black box of a running program, by its process id or by the path.

    The program does nothing for it and notices nothing.
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
