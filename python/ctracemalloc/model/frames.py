"""The frames of a call tree as places in code, and the rows that they belong to.

Model: a tree has one table of frames, much shorter than its table of nodes. For each frame the place is found once, in Python;
everything by node is done in C, from a column that gives each frame the number of its row.
"""

from array import array
from typing import NamedTuple, TypeAlias

from ..places.files import IMPORTS, INSTALLED, OWN, TRACER, CodeFile, CodeFiles
from ..places.patterns import Patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._ctracemalloc import CallTree

LINENO, FUNCTION, FILENAME, MODULE, PACKAGE, TRACEBACK = KEYS = (
    "lineno",
    "function",
    "filename",
    "module",
    "package",
    "traceback",
)
FOLDED = (IMPORTS, TRACER, INSTALLED)  # origins whose rows --own joins into one row each
Identity: TypeAlias = tuple[object, ...]  # of a row: equal for equal rows of two snapshots


class Place(NamedTuple):
    """What a row is about. Fields that the key does not tell apart are those of one of the row's frames, or empty."""

    code: CodeFile
    filename: str = ""
    lineno: int = 0  # 0: not known, or not of one line
    function: str = ""
    label: str | None = None  # the value of a label; None: the row is about code
    folded: bool = False  # a row of all places of this origin


class Frames:
    """The frames of one tree. Lists are indexed by the tree's frame ids."""

    def __init__(self, tree: "CallTree") -> None:
        strings = tree.strings
        filenames = [strings[index] for index in tree.function_filename]
        self.functions = [
            (filename, strings[name], first)
            for filename, name, first in zip(filenames, tree.function_name, tree.function_first_lineno, strict=True)
        ]
        self.files = CodeFiles(set(filenames))
        self.codes = [self.files.of(filename) for filename in filenames]  # by function id
        self.function_of = tree.frame_function
        self.lineno_of = tree.frame_lineno

    def __len__(self) -> int:
        return len(self.function_of)

    def place(self, frame: int) -> Place:
        function = self.function_of[frame]
        filename, name, _first = self.functions[function]
        return Place(self.codes[function], filename, self.lineno_of[frame], name)

    def wanted(self, patterns: Patterns) -> bytes:
        """For each frame 1 if the patterns want it, else 0."""
        by_function = [
            patterns.wants(filename, code, name)
            for (filename, name, _first), code in zip(self.functions, self.codes, strict=True)
        ]
        return bytes([by_function[function] for function in self.function_of])

    def folded(self) -> list[bool]:
        """For each frame whether its rows are folded."""
        of_function = [code.origin in FOLDED for code in self.codes]
        return [of_function[function] for function in self.function_of]

    def by_origin(self) -> tuple["array[int]", list[str]]:
        """(for each frame the number of its origin, the origins)"""
        origins = list(dict.fromkeys(code.origin for code in self.codes))
        of_function = [origins.index(code.origin) for code in self.codes]
        return array("I", [of_function[function] for function in self.function_of]), origins

    def rows(self, key: str, fold: bool) -> tuple["array[int]", list[Identity], list[Place]]:
        """(the row of each frame, the identity of each row, the place of each row)"""
        identify = IDENTITIES[key]
        numbers: dict[Identity, int] = {}
        places: list[Place] = []
        row_of = array("I", bytes(4 * len(self)))
        for frame, (function, lineno) in enumerate(zip(self.function_of, self.lineno_of, strict=True)):
            code = self.codes[function]
            is_folded = fold and code.origin in FOLDED
            identity = (code.origin,) if is_folded else identify(self.functions[function], code, lineno)
            number = numbers.setdefault(identity, len(places))
            if number == len(places):
                places.append(Place(code, folded=True) if is_folded else self.described(key, function, lineno))
            row_of[frame] = number
        return row_of, list(numbers), places

    def described(self, key: str, function: int, lineno: int) -> Place:
        """The place of a row, with the fields that all its frames share."""
        (filename, name, first), code = self.functions[function], self.codes[function]
        if key == LINENO:
            return Place(code, filename, lineno, name)
        if key == FUNCTION:
            return Place(code, filename, first, name)
        return Place(code, filename) if key == FILENAME else Place(code)


def by_package(function: tuple[str, str, int], code: CodeFile, lineno: int) -> Identity:
    return (code.origin, code.package) if code.origin in (OWN, INSTALLED) else (code.origin,)


IDENTITIES = {
    LINENO: lambda function, code, lineno: (function[0], lineno),
    FUNCTION: lambda function, code, lineno: function,
    FILENAME: lambda function, code, lineno: (function[0],),
    MODULE: lambda function, code, lineno: (code.module,),
    PACKAGE: by_package,
}
