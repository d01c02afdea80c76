"""How much does each worker hold? Each process of a pool writes a snapshot; the merged snapshot answers for all."""

import multiprocessing
import os
import tempfile
from pathlib import Path

import ctracemalloc

cache: list[bytes] = []


def work(task: tuple[int, str]) -> None:
    number, folder = task
    cache.extend(bytes(1000) for _ in range(1000 * number))
    ctracemalloc.take_snapshot().dump(Path(folder, f"worker-{number}.ctm"))


def main() -> None:
    ctracemalloc.start(5)
    with tempfile.TemporaryDirectory() as folder:
        # One process per task; the child of a fork continues to trace.
        with multiprocessing.get_context("fork").Pool(3, maxtasksperchild=1) as pool:
            pool.map(work, [(number, folder) for number in (1, 2, 3)], chunksize=1)
        paths = sorted(Path(folder).glob("*.ctm"))
        merged = ctracemalloc.Snapshot.merge(paths, labels=lambda path: {"source": path.stem})
    print(len(merged.statistics("label:pid")), "processes other than", os.getpid())
    for statistic in merged.statistics("label:source"):
        print(f"{statistic.traceback[0].filename}: {statistic.size / 1e6:.1f} MB")
    largest = merged.statistics("function")[0]
    print(f"in all {largest.size / 1e6:.1f} MB by {largest.traceback[0].name}")


if __name__ == "__main__":
    main()
