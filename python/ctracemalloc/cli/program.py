"""The program that `run` is given: where its arguments begin, and whether it exists."""

import argparse
import os
import zipimport
from collections.abc import Collection, Sequence


def options_with_value(parser: argparse.ArgumentParser) -> set[str]:
    """The options whose value is the next word."""
    return {option for action in parser._actions if action.nargs != 0 for option in action.option_strings}


def split_program(arguments: Sequence[str], takes_value: Collection[str]) -> tuple[list[str], list[str]]:
    """Split what follows `run` into its own options and the program with its arguments."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            return list(arguments[:index]), list(arguments[index + 1 :])
        is_program = word[:2] in ("-m", "-c") or word == "-" or not word.startswith("-")
        if is_program:
            break
        index += 2 if word in takes_value else 1
    return list(arguments[:index]), list(arguments[index:])


def script_of(program: list[str]) -> str | None:
    """The file or folder of the program; None: the program is a module, code (-c) or stdin."""
    return None if program[0] == "-" or program[0].startswith(("-m", "-c")) else program[0]


def can_begin(program: list[str]) -> bool:
    """False: the interpreter will report that there is no such script."""
    path = script_of(program)
    if path is None:
        return True
    if os.path.isdir(path):
        return any(os.path.isfile(os.path.join(path, name)) for name in ("__main__.py", "__main__.pyc"))
    return os.access(path, os.R_OK) and not is_archive_without_main(path)


def is_archive_without_main(path: str) -> bool:
    try:
        return os.path.isfile(path) and zipimport.zipimporter(path).find_spec("__main__") is None
    except (ImportError, UnicodeError):  # not an archive
        return False
