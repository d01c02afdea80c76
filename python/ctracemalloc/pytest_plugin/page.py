"""The page of a run: one HTML file with all tests in a table, and the lines of some of them.

Model: all that is shown is markup, so the page can be read without its script, which sorts and filters the table and opens its
rows. What a program chose (ids, names, paths, lines of source, sections of reports) is escaped where it becomes markup. The
lines are there for the tests with the largest figures and for those that failed; a limit that did not hold is told with what
the test's report says of it. Styles and policy are those of the other pages (render/html).
"""

import html
import platform
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from .. import Frame, __version__
from .._words import counted, printable
from ..formats import output
from ..formats.whole import write_whole
from ..render.html.document import asset, policy
from ..render.text.locations import source_text
from ..render.text.style import Style
from ..render.text.units import format_bytes, format_change
from .measure import Line
from .results import CALL, FAILED, GROWTH, LEAST_OF_FIXTURES, PASSED, PEAK, PHASES, SETUP, TEARDOWN, WITH_LINES, Phase, Results
from .text import placed

KIND = "page of a test run"
GENERATOR = '<meta name="generator" content="ctracemalloc-pytest '
HEAD_SIZE = 512  # bytes, within which the generator is named
OUTCOMES = (PASSED, FAILED, "skipped")
COLUMNS = (
    (CALL, "Peak"),
    (CALL, "Growth"),
    (CALL, "Blocks"),
    (SETUP, "Peak"),
    (SETUP, "Growth"),
    (TEARDOWN, "Peak"),
    (TEARDOWN, "Growth"),
)
NOTE = (
    "Of the blocks that each phase of a test allocates: the peak is the most bytes that were live at a time,"
    " the growth what is live at its end. The lines of the {number} tests with the largest peak, of those with the largest"
    " growth, and of those that failed are here."
)


def check(path: str) -> None:
    """OSError, with one line: the file must not or cannot be written."""
    try:
        output.check(path, KIND, told_by=kind_of)
    except output.RefusedError as error:
        raise OSError(str(error).removesuffix(" (--force overwrites it)")) from None


def kind_of(path: str) -> str | None:
    with open(path, "rb") as file:
        return KIND if GENERATOR.encode() in file.read(HEAD_SIZE) else None


def write(path: str, results: Results) -> None:
    write_whole(path, [page(results).encode("ascii", "xmlcharrefreplace")])


def page(results: Results) -> str:
    script, styles = asset("tests.js"), asset("app.css") + asset("tests.css")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{GENERATOR}{__version__}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script, styles)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>Memory of the tests</title>\n<style>{styles}</style>\n</head>\n<body>\n{heading(results)}<main>\n"
        f"{TOOLBAR}{table(results)}"
        f'<p class="notes">{NOTE.format(number=WITH_LINES)}</p>\n</main>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def text(words: str) -> str:
    """Anything as the text of an element or the value of an attribute."""
    return html.escape(printable(words))


def heading(results: Results) -> str:
    failed = sum(outcome == FAILED for outcome in results.outcomes.values())
    facts = (
        f"{counted(len(results.tests), 'test')} measured" + (f", {failed:,} failed" if failed else ""),
        f"Python {platform.python_version()}, pytest {pytest.__version__}, ctracemalloc {__version__}",
        time.strftime("%Y-%m-%d %H:%M:%S %z"),
    )
    return f"<header>\n<h1>Memory of the tests</h1>\n<p>{' · '.join(map(text, facts))}</p>\n</header>\n"


TOOLBAR = (
    '<div class="toolbar" hidden>\n<div class="field search"><label for="filter">Filter</label>'
    '<input id="filter" type="search" placeholder="words of the id" autocomplete="off"></div>\n'
    '<div class="field"><label for="outcome">Outcome</label><select id="outcome"><option value="">all</option>'
    + "".join(f"<option>{outcome}</option>" for outcome in OUTCOMES)
    + '</select></div>\n<span id="count" class="notes" role="status"></span>\n</div>\n'
)


def table(results: Results) -> str:
    """The largest peak first, as the heading says."""
    shown = with_lines(results)
    style = Style(False)
    order = sorted(results.tests, key=lambda test: (-figures(results.tests[test])[0], test))
    bodies = "".join(body(test, results, test in shown, style) for test in order)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Tests">\n<table class="rows tests">\n'
        f"<thead>\n{headings()}</thead>\n{bodies}</table>\n</div>\n"
    )


def headings() -> str:
    groups = "".join(
        f'<th class="group" scope="colgroup" colspan="{sum(phase == when for phase, _name in COLUMNS)}">{when}</th>'
        for when in (CALL, SETUP, TEARDOWN)
    )
    names = "".join(
        f'<th scope="col" class="{column_classes(number)}" data-column{SORTED if number == 0 else ""}>'
        f'<button type="button" title="Sort by the {name.lower()} of the {when}">{name}</button></th>'
        for number, (when, name) in enumerate(COLUMNS)
    )
    test = '<th scope="col" data-column><button type="button" title="Sort by the id">Test</button></th>'
    return f"<tr><td></td>{groups}</tr>\n<tr>{test}{names}</tr>\n"


SORTED = ' aria-sort="descending"'


def column_classes(number: int) -> str:
    """The first column of a phase begins a group."""
    begins = number == 0 or COLUMNS[number - 1][0] != COLUMNS[number][0]
    return "number group" if begins else "number"


def with_lines(results: Results) -> set[str]:
    largest = [test for figure in (PEAK, GROWTH) for test, _phases in results.largest(figure, WITH_LINES)]
    return {*largest, *(test for test, outcome in results.outcomes.items() if outcome == FAILED)}


# --- a test ---


def figures(phases: dict[str, Phase]) -> list[int]:
    """Of each column; -1: not measured."""
    return [getattr(phases[when], name.lower()) if when in phases else -1 for when, name in COLUMNS]


def body(test: str, results: Results, has_lines: bool, style: Style) -> str:
    phases, outcome = results.tests[test], results.outcomes[test]
    numbers = figures(phases)
    more = "".join(details(test, results, style)) if has_lines else ""
    name = f'<button type="button" class="link id" aria-expanded="true">{text(test)}</button>' if more else identity(test)
    tag = "" if outcome == PASSED else f' <span class="{outcome}">{outcome}</span>'
    cells = "".join(cell(number, value) for number, value in enumerate(numbers))
    below = f'<tr class="more"><td colspan="{len(COLUMNS) + 1}"><div>{more}</div></td></tr>\n' if more else ""
    return (
        f'<tbody data-outcome="{outcome}" data-sort="{" ".join(map(str, numbers))}">\n'
        f'<tr><th scope="row">{name}{tag}</th>{cells}</tr>\n{below}</tbody>\n'
    )


def identity(test: str) -> str:
    return f'<span class="id">{text(test)}</span>'


def cell(number: int, value: int) -> str:
    words = "" if value < 0 else f"{value:,}" if COLUMNS[number][1] == "Blocks" else format_bytes(value)
    return f'<td class="{column_classes(number)}">{words}</td>'


def details(test: str, results: Results, style: Style) -> Iterator[str]:
    phases = results.tests[test]
    for title, section in results.sections.get(test, ()):
        yield f"<h3>{text(title)}</h3><pre>{''.join(map(section_line, section.splitlines()))}</pre>"
    if CALL in phases:
        yield from line_list("Lines of the peak", phases[CALL].peak_lines, style)
        yield from line_list("Lines of the growth", phases[CALL].growth_lines, style)
    fixtures = [
        f"<li>{text(one.name)} ({text(one.scope)}): {format_change(one.growth)}</li>"
        for when in PHASES
        for one in (phases[when].fixtures if when in phases else ())
        if one.growth >= LEAST_OF_FIXTURES
    ]
    if fixtures:
        yield f"<h3>Fixtures, by growth in their set-up</h3><ul>{''.join(fixtures)}</ul>"


def section_line(line: str) -> str:
    return text(line) + "\n"


def line_list(title: str, lines: Sequence[Line], style: Style) -> Iterable[str]:
    if not lines:
        return
    items = "".join(line_item(line, style) for line in lines)
    yield f"<h3>{title}</h3><ul>{items}</ul>"


def line_item(line: Line, style: Style) -> str:
    amount = f"{format_bytes(line.size)} in {counted(line.blocks, 'block')}"
    place = html.escape(placed(line.filename, line.lineno, line.function, style))
    source = source_text(Frame((line.filename, line.lineno)), style, 0)
    code = f"<code>{html.escape(source)}</code>" if source else ""
    return f'<li>{amount} <span class="path">{place}</span>{code}</li>'
