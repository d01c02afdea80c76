"""docs/reference-python.md says the signatures and the options that there are."""

import argparse
import inspect
import re
import unittest
from pathlib import Path

import ctracemalloc
from ctracemalloc import _cli

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference-python.md").read_text(encoding="utf-8")


def functions_in_the_reference():
    table = REFERENCE.split("## Functions")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)(\(.*?\))`", table, re.M))


class SignatureTest(unittest.TestCase):
    def test_functions(self):
        found = functions_in_the_reference()
        self.assertGreater(len(found), 12)
        for name, shown in found.items():
            with self.subTest(name):
                signature = inspect.signature(getattr(ctracemalloc, name))
                plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
                actual = str(signature.replace(parameters=plain, return_annotation=signature.empty))
                self.assertEqual(shown, actual)

    def test_no_function_is_forgotten(self):
        public = {
            name
            for name, value in vars(ctracemalloc).items()
            if inspect.isroutine(value) and not name.startswith("_") and value.__module__.startswith("ctracemalloc")
        }
        self.assertEqual(public - set(functions_in_the_reference()), set())


class CommandLineTest(unittest.TestCase):
    def commands(self):
        parser = _cli.build_parser()
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
