"""Which pages of a process are resident.

Model: `Pages` is a sorted list of runs of resident pages. Linux 6.7 and later find them (PAGEMAP_SCAN) and skip the zero page,
which a read of untouched memory maps and which RSS does not count. On older kernels the runs come from /proc/PID/pagemap, where
the zero page looks like any other. There smaps tells how many pages of an area RSS counts. The others are zero pages, and these
are among the pages that are neither of a file nor exclusive to this process. If there are more such pages than zero pages
(memory that is shared with a forked child), it is not known which of them count: these are left out, and `unplaced` has how
many bytes of them RSS counts.
"""

import errno
import fcntl
import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from .areas import Area

PAGE = os.sysconf("SC_PAGESIZE")

# linux/fs.h
PAGEMAP_SCAN = 0xC0606610
IS_FILE, IS_PRESENT, IS_ZERO = 1 << 2, 1 << 3, 1 << 5
REGIONS = 4096  # of one call

# The highest byte of an entry of /proc/PID/pagemap
PRESENT, FILE, EXCLUSIVE = 0x80, 0x20, 0x01
PIECE = 1 << 20  # entries of one read
PRESENT_RUN = re.compile(rb"[\x80-\xff]+")
KIND_OF = bytes(
    0 if not byte & PRESENT else 1 if byte & FILE else 3 if not byte & EXCLUSIVE else 2 for byte in range(256)
)  # 0: not present, 1: of a file, 2: anonymous, 3: anonymous, or the zero page
RUNS_WITH_SHARED = re.compile(rb"\x01+|[\x02\x03]+")
RUNS_WITHOUT_SHARED = re.compile(rb"\x01+|\x02+")


class Pages:
    """Runs of resident pages, in the order of their addresses."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.of_file: list[bool] = []  # pages of a file or of shared memory; not of anonymous memory
        self.unplaced = 0  # bytes that RSS counts, in pages that are not known
        self._before: list[int] = [0]  # bytes in the runs before each

    def add(self, start: int, end: int, of_file: bool) -> None:
        """Runs are added in their order."""
        self.starts.append(start)
        self.ends.append(end)
        self.of_file.append(of_file)
        self._before.append(self._before[-1] + end - start)

    @property
    def total(self) -> int:
        return self._before[-1]

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The resident parts of a range."""
        index = max(bisect_right(self.starts, start) - 1, 0)
        while index < len(self.starts) and self.starts[index] < end:
            low, high = max(self.starts[index], start), min(self.ends[index], end)
            if low < high:
                yield low, high
            index += 1

    def end_of_run(self, address: int) -> int:
        """Where the resident memory ends that begins at the address or before it; the address itself: it is not resident."""
        index = bisect_right(self.starts, address) - 1
        if index < 0 or self.ends[index] <= address:
            return address
        while index + 1 < len(self.starts) and self.starts[index + 1] == self.ends[index]:
            index += 1
        return self.ends[index]

    def following(self, address: int, end: int) -> int:
        """The first resident address from there on; `end`: there is none before it."""
        index = max(bisect_right(self.starts, address) - 1, 0)
        while index < len(self.starts) and self.ends[index] <= address:
            index += 1
        return min(max(self.starts[index], address), end) if index < len(self.starts) else end

    def below(self, address: int) -> int:
        """Resident bytes below an address."""
        index = bisect_right(self.starts, address) - 1
        if index < 0:
            return 0
        return self._before[index] + min(self.ends[index], address) - self.starts[index]

    def resident(self, start: int, end: int) -> int:
        return self.below(end) - self.below(start)

    def resident_of_file(self, start: int, end: int) -> int:
        """Resident bytes of a range that are pages of its file, and no copies of them."""
        index = max(bisect_right(self.starts, start) - 1, 0)
        size = 0
        while index < len(self.starts) and self.starts[index] < end:
            if self.of_file[index]:
                size += max(0, min(self.ends[index], end) - max(self.starts[index], start))
            index += 1
        return size


def read_pages(pid: int, areas: Iterable[Area], scan: bool = True) -> Pages:
    """scan: False uses the way of older kernels."""
    pages = Pages()
    descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for area in areas:
            if not area.counted or not area.resident:
                continue
            if scan:
                scan = scan_area(descriptor, area, pages)
            if not scan:
                read_area(descriptor, area, pages)
    finally:
        os.close(descriptor)
    return pages


def scan_area(descriptor: int, area: Area, pages: Pages) -> bool:
    """False: this kernel has no such call."""
    regions = array("Q", bytes(24 * REGIONS))
    position = area.start
    while position < area.end:
        request = array(
            "Q",
            (96, 0, position, area.end, 0, regions.buffer_info()[0], REGIONS, 0, IS_ZERO, IS_PRESENT | IS_ZERO, 0, IS_FILE),
        )
        try:
            found = fcntl.ioctl(descriptor, PAGEMAP_SCAN, request, True)
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
                return False
            raise
        for index in range(0, 3 * found, 3):
            pages.add(regions[index], regions[index + 1], bool(regions[index + 2] & IS_FILE))
        if request[4] <= position:
            break
        position = request[4]
    return True


def read_area(descriptor: int, area: Area, pages: Pages) -> None:
    """The way of older kernels. It ends when it has found what smaps counts, so a large and empty area costs little."""
    counts = [0, 0, 0, 0]
    found: list[tuple[int, bytes]] = []  # first page, kind of each page
    first, last = area.start // PAGE, area.end // PAGE
    while first < last:
        entries = os.pread(descriptor, 8 * min(PIECE, last - first), 8 * first)
        if not entries:
            break
        kinds = entries[7::8].translate(KIND_OF)
        if kinds.strip(b"\0"):
            found.append((first, kinds))
            for kind in (1, 2, 3):
                counts[kind] += kinds.count(kind)
        first += len(kinds)
    zeros = max(0, sum(counts) - area.resident // PAGE)
    pattern = RUNS_WITH_SHARED
    if zeros:
        pattern = RUNS_WITHOUT_SHARED
        pages.unplaced += max(0, counts[3] - zeros) * PAGE
    for start, kinds in found:
        for run in pattern.finditer(kinds):
            pages.add((start + run.start()) * PAGE, (start + run.end()) * PAGE, kinds[run.start()] == 1)
