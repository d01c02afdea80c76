"""Lines and call stacks with their source, as text for a report's section and for the summary."""

from collections.abc import Sequence

from .. import Frame
from .._words import counted
from ..render.text.locations import source_text
from ..render.text.style import Style
from ..render.text.units import format_bytes
from .measure import RUNNER, Line, Stack

INDENT = 4
STACK = 5  # frames of a stack that are shown


def line_lines(lines: Sequence[Line], style: Style, shown: int | None, indent: int = INDENT) -> list[str]:
    """shown: how many, at the most; None: all."""
    chosen = lines[:shown]
    result = []
    for line in chosen:
        amount = f"{format_bytes(line.size)} in {counted(line.blocks, 'block')}"
        result.append(" " * indent + amount + "  " + placed(line.filename, line.lineno, line.function, style))
        result += source_of(line.filename, line.lineno, style, indent + INDENT)
    return result + rest(len(lines) - len(chosen), "line", indent)


def stack_lines(stacks: Sequence[Stack], style: Style, shown: int | None) -> list[str]:
    chosen = stacks[:shown]
    result = []
    for stack in chosen:
        result.append(f"{'':{INDENT}}{format_bytes(stack.size)} in {counted(stack.blocks, 'block')}")
        frames = frames_of_test(stack)
        for function, filename, lineno in frames[:STACK]:
            result.append(" " * INDENT * 2 + placed(filename, lineno, function, style))
            result += source_of(filename, lineno, style, INDENT * 3)
        if len(frames) > STACK:
            result.append(" " * INDENT * 2 + f"(and {counted(len(frames) - STACK, 'caller')})")
    return result + rest(len(stacks) - len(chosen), "call stack", INDENT)


def frames_of_test(stack: Stack) -> list[tuple[str, str, int]]:
    """Those between the allocation and pytest's."""
    end, _runner = RUNNER
    packages = (end.removesuffix("runner.py"), "/pluggy/")
    frames = list(stack.frames)
    first = next((i for i, frame in enumerate(frames) if is_of_pytest(frame[1], packages)), len(frames))
    return frames[:first] or frames


def is_of_pytest(filename: str, packages: Sequence[str]) -> bool:
    return any(name in filename for name in packages) or "/ctracemalloc/pytest_plugin/" in filename


def placed(filename: str, lineno: int, function: str, style: Style) -> str:
    name = f" in {style.name(function)}" if function else ""
    return f"{style.path(filename)}:{lineno}{name}"


def source_of(filename: str, lineno: int, style: Style, indent: int) -> list[str]:
    text = source_text(Frame((filename, lineno)), style, indent)
    return [" " * indent + text] if text else []


def rest(number: int, noun: str, indent: int) -> list[str]:
    return [" " * indent + f"... and {counted(number, 'more ' + noun)}"] if number > 0 else []
