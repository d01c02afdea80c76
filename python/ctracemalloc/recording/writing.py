"""Making a recording: memory over time, in a file.

Model: a thread of the C core, which never acquires the GIL, appends to the file what changed since its last tick in the
counters of all sites (docs/formats/recording.md). A Recorder is a recording that is being made; a process has at most one.

The code that reads recordings is in reading.py, which is imported when a recording is read: this module is a part of
`import ctracemalloc`, which has to be fast.
"""

import atexit
import errno
import math
import os
import shlex
import sys
from types import TracebackType

from .. import _ctracemalloc
from .._ctracemalloc import FileError
from ..formats import kinds, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reading import Recording

MIN_INTERVAL = 0.01
MAX_INTERVAL = 3600.0

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def check_interval(interval: float) -> float:
    if isinstance(interval, str | bytes | bytearray):
        raise TypeError(f"interval must be a number of seconds, not {interval!r}")
    number = float(interval)
    if not (math.isfinite(number) and MIN_INTERVAL <= number <= MAX_INTERVAL):
        raise ValueError(f"interval must be in range [{MIN_INTERVAL}; {MAX_INTERVAL:.0f}] seconds, not {interval!r}")
    return number


class Recorder:
    """A recording that is being made, as record() returns it. As a context manager it stops at the end of the block."""

    def __init__(self, path: _Path, interval: float, children: bool) -> None:
        self._interval = check_interval(interval)
        self._path = os.path.abspath(os.fsdecode(path))
        self._base = self._path  # prefix of the path in a child
        self._children = bool(children)
        self._begin()

    def _begin(self) -> None:
        encoded = os.fsencode(self._path)
        if b"\0" in encoded:
            raise ValueError("embedded null byte")
        sys.audit("open", self._path, "wb", 0)
        command = shlex.join(sys.orig_argv).encode("utf-8", "backslashreplace").decode()
        nanoseconds = round(self._interval * 1e9)
        try:
            self._core = _ctracemalloc._record_start(encoded, nanoseconds, command.replace("\0", ""))
        except OSError as error:
            raise explain(error, self._path) from None
        atexit.register(self._at_exit)

    def tick(self) -> None:
        """Append what has changed until now, exactly: other threads wait while the counters are read."""
        _ctracemalloc._record_tick(self._core)

    def stop(self) -> None:
        """Append a last tick and end the recording. Does nothing if it has ended already; `error` says why."""
        self._stop(at_exit=False)

    def _stop(self, at_exit: bool) -> None:
        _ctracemalloc._record_stop(self._core, at_exit)
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        if _ender != os.getpid():
            self._stop(at_exit=True)

    @property
    def path(self) -> str:
        return self._path

    @property
    def interval(self) -> float:
        return self._interval

    @property
    def recording(self) -> bool:
        """Is it still being made? False after stop(), an error, and in a fork of the recorded process."""
        return _ctracemalloc._record_state(self._core)[0]

    @property
    def error(self) -> OSError | None:
        """What ended the recording early, for example a full disk. None: nothing did."""
        _recording, number, reason, _ticks, _size = _ctracemalloc._record_state(self._core)
        return OSError(number, f"{reason}: {os.strerror(number)}", self._path) if number else None

    @property
    def ticks(self) -> int:
        """Ticks written."""
        return _ctracemalloc._record_state(self._core)[3]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return _ctracemalloc._record_state(self._core)[4]

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "recording" if self.recording else "ended"
        return f"<Recorder {self._path!r} interval={self._interval:g} {state}>"


def explain(error: OSError, path: str) -> OSError:
    if error.errno == errno.EWOULDBLOCK:
        return OSError(error.errno, "another process is recording into this file", path)
    if error.errno == errno.EINVAL:
        return OSError(error.errno, "a recording needs a regular file", path)
    return error


_current: Recorder | None = None
_ender = 0  # the process in which other code ends the recording, by stop_at_exit()
_watches_forks = False


def record(path: _Path, interval: float = 1.0, *, children: bool = False) -> Recorder:
    """Record what each location that allocates holds, every `interval` seconds, into the file `path`.

    Tracing must be on. The recording ends with stop(), or with the program. children: a fork of this process makes a recording
    of its own, in PATH.PID; without it, a fork makes none.
    """
    global _current, _watches_forks
    if _current is not None and _current.recording:
        raise RuntimeError(f"this process is being recorded already, into {_current.path!r}")
    _current = Recorder(path, interval, children)
    if not _watches_forks:
        os.register_at_fork(before=before_fork, after_in_parent=_ctracemalloc._record_resume, after_in_child=record_child)
        _watches_forks = True
    return _current


def before_fork() -> None:
    if _current is not None:
        _ctracemalloc._record_pause(_current._core)


def record_child() -> None:
    """In a fork: the recorder belongs to the parent. If children were requested, begin a recording of this process."""
    _ctracemalloc._record_forget()
    recorder = _current
    if recorder is None or not recorder._children:
        return
    atexit.unregister(recorder._at_exit)
    if not _ctracemalloc.is_tracing() or not recorder_was_active(recorder):
        return
    recorder._path = f"{recorder._base}.{os.getpid()}"
    try:
        output.check(recorder._path, kinds.RECORDING)  # PATH.PID may be the name of another file: the user has not chosen it
        recorder._begin()
    except (OSError, RuntimeError, MemoryError) as error:
        from .. import _messages

        _messages.complain(f"process {os.getpid()} is not recorded: {error}")


def recorder_was_active(recorder: Recorder) -> bool:
    """In a child: was the parent's recording active at the fork? If so, the child's state has a reason and no error."""
    _recording, number, reason, _ticks, _size = _ctracemalloc._record_state(recorder._core)
    return reason is not None and number == 0


def set_ended_elsewhere() -> None:
    """The caller will call stop_at_exit() when this process ends."""
    global _ender
    _ender = os.getpid()


def stop_at_exit() -> OSError | None:
    """End the recording, because the program ends. Returns the error that had ended it before; None: none had."""
    if _current is None:
        return None
    if _current.recording:
        _current._stop(at_exit=True)
    return _current.error


def open_recording(path: _Path) -> "Recording":
    """Open a recording for reading: complete, cut off, or still being made."""
    from .reading import Recording

    sys.audit("open", path, "rb", 0)
    try:
        return Recording(path)
    except FileError as error:
        better = FileError(f"{path!r} is not a valid recording: {error.reason} (at byte {error.offset})")
        better.offset, better.reason = error.offset, error.reason
        raise better from None
