"""Output of commands on stdout."""

import argparse
import sys

from ..render.text.style import Style


def style_of(parsed: argparse.Namespace) -> Style:
    return Style.for_stream(sys.stdout, parsed.no_color)


def print_lines(lines: list[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
