"""The page of a scope's memory in an iframe.

Model: the page is one document without an address, so it is the frame's `srcdoc`: it is saved with the notebook and needs no
server and no file. The frame may run its script and save pictures, and has no access to the notebook around it.
"""

import html
import time

from .. import Snapshot
from ..model.figures import LIVE
from ..render.html.datasets import Choice, of_snapshot
from ..render.html.document import FLAME, TABLE, Named, page

HEIGHT = 600  # pixels


def frame_of(snapshots: list[tuple[str, Snapshot]], title: str) -> str:
    """An element. snapshots: what the page offers, each with its name."""
    choice = Choice(with_source=False, share=1 / len(snapshots))
    datasets = [Named(name, "", of_snapshot(snapshot, {}, choice, name)) for name, snapshot in snapshots]
    text = page(title, datasets, (FLAME, TABLE), created=time.time(), measure=LIVE)
    document = html.escape(text.encode("ascii", "xmlcharrefreplace").decode("ascii"))
    return (
        f'<iframe srcdoc="{document}" sandbox="allow-scripts allow-downloads" width="100%" height="{HEIGHT}"'
        f' style="border:0" title="{html.escape(title)}"></iframe>'
    )
