"""The mappings of a process, from /proc/PID/smaps."""

import re
from typing import NamedTuple

HEADER = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) *(.*)")
ESCAPE = re.compile(rb"\\([0-7]{3})")
SHARED_NAMES = ("/memfd:", "/dev/shm/", "/SYSV", "/dev/zero", "[anon_shmem", "/drm mm object", "/i915")
NO_RSS = frozenset((b"ht", b"pf"))  # flags of areas that RSS does not count: hugetlb, and pages of a device


class Area(NamedTuple):
    start: int
    end: int
    permissions: str
    inode: int
    name: str  # a path, a name in brackets, or ""
    resident: int  # bytes
    swap: int  # bytes
    hugetlb: int  # bytes
    counted: bool  # does RSS count its pages?

    @property
    def is_shared_memory(self) -> bool:
        shared = self.permissions[3] == "s"
        return self.name.startswith(SHARED_NAMES) or (shared and not self.name.startswith("/"))

    @property
    def is_file(self) -> bool:
        return self.name.startswith("/") and not self.is_shared_memory

    @property
    def is_anonymous(self) -> bool:
        """May its pages be a heap, a stack or an arena?"""
        return not self.is_shared_memory and (not self.name or self.name in ("[heap]", "[stack]"))


def read_areas(pid: int) -> list[Area]:
    with open(f"/proc/{pid}/smaps", "rb") as smaps:
        return parse_areas(smaps.read())


def parse_areas(text: bytes) -> list[Area]:
    areas = []
    header: re.Match[bytes] | None = None
    sizes: dict[bytes, int] = {}
    flags: frozenset[bytes] = frozenset()
    for line in text.split(b"\n"):
        key, colon, value = line.partition(b":")
        if key == b"VmFlags":
            flags = frozenset(value.split())
        elif colon and value.endswith(b" kB"):
            sizes[key] = int(value[:-3]) * 1024
        elif found := HEADER.fullmatch(line):
            if header is not None:
                areas.append(make_area(header, sizes, flags))
            header, sizes, flags = found, {}, frozenset()
    if header is not None:
        areas.append(make_area(header, sizes, flags))
    return areas


def make_area(header: re.Match[bytes], sizes: dict[bytes, int], flags: frozenset[bytes]) -> Area:
    name = ESCAPE.sub(lambda match: bytes((int(match[1], 8),)), header[6])
    hugetlb = sizes.get(b"Shared_Hugetlb", 0) + sizes.get(b"Private_Hugetlb", 0)
    return Area(
        int(header[1], 16),
        int(header[2], 16),
        header[3].decode("ascii"),
        int(header[5]),
        name.decode("utf-8", "surrogateescape"),
        sizes.get(b"Rss", 0),
        sizes.get(b"Swap", 0),
        hugetlb,
        not flags & NO_RSS,
    )


def status_size(pid: int) -> int:
    """The kernel's count of the resident bytes; 0: the process has no memory (it has ended)."""
    with open(f"/proc/{pid}/status", "rb") as status:
        found = re.search(rb"^VmRSS:\s*(\d+) kB", status.read(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
