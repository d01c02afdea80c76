"""The page of a scope's memory in an iframe.

Model: the page is one document without an address, so it is the frame's `srcdoc`: it is saved with the notebook and needs no
server and no file. The frame may run its script and save pictures, and has no access to the notebook around it. Of source it
has the cells alone, under their numbers: these are in the notebook as well.
"""

import html
import linecache
import time

from .. import Snapshot
from ..model.figures import LIVE
from ..render.html.dataset import Dataset
from ..render.html.datasets import Choice, of_snapshot
from ..render.html.document import FLAME, SOURCE, TABLE, Named, page
from ..render.html.sources import Source
from .cells import CellStyle

HEIGHT = 600  # pixels


def frame_of(snapshots: list[tuple[str, Snapshot]], title: str, style: CellStyle) -> str:
    """An element. snapshots: what the page offers, each with its name."""
    choice = Choice(with_source=False, share=1 / len(snapshots))
    found = [(name, of_snapshot(snapshot, {}, choice, name)) for name, snapshot in snapshots]
    datasets = [Named(name, "", with_cells(dataset, style)) for name, dataset in found]
    text = page(title, datasets, (FLAME, TABLE, SOURCE), created=time.time(), measure=LIVE)
    document = html.escape(text.encode("ascii", "xmlcharrefreplace").decode("ascii"))
    return (
        f'<iframe srcdoc="{document}" sandbox="allow-scripts allow-downloads" width="100%" height="{HEIGHT}"'
        f' style="border:0" title="{html.escape(title)}"></iframe>'
    )


def with_cells(dataset: Dataset, style: CellStyle) -> Dataset:
    """The data set with the names of cells, and their lines of source."""
    graph, sources = dataset.graph, []
    names = [style.cell_of(file.name) for file in graph.files]
    for index, (file, name) in enumerate(zip(graph.files, names, strict=True)):
        if name:
            sources.append(Source(index, "".join(linecache.getlines(file.name)), ""))
    files = [file._replace(name=name or file.name) for file, name in zip(graph.files, names, strict=True)]
    return dataset._replace(graph=graph._replace(files=files), sources=sources, no_source="no cell has allocated any of it")
