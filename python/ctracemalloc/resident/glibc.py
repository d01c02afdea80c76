"""The heap of glibc's malloc: its arenas, and the blocks that have a mapping of their own.

Model: nothing here depends on glibc's symbols or on one version of it. The state of malloc is found in the data of libc by
its form, and each step is checked; what does not pass is not known, and its memory goes to the row of the heap that was not
read.

- `struct malloc_par` has the beginning of the heap (sbrk_base), which is in [heap], behind the number and the size of the
  blocks with mappings of their own.
- `struct malloc_state`, an arena, has 127 bins, each a pair of pointers. An empty bin points to itself. Before the bins there
  is `top`, the last chunk; behind them `next`, the next arena of a ring.
- The heaps of the other arenas begin at multiples of 64 MiB with `struct heap_info`, from the last one back to the first.
- A heap is a row of chunks, each with its size. The walk through it (the extension, chunk_walk.c) must arrive exactly at its
  end; otherwise the process was changing it, and the walk is repeated.
- A block with a mapping of its own begins at a page, with its size and the bit IS_MMAPPED. That may also be the data of
  something else, so it counts only where the number and the sum of such blocks agree with `malloc_par`.
- The main arena continues in mappings where the heap cannot grow. There is no list of these. A row of chunks that ends as
  such a mapping ends, with end marks or with the last chunk of the arena, is one. `system_mem`, behind `next`, is the size of
  all of them and of [heap], so it is known whether one was missed.
- End marks are two chunks of 16 bytes, which no other chunk has. What was left of `top` becomes a free chunk before them. If
  that has only 16 bytes, it cannot be one and stays as a third mark.

Free blocks that glibc keeps in a cache of a thread (tcache) or in its fast lists look as if they were in use.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .. import _ctracemalloc
from .areas import Area
from .elf import Library
from .memory import Memory
from .pages import PAGE, Pages
from .shares import Shares

HEAP_MAX = 64 << 20
MMAPPED, MAIN_NOT, FLAGS = 2, 4, 7
BINS = 127
PARTS = 2 + 2 * BINS + 2  # words from `top` to `next`
TRIES = 3
MAX_ARENAS = 4096
MAX_HEAPS = 1 << 16
MAX_MMAPS = 65536  # DEFAULT_MMAP_MAX, the default of n_mmaps_max
MARK = 16  # bytes of an end mark
END = 3 * MARK  # a heap that is not the last of its arena ends with up to this many bytes of end marks
GROWTH = 1 << 32  # more than [heap] grows while it is read


class HeapPart(NamedTuple):
    """Resident bytes of one heap."""

    main: bool
    size: int  # bytes, resident or not
    in_use: int
    free: int
    top: int  # of `free`: in the last chunk, at the end
    chunks: int


class Heap(NamedTuple):
    """What was found, in resident bytes."""

    parts: list[HeapPart]
    arenas: int
    large: list[tuple[int, int]]  # the blocks with mappings of their own
    large_verified: bool  # do they agree with malloc's own count?
    main_verified: bool  # was all found that malloc counts of the main arena?


class Walk(NamedTuple):
    top: int  # the last chunk of the arena, which the walk ought to arrive at; 0: it is not in the range
    position: int  # where it ended
    in_use: int  # resident bytes in chunks in use, without the last
    free: int
    last: int  # the last chunk, of which is not known whether it is in use
    last_resident: int
    chunks: int

    @property
    def at_top(self) -> bool:
        return self.top != 0 and self.last == self.top


class Parameters(NamedTuple):
    """Of malloc_par."""

    base: int
    mmaps: int
    mmapped: int


class State(NamedTuple):
    """The main arena, and where the parts of each arena are."""

    address: int
    top_offset: int
    next_offset: int
    system_mem_offset: int
    size: int


class Glibc:
    """Finds the memory of malloc in one process, and takes it out of the shares."""

    def __init__(self, memory: Memory, pages: Pages, shares: Shares) -> None:
        self.memory = memory
        self.pages = pages
        self.shares = shares
        self.parts: list[HeapPart] = []
        self.large: list[tuple[int, int]] = []

    def find(self, libc: Library, areas: Sequence[Area]) -> Heap | None:
        """None: the state of malloc was not found."""
        heaps = [(area.start, area.end) for area in areas if area.name == "[heap]"]
        words = self.words_of(libc)
        parameters = find_parameters(words, heaps)
        state = self.find_state(words)
        if parameters is None or state is None:
            return None
        if parameters.base:
            self.take_main(state, parameters.base, heaps)
        arenas = self.arenas_of(state)
        for arena in arenas:
            self.take_arena(arena, state)
        verified = self.take_mappings(parameters, state.address + state.top_offset)
        return Heap(self.parts, 1 + len(arenas), self.large, verified, self.is_main_whole(state))

    def is_main_whole(self, state: State) -> bool:
        found = sum(part.size for part in self.parts if part.main)
        return found >= self.memory.word(state.address + state.system_mem_offset)

    def words_of(self, libc: Library) -> list[tuple[int, "array[int]"]]:
        return [found for start, end in libc.data for found in self.memory.resident_words(self.pages, start, end)]

    # --- the state of malloc ---

    def find_state(self, words: Sequence[tuple[int, "array[int]"]]) -> State | None:
        for start, values in words:
            for first in rows_of_bins(values, start):
                found = self.state_at(start + 8 * first, values[first + 2 * BINS + 2])
                if found is not None:
                    return found
        return None

    def state_at(self, bins: int, following: int) -> State | None:
        """The state with these bins. All arenas have one layout, so the right distance of the bins leads around the ring."""
        for distance in range(16, 512, 8):
            behind = distance + 8 * (2 * BINS + 2)
            state = State(bins - distance, distance - 16, behind, behind + 24, behind + 40)
            if self.is_ring(state, following):
                return state
        return None

    def is_ring(self, state: State, following: int) -> bool:
        for _ in range(MAX_ARENAS):
            if following == state.address:
                return True
            if not 0 < following % HEAP_MAX < PAGE:
                return False
            following = self.memory.word(following + state.next_offset)
        return False

    def arenas_of(self, state: State) -> list[int]:
        """The other arenas: those whose heap says that it is theirs."""
        found: list[int] = []
        address = self.memory.word(state.address + state.next_offset)
        while address and address != state.address and address not in found and len(found) < MAX_ARENAS:
            if self.memory.word(address // HEAP_MAX * HEAP_MAX) != address:
                break
            found.append(address)
            address = self.memory.word(address + state.next_offset)
        return found

    # --- walking ---

    def walk(self, start: int, end: int, top_at: int, growth: int = 0) -> Walk:
        """top_at: where the arena has its top. growth: what the top may be longer than the range, which then has grown.

        Between the reading of the top and the walk nothing may take or free memory of libc's: of this process, that would
        move the top. So the runs are made before.
        """
        runs = array("Q")
        for run in self.pages.runs(start, end):
            runs.extend(run)
        top = self.memory.word(top_at)
        stop = top + (self.memory.word(top + 8) & ~FLAGS)
        if not (start <= top < end + growth and top < stop <= end + growth):
            top, stop = 0, end
        return Walk(top, *_ctracemalloc._walk_chunks(self.memory.descriptor, start, stop, runs, self.memory.is_own))

    def take_main(self, state: State, base: int, heaps: Sequence[tuple[int, int]]) -> None:
        """The main arena's heap, which ends behind its top; if the top is in another mapping, at the end of [heap]."""
        begin = -(-base // 16) * 16
        for start, end in heaps:
            for _ in range(TRIES if start <= begin < end else 0):
                walk = self.walk(begin, end, state.address + state.top_offset, GROWTH)
                if self.is_whole(walk, end):
                    self.take_walk(walk, start, end, main=True)
                    return

    def is_whole(self, walk: Walk, end: int) -> bool:
        """Has the walk arrived at the top, or at the end of a range without it?"""
        return walk.at_top if walk.top else walk.chunks > 0 and end - END <= walk.position <= end

    def take_walk(self, walk: Walk, start: int, end: int, main: bool) -> None:
        """Take a range of whole chunks. What is before the first, or behind the last, are administration and end marks."""
        stop = end if end - END <= walk.position or walk.at_top else -(-walk.position // PAGE) * PAGE
        size = sum(self.pages.resident(*part) for part in self.shares.take(start, stop))
        at_end = walk.last_resident if walk.at_top else 0
        free = walk.free + (at_end if walk.at_top or self.is_last_in_use(walk, stop) else walk.last_resident)
        self.parts.append(HeapPart(main, max(stop, walk.position) - start, size - free, free, at_end, walk.chunks))

    def is_last_in_use(self, walk: Walk, stop: int) -> bool:
        """Is the last chunk in use? The end mark behind it says so, as any chunk does of the one before it."""
        words = self.memory.words(walk.position, 2)
        return walk.position + 16 > stop or len(words) < 2 or bool(words[1] & 1)

    def take_arena(self, arena: int, state: State) -> None:
        heap = self.memory.word(arena + state.top_offset) // HEAP_MAX * HEAP_MAX
        for _ in range(MAX_HEAPS):
            owner, previous, size = self.memory.fields(heap, 3)
            if owner != arena or not 0 < size <= HEAP_MAX or size % PAGE or not self.shares.contains(heap, heap + size):
                return
            begin = arena + state.size if arena // HEAP_MAX * HEAP_MAX == heap else heap + arena % HEAP_MAX
            self.take_heap(heap, -(-begin // 16) * 16, heap + size, arena + state.top_offset)
            if not previous or previous % HEAP_MAX:
                return
            heap = previous

    def take_heap(self, heap: int, begin: int, end: int, top_at: int) -> None:
        for _ in range(TRIES):
            walk = self.walk(begin, end, top_at)
            if self.is_whole(walk, end):
                self.take_walk(walk, heap, end, main=False)
                return

    # --- mappings of malloc ---

    def take_mappings(self, parameters: Parameters, top_at: int) -> bool:
        """Blocks with mappings of their own, and mappings that continue the main arena. True: the blocks are verified."""
        blocks: list[tuple[int, int]] = []
        pieces: list[tuple[Walk, int, int]] = []
        for start, end in self.shares:
            self.search(start, end, blocks, pieces, top_at)
        verified = len(blocks) == parameters.mmaps and self.is_sum(parameters.mmapped, blocks)
        if verified:
            for start, end in blocks:
                self.large += self.shares.take(start, end)
        for walk, start, end in pieces:
            self.take_walk(walk, start, end, main=True)
        return verified

    def is_sum(self, mapped: int, blocks: Sequence[tuple[int, int]]) -> bool:
        """Is that the size of the blocks? In glibc 2.43 it is not exact: it keeps 16 bytes of each that was freed."""
        more = mapped - sum(end - start for start, end in blocks)
        exact = all(self.memory.word(start + 8) % PAGE == MMAPPED for start, _ in blocks)
        return more == 0 if exact else more >= 0 and more % 16 == 0

    def search(
        self, start: int, end: int, blocks: list[tuple[int, int]], pieces: list[tuple[Walk, int, int]], top_at: int
    ) -> None:
        position = self.pages.following(start, end)
        while position < end:
            before, field = self.memory.fields(position, 2)
            size = field & ~FLAGS
            mapped = -(-size // PAGE) * PAGE
            whole = size in (mapped, mapped - 16)  # glibc before 2.43, and since then
            if field & FLAGS == MMAPPED and before == 0 and mapped and whole and position + mapped <= end:
                blocks.append((position, position + mapped))
                position += mapped
            else:
                position = self.piece_at(position, end, pieces, top_at)
            position = self.pages.following(position, end)

    def piece_at(self, position: int, end: int, pieces: list[tuple[Walk, int, int]], top_at: int) -> int:
        """A mapping that continues the main arena, if one is there. The position behind it."""
        field = self.memory.word(position + 8)
        size = field & ~FLAGS
        if field & FLAGS == 1 and 32 <= size <= end - position and size % 16 == 0:
            walk = self.walk(position, end, top_at)
            stop = -(-walk.position // PAGE) * PAGE
            if walk.at_top or self.has_end_marks(walk.position, stop):
                pieces.append((walk, position, stop))
                return stop
        return position + PAGE

    def has_end_marks(self, position: int, stop: int) -> bool:
        """Does a mapping of the main arena end there: with two or three end marks?"""
        number = (stop - position) // MARK
        if number not in (2, 3) or number * MARK != stop - position:
            return False
        first, *others = self.memory.fields(position, 2 * number)[1::2]
        return first & ~FLAGS == MARK and all(field == MARK | 1 for field in others)


def rows_of_bins(values: "array[int]", start: int) -> Iterator[int]:
    """Where 127 bins may begin: each is empty or has two pointers, and many are empty. `next` is behind them as well."""
    index = 2
    while index + 2 * BINS + 2 < len(values):
        if not is_empty_bin(values, start, index):
            index += 1
            continue
        lowest = max(index % 2, index - 2 * BINS + 2)
        for first in range(lowest, index + 2, 2):
            pairs = range(first, first + 2 * BINS, 2)
            if first + 2 * BINS + 2 < len(values) and all(is_bin(values, start, pair) for pair in pairs):
                yield first
        index += 2 * BINS


def is_bin(values: "array[int]", start: int, index: int) -> bool:
    return is_empty_bin(values, start, index) or (is_pointer(values[index]) and is_pointer(values[index + 1]))


def is_pointer(value: int) -> bool:
    return PAGE <= value < 1 << 47 and value % 16 == 0


def is_empty_bin(values: "array[int]", start: int, index: int) -> bool:
    return values[index] == values[index + 1] == start + 8 * index - 16


def find_parameters(words: Sequence[tuple[int, "array[int]"]], heaps: Sequence[tuple[int, int]]) -> Parameters | None:
    """malloc_par, by its word sbrk_base, which is in [heap]."""
    for _, values in words:
        for index in range(5, len(values)):
            base = values[index]
            if base and any(start <= base < end for start, end in heaps):
                found = parameters_at(values, index)
                if found is not None:
                    return found
    return None


def parameters_at(values: "array[int]", index: int) -> Parameters | None:
    """malloc_par with the word sbrk_base at `index`; before it there are two sizes, and before these there are numbers."""
    mmapped, highest = values[index - 2], values[index - 1]
    if mmapped > highest or mmapped % 16 or highest % 16:
        return None
    numbers = [half for value in values[index - 5 : index - 2] for half in (value & 0xFFFFFFFF, value >> 32)]
    for mmaps, limit, most, fixed in (numbers[1:5], numbers[2:6]):  # glibc 2.35 and later, and before
        if mmaps <= most <= limit == MAX_MMAPS and fixed in (0, 1):
            return Parameters(values[index], mmaps, mmapped)
    return None
