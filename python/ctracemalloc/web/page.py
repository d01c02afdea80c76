"""The page of /debug/memory: what render/html makes of a snapshot, or of the difference of two.

Model: page_of is the one function that knows how that page is made, and which policy a browser must be told for it: that of the
page itself, and that no other page may frame it. Lines of source are left out: who may look at a service's memory may not read
its files for that reason.
"""

from typing import NamedTuple

from .._program import run_facts, title
from ..render.html import datasets
from ..render.html.document import FLAME, SUMMARY, TABLE, Link, Named, asset, page, policy
from .snapshots import TimedSnapshot, named_base

NOW_NAME = "now"
SHARE = 0.1  # of the calls that the page of a file has before small ones are merged: making it costs the service
CHOICE = datasets.Choice(with_source=False, share=SHARE)


# What page_of calls the base, the text of a link to that page, and its address.
LINKS = (
    ("", "now", "?"),
    ("the last request", "since the last request", "?since=last"),
    ("the start", "since the start", "?since=start"),
    ("plain", "without a script", "?plain=1"),
)


class Page(NamedTuple):
    body: bytes
    policy: str  # the Content-Security-Policy that it needs


def page_of(taken: TimedSnapshot, base: TimedSnapshot | None, since: str) -> Page:
    """With `base`, of what has changed since then. since: what the page calls the base that was asked for; empty: none was."""
    run = run_facts()
    if base is None:
        what = f"{NOW_NAME}: there is no difference yet" if since else NOW_NAME
        dataset = datasets.of_snapshot(taken.snapshot, run, CHOICE, NOW_NAME)
    else:
        name = named_base(since, base, taken)
        what = f"since {name}"
        dataset = datasets.of_difference(base.snapshot, taken.snapshot, (name, NOW_NAME), [run, run], CHOICE)
    links = [Link(words, href, name == since) for name, words, href in LINKS]
    text = page(title(), [Named(NOW_NAME, what, dataset)], [FLAME, TABLE, SUMMARY], created=taken.time, links=links)
    allowed = f"{policy(asset('app.js'), asset('app.css'))}; frame-ancestors 'none'"
    return Page(text.encode("ascii", "xmlcharrefreplace"), allowed)
