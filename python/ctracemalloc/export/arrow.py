"""Parquet and Arrow files: the table of sites that a Snapshot gives to Arrow (docs/reference/python.md#arrow).

Model: pyarrow takes the table in batches and writes each. It is imported when it is used; the extra `arrow` installs it.
"""

import io
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from .marks import KEY, VALUE
from .selected import Selected

NEEDS = "Parquet and Arrow files need pyarrow 15: pip install 'ctracemalloc[arrow]'"


def library() -> Any:
    """ImportError says what to install."""
    try:
        pyarrow = import_module("pyarrow")
    except ImportError:
        raise ImportError(NEEDS) from None
    if not hasattr(pyarrow.RecordBatchReader, "from_stream"):
        raise ImportError(f"this is pyarrow {pyarrow.__version__}, which is too old. {NEEDS}")
    return pyarrow


def parquet_pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    library()
    parquet = import_module("pyarrow.parquet")

    def writer_to(out: Any, schema: Any) -> Any:
        return parquet.ParquetWriter(out, schema, compression="zstd")

    return written(selected, comments, writer_to)


def arrow_pieces(selected: Selected, measure: str, comments: Sequence[str]) -> Iterator[bytes]:
    """The IPC file format, which is also that of Feather."""
    pyarrow = library()

    def writer_to(out: Any, schema: Any) -> Any:
        return pyarrow.ipc.new_file(out, schema)

    return written(selected, comments, writer_to)


def written(selected: Selected, comments: Sequence[str], writer_to: Any) -> Iterator[bytes]:
    reader = library().RecordBatchReader.from_stream(selected.snapshot)
    schema = reader.schema.with_metadata(facts_of(selected, comments))
    out = Pipe()
    with writer_to(out, schema) as writer:
        for batch in selected_batches(selected, reader):
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
            yield out.taken()
    yield out.taken()


def facts_of(selected: Selected, comments: Sequence[str]) -> dict[str, str]:
    """What the file says besides its rows, as metadata of its schema."""
    interval = selected.snapshot.sample_interval
    facts = {KEY: VALUE, "ctracemalloc.program": " ".join(selected.command), "ctracemalloc.losses": "\n".join(comments)}
    if interval is not None:
        facts["ctracemalloc.sample_interval"] = str(interval)
    return {name: text.encode("utf-8", "backslashreplace").decode() for name, text in facts.items() if text}


def selected_batches(selected: Selected, reader: Any) -> Iterator[Any]:
    """Rows are the sites in their order."""
    if not selected.patterns:
        yield from reader
        return
    wanted = selected.selection()
    sites = iter(selected.sites)
    for batch in reader:
        mask = [bool(wanted[next(sites).node]) for _row in range(batch.num_rows)]
        yield batch.filter(library().array(mask, library().bool_()))


class Pipe(io.RawIOBase):
    """A file that a library writes to, whose bytes are taken out meanwhile."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def write(self, content: Any) -> int:
        size = len(memoryview(content).cast("B"))
        self.waiting += content
        self.position += size
        return size

    def taken(self) -> bytes:
        found = bytes(self.waiting)
        self.waiting.clear()
        return found
