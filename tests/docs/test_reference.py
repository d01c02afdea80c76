"""The signatures and options in docs/reference/python.md are those of the package."""

import argparse
import inspect
import re
import unittest
from pathlib import Path

import ctracemalloc
from ctracemalloc.cli import main

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")


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
        for name, arguments in shown:
            with self.subTest(name):
                self.assertEqual(arguments, plain_signature(getattr(ctracemalloc, name)))

    def test_functions(self):
        found = functions_in_the_reference()
        self.assertGreater(len(found), 12)
        for name, shown in found.items():
            with self.subTest(name):
                self.assertEqual(shown, plain_signature(getattr(ctracemalloc, name)))

    def test_no_function_is_forgotten(self):
        public = {
            name
            for name, value in vars(ctracemalloc).items()
            if inspect.isroutine(value) and not name.startswith("_") and value.__module__.startswith("ctracemalloc")
        }
        self.assertEqual(public - set(functions_in_the_reference()), set())


class CommandLineTest(unittest.TestCase):
    def commands(self):
        parser = main.build_parser()
        actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        return actions[0].choices

    def test_every_option_is_in_the_synopsis_of_its_command(self):
        synopsis = REFERENCE.split("## Command line")[1].split("```text\n")[1].split("```")[0]
        lines = dict(re.findall(r"^python -m ctracemalloc (\w+)(.*(?:\n +.*)*)", synopsis, re.M))
        lines["diff"] = lines["diff"].replace("[the same options]", lines["report"])
        self.assertEqual(set(lines), set(self.commands()))
        for command, parser in self.commands().items():
            shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", lines[command])) - {"-m", "-c"}
            for action in parser._actions:
                names = set(action.option_strings) - {"-h", "--help"}
                if names:
                    self.assertTrue(names & shown, f"{command} {sorted(names)} is not in the reference")
            known = {name for action in parser._actions for name in action.option_strings}
            self.assertEqual(shown - known, set(), f"the reference has options that {command} does not know")


if __name__ == "__main__":
    unittest.main()
