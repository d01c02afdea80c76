#!/usr/bin/env python3
"""Writes docs/man/*.1, the man pages of the command: one for `ctracemalloc` and one for each of its commands.

usage: man_pages.py [FOLDER]

Model: a page is made from the command's parser, so it has every option with the text that --help prints; what no parser knows
(exit statuses, environment, settings) is here. The pages are in the repository, because a build cannot run the package that it
builds; a test compares them with the parsers. They are the same whatever the version of Python.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

from ctracemalloc.cli.commands import ALIASES, build_parser, parsers_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "man"
PROGRAM = "ctracemalloc"
WIDTH = 78  # of a line of the source
STATUSES = {
    "0": "fine",
    "1": "a limit was broken (--fail-over, --fail-growth); doctor: something is lost",
    "2": "usage: an option, a setting or a combination that makes no sense, or an output file that must not be replaced",
    "3": "a file that is missing, damaged, of another kind or without the figures asked for; a process that is gone or cannot "
    "be traced",
    "128+N": "ended by signal N: 130 after Ctrl-C, 141 if the reader of the output has gone away",
}
ENVIRONMENT = {
    "CTRACEMALLOC_OPTION": "the default of the long option of that name: CTRACEMALLOC_LIMIT=20 is --limit 20",
    "CTRACEMALLOC": "number of frames: any Python program traces from its first line on; of no other effect on this command",
    "NO_COLOR": "no colours",
    "FORCE_COLOR": "colours, also where no terminal is",
    "COLUMNS": "the width that rows fit",
}
SETTINGS = (
    "Long options can be set for good in the nearest pyproject.toml with a table [tool.ctracemalloc] (for all commands that have "
    "the option) or [tool.ctracemalloc.COMMAND], from the current directory upwards: limit = 20. The environment comes after the "
    "file, and the command line after both. `ctracemalloc doctor` prints them with their sources."
)
STATUS_OF_RUN = "That of the program. 2 can also mean that the program could not be started."


def escaped(text: str) -> str:
    """A text as roff takes it, on one line."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def lines_of(text: str) -> list[str]:
    """A text in lines of roff. No line begins with a control character."""
    wrapped = textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [("\\&" if line.startswith((".", "'")) else "") + escaped(line) for line in wrapped]


def preformatted(text: str) -> list[str]:
    return [".PP", ".nf", *(("\\&" if line.startswith((".", "'")) else "") + escaped(line) for line in text.split("\n")), ".fi"]


def section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines] if lines else []


def table(rows: dict[str, str]) -> list[str]:
    return [line for name, text in rows.items() for line in (".TP", f".B {escaped(name)}", *lines_of(text))]


def page(name: str, summary: str, body: list[str]) -> str:
    head = [f'.TH {name.upper()} 1 "" {PROGRAM} "User Commands"', ".SH NAME", f"{escaped(name)} \\- {escaped(summary)}"]
    return "\n".join([*head, *body]) + "\n"


# --- options ---


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """The arguments and options of a parser, as a list."""
    lines = []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        if action.help is None:
            raise SystemExit(f"{parser.prog}: {heading_of(action)} has no help")
        lines += [".TP", heading_of(action), *lines_of(text_of(parser, action))]
    return lines


def heading_of(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" \\fI{escaped(value_of(action))}\\fR"
    if not action.option_strings:
        return value.strip()
    return ", ".join(f"\\fB{escaped(option)}\\fR" for option in action.option_strings) + value


def value_of(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def text_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action).replace("show this help message and exit", "print a short help")


def synopsis_of(parser: argparse.ArgumentParser, command: str) -> list[str]:
    if parser.usage is not None:
        forms = re.sub(r"%\(prog\)s|\S+ run(?= \[)", f"{PROGRAM} {command}", parser.usage).split("\n")
        return [".nf", *(escaped(form.strip()) for form in forms), ".fi"]
    words = [positional(action) for action in parser._actions if not action.option_strings]
    return lines_of(" ".join([PROGRAM, command, "[options]", *words]))


def positional(action: argparse.Action) -> str:
    value = value_of(action)
    forms = {"?": f"[{value}]", "*": f"[{value} ...]", "+": f"{value} [{value} ...]"}
    return forms.get(str(action.nargs), value)


# --- pages ---


def page_of_command(command: str, parser: argparse.ArgumentParser, summary: str) -> str:
    also = [name for name, target in ALIASES.items() if target == command]
    description = f"{summary[0].upper()}{summary[1:]}."
    if also:
        description += f" {PROGRAM} {' or '.join(also)} is the same."
    body = section("SYNOPSIS", synopsis_of(parser, command)) + section("DESCRIPTION", lines_of(description))
    if parser.epilog:
        body += preformatted(parser.epilog)
    body += section("OPTIONS", options_of(parser))
    body += section("EXIT STATUS", lines_of(STATUS_OF_RUN) if command == "run" else table(STATUSES))
    body += section("SETTINGS", lines_of(SETTINGS)) + section("SEE ALSO", [f"\\fB{PROGRAM}\\fR(1)"])
    return page(f"{PROGRAM}-{command}", summary, body)


def main_page(parser: argparse.ArgumentParser, summaries: dict[str, str]) -> str:
    body = section(
        "SYNOPSIS", lines_of(f"{PROGRAM} COMMAND [options] [arguments]") + [".br", *lines_of(f"{PROGRAM} --version")]
    )
    body += section("DESCRIPTION", lines_of(f"{parser.description} `python -m {PROGRAM}` is the same command."))
    commands = []
    for command, summary in summaries.items():
        commands += [".TP", f"\\fB{escaped(f'{PROGRAM}-{command}')}\\fR(1)", *lines_of(summary)]
    body += section("COMMANDS", commands) + section("OPTIONS", options_of(parser))
    body += section("EXIT STATUS", table(STATUSES)) + section("SETTINGS", lines_of(SETTINGS))
    body += section("ENVIRONMENT", table(ENVIRONMENT))
    return page(PROGRAM, "trace the memory that a Python program allocates", body)


def pages() -> dict[str, str]:
    """{name of the file: its text}"""
    parser = build_parser()
    parsers = {name: one for name, one in parsers_of(parser).items() if name not in ALIASES}
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    texts = [str(choice.help) for choice in commands._choices_actions]  # in the order of the commands, without aliases
    summaries = dict(zip(parsers, texts, strict=True))
    found = {f"{PROGRAM}.1": main_page(parser, summaries)}
    for name, one in parsers.items():
        found[f"{PROGRAM}-{name}.1"] = page_of_command(name, one, summaries[name])
    return found


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for old in folder.glob("*.1"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
