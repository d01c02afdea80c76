"""Facts about a snapshot's program, as text: its command line, when it began, and how it ended.

Model: the facts about the program are a dict, `run`, which is in the snapshot's file or is made here from a recording's
moment or a black box. Commands write that dict into the snapshots that they save, so its texts are a part of those files.
"""

import shlex
import time
from collections.abc import Mapping
from typing import Any

from ...model.origin import size_in
from .style import Style
from .units import format_bytes

TYPE_CHECKING = False  # a program that `run` traces needs only the first of these functions
if TYPE_CHECKING:
    from ...blackbox.reading import BlackBox
    from ...recording.reading import Recording

UNRECORDED_END = "killed, or by os._exit or exec"  # such an end is not recorded
RECORDING_ENDS = {"stopped": "stopped", "exit": "with the program", None: f"no end: it goes on, was {UNRECORDED_END}"}
BLACK_BOX_ENDS = {"stopped": "stopped", "exit": "with the program", "": UNRECORDED_END}


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
        facts.append(("began", f"{run['began']}{pid}"))
        pid = ""
    if "moment" in run:
        facts.append(("moment", str(run["moment"])))
    if "ended" in run:
        facts.append(("ended", f"{run['ended']}{pid}"))
    if "cut off" in run:
        facts.append(("cut off", str(run["cut off"])))
    return facts


def command_text(words: list[Any]) -> str:
    """Quoted as for a shell. A single word is not quoted: it is a path, or a whole command that could not be split."""
    return str(words[0]) if len(words) == 1 else shlex.join(map(str, words))


def run_of_moment(recording: "Recording", at: float | None) -> dict[str, Any]:
    """`run` for the snapshot of a recording's moment."""
    index = recording._index(at)
    cut = {} if recording.truncated is None else {"cut off": recording.truncated}
    return {
        "command": words_of(recording.command),
        "pid": recording.pid,
        "began": date(recording.started),
        "moment": f"{recording._clock(index)} of a recording of {recording._clock(len(recording) - 1)}",
        "ended": recording_end(recording),
        **cut,
    }


def run_of_black_box(box: "BlackBox") -> dict[str, Any]:
    """`run` for a snapshot of a black box, taken now."""
    ended = describe_black_box(box, box.running)
    if box.ended_at is not None:
        ended += f" at {date(box.ended_at)}"
    return {"command": words_of(box.command), "pid": box.pid, "began": date(box.started), "ended": ended}


def recording_end(recording: "Recording") -> str:
    """How the program, or the recording alone, ended."""
    if recording.incomplete is not None:
        return "the recording, before the program"
    return RECORDING_ENDS.get(recording.ended, recording.ended or "")


def describe_black_box(box: "BlackBox", running: bool) -> str:
    state = "running" if running else BLACK_BOX_ENDS.get(box.ended or "", box.ended or "")
    return f"{state}, incomplete: {box.incomplete}" if box.incomplete else state


def words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
