"""Where the live view gets its looks: the black box of a program, or a recording.

Model: a source is an open file. look() reads it and never asks the program for anything: no stop, no lock, no signal. A black
box shows now. A recording has a position, which follows the newest moment while the recording is being made.
"""

import os
import time
from collections.abc import Sequence
from math import inf
from typing import Any, TypeAlias

from .._ctracemalloc import Snapshot
from .._losses import Loss
from ..blackbox import finding
from ..blackbox.reading import open_black_box
from ..formats import kinds
from ..model.origin import run_of_black_box, run_of_moment
from ..model.watch import Look, Point
from ..recording.writing import open_recording
from ..resident.measure import resident_memory
from ..resident.result import ResidentMemory

GENERATION = 4192  # in a black box: see docs/formats/black-box.md
MOST_SPACING = 2.0  # seconds
PARTS = 5  # of the time since the mark, in which a row of a recording has to grow


class BoxSource:
    """The black box of a program that runs or has ended."""

    spacing = inf  # seconds between two looks, at most, for a rate to be one of now

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.box = open_black_box(path)
        except BaseException:
            os.close(self.file)
            raise
        self.pid, self.command = self.box.pid, self.box.command
        self.last: Snapshot | None = None
        self.is_last = False  # of a program that has ended the tables do not change

    def look(self) -> Look | None:
        """None: there is nothing new. The first call gives a look."""
        if self.is_last:
            return None
        running = self.running
        before = self.generation()
        try:
            snapshot = self.box.snapshot()
        except BlockingIOError:
            if self.last is None:
                raise
            return None  # the program empties its tables at the moment
        after = self.generation()
        if before != after:  # emptied between: which generation the look is of is not known
            return None if self.last is not None else self.look()
        self.last, self.is_last = snapshot, not running
        return Look(snapshot.call_tree(), time.monotonic(), before)

    def generation(self) -> int:
        return int.from_bytes(os.pread(self.file, 8, GENERATION), "little")

    def snapshot(self) -> Snapshot:
        if self.last is None:
            self.last = self.box.snapshot()
        return self.last

    @property
    def running(self) -> bool:
        return not self.is_last and self.box.running

    @property
    def losses(self) -> Sequence[Loss]:
        return self.box.losses

    def run(self) -> dict[str, Any]:
        return run_of_black_box(self.box)

    @property
    def exit_status(self) -> int | None:
        return self.box.exit_status

    def close(self) -> None:
        self.box.close()
        os.close(self.file)


class RecordingSource:
    """A recording that is being made or is finished. `position` is the index of a moment."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.shown = -1  # the position of the last look
        self.open()
        self.position = len(self.moments) - 1
        self.follows = self.running
        if not self.moments:
            raise ValueError("the recording has no moments yet")

    def open(self) -> None:
        before = os.stat(self.path)
        self.size = before.st_size
        self.running = is_being_made(before)
        self.recording = open_recording(self.path)
        self.spacing = max(MOST_SPACING, 2 * self.recording.interval)  # a replay jumps
        self.pid, self.command = self.recording.pid, self.recording.command
        self.moments = self.recording.totals()
        self.events = [event.time for event in self.recording.events]

    def look(self) -> Look | None:
        if self.running and os.stat(self.path).st_size != self.size:
            self.open()
        elif self.running:
            self.running = is_being_made(os.stat(self.path))
        if self.follows:
            self.position = len(self.moments) - 1
        if self.position == self.shown:
            return None
        self.shown = self.position
        return self.look_at(self.position)

    def look_at(self, index: int) -> Look:
        moment = self.moments[index]
        tree = self.recording.snapshot(moment.time).call_tree()
        return Look(tree, moment.time, sum(event <= moment.time for event in self.events))

    def between(self, start: float, end: float) -> list[Look]:
        """Looks of a few moments between two others, evenly spaced."""
        inside = [index for index, moment in enumerate(self.moments) if start < moment.time < end]
        parts = min(PARTS, len(inside) + 1)
        return [self.look_at(inside[len(inside) * part // parts]) for part in range(1, parts)]

    def points(self) -> list[Point]:
        return [Point(moment.time, moment.size, 0) for moment in self.moments]

    def move(self, steps: int) -> None:
        self.go_to(self.position + steps)

    def go_to(self, position: int) -> None:
        last = len(self.moments) - 1
        self.position = max(0, min(position, last))
        self.follows = self.running and self.position == last

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self.moments) - 1

    @property
    def now(self) -> float:
        return self.moments[self.position].time

    def snapshot(self) -> Snapshot:
        return self.recording.snapshot(self.now)

    @property
    def losses(self) -> Sequence[Loss]:
        return self.recording.losses

    def run(self) -> dict[str, Any]:
        return run_of_moment(self.recording, self.now)

    @property
    def exit_status(self) -> int | None:
        return self.recording.exit_status

    def close(self) -> None:
        pass  # the file is in memory


def is_being_made(status: os.stat_result) -> bool:
    """Does a recorder hold the file? Asked of the kernel's list of locks: nobody's lock is tried."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            return any(fields[1:2] == ["FLOCK"] and device in fields for fields in map(str.split, locks))
    except OSError:
        return False


Source: TypeAlias = BoxSource | RecordingSource


def open_source(path: str) -> Source:
    return RecordingSource(path) if kinds.kind_of(path) == kinds.RECORDING else BoxSource(path)


def resident_of(source: Source) -> ResidentMemory:
    """What the process's memory consists of. OSError: it has ended, is not seen from here, or may not be looked into."""
    if not source.running:
        raise ProcessLookupError("the program does not run: its memory is gone")
    if isinstance(source, BoxSource):
        found = finding.find(source.pid)
        if found is None or not os.path.samefile(found, source.path):
            raise ProcessLookupError(f"process {source.pid} is another one here: the program runs in a container")
    return resident_memory(source.pid)
