"""The summary at the end of a run: the tests with the largest peak and with the largest growth, each with its lines."""

from .._words import counted, printable
from ..render.text.style import Style
from ..render.text.units import format_bytes, format_change
from .results import CALL, GROWTH, PEAK, PHASES, Phase, Results
from .text import line_lines

TITLES = {PEAK: "largest peak", GROWTH: "largest growth"}


def summary_lines(results: Results, number: int, style: Style) -> list[str]:
    lines = [f"{counted(len(results.tests), 'test')} measured; of what each allocated in its call:"]
    for figure in TITLES:
        lines += part_lines(results, figure, number, style)
    return lines + fixture_lines(results, number, style) + child_lines(results, number, style)


def part_lines(results: Results, figure: str, number: int, style: Style) -> list[str]:
    largest = results.largest(figure, number)
    if not largest:
        return []
    lines = ["", style.bold(TITLES[figure])]
    for test, phases in largest:
        call = phases[CALL]
        size = format_bytes(call.peak) if figure == PEAK else format_change(call.growth)
        lines.append(f"{size:>12}  {style.name(test)}")
        lines += ("    " + text for text in other_figures(phases, figure))
        lines += line_lines(call.peak_lines if figure == PEAK else call.growth_lines, style, number, indent=8)
    return lines


def fixture_lines(results: Results, number: int, style: Style) -> list[str]:
    found = results.fixtures(number)
    if not found:
        return []
    lines = ["", style.bold("largest fixtures, by growth in their set-up")]
    for one, test in found:
        lines.append(f"{format_change(one.growth):>12}  {style.name(one.name)} ({one.scope}), for {style.name(test)}")
    return lines


def child_lines(results: Results, number: int, style: Style) -> list[str]:
    found = results.largest_children(number)
    children = [one for some in results.children.values() for one in some]
    if not children:
        return []
    lines = ["", style.bold(f"largest Python processes that tests started, by peak, of {len(children):,}")]
    for one, test in found:
        at_end = "" if one.size is None else f" ({format_bytes(one.size)} at its end)"
        lines.append(f"{format_bytes(one.peak or 0):>12}  {style.name(one.command)}{at_end}, by {style.name(test)}")
    unknown = [one for one in children if one.peak is None]
    if unknown:
        why = next((f": {printable(one.problem)}" for one in unknown if one.problem), "")
        lines.append(f"{'not known':>12}  the peak of {len(unknown):,} of them{why}")
    return lines


def other_figures(phases: dict[str, Phase], figure: str) -> list[str]:
    """What else is known of the test, by phase."""
    return [f"    {when}: {phase_text(phases[when])}" for when in PHASES if when in phases]


def phase_text(phase: Phase) -> str:
    grown = f"{format_change(phase.growth)} in {counted(phase.blocks, 'block', sign=True)}"
    return f"peak {format_bytes(phase.peak)}, growth {grown}"
