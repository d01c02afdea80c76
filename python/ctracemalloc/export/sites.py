"""The sites of a snapshot, which its call tree has added up: each with its block size, domain and labels.

Model: a snapshot writes itself into a file in memory, in the format that docs/formats/snapshot.md describes, and the rows of
the file are read here. So no object is made for a block, and nothing is left on a disk. The file has just been made by this
package, so nothing in it is checked.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from math import expm1
from typing import NamedTuple

from .._ctracemalloc import CallTree, Snapshot
from ..model.frames import Frames
from ..places.patterns import Patterns

INFO, LABEL_SETS, SITES = 1, 9, 7  # kinds of sections
HEADER, DIRECTORY_ROW = struct.Struct("<20xI8xQI"), struct.Struct("<I4xQQQI4x")
INFO_ROW = struct.Struct("<32xQQQQ16x")  # from the tracer's bytes on
SITE, LABEL = struct.Struct("<QQQIIIIQ"), struct.Struct("<III")
Labels = dict[str, str]


class Site(NamedTuple):
    """All blocks of one traceback, block size, domain and label set. Of a sample, blocks are estimates, and no integers."""

    node: int  # in the call tree: its traceback
    block_size: int  # bytes of each block
    domain: int
    labels: int  # a number of Sites.labels
    blocks: float  # live
    peak_blocks: float  # live at the moment of the peak; 0: not known
    allocated: float  # ever allocated


class Sites:
    """The sites of a snapshot. Iterating gives each as a Site, in their order."""

    def __init__(self, snapshot: Snapshot, tree: CallTree) -> None:
        descriptor = os.memfd_create("ctracemalloc", os.MFD_CLOEXEC)
        try:
            snapshot.dump(os.dup(descriptor))  # which dump() closes
            self.content = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self.sections = self.read_directory()
        _tracer, interval, self.taken, self.started = INFO_ROW.unpack_from(self.content, self.sections[INFO][0])
        self.interval = float(interval)  # of the sample, in bytes; 0: it is none
        self.labels = self.read_labels(tree)

    def read_directory(self) -> dict[int, tuple[int, int]]:
        """{kind of section: (offset, bytes)}"""
        number, directory, row_size = HEADER.unpack_from(self.content)
        found = {}
        for row in range(number):
            kind, offset, length, _rows, _row_size = DIRECTORY_ROW.unpack_from(self.content, directory + row * row_size)
            found[kind] = offset, length
        return found

    def read_labels(self, tree: CallTree) -> list[Labels]:
        """The label sets; set 0 is empty."""
        sets: list[Labels] = [{}]
        strings = tree.strings
        offset, length = self.sections.get(LABEL_SETS, (0, 0))
        for parent, key, value in LABEL.iter_unpack(self.content[offset + LABEL.size : offset + length]):
            sets.append({**sets[parent], strings[key]: strings[value]})
        return sets

    def __iter__(self) -> Iterator[Site]:
        offset, length = self.sections[SITES]
        interval, tuple_new = self.interval, tuple.__new__
        for row in SITE.iter_unpack(memoryview(self.content)[offset + SITE.size : offset + length]):
            block_size, allocated, freed, domain, node, labels, _reserved, peak = row
            weight = 1 if not interval or not block_size else -1 / expm1(-block_size / interval)
            live = allocated - freed
            yield tuple_new(Site, (node, block_size, domain, labels, live * weight, peak * weight, allocated * weight))


def selected_nodes(tree: CallTree, frames: Frames, patterns: Patterns, any_frame: bool) -> bytes:
    """For each node 1 if the patterns select its blocks, else 0: what CallTree.select does, for sites."""
    if not any_frame:
        wanted = frames.wanted(patterns)
        return bytes([wanted[frame] for frame in tree.frame])
    include, exclude = patterns.parts()
    some, every = frames.wanted(include), frames.wanted(exclude)
    has_some, has_every = bytearray(len(tree)), bytearray(len(tree))
    for node, (parent, frame) in enumerate(zip(tree.parent, tree.frame, strict=True)):
        has_some[node] = some[frame] | (has_some[parent] if parent else 0)
        has_every[node] = every[frame] & (has_every[parent] if parent else 1)
    return bytes([one & all_of for one, all_of in zip(has_some, has_every, strict=True)])
