"""A file with the peak and growth of each test, to which later runs are compared.

Model: the file is committed, so it is text with one line for each test, sorted. Sizes of objects differ from version to
version of Python, so there are figures for each. A test that has figures gets two limits: what it had, and the tolerance. A
test that has none is not judged. An update replaces the figures of the tests that passed, and keeps those that were not run.
"""

import json
import os
import sys
from typing import Any, NamedTuple

from .._words import counted
from ..formats.output import check_folder
from ..formats.whole import write_whole
from ..render.text.units import format_bytes
from . import documents
from .limits import LIMIT_GROWTH, LIMIT_MEMORY, Limit, parse_size
from .results import CALL, PASSED, Results

KIND, SCHEMA = "ctracemalloc pytest baseline", 1
PYTHON = "{}.{}".format(*sys.version_info)
TOLERANCE = "10%,512B"


class BaselineError(ValueError):
    """Of a file or a tolerance; the text says which and why."""


class Tolerance(NamedTuple):
    """How much more a test may have: the larger of a share of what it had and a number of bytes."""

    share: float
    least: float

    def allowed(self, size: int) -> float:
        return size + max(self.share * size, self.least)


def parse_tolerance(text: str) -> Tolerance:
    share, least = 0.0, 0.0
    for part in text.split(","):
        number = part.strip().removesuffix("%")
        try:
            if number == part.strip():
                least = parse_size(part)
            else:
                share = float(number) / 100
        except ValueError:
            raise BaselineError(f"--ctracemalloc-tolerance: {part.strip()!r} is neither like 10% nor like 2KB") from None
    if not 0 <= share < float("inf"):
        raise BaselineError(f"--ctracemalloc-tolerance: {text!r} is not a share from 0%")
    return Tolerance(share, least)


class Baseline:
    """figures: {version of Python: {test: {"peak": bytes, "growth": bytes}}}

    only_larger: an update replaces figures by larger ones only.
    """

    def __init__(self, path: str, tolerance: Tolerance, is_updated: bool, only_larger: bool = False) -> None:
        """BaselineError: the file is none, or is not there. OSError: it cannot be written."""
        self.path, self.tolerance, self.is_updated, self.only_larger = path, tolerance, is_updated, only_larger
        self.figures: dict[str, dict[str, dict[str, int]]] = {}
        if is_updated:
            check_folder(path)
        if os.path.exists(path) and os.path.getsize(path) > 0:
            self.figures = read(path)
        elif not is_updated:
            raise BaselineError(f"there is no baseline {path} (--ctracemalloc-update-baseline writes it)")

    @property
    def tests(self) -> dict[str, dict[str, int]]:
        """Of this version of Python."""
        return self.figures.get(PYTHON, {})

    def limits_for(self, test: str) -> list[Limit]:
        """A size equal to a limit fails, and one equal to what is allowed shall not."""
        found = None if self.is_updated else self.tests.get(test)
        if found is None:
            return []
        return [
            Limit(
                kind,
                self.tolerance.allowed(found[name]) + 1,
                f"it was {format_bytes(found[name])} in {self.path}",
                without_caches=True,
            )
            for kind, name in ((LIMIT_MEMORY, "peak"), (LIMIT_GROWTH, "growth"))
        ]

    def update(self, results: Results) -> None:
        tests = dict(self.tests)
        for test, phases in results.tests.items():
            if results.outcomes[test] == PASSED and CALL in phases:
                call = phases[CALL]
                figures = {"peak": call.peak, "growth": max(call.growth - call.caches, 0)}
                before = self.tests.get(test, {}) if self.only_larger else {}
                tests[test] = {name: max(size, before.get(name, 0)) for name, size in figures.items()}
        self.figures = {**self.figures, PYTHON: tests}
        write_whole(self.path, [text_of(self.figures).encode("ascii")])

    def lines(self, results: Results) -> list[str]:
        """What is said at the end of the run."""
        if self.is_updated:
            return [f"ctracemalloc: {self.path} has the figures of {counted(len(self.tests), 'test')} for Python {PYTHON}"]
        missing = sum(test not in self.tests for test in results.tests)
        text = f"ctracemalloc: {len(results.tests) - missing:,} of {len(results.tests):,} tests were compared with {self.path}"
        return [f"{text}, which has no figures of the others for Python {PYTHON}" if missing else text]


def text_of(figures: dict[str, dict[str, dict[str, int]]]) -> str:
    """A test is a line, so that a difference in git is one as well."""
    pythons = []
    for python, tests in sorted(figures.items()):
        lines = ",\n  ".join(f"{json.dumps(test)}: {json.dumps(tests[test])}" for test in sorted(tests))
        pythons.append(f"{json.dumps(python)}: {{\n  {lines}\n }}")
    body = ",\n ".join(pythons)
    return f'{{"kind": {json.dumps(KIND)}, "schema": {SCHEMA}, "pythons": {{\n {body}\n}}}}\n'


def read(path: str) -> dict[str, dict[str, dict[str, int]]]:
    try:
        document = documents.read(path)
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path} is not a baseline: {error}") from None
    if not is_baseline(document):
        raise BaselineError(f"{path} is not a baseline of ctracemalloc's plugin, or of a newer one")
    figures: dict[str, dict[str, dict[str, int]]] = document["pythons"]
    return figures


def is_baseline(document: Any) -> bool:
    if not (isinstance(document, dict) and document.get("kind") == KIND and document.get("schema") == SCHEMA):
        return False
    pythons = document.get("pythons")
    if not (isinstance(pythons, dict) and all(isinstance(tests, dict) for tests in pythons.values())):
        return False
    figures = [one for tests in pythons.values() for one in tests.values()]
    return all(isinstance(one, dict) and is_size(one.get("peak")) and is_size(one.get("growth")) for one in figures)


def is_size(value: object) -> bool:
    return type(value) is int and value >= 0
