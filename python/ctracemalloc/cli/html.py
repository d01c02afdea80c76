"""`html`: writes the whole report as one HTML file: summary, flame graph, table, timeline, lines of source, processes."""

import argparse

from ..render.html.document import SECTIONS
from .arguments import Commands, Parser
from .html_pages import add_page_options, write_page


def add(commands: Commands) -> Parser:
    html = commands.add_parser("html", help="write the whole report as one HTML file, with a flame graph and lines of source")
    add_page_options(html, ".html")
    html.add_argument("--no-source", action="store_true", help="no lines of source in the page")
    return html


def execute(parsed: argparse.Namespace) -> int:
    return write_page(parsed, SECTIONS)
