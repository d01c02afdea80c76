"""`doctor`: reports whether tracing is exact on this interpreter."""

import argparse
import sys
from typing import Any, TextIO

from .. import _ctracemalloc
from ..model.doctor import lost_facts
from ..render.documents import head
from ..render.text.doctor import format_facts
from ..render.text.style import Style
from . import configuration
from .arguments import BROKEN_LIMIT, FINE, Commands, Parser, add_format
from .stdout import print_document

NO_SETTINGS = "settings: none (of pyproject.toml and CTRACEMALLOC_*)"
SETTINGS_INDENT = 6


def add(commands: Commands) -> Parser:
    doctor = commands.add_parser("doctor", help="check that tracing is exact on this interpreter, and show the settings")
    add_format(doctor, csv=False)
    return doctor


def execute(parsed: argparse.Namespace) -> int:
    if parsed.format == "json":
        facts = facts_of_interpreter()
        lost = lost_facts(facts)
        settings = [setting._asdict() for setting in configuration.all_settings()]
        print_document({**head("doctor"), "facts": facts, "lost": lost, "settings": settings}, parsed.format)
        return BROKEN_LIMIT if lost else FINE
    status = print_facts(sys.stdout)
    print_settings(sys.stdout)
    return status


def print_settings(out: TextIO) -> None:
    """Print each setting with its source; a later one counts more."""
    style = Style.for_stream(out, refused=True)
    found = list(configuration.all_settings())
    lines = style.prose("settings" if found else NO_SETTINGS)
    for setting in found:
        name = f"{setting.command}.{setting.name}" if setting.command else setting.name
        note = "" if setting.known else "  (no command has it)"
        text = style.name(f"{name} = {setting.value!r}  from {setting.source}") + note
        lines += (" " * SETTINGS_INDENT + line for line in style.prose(text, SETTINGS_INDENT))
    for line in lines:
        print(line, file=out)


def print_facts(out: TextIO) -> int:
    """Print every fact. Returns the exit status: 0 if all hold, 1 if something is lost."""
    facts = facts_of_interpreter()
    for line in format_facts(facts, Style.for_stream(out, refused=True)):
        print(line, file=out)
    return BROKEN_LIMIT if lost_facts(facts) else FINE


def facts_of_interpreter() -> dict[str, Any]:
    interpreter = {
        "python": f"{sys.version} at {sys.executable}",
        "ctracemalloc": _ctracemalloc.__version__,
    }
    return {**interpreter, **_ctracemalloc._doctor()}
