"""The frames of a call tree as places in code, and the rows that they belong to.

Model: a tree has one table of frames, much shorter than its table of nodes. For each frame the place is found once, in Python;
everything by node is done in C, from a column that gives each frame the number of its row. Tables only grow, until the program
empties them. So a view that looks again and again has what it knows of the frames from look to look, and adds what is new.
"""

from array import array
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from ..places.files import IMPORTS, INSTALLED, OWN, TRACER, CodeFile, CodeFiles, Paths
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
    """The frames of one tree, or of the trees of one program's tables as they grow. Lists are indexed by frame id."""

    def __init__(self, tree: "CallTree", paths: Paths | None = None) -> None:
        self.paths = Paths() if paths is None else paths
        self.edition = 0  # a number that changes when the places of known frames do
        self.strings: list[str] = []
        self.function_of: Sequence[int] = ()
        self.lineno_of: Sequence[int] = ()
        self.columns: tuple[bytes, ...] = (b"",) * 5  # what the ids of the tables are known by
        self.functions: list[tuple[str, str, int]] = []
        self.codes: list[CodeFile] = []  # by function id
        self.decided_for: tuple[Patterns, int] | None = None  # what `decided` is of: patterns, and an edition
        self.decided: list[bool] = []  # by function id: is it wanted?
        self.extend(tree, self.strings_of(tree, columns_of(tree)), columns_of(tree))

    def __len__(self) -> int:
        return len(self.function_of)

    def follow(self, tree: "CallTree") -> bool:
        """Take the tree of another moment, whose ids mean the same. False, and nothing is changed: they do not."""
        columns = columns_of(tree)
        strings = self.strings_of(tree, columns)
        if not begins_alike(strings, self.strings) or not all(map(begins_alike, columns, self.columns)):
            return False
        if len(tree.frame_function) > len(self) or len(tree.function_name) > len(self.functions):
            self.extend(tree, strings, columns)
        return True

    def strings_of(self, tree: "CallTree", columns: tuple[bytes, ...]) -> list[str]:
        """Those that the tables use; behind them are some that belong to the snapshot, a command line for example."""
        used = len(self.strings)
        if columns != self.columns:
            used = max(max(tree.function_filename, default=-1), max(tree.function_name, default=-1)) + 1
        return [*islice(tree.strings, used)]

    def extend(self, tree: "CallTree", strings: list[str], columns: tuple[bytes, ...]) -> None:
        known = len(self.functions)
        self.strings, self.columns = strings, columns
        self.function_of, self.lineno_of = tree.frame_function, tree.frame_lineno
        filenames = [self.paths.whole(strings[index]) for index in tree.function_filename[known:]]
        names = (strings[index] for index in tree.function_name[known:])
        self.functions += zip(filenames, names, tree.function_first_lineno[known:], strict=True)
        if not known or any(filename.endswith(MAKES_A_PACKAGE) for filename in filenames):
            self.files = CodeFiles({filename for filename, _name, _first in self.functions})
            self.codes.clear()
            self.edition += 1
        self.codes += [self.files.of(filename) for filename, _name, _first in self.functions[len(self.codes) :]]

    def place(self, frame: int) -> Place:
        function = self.function_of[frame]
        filename, name, _first = self.functions[function]
        return Place(self.codes[function], filename, self.lineno_of[frame], name)

    def wanted(self, patterns: Patterns) -> bytes:
        """For each frame 1 if the patterns want it, else 0."""
        if self.decided_for != (patterns, self.edition):
            self.decided_for, self.decided = (patterns, self.edition), []
        by_function, known = self.decided, len(self.decided)
        by_function += [
            patterns.wants(filename, code, name)
            for (filename, name, _first), code in zip(self.functions[known:], self.codes[known:], strict=True)
        ]
        return bytes([by_function[function] for function in self.function_of])

    def selected(self, tree: "CallTree", patterns: Patterns, any_frame: bool) -> "CallTree":
        """The tree of the blocks that the patterns want, of a tree that has these frames, or the first of them.

        With any_frame, a pattern of `include` matches some frame of a traceback, and none of `exclude` does.
        """
        if not patterns:
            return tree
        length = len(tree.frame_function)
        if not any_frame:
            return tree.select(self.wanted(patterns)[:length])
        include, exclude = patterns.parts()
        if include:
            tree = tree.select(self.wanted(include)[:length], any_frame=True)
        return tree.select(self.wanted(exclude)[:length], every_frame=True) if exclude else tree

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
        rows = KeyRows(self, key, fold)
        return rows.row_of, list(rows.numbers), rows.places

    def described(self, key: str, function: int, lineno: int) -> Place:
        """The place of a row, with the fields that all its frames share."""
        (filename, name, first), code = self.functions[function], self.codes[function]
        if key == LINENO:
            return Place(code, filename, lineno, name)
        if key == FUNCTION:
            return Place(code, filename, first, name)
        return Place(code, filename) if key == FILENAME else Place(code)


class KeyRows:
    """The rows of a key: all that there are, or those within a row of another key. A row keeps its number as frames are added.

    Row 0 is of the frames outside of `within`, and has none of the others.
    """

    def __init__(self, frames: Frames, key: str, fold: bool = False, within: "tuple[KeyRows, int] | None" = None) -> None:
        self.frames, self.key, self.fold, self.within = frames, key, fold, within
        self.begin()
        self.extend()

    def begin(self) -> None:
        self.edition = self.frames.edition
        self.row_of = array("I")  # by frame
        self.numbers: dict[Identity, int] = {OUTSIDE: 0}
        self.places = [NO_PLACE]

    def extend(self) -> None:
        """Add the frames that `frames` has got."""
        frames = self.frames
        outer, number = self.within if self.within is not None else (None, 0)
        if self.edition != frames.edition:
            self.begin()
        if outer is not None:
            outer.extend()
        for frame in range(len(self.row_of), len(frames)):
            inside = outer is None or outer.row_of[frame] == number
            self.row_of.append(self.number_of(frames.function_of[frame], frames.lineno_of[frame]) if inside else 0)

    def number_of(self, function: int, lineno: int) -> int:
        frames, code = self.frames, self.frames.codes[function]
        is_folded = self.fold and code.origin in FOLDED
        identity = (code.origin,) if is_folded else IDENTITIES[self.key](frames.functions[function], code, lineno)
        number = self.numbers.setdefault(identity, len(self.places))
        if number == len(self.places):
            self.places.append(Place(code, folded=True) if is_folded else frames.described(self.key, function, lineno))
        return number


OUTSIDE: Identity = ()
NO_PLACE = Place(CodeFile(OWN, "", ""))
MAKES_A_PACKAGE = "__init__.py"  # the name of a file that says more about the files beside it


def columns_of(tree: "CallTree") -> tuple[bytes, ...]:
    return tuple(
        map(
            bytes,
            (tree.frame_function, tree.frame_lineno, tree.function_filename, tree.function_name, tree.function_first_lineno),
        )
    )


def begins_alike(one: Any, other: Any) -> bool:
    length = min(len(one), len(other))
    return bool(one[:length] == other[:length])


def by_package(function: tuple[str, str, int], code: CodeFile, lineno: int) -> Identity:
    return (code.origin, code.package) if code.origin in (OWN, INSTALLED) else (code.origin,)


IDENTITIES = {
    LINENO: lambda function, code, lineno: (function[0], lineno),
    FUNCTION: lambda function, code, lineno: function,
    FILENAME: lambda function, code, lineno: (function[0],),
    MODULE: lambda function, code, lineno: (code.module,),
    PACKAGE: by_package,
}
