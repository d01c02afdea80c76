"""Facts about a snapshot's program, as text: its command line, when it began, and how it ended.

Model: model/origin.py has the facts. In snapshots that an earlier version saved, "began", "moment" and "ended" are texts
already, and are printed as they are.
"""

import shlex
import time
from collections.abc import Mapping
from typing import Any

from ..._words import short_clock
from ...model.origin import EXIT, RUNNING, STOPPED, UNRECORDED, number_in, size_in
from .style import Style
from .units import format_bytes

TYPE_CHECKING = False  # a program that `run` traces needs only the first of these functions
if TYPE_CHECKING:
    from ...blackbox.reading import BlackBox
    from ...recording.reading import Recording

UNRECORDED_END = "killed, or by os._exit or exec"  # such an end is not recorded
BLACK_BOX_ENDS = {RUNNING: "running", STOPPED: "stopped", EXIT: "with the program", UNRECORDED: UNRECORDED_END}
RECORDING_ENDS = {**BLACK_BOX_ENDS, UNRECORDED: f"no end: it still runs, was {UNRECORDED_END}"}


def run_facts(run: Mapping[str, Any], style: Style) -> list[tuple[str, str]]:
    """The facts of `run` for the head of a report."""
    facts = []
    tracer = size_in(run, "tracer")
    if tracer is not None:
        facts.append(("tracer", f"{format_bytes(tracer)} used by ctracemalloc itself"))
    if isinstance(run.get("command"), list):
        facts.append(("program", style.text(command_text(run["command"]), len("  program  "))))
    pid = f", pid {run['pid']}" if "pid" in run else ""
    if "began" in run:
        began = number_in(run, "began")
        facts.append(("began", f"{run['began'] if began is None else date(began)}{pid}"))
        pid = ""
    if "moment" in run:
        facts.append(("moment", moment_text(run)))
    if "ended" in run:
        facts.append(("ended", f"{end_text(run)}{pid}"))
    if "cut off" in run:
        facts.append(("cut off", str(run["cut off"])))
    return facts


def command_text(words: list[Any]) -> str:
    """Quoted as for a shell. A single word is not quoted: it is a path, or a whole command that could not be split."""
    return str(words[0]) if len(words) == 1 else shlex.join(map(str, words))


def moment_text(run: Mapping[str, Any]) -> str:
    moment, length = number_in(run, "moment"), number_in(run, "length")
    if moment is None or length is None:
        return str(run["moment"])
    return f"{short_clock(moment)} of a recording of {short_clock(length)}"


def end_text(run: Mapping[str, Any]) -> str:
    """How the program ended, or the recording that the snapshot is of."""
    ended, incomplete, at = str(run["ended"]), run.get("incomplete"), number_in(run, "ended at")
    if "moment" in run:
        return recording_end_text(ended, incomplete is not None)
    return black_box_end_text(ended, incomplete) + (f" at {date(at)}" if at is not None else "")


def recording_end_text(ended: str, incomplete: bool) -> str:
    return "the recording, before the program" if incomplete else RECORDING_ENDS.get(ended, ended)


def black_box_end_text(ended: str, incomplete: object) -> str:
    state = BLACK_BOX_ENDS.get(ended, ended)
    return f"{state}, incomplete: {incomplete}" if incomplete else state


def recording_end(recording: "Recording") -> str:
    """How the program, or the recording alone, ended."""
    return recording_end_text(recording.ended or UNRECORDED, recording.incomplete is not None)


def describe_black_box(box: "BlackBox", running: bool) -> str:
    return black_box_end_text(RUNNING if running else box.ended or UNRECORDED, box.incomplete)


def date(seconds: float) -> str:
    """0: it is not known."""
    if not seconds:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
