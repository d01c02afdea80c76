"""The report of a program that `run` traces: the file of its snapshot, and the text on stderr.

Model: a ReportWriter is made before tracing starts and writes once, at the end, when memory and descriptors may be scarce: a
failure is reported in one line, and the rest is done without what failed.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import ctracemalloc

from .._messages import complain, write_stderr
from ..formats import compression, kinds, output
from ..formats.sources import digests_of
from ..model.table import View
from ..render.text.processes import child_lines
from ..render.text.report import format_report
from ..render.text.style import Style, current_folder, encoding_of, width_of
from .settings import Settings


class FinalNumbers:
    """The numbers of a report. All are read before anything else is allocated."""

    def __init__(self, take: Callable[[], ctracemalloc.Snapshot]) -> None:
        _current, self.peak = ctracemalloc.get_traced_memory()
        self.tracer = ctracemalloc.get_tracemalloc_memory()
        self.snapshot = take()


def text_of(error: Exception) -> str:
    """The message of an OSError is complete; other errors need their type's name."""
    text = str(error)
    if isinstance(error, OSError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class ReportWriter:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.command = sys.orig_argv[1:]
        self.folder = current_folder()
        self.encoding = encoding_of(sys.stderr)
        suffix = compression.SUFFIX if settings.zstd else ""
        self.default = os.path.join(self.folder, f"ctracemalloc.{self.pid}.ctm{suffix}")
        self.complain = complain  # how a problem is reported
        self.started: tuple[int, int] | None = None  # forks and Python programs that this process started: set at the end
        self.followed = ""  # the folder with the files of all processes; "": they are not followed
        if settings.zstd:
            compression.library()

    def store(self, numbers: FinalNumbers, facts: Mapping[str, Any]) -> str:
        """Write the snapshot; facts: how the program ended, as Ending.facts() returns it, and others. Returns save()'s path."""
        numbers.snapshot.run = {
            "command": self.command,
            **facts,
            "pid": self.pid,
            "folder": self.folder,
            "peak": numbers.peak,
            "tracer": numbers.tracer,
        }
        self.add_digests(numbers.snapshot)
        return self.save(numbers.snapshot)

    def print(self, numbers: FinalNumbers, path: str) -> None:
        """Print the report; path: of the snapshot, "" if it was not written."""
        snapshot = numbers.snapshot
        if path and os.path.dirname(path) == current_folder():
            path = os.path.basename(path)
        for limit in (self.settings.limit, 1):
            try:
                lines = self.format(snapshot, limit, path)
            except MemoryError:
                continue  # a report with one row is better than no report
            write_stderr("\n".join(lines) + "\n", self.encoding)
            return
        complain(f"no memory for the report: {numbers.peak} bytes at the peak; {path or 'no file'}")

    def add_digests(self, snapshot: ctracemalloc.Snapshot) -> None:
        """So that a report can tell whether a line of source is still what it was."""
        try:
            snapshot.run["sources"] = digests_of(snapshot._filenames(), self.folder)
        except Exception:  # no memory, an audit hook of the program that forbids files: the snapshot has no digests
            pass

    def save(self, snapshot: ctracemalloc.Snapshot) -> str:
        """Write the snapshot. Returns its path; "": it was not written, and the user has been told."""
        path, claimed = "", False
        try:
            path, claimed = self.claim_path()
            snapshot.dump(path, compression="zstd" if self.settings.zstd else None)
        except Exception as error:  # a full disk, no memory, an audit hook of the program that forbids files
            self.complain(f"the snapshot was not written: {text_of(error)}")
            if claimed:
                output.remove_if_empty(path)
            return ""
        return path

    def format(self, snapshot: ctracemalloc.Snapshot, limit: int, path: str) -> list[str]:
        style = Style(self.settings.color, width_of(2), self.encoding, self.folder)
        style.with_source = self.settings.source
        view = View(self.settings.key, fold=self.settings.fold, limit=limit)
        lines = format_report(snapshot, view, style, saved=path)
        if self.started is not None:
            end_of_head = lines.index("")
            lines[end_of_head:end_of_head] = child_lines(sum(self.started), self.followed, style)
        return lines

    def claim_path(self) -> tuple[str, bool]:
        """The path of the snapshot, and whether an empty file was created there to claim the name.

        If the program has put a file of its own at that path, the file stays, and the snapshot gets another name.
        """
        given = self.settings.output
        try:
            if given:
                if output.claim(given):
                    return given, True
                output.check(given, kinds.SNAPSHOT, force=self.settings.force)
                return given, False
        except output.RefusedError as error:
            self.complain(str(error))
        except OSError:
            return given, False  # writing the snapshot will fail with the same error
        try:
            return output.claim_free_name(self.default), True
        except OSError:
            return self.default, False
