"""What the options and settings ask for. An option wins over a setting of the configuration file."""

import os
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from .baseline import TOLERANCE, Baseline, BaselineError, parse_tolerance
from .documents import OWN
from .limits import LIMIT_GROWTH, LIMIT_LEAKS, LIMIT_MEMORY, Limit, LimitError, frames_needed, parse_size
from .measure import STACK
from .results import WITH_LINES

TOP = 5
MOST_FRAMES = 65535  # of a traceback
UPDATE, RAISE = UPDATES = ("update", "raise")  # of a baseline


class Rule(NamedTuple):
    """A limit of the configuration file. pattern: of the ids of tests, "": of all."""

    pattern: str
    limit: Limit

    def covers(self, test: str) -> bool:
        below = tuple(self.pattern.rstrip("/") + end for end in ("::", "/", "["))
        return not self.pattern or test == self.pattern or fnmatchcase(test, self.pattern) or test.startswith(below)


class Settings(NamedTuple):
    every_test: bool  # False: only those with a limit
    is_exact: bool  # the growth of each test is written, so it is without garbage
    keeps_lines: bool  # the lines of each test are written, or the baseline wants to know what of its growth is caches
    ranked: int  # how many tests with the largest peak, and with the largest growth, are shown with their lines
    shows_summary: bool
    top: int
    nframe: int  # 0: as many as are needed
    markers: tuple[str, ...]  # those that the plugin acts on
    rules: tuple[Rule, ...]
    json: str | None  # a file
    json_form: str
    html: str | None  # a file
    junit: bool  # is there a JUnit file that properties of tests go into?
    snapshots: str | None  # a folder
    baseline: Baseline | None

    def frames_for(self, items: list[pytest.Item]) -> int:
        """How many frames of each traceback are needed, if all these tests are measured."""
        needed = [STACK if self.snapshots else 1, *(rule.limit.nframe for rule in self.rules)]
        for item in items:
            for marker in item.iter_markers():
                if marker.name in self.markers:
                    needed.append(frames_needed(marker.name))
        return max(needed)

    def limits_for(self, test: str, marked: set[str]) -> list[Limit]:
        """Those of the configuration: for each kind the last that covers the test, unless it has a marker of this kind.
        And those of the baseline."""
        found = {rule.limit.kind: rule.limit for rule in self.rules if rule.covers(test)}
        limits = [limit for kind, limit in found.items() if kind not in marked]
        return limits if self.baseline is None else [*limits, *self.baseline.limits_for(test)]


def settings_of(config: pytest.Config, markers: tuple[str, ...]) -> Settings:
    asked = ("ctracemalloc", "ctracemalloc_children")
    shows_summary = any(map(config.getoption, asked)) or bool(config.getini("ctracemalloc"))
    baseline = baseline_of(config)
    html = config.getoption("ctracemalloc_html")
    top = number_of(config, "ctracemalloc_top", TOP, 0)
    json, snapshots = config.getoption("ctracemalloc_json"), config.getoption("ctracemalloc_snapshots")
    form = config.getoption("ctracemalloc_json_form")
    return Settings(
        every_test=bool(shows_summary or json or html or snapshots or baseline),
        is_exact=bool(json or html or baseline),
        keeps_lines=bool((json and form == OWN) or (baseline and baseline.is_updated)),
        ranked=max(top if shows_summary else 0, WITH_LINES if html else 0),
        shows_summary=shows_summary,
        top=top,
        nframe=number_of(config, "ctracemalloc_nframe", 0, 1, MOST_FRAMES),
        markers=markers,
        rules=rules_of(config),
        json=json,
        json_form=form,
        html=html and os.path.abspath(html),
        junit=bool(getattr(config.option, "xmlpath", None)),
        snapshots=snapshots,
        baseline=baseline,
    )


def baseline_of(config: pytest.Config) -> Baseline | None:
    path = config.getoption("ctracemalloc_baseline")
    updates = [way for way in UPDATES if config.getoption(f"ctracemalloc_{way}_baseline")]
    if path is None:
        if updates:
            raise pytest.UsageError(f"--ctracemalloc-{updates[0]}-baseline: which one? --ctracemalloc-baseline FILE says it")
        return None
    try:
        tolerance = parse_tolerance(config.getoption("ctracemalloc_tolerance") or TOLERANCE)
        return Baseline(os.path.abspath(path), tolerance, bool(updates), RAISE in updates)
    except (OSError, BaselineError) as error:
        raise pytest.UsageError(str(error)) from None


def number_of(config: pytest.Config, name: str, default: int, least: int, most: int | None = None) -> int:
    given = config.getoption(name)
    if given is not None:
        return int(given)
    text = str(config.getini(name)).strip()
    if text and not (text.isascii() and text.isdecimal() and least <= int(text) <= (most or int(text))):
        to = f" to {most}" if most is not None else ""
        raise pytest.UsageError(f"{name} is {text!r}, and not a number from {least}{to}")
    return int(text) if text else default


def rules_of(config: pytest.Config) -> tuple[Rule, ...]:
    return tuple(
        rule_of(f"ctracemalloc_{kind}", kind, text)
        for kind in (LIMIT_MEMORY, LIMIT_LEAKS, LIMIT_GROWTH)
        for text in config.getini(f"ctracemalloc_{kind}")
    )


def rule_of(name: str, kind: str, text: object) -> Rule:
    if not isinstance(text, str):  # pyproject.toml has other types
        raise pytest.UsageError(f"{name}: {text!r} is not a text such as '24 MB' or 'tests/large: 1 GB'")
    pattern, _colon, size = text.rpartition(":")
    try:
        return Rule(pattern.strip(), Limit(kind, parse_size(size), f"the setting {name}"))
    except LimitError as error:
        raise pytest.UsageError(f"{name}: {error}") from None
