"""The signatures and options in docs/reference are those of the package."""

import inspect
import re
import unittest
from pathlib import Path

import ctracemalloc
from ctracemalloc import _later, web
from ctracemalloc.cli import arguments
from ctracemalloc.cli.commands import ALIASES, build_parser, parsers_of
from ctracemalloc.model.frames import KEYS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
REFERENCE = (DOCS / "python.md").read_text(encoding="utf-8")
COMMAND_LINE = (DOCS / "command-line.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def functions_in_the_reference():
    return dict(re.findall(r"^\| `(\w+)(\(.*?\))`", section("Functions"), re.M))


def plain_signature(function, bound=False):
    """The signature without annotations, and for a method without self."""
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters[bound:], return_annotation=signature.empty))


def section(heading):
    return REFERENCE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


class SignatureTest(unittest.TestCase):
    def check_methods(self, heading, cls):
        """The items of a section's list that begin with a method of the class."""
        found = 0
        for prefix, name, shown in re.findall(r"^- `(\w+\.)?(\w+)(\(.*?\))`", section(heading), re.M):
            method = vars(cls).get(name)
            if method is None or prefix not in ("", f"{cls.__name__}."):
                continue
            with self.subTest(f"{cls.__name__}.{name}"):
                static = isinstance(method, staticmethod)
                signature = plain_signature(getattr(cls, name), bound=not static)
                self.assertEqual(shown.replace('"', "'"), signature.replace(", /)", ")").replace("(/)", "()"))
                found += 1
        return found

    def test_methods(self):
        self.assertGreaterEqual(self.check_methods("Snapshot", ctracemalloc.Snapshot), 6)
        self.assertGreaterEqual(self.check_methods("Recordings", ctracemalloc.Recording), 4)

    def test_filters(self):
        shown = re.findall(r"^- `(\w+)(\(.*?\))`", section("Filters"), re.M)
        self.assertEqual(len(shown), 4)
        for name, shown_arguments in shown:
            with self.subTest(name):
                self.assertEqual(shown_arguments, plain_signature(getattr(ctracemalloc, name)))

    def test_functions(self):
        found = functions_in_the_reference()
        self.assertGreater(len(found), 12)
        for name, shown in found.items():
            with self.subTest(name):
                self.assertEqual(shown, plain_signature(getattr(ctracemalloc, name)))

    def test_over_http(self):
        functions = {name: value for name in dir(web) if name[:1] != "_" and inspect.isfunction(value := getattr(web, name))}
        shown = dict(re.findall(r"^- `(\w+)(\(.*?\))`: ", section("Over HTTP"), re.M))
        self.assertEqual({name: plain_signature(value) for name, value in functions.items()}, shown)

    def test_guards(self):
        shown = dict(re.findall(r"^- `(\w+)(\(.*?\))`: ", section("Guards"), re.M))
        names = [name for name, module in _later.MODULES.items() if module.startswith("guards.")]
        self.assertEqual({name: plain_signature(getattr(ctracemalloc, name)) for name in names}, shown)

    def test_notebooks(self):
        shown = dict(re.findall(r"`(\w+)(\(shell\))`", section("Notebooks")))
        names = [name for name, module in _later.MODULES.items() if module.startswith("notebook.")]
        self.assertEqual({name: plain_signature(getattr(ctracemalloc, name)) for name in names}, shown)

    def test_no_function_is_forgotten(self):
        public = {
            name
            for name, value in vars(ctracemalloc).items()
            if inspect.isroutine(value) and not name.startswith("_") and value.__module__.startswith("ctracemalloc")
        }
        self.assertEqual(public - set(functions_in_the_reference()) - set(_later.MODULES), set())


class CommandLineTest(unittest.TestCase):
    def commands(self):
        """The parser of each command, by its name."""
        return {name: parser for name, parser in parsers_of(build_parser()).items() if name not in ALIASES}

    def shown(self):
        """The options in the synopsis of each command, with those of [ROWS] or [PAGE], and without what "but for" excludes."""
        synopsis = COMMAND_LINE.split("## Synopsis")[1].split("```text\n")[1].split("```")[0]
        found = re.findall(r"^(?:ctracemalloc (\w+)|(ROWS|PAGE):)(.*(?:\n +.*)*)", synopsis, re.M)
        lines = {command or other: line for command, other, line in found}
        shared = {name: set(OPTION.findall(lines.pop(name))) for name in ("ROWS", "PAGE")}
        found = {}
        for command, line in lines.items():
            given, _, excluded = line.partition("but for")
            options = set(OPTION.findall(given))
            options |= {option for name, others in shared.items() if f"[{name}" in given for option in others}
            found[command] = options - set(OPTION.findall(excluded)) - ({"-m", "-c"} if command == "run" else set())
        return found

    def test_every_option_is_in_the_synopsis_of_its_command(self):
        shown = self.shown()
        self.assertEqual(set(shown), set(self.commands()))
        for command, parser in self.commands().items():
            for action in parser._actions:
                names = set(action.option_strings) - {"-h", "--help"}
                if names:
                    self.assertTrue(names & shown[command], f"{command} {sorted(names)} is not in the reference")
            known = {name for action in parser._actions for name in action.option_strings}
            self.assertEqual(shown[command] - known, set(), f"the reference has options that {command} does not know")

    def test_every_command_and_key_is_described(self):
        for name in self.commands():
            self.assertRegex(COMMAND_LINE, rf"(?m)^\| `{name}` \| ")
        for key in KEYS:
            self.assertRegex(COMMAND_LINE, rf"(?m)^\| `{key}` \| ")
        self.assertIn("`recording` is its old name", COMMAND_LINE)
        self.assertEqual(ALIASES, {"recording": "timeline"})

    def test_every_option_is_explained(self):
        text = COMMAND_LINE.split("## `run`")[1]
        for command, parser in self.commands().items():
            for action in parser._actions:
                names = [name for name in action.option_strings if name.startswith("--")] or action.option_strings
                if names and "-h" not in action.option_strings and names != ["--no-color"]:
                    self.assertTrue(
                        any(f"`{name}" in text or f"({name}" in text for name in action.option_strings), (command, names)
                    )

    def test_exit_statuses(self):
        rows = dict(re.findall(r"(?m)^\| (\d|128 \+ N) \| (.*) \|$", COMMAND_LINE))
        self.assertEqual(list(rows), ["0", "1", "2", "3", "128 + N"])
        self.assertEqual((arguments.FINE, arguments.BROKEN_LIMIT, arguments.USAGE, arguments.BAD_FILE), (0, 1, 2, 3))


if __name__ == "__main__":
    unittest.main()
