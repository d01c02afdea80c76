"""What was measured as JSON: this package's own form, and those of two tools that follow figures from commit to commit.

Model: a function for each form makes the document of the results; a function of the same name in TOLD knows a document of its
form again, so that a file of the user's is not overwritten: only one of the form that is written is replaced.
"""

import json
import platform
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .. import __version__
from ..formats import output
from ..formats.whole import write_whole
from .results import CALL, PHASES, Phase, Results

OWN, BENCHMARK_ACTION, BENCHER = FORMS = ("own", "benchmark-action", "bencher")
SCHEMA = 1
KIND = "ctracemalloc pytest"


def own(results: Results) -> dict[str, Any]:
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "versions": {"ctracemalloc": __version__, "pytest": pytest.__version__, "python": platform.python_version()},
        "tests": [
            {
                "id": test,
                "outcome": results.outcomes[test],
                **{when: phase_document(phases.get(when)) for when in PHASES},
                "children": [child._asdict() for child in results.children.get(test, ())],
            }
            for test, phases in results.tests.items()
        ],
    }


def phase_document(phase: Phase | None) -> dict[str, Any] | None:
    if phase is None:
        return None
    return {
        "peak": phase.peak,
        "growth": phase.growth,
        "blocks": phase.blocks,
        "passed": phase.passed,
        "peak_lines": [line._asdict() for line in phase.peak_lines],
        "growth_lines": [line._asdict() for line in phase.growth_lines],
        "fixtures": [one._asdict() for one in phase.fixtures],
    }


def benchmark_action(results: Results) -> list[dict[str, Any]]:
    """customSmallerIsBetter of github-action-benchmark."""
    return [
        {"name": f"{test} ({figure})", "unit": "bytes", "value": value}
        for test, call in calls_of(results)
        for figure, value in (("peak", call.peak), ("growth", call.growth))
    ]


def bencher(results: Results) -> dict[str, Any]:
    """Bencher Metric Format."""
    return {
        test: {"memory-peak": {"value": call.peak}, "memory-growth": {"value": call.growth}} for test, call in calls_of(results)
    }


def calls_of(results: Results) -> Iterator[tuple[str, Phase]]:
    """Those that passed; figures of others are of something else than the test."""
    for test, phases in results.tests.items():
        if CALL in phases and phases[CALL].passed:
            yield test, phases[CALL]


MAKERS: dict[str, Callable[[Results], Any]] = {OWN: own, BENCHMARK_ACTION: benchmark_action, BENCHER: bencher}
TOLD: dict[str, Callable[[Any], bool]] = {
    OWN: lambda document: isinstance(document, dict) and document.get("kind") == KIND,
    BENCHMARK_ACTION: lambda document: (
        isinstance(document, list)
        and all(isinstance(one, dict) and {"name", "unit", "value"} <= one.keys() for one in document)
    ),
    BENCHER: lambda document: (
        isinstance(document, dict) and all(isinstance(one, dict) and "memory-peak" in one for one in document.values())
    ),
}


def check(path: str, form: str) -> None:
    """OSError, with one line: the file must not or cannot be written."""
    kind = f"JSON file of the form {form}"

    def told_by(name: str) -> str | None:
        try:
            return kind if TOLD[form](read(name)) else None
        except (OSError, ValueError):
            return None

    try:
        output.check(path, kind, told_by=told_by)
    except output.RefusedError as error:
        raise OSError(str(error).removesuffix(" (--force overwrites it)")) from None


def read(path: str) -> Any:
    """ValueError: it is no JSON."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write(path: str, document: Any) -> None:
    """As text that people can read and git can compare; what is not ASCII is escaped."""
    write_whole(path, [json.dumps(document, indent=1).encode("ascii"), b"\n"])


def write_results(path: str, form: str, results: Results) -> None:
    write(path, MAKERS[form](results))
