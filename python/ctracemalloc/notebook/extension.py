"""The extension of IPython: its magics, the scopes of cells, and what is left when it is unloaded, which is nothing.

Model: `%%ctracemalloc` is no function that runs the cell. A transformer takes its line away (a comment stands there, so that
lines keep their numbers), and the shell runs the cell as any other: with its output, its errors, `_`, top-level await, other
cell magics. The events pre_run_cell and post_run_cell, which have the cell as it was written, begin its scope and end it.
A line that cannot be used is left to IPython, which calls the magic, which says what is wrong; then no cell is run.

The state of a shell is the Extension whose method is the shell's magic.
"""

import re
import sys
from typing import Any, NamedTuple

from ..scopes import scope
from . import statement
from .cells import CellStyle
from .following import Followed, Following, first_line
from .options import FOLLOW, HISTORY, MAGIC, UNFOLLOW, OptionError, Options, parse
from .report import report_of
from .reprs import ListFormatter

OWN_LINE = re.compile(rf"%%{MAGIC}(?=\s|$)(.*)")
NO_NUMBER = "a cell without a number"
NOT_FOLLOWING = f"%{MAGIC}: no cells are followed; %{MAGIC} {FOLLOW} begins it, with the next cell"


class Running(NamedTuple):
    """A cell that runs."""

    info: Any  # IPython's, of pre_run_cell; the result has the same
    measured: scope
    options: Options | None  # None: it is only followed


class Extension:
    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.running: list[Running] = []
        self.following: Following | None = None
        shell.register_magic_function(self.magic, "line_cell", MAGIC)
        shell.input_transformers_cleanup.append(self.without_own_line)
        shell.events.register("pre_run_cell", self.begin)
        shell.events.register("post_run_cell", self.end)
        self.lists = ListFormatter(shell)

    def unload(self) -> None:
        shell = self.shell
        self.lists.remove()
        shell.events.unregister("pre_run_cell", self.begin)
        shell.events.unregister("post_run_cell", self.end)
        shell.input_transformers_cleanup.remove(self.without_own_line)
        manager = shell.magics_manager
        for kind in ("line", "cell"):
            manager.magics[kind].pop(MAGIC, None)
        delattr(manager.user_magics, MAGIC)
        while self.running:
            self.running.pop().measured.__exit__(None, None, None)
        self.unfollow()

    # --- cells ---

    def without_own_line(self, lines: list[str]) -> list[str]:
        index, options = options_in(lines)
        if options is None or not "".join(lines[index + 1 :]).strip():
            return lines
        rest = lines[index + 1 :]
        if index or rest[0].startswith("%%"):  # another cell magic has to be the first line
            return lines[:index] + rest
        return ["# " + lines[0], *rest]

    def begin(self, info: Any) -> None:
        options = self.options_of(info.raw_cell)
        if options is None and self.following is None:
            return
        nframe = options.nframe if options is not None else 1  # while cells are followed, tracing is on
        one = scope(whole_process=True, nframe=nframe)
        self.running.append(Running(info, one, options))
        try:
            one.__enter__()  # last, so that nothing of ours is in the scope
        except BaseException:
            self.running.pop()
            raise

    def options_of(self, raw: str) -> Options | None:
        lines = raw.splitlines(keepends=True)
        for transform in self.shell.input_transformers_cleanup:
            if transform == self.without_own_line:
                break
            lines = transform(lines)
        index, options = options_in(lines)
        return options if "".join(lines[index + 1 :]).strip() else None

    def end(self, result: Any) -> None:
        """result: None of an asynchronous cell that was cancelled."""
        cell = self.taken(getattr(result, "info", None))
        if cell is None:
            return
        cell.measured.__exit__(None, None, None)
        number = getattr(result, "execution_count", None)  # of the shell it may be the next one already
        name = NO_NUMBER if number is None else f"In[{number}]"
        if cell.options is not None:
            self.display(report_of(cell.measured, name, cell.options, CellStyle(self.shell)))
        if self.following is not None:
            self.following.add(Followed(name, first_line(cell.info.raw_cell), cell.measured))

    def taken(self, info: Any) -> Running | None:
        matching = [cell for cell in self.running if cell.info is info or info is None]
        if not matching:
            return None
        self.running.remove(matching[-1])
        return matching[-1]

    def display(self, shown: Any) -> None:
        data, metadata = self.shell.display_formatter.format(shown)
        self.shell.display_pub.publish(data, metadata)

    # --- the magic ---

    def magic(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Show what a statement or a cell allocates: its peak, what made it, and what stays.

        %ctracemalloc [-l N] [-n N] [--flame] STATEMENT
        %%ctracemalloc [-l N] [-n N] [--flame]
        %ctracemalloc --follow | --cell-history [-l N] | --unfollow

        -l, --limit N: lines that are shown. -n, --nframe N: frames of each traceback, if tracing is off. --flame: the flame
        graph as well. --follow: from the next cell on, follow what each cell allocates; --cell-history: which of these cells
        still hold memory, and what of IPython refers to it; --unfollow: end this and forget the cells.
        """
        try:
            options = parse(line, is_cell=cell is not None)
            if options.action:
                self.act(options)
                return None
        except OptionError as error:
            raise usage_error(str(error)) from None
        if cell is not None:
            return self.shell.run_cell(f"%%{MAGIC} {line}\n{cell}").raise_error()
        return self.measure(options, local_ns)

    magic.needs_local_scope = True  # type: ignore[attr-defined]
    magic._ipython_magic_no_var_expand = True  # type: ignore[attr-defined]
    magic._ipython_magic_output_can_be_silenced = True  # type: ignore[attr-defined]

    def measure(self, options: Options, local_ns: dict[str, Any] | None) -> Any:
        code, is_expression = statement.compiled(self.shell, options.code)
        one = scope(whole_process=True, nframe=options.nframe)
        try:
            return statement.run(self.shell, code, is_expression, local_ns, one)
        finally:
            self.display(report_of(one, first_line(options.code), options, CellStyle(self.shell)))

    def act(self, options: Options) -> None:
        if options.action == FOLLOW:
            if self.following is None:  # else a notebook is run again
                self.following = Following(options.nframe)
            return
        if self.following is None:
            raise OptionError(NOT_FOLLOWING)
        if options.action == HISTORY:
            self.display(self.following.history(self.shell, options.limit, CellStyle(self.shell)))
        else:
            assert options.action == UNFOLLOW
            self.unfollow()

    def unfollow(self) -> None:
        following, self.following = self.following, None
        if following is not None:
            following.end()


def usage_error(text: str) -> Exception:
    """The exception that IPython shows as one line."""
    error: Exception = vars(sys.modules["IPython.core.error"])["UsageError"](text)
    return error


def options_in(lines: list[str]) -> tuple[int, Options | None]:
    """The index of this package's line among the cell magics that a cell begins with, and its options; None: it has no such
    line, or one that cannot be used."""
    for index, line in enumerate(lines):
        if not line.startswith("%%"):
            break
        found = OWN_LINE.match(line)
        if found:
            try:
                return index, parse(found[1], is_cell=True)
            except OptionError:
                break
    return 0, None


def extension_of(shell: Any) -> Extension | None:
    owner = getattr(shell.magics_manager.magics["line"].get(MAGIC), "__self__", None)
    return owner if isinstance(owner, Extension) else None


def load_ipython_extension(shell: Any) -> None:
    """For `%load_ext ctracemalloc`: the magics of the same name, and HTML for lists of statistics."""
    if extension_of(shell) is None:
        Extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """For `%unload_ext ctracemalloc`: the shell is as before, and cells are not followed any more."""
    extension = extension_of(shell)
    if extension is not None:
        extension.unload()
