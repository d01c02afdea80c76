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
from ..model.sums import peak_stands_out
from ..render.text.snapshot import format_peak, format_snapshot
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
        if settings.zstd:
            compression.library()

    def write(self, numbers: FinalNumbers, end: Mapping[str, Any]) -> None:
        """end: how the program ended, as Ending.facts() returns it."""
        snapshot = numbers.snapshot
        snapshot.run = {
            "command": self.command,
            **end,
            "pid": self.pid,
            "peak": numbers.peak,
            "tracer": numbers.tracer,
        }
        self.add_digests(snapshot)
        path = self.save(snapshot)
        if path and os.path.dirname(path) == current_folder():
            path = os.path.basename(path)
        for top in (self.settings.top, 1):
            try:
                lines = self.format(snapshot, top, path)
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
            complain(f"the snapshot was not written: {text_of(error)}")
            if claimed:
                output.remove_if_empty(path)
            return ""
        return path

    def format(self, snapshot: ctracemalloc.Snapshot, top: int, path: str) -> list[str]:
        style = Style(self.settings.color, width_of(2), self.encoding, self.folder)
        lines = format_snapshot(snapshot, self.settings.key, top, style, saved=path)
        at_peak = snapshot.at_peak
        if at_peak is not None and peak_stands_out(snapshot, at_peak):
            lines.append("")
            lines += format_peak(at_peak, self.settings.key, top, style)
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
            complain(str(error))
        except OSError:
            return given, False  # writing the snapshot will fail with the same error
        suffix = compression.SUFFIX if self.settings.zstd else ""
        path = os.path.join(self.folder, f"ctracemalloc-{self.pid}.ctm{suffix}")
        try:
            return output.claim_free_name(path), True
        except OSError:
            return path, False
