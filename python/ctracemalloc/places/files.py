"""The origin, module and package of each file of a snapshot.

Model: a path is compared with the folders of this interpreter's standard library, then with the names that such folders have
everywhere (lib/python3.X, site-packages, dist-packages). A folder that holds metadata of distributions (*.dist-info) is like
site-packages for the files that the metadata lists: `pip install --target` puts packages beside the program. What is left is
the program's own, and so is a package that is installed in editable mode.
"""

import os
import re
import sys
from collections.abc import Container
from typing import NamedTuple

from .distributions import Distributions

OWN = "own"
STDLIB = "stdlib"
INSTALLED = "installed"
IMPORTS = "imports"  # the import system
TRACER = "tracer"
UNKNOWN = "unknown"  # no Python frame
ORIGINS = (OWN, INSTALLED, STDLIB, IMPORTS, TRACER, UNKNOWN)

UNKNOWN_NAMES = ("", "<unknown>", "<no memory for the place>")
IMPORT_MODULES = ("importlib", "zipimport")
TRACER_MODULES = ("ctracemalloc", "tracemalloc")
SITE = re.compile(r"(.*?/(?:site-packages|dist-packages))/(.+)")
LIBRARY = re.compile(r".*?/lib(?:64)?/python3(?:\.\d+t?)?/(?:lib-dynload/)?(.+)")
ARCHIVE = re.compile(r".*?/python3\d*\.zip/(.+)")
FROZEN = re.compile(r"<frozen (.+)>")
MAIN = "__main__"
INIT = "__init__"


class Paths:
    """Whole paths of the files that a program named relative to the directory that it was started in.

    Only of names that were files there (`known`): a name may as well be that of a template or of generated code.
    """

    def __init__(self, folder: str = "", known: Container[str] = ()) -> None:
        self.folder, self.known = folder, known

    def whole(self, name: str) -> str:
        if not self.folder or name not in self.known:
            return name
        return os.path.normpath(os.path.join(self.folder, name))


class CodeFile(NamedTuple):
    origin: str  # one of ORIGINS
    module: str  # dotted; a name in <> has no module, and is its own
    package: str  # of an installed file, its distribution; else the first part of the module


class CodeFiles:
    """The answers for the files of one snapshot, each computed once."""

    def __init__(self, names: Container[str] = (), *, folders: tuple[str, ...] | None = None) -> None:
        """names: the snapshot's file names, which tell packages of files that are not on this machine.

        folders: of the standard library; None: those of this interpreter.
        """
        self.names = names
        self.folders = STANDARD_FOLDERS if folders is None else folders
        self.known: dict[str, CodeFile] = {}
        self.distributions = Distributions()

    def of(self, name: str) -> CodeFile:
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = self.find(name)
        return found

    def find(self, name: str) -> CodeFile:
        if name in UNKNOWN_NAMES:
            return CodeFile(UNKNOWN, name, name)
        frozen = FROZEN.fullmatch(name)
        if frozen is not None:
            return standard(frozen[1])
        if name.startswith("<"):
            return CodeFile(OWN, name, name)
        path = os.path.normpath(name)
        return self.find_installed(path) or self.find_standard(path) or self.find_beside(path) or self.find_own(path)

    def find_installed(self, path: str) -> CodeFile | None:
        match = SITE.match(path)
        return None if match is None else self.installed(match[1], match[2])

    def installed(self, folder: str, rest: str) -> CodeFile:
        module = module_of(rest)
        top = module.partition(".")[0]
        return CodeFile(TRACER if top in TRACER_MODULES else INSTALLED, module, self.distributions.name(folder, rest) or top)

    def find_standard(self, path: str) -> CodeFile | None:
        for folder in self.folders:
            if path.startswith(folder):
                return standard(module_of(path[len(folder) :].removeprefix("lib-dynload/")))
        match = LIBRARY.fullmatch(path) or ARCHIVE.fullmatch(path)
        return None if match is None else standard(module_of(match[1]))

    def find_beside(self, path: str) -> CodeFile | None:
        """A file that the metadata of a distribution in a folder above it lists."""
        folder = self.distributions.folder_of(path)
        return None if folder is None else self.installed(folder, path[len(folder) + 1 :])

    def find_own(self, path: str) -> CodeFile:
        folder, base = os.path.split(path)
        parts = [base]
        while folder and os.path.basename(folder) and (self.is_package(folder) or is_run_by_name(parts)):
            folder, part = os.path.split(folder)
            parts.insert(0, part)
        module = module_of("/".join(parts))
        top = module.partition(".")[0]
        return CodeFile(TRACER if top == TRACER_MODULES[0] and len(parts) > 1 else OWN, module, top)

    def is_package(self, folder: str) -> bool:
        init = os.path.join(folder, "__init__.py")
        return init in self.names or os.path.isfile(init)  # False too for what cannot be a name here


def is_run_by_name(parts: list[str]) -> bool:
    """`python FOLDER` and `python -m FOLDER` run FOLDER/__main__.py, which says less than its folder's name."""
    return parts in ([MAIN + ".py"], [MAIN + ".pyc"])


def standard(module: str) -> CodeFile:
    top = module.partition(".")[0]
    origin = IMPORTS if top in IMPORT_MODULES else TRACER if top in TRACER_MODULES else STDLIB
    return CodeFile(origin, module, top)


def module_of(path: str) -> str:
    """The dotted name of a path that begins at a folder of sys.path."""
    stem = re.sub(r"(?:\.cpython-[^/]*|\.abi3)?\.(?:py|pyc|pyx|so)$", "", path)
    parts = stem.split("/")
    if len(parts) > 1 and parts[-1] == INIT:
        del parts[-1]
    return ".".join(parts)


def standard_folders() -> tuple[str, ...]:
    """The folders of this interpreter's standard library, each with a "/" at its end.

    They are those of sysconfig, which is not imported: in a program that `run` traces a thread may hold a lock of imports.
    """
    folder = os.path.dirname(getattr(os, "__file__", None) or "")
    if not folder:
        return ()  # all of it is frozen
    paths = folder, os.path.join(sys.base_exec_prefix, sys.platlibdir, os.path.basename(folder))
    found = {os.path.normpath(path) for given in paths for path in (given, os.path.realpath(given))}
    return tuple(sorted(path + "/" for path in found))


STANDARD_FOLDERS = standard_folders()  # now: a program that `run` traces may change sys
