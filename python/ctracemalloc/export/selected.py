"""What is exported: the blocks of a snapshot that patterns select, and facts about them that formats have a field for.

Model: a tree whose nodes are tracebacks, a table of its frames and one of its functions, all indexed by id. Row 0 of each is
no traceback, frame or function. Blocks with an empty traceback are the own figures of node 0.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from .._ctracemalloc import Snapshot
from ..model.figures import ALLOCATED, FREED, MEASURES, PEAK, measured, own_columns, total_columns
from ..model.origin import number_in, paths_of, run_of, words_of
from ..model.table import Part, View
from ..places.patterns import Patterns
from .sites import Site, Sites, selected_nodes

UNKNOWN = "<unknown>"  # memory that no Python frame allocated
ALL_CODE = Patterns((), ())


class Selected:
    """The exported part of a snapshot.

    run: facts about the program, as in `Snapshot.run`; None: the snapshot's own. patterns, any_frame: as --include, --exclude
    and --all-frames of the command line.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        run: Mapping[str, Any] | None = None,
        patterns: Patterns = ALL_CODE,
        any_frame: bool = False,
    ) -> None:
        self.snapshot, self.patterns, self.any_frame = snapshot, patterns, any_frame
        self.run = run_of(snapshot) if run is None else run
        part = Part(snapshot.call_tree(), View(patterns=patterns, any_frame=any_frame), paths_of([snapshot]))
        self.frames, self.tree = part.frames, part.tree

    def __len__(self) -> int:
        """The number of nodes, with node 0."""
        return len(self.tree)

    def own(self) -> Sequence[memoryview]:
        """The own figures of the nodes, in the order of Figures."""
        return own_columns(self.tree)

    def sizes(self, measure: str) -> Sequence[int]:
        """Bytes of a measure, of each node alone."""
        return measured(own_columns(self.tree), measure)[0]

    def total_sizes(self, measure: str) -> Sequence[int]:
        """Bytes of a measure, of each node with all below it."""
        return measured(total_columns(self.tree), measure)[0]

    def measures(self) -> list[str]:
        """What the snapshot knows."""
        known = {PEAK: self.tree.peak_known, ALLOCATED: self.tree.churn_known, FREED: self.tree.churn_known}
        return [measure for measure in MEASURES if known.get(measure, True)]

    def function_names(self) -> list[tuple[str, str, int]]:
        """(name, file, line of the definition or 0) of each function. One whose name is not known has that of its file: tools
        group by names."""
        return [(name or filename or UNKNOWN, filename or UNKNOWN, first) for filename, name, first in self.frames.functions]

    def chain(self, node: int) -> list[int]:
        """The frames of a node, the most recent first; of node 0 the frame 0."""
        parent, frame = self.tree.parent, self.tree.frame
        found = [frame[node]]
        node = parent[node]
        while node:
            found.append(frame[node])
            node = parent[node]
        return found

    @property
    def command(self) -> list[str]:
        """The words of the program's command line; empty: not known."""
        command = self.run.get("command")
        if isinstance(command, str):
            return words_of(command)
        return [word for word in command if isinstance(word, str)] if isinstance(command, list) else []

    @property
    def program(self) -> str:
        """The first word of the command line, as it was given."""
        return (self.command or ["python"])[0]

    @property
    def title(self) -> str:
        """The program's file and process id, for people."""
        name = os.path.basename(self.program)
        return f"{name} (pid {self.pid})" if self.pid else name

    @property
    def pid(self) -> int:
        """0: not known."""
        pid = self.run.get("pid")
        return pid if isinstance(pid, int) and 0 < pid < 1 << 31 else 0

    @cached_property
    def sites(self) -> Sites:
        """All sites, also those that are not selected."""
        return Sites(self.snapshot, self.tree)

    def selected_sites(self) -> Iterator[Site]:
        if not self.patterns:
            return iter(self.sites)
        selected = self.selection()
        return (site for site in self.sites if selected[site.node])

    def selection(self) -> bytes:
        """For each node 1 if its blocks are selected, else 0."""
        return selected_nodes(self.tree, self.frames, self.patterns, self.any_frame)

    @property
    def times(self) -> tuple[int, int]:
        """(when the numbers were so, UNIX time in nanoseconds; for how long blocks had been counted then); 0: not known."""
        taken, started = self.sites.taken, self.sites.started
        began, moment = number_in(self.run, "began"), number_in(self.run, "moment")
        if began is not None and moment is not None:  # of a recording
            return int((began + moment) * 1e9), int(moment * 1e9)
        return taken, max(taken - started, 0) if taken and started else 0
