"""What the journals of a run that followed its children (run/journal.py) say, for commands that read the files beside them.

Model: a process that was killed has recorded no end of its own, but its parent was told which signal it was, and has written
that into the journal. The journal is in the folder of the files, and names each by the process that left it. A journal may
contain anything, so what it says is checked (model/processes.py), and one that cannot be read says nothing.
"""

import contextlib
import os

from ..model.processes import RUNNING, UNKNOWN, UNTRACED, tree_of
from ..render.text.processes import end_of
from ..run.journal import SUFFIX
from ..run.processes import events_of


def end_beside(path: str, pid: int) -> str | None:
    """How the process of a black box ended, as a journal in its folder says; None: there is none that knows it."""
    folder, name = os.path.split(os.path.abspath(path))
    with contextlib.suppress(OSError):
        for journal in sorted(each for each in os.listdir(folder) if each.endswith(SUFFIX)):
            journal = os.path.join(folder, journal)
            for process in tree_of(events_of(journal)) if os.path.isfile(journal) else ():
                is_same = process.pid == pid and os.path.basename(process.files.get("black_box", "")) == name
                if is_same and process.end not in (RUNNING, UNKNOWN, UNTRACED):
                    return end_of(process)
    return None
