"""The HTML file: a policy that lets in nothing but what is in the file, the styles, the data, the script.

Model: data are in elements of types that no browser runs. Nothing that a program chose (a name of a file or function, a command
line) becomes markup: it is in JSON whose `<`, `>` and `&` are escaped, or in a packed data set. The one exception is the title,
which is escaped as text. The policy names the script and the styles by their digests.
"""

import base64
import hashlib
import html
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..._ctracemalloc import __version__
from ..._words import printable
from ...formats.kinds import kind_of
from .dataset import Dataset, packed

SCHEMA = 1
GENERATOR = "ctracemalloc"
SUMMARY, FLAME, TABLE, TIMELINE, SOURCE, PROCESSES = SECTIONS = "summary", "flame", "table", "timeline", "source", "processes"
PAGE = "page"  # the kind of file
HEAD_SIZE = 512  # bytes, within which the generator is named
NO_SCRIPT = "This page draws its data with a script, which is in this file. Allow scripts to see it."


class Named(NamedTuple):
    """A data set, and how it is offered if there are several."""

    name: str
    detail: str
    dataset: Dataset


class Link(NamedTuple):
    """To another page of the same service: a text, and an address that begins with a question mark."""

    text: str
    href: str
    current: bool


def page(
    title: str,
    datasets: Iterable[Named],
    sections: Sequence[str],
    *,
    created: float,
    measure: str = "live",
    by: str = "size",
    links: Sequence[Link] = (),
) -> str:
    """The whole file. measure, by: what is shown first."""
    packs, listed = [], []
    for named in datasets:
        packs.append(base64.b64encode(packed(named.dataset)).decode("ascii"))
        listed.append({"name": named.name, "detail": named.detail, "parent": None})
    head = {
        "schema": SCHEMA,
        "version": __version__,
        "title": title,
        "created": created,
        "sections": list(sections),
        "datasets": listed,
        "start": {"measure": measure, "by": by},
        "links": [link._asdict() for link in links],
    }
    script, styles = asset("app.js"), asset("app.css")
    data = "".join(
        f'<script type="application/octet-stream" id="data-{number}">{pack}</script>\n' for number, pack in enumerate(packs)
    )
    return (
        "<!doctype html>\n"
        f'<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="{GENERATOR} {__version__}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script, styles)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(printable(title))}</title>\n<style>{styles}</style>\n</head>\n<body>\n"
        f'<div id="app"></div>\n<noscript>{NO_SCRIPT}</noscript>\n'
        f'<script type="application/json" id="head">{script_json(head)}</script>\n{data}<script>{script}</script>\n'
        "</body>\n</html>\n"
    )


def policy(script: str, styles: str) -> str:
    allowed = f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(styles)}'"
    return f"{allowed}; img-src data: blob:; base-uri 'none'; form-action 'none'"


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def script_json(value: Any) -> str:
    """JSON that cannot end the element it is in."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def kind_of_page(path: str) -> str | None:
    """PAGE if the file is a page that this module made; its kind, if it is another file of this package; else None."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        is_page = f'<meta name="generator" content="{GENERATOR} '.encode() in file.read(HEAD_SIZE)
    return PAGE if is_page else kind_of(path)


def asset(name: str) -> str:
    """A file of this folder. It must not contain the end of the element that it is put into."""
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()
