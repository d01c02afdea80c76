"""Which distribution installed a file, by the metadata beside it.

Model: a folder of installed packages has a folder NAME-VERSION.dist-info for each distribution, and its file RECORD lists the
files, one a line. Only the first part of a listed path is kept: the top-level package or module. Where two distributions share
one (namespace packages), the second part decides. Nothing is imported, and a folder that cannot be read has no distributions.
"""

import os
from typing import TypeAlias

SUFFIX = ".dist-info"
MOST_FOLDERS = 12  # above a file that are looked into
OWNERS: TypeAlias = dict[str, str]


class Distributions:
    """Answers for any number of files; each folder is read once."""

    def __init__(self) -> None:
        self.owners: dict[str, OWNERS] = {}

    def name(self, folder: str, path: str) -> str | None:
        """The distribution that installed `path`, which is relative to `folder`; None: not known."""
        owners = self.read(folder)
        parts = path.split("/")
        return owners.get("/".join(parts[:2])) or owners.get(parts[0])

    def folder_of(self, path: str) -> str | None:
        """The folder above `path` whose metadata lists it; None: there is none."""
        folder = os.path.dirname(path)
        for _ in range(MOST_FOLDERS):
            if len(folder) <= 1:
                return None
            if self.name(folder, path[len(folder) + 1 :]) is not None:
                return folder
            folder = os.path.dirname(folder)
        return None

    def read(self, folder: str) -> OWNERS:
        found = self.owners.get(folder)
        if found is None:
            found = self.owners[folder] = owners_in(folder)
        return found


def owners_in(folder: str) -> OWNERS:
    """{top-level name, or "name/part" of a namespace that several share: distribution}"""
    owners: OWNERS = {}
    shared: set[str] = set()
    try:
        metadata = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except Exception:  # a name that no file here can have; an audit hook, in a program that `run` traces
        return owners
    for entry in metadata:
        distribution = entry.removesuffix(SUFFIX).rpartition("-")[0]
        for top, second in listed_in(os.path.join(folder, entry, "RECORD")):
            owners.setdefault(f"{top}/{second}", distribution)
            if owners.setdefault(top, distribution) != distribution:
                shared.add(top)
    for top in shared:
        del owners[top]
    return owners


def listed_in(record: str) -> set[tuple[str, str]]:
    """The first two parts of each path that a RECORD lists."""
    try:
        with open(record, encoding="utf-8", errors="replace") as file:
            paths = [line.partition(",")[0].strip('"\n').split("/", 2) for line in file]
    except Exception:
        return set()
    return {(parts[0], parts[1] if len(parts) > 1 else "") for parts in paths if parts[0] not in ("", "..")}
