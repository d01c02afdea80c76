"""`flamegraph`: writes a page of HTML with a flame graph of a file, or of the difference of two."""

import argparse

from ..render.html.document import FLAME, PROCESSES, TABLE, TIMELINE
from .arguments import Commands, Parser
from .html_pages import add_page_options, write_page

SECTIONS = (FLAME, TABLE, TIMELINE, PROCESSES)


def add(commands: Commands) -> Parser:
    flamegraph = commands.add_parser("flamegraph", help="write a flame graph as one HTML file: who called what, by memory")
    add_page_options(flamegraph, ".flamegraph.html")
    flamegraph.set_defaults(no_source=True)
    return flamegraph


def execute(parsed: argparse.Namespace) -> int:
    return write_page(parsed, SECTIONS)
