"""Asks each worker of a fleet for its memory, again and again, and writes what they say as Parquet files into one folder.

usage: fleet_scrape.py TARGETS.json OUT [--every SECONDS] [--times N]

TARGETS.json is a list of workers: [{"host": "web-1", "release": "1.0", "url": "http://127.0.0.1:9001"}, ...]. Each time makes
one file, OUT/TIME.parquet, with a row for each site, the columns of Snapshot's Arrow stream, and the labels host, release and
time (UNIX time in seconds). A worker that does not answer is left out, and named on stderr. Needs pyarrow 15.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pyarrow
import pyarrow.parquet
from ctracemalloc import Snapshot

TIMEOUT = 10  # seconds
UNWANTED = {"source": None, "pid": None, "command": None}  # labels that a merge adds by itself


def fetch(target, folder):
    """The snapshot of a worker; None: it does not answer."""
    path = os.path.join(folder, f"{target['host']}.ctm")
    try:
        with urllib.request.urlopen(f"{target['url']}/debug/memory.ctm", timeout=TIMEOUT) as answer:
            Path(path).write_bytes(answer.read())
    except OSError as error:
        print(f"fleet_scrape: {target['host']}: {error}", file=sys.stderr)
        return None
    return Snapshot.load(path)


def scrape(targets, out):
    """One file of all workers that answer. Returns (workers, sites)."""
    now = f"{time.time():.1f}"  # UNIX time in seconds
    with tempfile.TemporaryDirectory() as folder:
        fetched = [(target, fetch(target, folder)) for target in targets]
    found = [(target, snapshot) for target, snapshot in fetched if snapshot is not None]
    if not found:
        return 0, 0
    labels = {
        id(snapshot): {"host": target["host"], "release": target["release"], "time": now, **UNWANTED}
        for target, snapshot in found
    }
    merged = Snapshot.merge([snapshot for _target, snapshot in found], labels=lambda snapshot: labels[id(snapshot)])
    return len(found), write(merged, out, now)


def write(merged, out, now):
    """The number of rows."""
    reader = pyarrow.RecordBatchReader.from_stream(merged)
    rows = 0
    part = out / f".{now}.part"  # a query that runs meanwhile does not read half a file
    with pyarrow.parquet.ParquetWriter(part, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    part.rename(out / f"{now}.parquet")
    return rows


def main():
    parser = argparse.ArgumentParser(description="Writes what a fleet's workers hold as Parquet files.")
    parser.add_argument("targets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--times", type=int, default=0, metavar="N", help="how often (default: until it is interrupted)")
    options = parser.parse_args()
    targets = json.loads(options.targets.read_text(encoding="utf-8"))
    options.out.mkdir(parents=True, exist_ok=True)
    number, next_time = 0, time.monotonic()
    while not options.times or number < options.times:
        time.sleep(max(0, next_time - time.monotonic()))
        workers, rows = scrape(targets, options.out)
        print(f"{workers:,} of {len(targets):,} workers, {rows:,} sites", flush=True)
        number, next_time = number + 1, next_time + options.every


if __name__ == "__main__":
    main()
