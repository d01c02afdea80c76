"""Patterns of --include and --exclude: which frames they match.

Model: a pattern matches a frame by its file, its module or its function. With a wildcard (* ? [) it has to match one of them
whole, as in fnmatch. Without one it is the name of a package or a module (and matches what is in it), the end of a path, or the
name of a function, with or without its class.
"""

import re
from collections.abc import Sequence
from fnmatch import translate

from .files import CodeFile

WILDCARD = re.compile(r"[*?\[]")


class Patterns:
    """Which frames are wanted: those that some pattern of `include` matches (if there are any), and none of `exclude`."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self.include = [Pattern(text) for text in include]
        self.exclude = [Pattern(text) for text in exclude]

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def parts(self) -> tuple["Patterns", "Patterns"]:
        """(the patterns of `include` alone, those of `exclude` alone)"""
        include, exclude = Patterns((), ()), Patterns((), ())
        include.include, exclude.exclude = self.include, self.exclude
        return include, exclude

    def wants(self, filename: str, code: CodeFile, function: str) -> bool:
        if self.include and not any(pattern.matches(filename, code, function) for pattern in self.include):
            return False
        return not any(pattern.matches(filename, code, function) for pattern in self.exclude)


class Pattern:
    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("./")
        self.whole = re.compile(translate(self.text)) if WILDCARD.search(text) else None

    def matches(self, filename: str, code: CodeFile, function: str) -> bool:
        if self.whole is not None:
            return any(map(self.whole.match, (filename, code.module, function)))
        return (
            is_within(code.module, self.text)
            or code.package == self.text
            or ends_with_path(filename, self.text)
            or function == self.text
            or function.endswith("." + self.text)
        )


def is_within(module: str, name: str) -> bool:
    return module == name or module.startswith(name + ".")


def ends_with_path(path: str, end: str) -> bool:
    """Is `end` the path, its last parts, or a folder of it (with a "/" at its end, or given from the root)?"""
    if path == end or path.endswith("/" + end):
        return True
    folder = end.rstrip("/") + "/"
    return "/" in end and (path.startswith(folder) or ("/" + folder.lstrip("/") in path and end.endswith("/")))
