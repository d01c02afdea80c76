"""The settings that the launcher passes to the program's process: one -X option of the interpreter."""

import marshal
from typing import NamedTuple

RUN_OPTION = "ctracemalloc_run"
FOLLOW_VARIABLE = "CTRACEMALLOC_RUN"  # of the environment: the path of the journal; see follow.py
AUTOMATIC_LABELS = ("thread", "task")
MARSHAL_VERSION = 2  # every Python reads it


class RecordOptions(NamedTuple):
    """What is to be recorded over time."""

    interval: float  # seconds
    children: bool
    path: str  # absolute


class Settings:
    """The settings as the text of one -X option: all attributes, marshalled, in hex.

    marshal stores any text and is built into the interpreter, so the program finds no module imported that it would not find
    without this package.
    """

    def __init__(self, nframe: int, interval: int, install: bool, output: str) -> None:
        self.nframe = nframe
        self.interval = interval  # bytes; 0: every block is traced
        self.install = install
        self.labels: list[str] = []  # that blocks get without the program's doing
        self.key = "lineno"
        self.limit = 10  # rows
        self.fold = False  # one row for each kind of code that is not the program's
        self.source = True  # are lines of source shown?
        self.color = False
        self.output = output  # absolute, or "" for the default name
        self.record: RecordOptions | None = None
        self.black_box = ""  # absolute, "auto" for the default folder, or "" for none
        self.box_children = False
        self.zstd = False
        self.journal = ""  # absolute: child processes are followed (follow.py); "": they are not
        self.force = False  # may existing files at the given paths be overwritten, whatever they are?

    def encode(self) -> str:
        record = None if self.record is None else tuple(self.record)
        return marshal.dumps({**vars(self), "record": record}, MARSHAL_VERSION).hex()

    @classmethod
    def decode(cls, text: str) -> "Settings":
        values = marshal.loads(bytes.fromhex(text))
        settings = cls.__new__(cls)
        vars(settings).update(values)
        settings.record = None if values["record"] is None else RecordOptions(*values["record"])
        return settings
