"""What limits the memory of this process, and how full it is: control groups of both versions, and RLIMIT_AS.

Model: the process is in a control group, which is in others; each may have a limit, and the kernel kills in the group whose
limit is reached. What is used is the memory of the group without the pages of files that the kernel would rather take back
(inactive_file): that is what is left when it kills. The files of the groups are read anew each time, because limits change. A
file that is not there, or has something else in it, is no limit.
"""

import resource
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PROC = "/proc"
UNLIMITED = 1 << 60  # bytes: version 1 has a number near 2^63 for it


class Files(NamedTuple):
    """The names of a version's files."""

    limit: str
    used: str
    reclaimable: bytes  # a line of memory.stat
    events: str  # has lines with the numbers of times that there was no memory


class Ceiling(NamedTuple):
    name: str
    used: int  # bytes
    limit: int  # bytes
    alarms: int  # how often there was no memory, or a process was killed

    @property
    def share(self) -> float:
        return self.used / self.limit


V2 = Files("memory.max", "memory.current", b"inactive_file", "memory.events")
V1 = Files("memory.limit_in_bytes", "memory.usage_in_bytes", b"total_inactive_file", "memory.oom_control")
ALARMS = (b"oom", b"oom_kill")


def groups(proc: str = PROC) -> Iterator[tuple[str, Files]]:
    """The folders of this process's control groups that may limit its memory, the innermost first."""
    try:
        paths = group_paths(proc)
        with open(f"{proc}/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return
    for line in lines:
        before, _dash, after = line.partition(" - ")
        root, point = (octal(field) for field in before.split(" ")[3:5])
        kind, _source, options = (*after.split(" ", 2), "", "")[:3]
        controller = "" if kind == "cgroup2" else "memory"
        is_wanted = kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(","))
        if is_wanted and controller in paths:
            for folder in folders_up(point, root, paths[controller]):
                yield folder, V1 if controller else V2


def group_paths(proc: str) -> dict[str, str]:
    """{controller: path}; "" is that of version 2."""
    found = {}
    with open(f"{proc}/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            _number, controllers, path = line.rstrip("\n").split(":", 2)
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def octal(text: str) -> str:
    """mountinfo has a space as \\040."""
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def folders_up(point: str, root: str, path: str) -> Iterator[str]:
    """The folder of a group and of those around it, as far as the mount shows them."""
    root = root.rstrip("/")
    below = path[len(root) :].strip("/") if path == root or path.startswith(f"{root}/") else ""
    if ".." in below.split("/"):
        below = ""  # the group is outside of what this namespace shows
    while below:
        yield f"{point}/{below}"
        below = below.rpartition("/")[0]
    yield point


def ceilings(folders: Iterable[tuple[str, Files]], least: float = 0.0) -> list[Ceiling]:
    """Each limit there is in these groups, and of the address space.

    Below the share `least` of a limit the pages of files are not looked at, and are in what is used.
    """
    found = [ceiling for folder, files in folders if (ceiling := ceiling_of_group(folder, files, least)) is not None]
    address_space = ceiling_of_address_space()
    return found if address_space is None else [*found, address_space]


def ceiling_of_group(folder: str, files: Files, least: float) -> Ceiling | None:
    limit, used = number_in(f"{folder}/{files.limit}"), number_in(f"{folder}/{files.used}")
    if limit is None or used is None or not 0 < limit < UNLIMITED:
        return None
    if used >= least * limit:
        used -= min(used, sum_of_lines(f"{folder}/memory.stat", (files.reclaimable,)))
    return Ceiling(folder, used, limit, sum_of_lines(f"{folder}/{files.events}", ALARMS))


def number_in(path: str) -> int | None:
    try:
        with open(path, "rb") as file:
            return int(file.read())
    except (OSError, ValueError):  # "max" is no number
        return None


def sum_of_lines(path: str, names: tuple[bytes, ...]) -> int:
    """The sum of the numbers behind these names."""
    total = 0
    try:
        with open(path, "rb") as lines:
            for line in lines:
                name, _space, value = line.partition(b" ")
                total += int(value) if name in names else 0
    except (OSError, ValueError):
        pass
    return total


def ceiling_of_address_space() -> Ceiling | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if not 0 < limit < UNLIMITED:
        return None
    try:
        with open(f"{PROC}/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return Ceiling("RLIMIT_AS", pages * resource.getpagesize(), limit, 0)
