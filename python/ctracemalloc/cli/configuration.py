"""Settings: defaults of options, from pyproject.toml and from the environment.

Model: a setting is a long option of a command without its dashes: `limit = 20` is --limit 20. [tool.ctracemalloc] is for all
commands that have the option, [tool.ctracemalloc.COMMAND] for one. The nearest pyproject.toml with such a table counts, from
the current directory upwards. The environment (CTRACEMALLOC_LIMIT=20) comes after the file, and the command line after both. A
setting becomes the default of its option, so the option's own check decides whether its value is right.
"""

import argparse
import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .._ctracemalloc import FileError
from .arguments import UsageError
from .commands import COMMANDS, build_parser, parser_of, parsers_of

FILE = "pyproject.toml"
PREFIX = "CTRACEMALLOC_"
DOCTOR = "doctor"
RESERVED = ("run",)  # CTRACEMALLOC_RUN belongs to run --follow-children
NO_SETTINGS = (
    "help",
    "version",
    "force",
    "json",
    "csv",
    "traceback",
    "at-peak",
    "allocated",
    "churn",
)  # FORCE has to be said each time
SWITCH_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Setting(NamedTuple):
    name: str
    value: Any
    source: str  # the file, or the name of the variable
    command: str  # "": of all commands
    known: bool = True  # does a command have the option?


def apply(parser: argparse.ArgumentParser, command: str) -> None:
    """Make the settings the defaults of the command's options."""
    target = parser_of(parser, command)
    options = options_of(target)
    for setting in settings(command):
        action = options.get(setting.name)
        if action is not None and is_meant_for(action, setting):
            target.set_defaults(**{action.dest: value_of(action, setting)})


def is_meant_for(action: argparse.Action, setting: Setting) -> bool:
    """False: a setting of all commands that this one refuses and another takes, as the keys of which `run` has fewer."""
    try:
        value_of(action, setting)
    except UsageError:
        return bool(setting.command) or not any(takes(one, setting) for one in options_of_all(setting.name))
    return True


def takes(action: argparse.Action, setting: Setting) -> bool:
    try:
        value_of(action, setting)
    except UsageError:
        return False
    return True


def options_of_all(name: str) -> Iterator[argparse.Action]:
    """The option of this name of each command that has it."""
    parser = build_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for command in COMMANDS:
        action = options_of(commands.choices[command]).get(name)
        if action is not None:
            yield action


def options_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a command that may be set, by their names."""
    found = {}
    for action in parser._actions:
        for option in action.option_strings:
            name = option.removeprefix("--")
            if option.startswith("--") and name not in NO_SETTINGS and not (name.startswith("no-") and is_negation(action)):
                found[name] = action
    return found


def is_negation(action: argparse.Action) -> bool:
    return isinstance(action, argparse.BooleanOptionalAction)


def value_of(action: argparse.Action, setting: Setting) -> Any:
    try:
        if action.nargs == 0:
            return switch_of(action, setting)
        values = setting.value if isinstance(setting.value, list) else [setting.value]
        if not all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values):
            raise argparse.ArgumentTypeError(f"{setting.value!r} is not a value of --{setting.name}")
        convert: Any = action.type or str
        found = [convert(str(value)) for value in values]
        if action.choices is not None and any(value not in action.choices for value in found):
            raise argparse.ArgumentTypeError(f"invalid choice: {setting.value!r} (choose from {', '.join(action.choices)})")
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise UsageError(f"{setting.source}: {setting.name}: {error}") from None
    if isinstance(action, argparse._AppendAction):
        return found
    if len(found) != 1:
        raise UsageError(f"{setting.source}: {setting.name}: one value, not {len(found)}")
    return found[0]


def switch_of(action: argparse.Action, setting: Setting) -> Any:
    value = setting.value
    is_on = value if isinstance(value, bool) else SWITCH_WORDS.get(str(value).lower())
    if is_on is None:
        raise argparse.ArgumentTypeError(f"{value!r} is neither true nor false")
    if is_negation(action):
        return is_on
    return action.const if is_on else action.default


def settings(command: str) -> Iterator[Setting]:
    """All settings that a command sees, the later ones more important."""
    yield from settings_of_file(command)
    found = list(settings_of_environment())
    if found and command != DOCTOR:  # the doctor shows them
        check_variables(found)
    yield from found


def all_settings() -> Iterator[Setting]:
    """Those of all commands, each once; in the environment there may be some that no command has."""
    known = known_names()
    every = set().union(*known.values())
    seen = set()
    for command in COMMANDS:
        for setting in settings_of_file(command):
            if (setting.name, setting.command) not in seen:
                seen.add((setting.name, setting.command))
                yield setting
    for setting in settings_of_environment():
        yield setting._replace(known=setting.name in every)


def known_names() -> dict[str, set[str]]:
    """The names of settings of each command."""
    parsers = parsers_of(build_parser())
    return {name: set(options_of(parsers[name])) for name in COMMANDS}


def settings_of_environment() -> Iterator[Setting]:
    for variable, value in sorted(os.environ.items()):
        name = variable.removeprefix(PREFIX).lower().replace("_", "-")
        if variable.startswith(PREFIX) and name not in RESERVED:
            yield Setting(name, value, variable, "")


def check_variables(found: Iterable[Setting]) -> None:
    every = set().union(*known_names().values())
    for setting in found:
        if setting.name not in every:
            nearest = difflib.get_close_matches(setting.name, sorted(every), 1, 0.5)
            advice = f"; did you mean {PREFIX}{nearest[0].upper().replace('-', '_')}?" if nearest else ""
            raise UsageError(f"no command has a setting {setting.source}{advice}")


def settings_of_file(command: str) -> Iterator[Setting]:
    path = find_file()
    table = {} if path is None else table_of(path)
    if path is None or not table:
        return
    known = known_names()
    every = set().union(*known.values())
    for name, value in table.items():
        if not isinstance(value, dict):
            check_name(path, name, every | set(known))
            yield Setting(plain(name), value, path, "")
        elif name not in known:
            raise unknown(path, name, set(known))
    own = table.get(command, {})
    if not isinstance(own, dict):
        raise UsageError(f"{path}: {command} is a table: [tool.ctracemalloc.{command}]")
    for name, value in own.items():
        check_name(path, name, known[command])
        yield Setting(plain(name), value, path, command)


def check_name(path: str, name: str, known: set[str]) -> None:
    if plain(name) not in known:
        raise unknown(path, name, known)


def unknown(path: str, name: str, known: set[str]) -> UsageError:
    nearest = difflib.get_close_matches(plain(name), sorted(known), 1, 0.5)
    advice = f"; did you mean {nearest[0]}?" if nearest else f"; there are {', '.join(sorted(known))}"
    return UsageError(f"{path}: [tool.ctracemalloc] has no setting {name!r}{advice}")


def plain(name: str) -> str:
    return name.replace("_", "-")


def find_file() -> str | None:
    """The nearest pyproject.toml that has the table, from the current directory upwards."""
    try:
        folder = os.getcwd()
    except OSError:
        return None
    while True:
        path = os.path.join(folder, FILE)
        if os.path.isfile(path) and table_of(path):
            return path
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)


def table_of(path: str) -> Mapping[str, Any]:
    """[tool.ctracemalloc] of a file; empty: it has none, or another tool has to complain about the file."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return {}
    if b"ctracemalloc" not in text:
        return {}
    import tomllib  # imported late: most folders have no such file

    try:
        table = tomllib.loads(text.decode("utf-8")).get("tool", {}).get("ctracemalloc", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileError(f"{path}: {error}") from None
    except RecursionError:
        raise FileError(f"{path}: values are nested too deeply") from None
    except AttributeError:  # `tool` is no table, which other tools complain about
        return {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.ctracemalloc is a table: [tool.ctracemalloc]")
    return table
