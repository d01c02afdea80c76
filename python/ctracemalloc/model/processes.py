"""The processes of a run: who started whom, how each ended, what each holds.

Model: the journal of a run (run/journal.py) has the events of its processes; each process left files, of which one has its
numbers. tree_of() puts the events together; what the files have is added by the code that reads them. Events come from a
file, so every value is checked. A process that replaced itself by exec is two, with one process id.

Sums over processes: a fork begins with what its parent held, and these blocks are in the numbers of both. Each peak is of a
time of its own, so their sum was never needed at once; only recordings, lined up by the time of day, say what was.
"""

from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from typing import Any, NamedTuple

# Codes of how a process ended; anything else is the text that it recorded.
RUNNING, KILLED, EXEC, UNKNOWN = "running", "killed", "exec", "unknown"
UNTRACED = "not traced"  # it has not ended, as far as is known: it is another Python, or one that ignores the environment
# Codes of how it was started.
START, BY_FORK, BY_EXEC = "start", "fork", "exec"
FILES = ("snapshot", "black_box", "recording")  # the kinds, the one that has the numbers of the end first

Events = Iterable[Mapping[str, Any]]


class Numbers(NamedTuple):
    """What a process's file says. Bytes and blocks; None: it does not say."""

    size: int
    count: int  # type: ignore[assignment]
    peak: int | None
    is_estimate: bool  # of a sample


class Process:
    """One process. Attributes that are None or empty are not known."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.parent: Process | None = None  # the nearest ancestor that is known
        self.children: list[Process] = []
        self.command: list[str] = []
        self.name: str | None = None
        self.by = ""
        self.began: float | None = None  # UNIX time in seconds
        self.ended: float | None = None
        self.end = UNKNOWN  # a code or a text
        self.signal: int | None = None  # that killed it, as its parent was told
        self.program: str | None = None  # that it became, by exec
        self.status: int | None = None
        self.files: dict[str, str] = {}  # by kind
        self.problems: list[str] = []
        self.numbers: Numbers | None = None
        self.file: str | None = None  # that the numbers are of

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1


class Series(NamedTuple):
    """What one process held over time: sizes[i] bytes from times[i] on, nothing before the first and after the last."""

    times: Sequence[float]  # UNIX time in seconds
    sizes: Sequence[int]


class Highest(NamedTuple):
    """The highest sum over all processes at one moment."""

    time: float  # UNIX time in seconds
    size: int
    processes: int  # that were recorded at that moment


class Totals(NamedTuple):
    processes: int
    counted: int  # how many have numbers
    size: int
    count: int  # type: ignore[assignment]
    peak: int  # the sum of separate peaks
    peaks: int  # how many have one
    highest: Highest | None  # of recordings
    recorded: int  # how many recordings
    untraced: int  # how many were started, but not traced
    are_estimates: bool  # some are of samples


class Processes:
    """All processes of a folder, each after its parent."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.series: list[Series] = []

    def totals(self) -> Totals:
        known = [process.numbers for process in self.processes if process.numbers is not None]
        peaks = [numbers.peak for numbers in known if numbers.peak is not None]
        return Totals(
            len(self.processes),
            len(known),
            sum(numbers.size for numbers in known),
            sum(numbers.count for numbers in known),
            sum(peaks),
            len(peaks),
            highest_sum(self.series),
            len(self.series),
            sum(process.end == UNTRACED for process in self.processes),
            any(numbers.is_estimate for numbers in known),
        )

    def add(self, found: Iterable[Process]) -> None:
        """Add processes with their children after them, in the order in which they began."""
        stack = [process for process in reversed(list(found)) if process.parent is None]
        while stack:
            process = stack.pop()
            self.processes.append(process)
            stack += reversed(process.children)


def highest_sum(series: Sequence[Series]) -> Highest | None:
    """A process counts from its first tick until its last one, both included."""
    steps = merge(*[changes_of(number, one) for number, one in enumerate(series)], key=lambda step: (step[0], step[1]))
    now: dict[int, int] = {}
    total, highest = 0, None
    for time, is_end, number, size in steps:
        total += size - now.get(number, 0)
        now[number] = size
        if is_end:
            del now[number]
        elif highest is None or total > highest.size:
            highest = Highest(time, total, len(now))
    return highest


def changes_of(number: int, series: Series) -> list[tuple[float, bool, int, int]]:
    """(time, is it the end?, number, size)"""
    steps = [(time, False, number, size) for time, size in zip(series.times, series.sizes, strict=True)]
    return [*steps, (series.times[-1], True, number, 0)] if steps else []


# --- the events of a journal ---


class _Run:
    """Puts the events of one journal together."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.current: dict[int, Process] = {}  # the last one with a pid
        self.started: list[Mapping[str, Any]] = []  # programs that their parents say are Python

    def began(self, pid: int, event: Mapping[str, Any]) -> None:
        process = Process(pid)
        process.command = [word for word in listed(event, "command") if isinstance(word, str)]
        process.by = text_in(event, "by") or ""
        process.name = text_in(event, "name")
        process.began = time_in(event)
        process.files = {kind: event[kind] for kind in FILES if isinstance(event.get(kind), str)}
        before = self.current.get(pid)
        if before is not None and before.ended is None and process.by == BY_EXEC:
            before.end, before.ended = EXEC, process.began
        if process.by != START:
            process.parent = self.parent_of(event)
        if process.parent is not None:
            process.parent.children.append(process)
        self.processes.append(process)
        self.current[pid] = process

    def parent_of(self, event: Mapping[str, Any]) -> Process | None:
        """The nearest ancestor; else the first process of all."""
        for pid in listed(event, "parents"):
            if isinstance(pid, int) and pid in self.current:
                return self.current[pid]
        return self.processes[0] if self.processes else None

    def ended(self, process: Process, event: Mapping[str, Any]) -> None:
        process.ended = time_in(event)
        process.end = text_in(event, "text") or UNKNOWN
        status = event.get("status")
        process.status = status if isinstance(status, int) else None
        process.name = text_in(event, "name") or process.name
        if text_in(event, "snapshot"):
            process.files["snapshot"] = event["snapshot"]

    def take(self, event: Mapping[str, Any]) -> None:
        kind = next(iter(event), "")
        pid = event.get(kind)
        if not isinstance(pid, int):
            return
        process = self.current.get(pid)
        if kind == "began":
            self.began(pid, event)
        elif kind == "started":
            self.started.append(event)
        elif process is None:
            if kind == "killed" and text_in(event, "name"):
                self.killed_at_once(pid, event)
        elif kind == "ended":
            self.ended(process, event)
        elif kind == "exec":
            process.program = text_in(event, "path")
        elif kind == "killed":
            number = event.get("signal")
            process.signal = number if isinstance(number, int) else None
        elif kind == "named":
            process.name = text_in(event, "name")
        elif kind == "problem":
            process.problems.append(text_in(event, "text") or "")

    def killed_at_once(self, pid: int, event: Mapping[str, Any]) -> None:
        """A fork, which was killed before it said that it began. Other programs are in `started`."""
        if any(started["started"] == pid for started in self.started):
            return
        fork = {key: event[key] for key in ("name", "time") if key in event}
        self.began(pid, {**fork, "by": BY_FORK, "parents": [event.get("by")]})
        self.take({**event, "by": None, "name": None})

    def add_started(self) -> None:
        """Match what parents say they started with what says that it began; a pid may be used again."""
        began: dict[int, list[Process]] = {}
        for process in reversed(self.processes):
            if process.by == BY_EXEC:
                began.setdefault(process.pid, []).append(process)
        for event in self.started:
            pid = event["started"]
            if began.get(pid):
                process = began[pid].pop()
                process.name = process.name or text_in(event, "name")
            else:
                self.add_untraced(pid, event)

    def add_untraced(self, pid: int, event: Mapping[str, Any]) -> None:
        process = Process(pid)
        process.by, process.end, process.began, process.name = BY_EXEC, UNTRACED, time_in(event), text_in(event, "name")
        process.command = [word for word in listed(event, "command")[1:] if isinstance(word, str)]
        process.parent = self.parent_of({"parents": [event.get("by")]})
        if process.parent is not None:
            process.parent.children.append(process)
        self.processes.append(process)


def tree_of(events: Events) -> list[Process]:
    """The processes of one journal, in the order in which they began."""
    run = _Run()
    for event in events:
        run.take(event)
    for process in run.processes:
        if process.end == UNKNOWN:
            settle_end(process)
    run.add_started()
    return run.processes


def settle_end(process: Process) -> None:
    """How a process ended that did not say so itself."""
    if process.signal is not None:
        process.end, process.status = KILLED, -process.signal
    elif process.program is not None:
        process.end = EXEC


def listed(event: Mapping[str, Any], key: str) -> list[Any]:
    value = event.get(key)
    return value if isinstance(value, list) else []


def text_in(event: Mapping[str, Any], key: str) -> str | None:
    value = event.get(key)
    return value if isinstance(value, str) and value else None


def time_in(event: Mapping[str, Any]) -> float | None:
    value = event.get("time")
    return value if isinstance(value, float) and 0 <= value < 1 << 40 else None
