"""The journal of a run that follows child processes: one file, to which each process appends a line when something happens.

Model: a line is a JSON object; its first key is the kind of the event, with the process id as its value. A process opens the
file for each line and appends it with one write, so lines of several processes never mix, and a line that was written
survives whatever ends the process. The first line, of the launcher, has the settings, which children read when they start.

Nothing that fails here may disturb the program: a line that cannot be written is dropped.

    {"run": PID, "format": 1, "settings": HEX}
    {"began": PID, "time": T, "by": "start"|"exec"|"fork", "parents": [PID, ...], "command": [...], "name": NAME,
     "black_box": FILE, "recording": FILE}
    {"ended": PID, "time": T, "text": TEXT, "status": N, "name": NAME, "snapshot": FILE}
    {"exec": PID, "path": PATH, "python": BOOL}    it is about to become another program; path null: it did not
    {"started": PID, "by": PID, "command": [...], "name": NAME}  it is Python; if it is traced, it says "began"
    {"killed": PID, "signal": N, "by": PID, "name": NAME}   its parent was told so; with a name it is a Python process
    {"problem": PID, "text": TEXT}
"""

import json
import os
import time
from typing import Any

FORMAT = 1
SUFFIX = ".processes"
MOST_BYTES = 1 << 20  # of the first line


class Journal:
    def __init__(self, path: str) -> None:
        self.path = path
        self.folder = os.path.dirname(path)

    def append(self, kind: str, pid: int, **facts: Any) -> None:
        line = json.dumps({kind: pid, "time": time.time(), **facts}) + "\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError:
            pass  # the folder was removed, the disk is full, no descriptor is left, another user's process

    def short(self, path: str) -> str:
        """A file as the journal names it: relative to its folder, so that the folder can be moved."""
        return os.path.basename(path) if os.path.dirname(path) == self.folder else path

    def settings(self) -> str | None:
        """The settings in the first line, for a child; None: it cannot be read, is of another format, or another user's."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                if os.fstat(descriptor).st_uid != os.geteuid():
                    return None
                head = os.read(descriptor, MOST_BYTES)
            finally:
                os.close(descriptor)
            first = json.loads(head.split(b"\n", 1)[0])
            return first["settings"] if first["format"] == FORMAT and isinstance(first["settings"], str) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def create(path: str, pid: int, settings: str) -> None:
    """For the launcher. The file must exist, empty."""
    line = json.dumps({"run": pid, "format": FORMAT, "time": time.time(), "settings": settings}) + "\n"
    with open(path, "wb") as file:
        file.write(line.encode())
