"""Makes one Parquet file for each host out of the snapshots of its processes.

usage: fleet_parquet.py FOLDER OUT    FOLDER/HOST/*.ctm becomes OUT/HOST.parquet

Needs pyarrow 15.
"""

import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
from ctracemalloc import Snapshot


def write_host(folder: Path, out: Path) -> int:
    """Merges the host's snapshots, writes the sites batch by batch, and returns their number."""
    paths = sorted(folder.glob("*.ctm"))
    merged = Snapshot.merge(paths, labels=lambda path: {"host": folder.name, "source": path.name})
    reader = pyarrow.RecordBatchReader.from_stream(merged)
    rows = 0
    with pyarrow.parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    hosts = sorted(folder for folder in source.iterdir() if folder.is_dir())
    rows = sum(write_host(folder, out / f"{folder.name}.parquet") for folder in hosts)
    print(f"{len(hosts):,} hosts, {rows:,} sites")


if __name__ == "__main__":
    main()
