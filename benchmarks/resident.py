#!/usr/bin/env python3
"""Shows how much of the resident memory of real programs is explained: a row for each program.

usage: resident.py [--python PYTHON ...] [--program NAME ...]

PYTHON is an interpreter whose environment has the packages that the programs need (a program without its package is skipped);
several give a table for each. ctracemalloc is needed only by the Python that runs this file: the programs are not traced.
"""

import argparse
import os
import subprocess
import sys
import textwrap
import time

import ctracemalloc

READY = "ready"
PREFIX = "import sys, time, os, mmap, threading\n"
SUFFIX = f"\nprint({READY!r}, flush=True)\nsys.stdin.read()\n"

# name: (environment, source)
PROGRAMS = {
    "nothing": ({}, ""),
    "many dicts": ({}, "a = {i: {'x': i} for i in range(300_000)}"),
    "many dicts, freed": ({}, "a = {i: {'x': i} for i in range(300_000)}; del a"),
    "fragmented pools": ({}, "a = [str(i) * 3 for i in range(1_000_000)]; del a[1::2]; a = a[::7]"),
    "fragmented heap": ({}, "a = [bytearray(2000) for i in range(50_000)]; del a[::2]"),
    "eight threads": (
        {},
        """
        def work():
            global held
            a = [bytearray(900) for i in range(20_000)]
            del a[::3]
            started.release()
            go.wait()
        go, started = threading.Event(), threading.Semaphore(0)
        threads = [threading.Thread(target=work, daemon=True) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            started.acquire()
        """,
    ),
    "eight threads, MALLOC_ARENA_MAX=1": ({"MALLOC_ARENA_MAX": "1"}, "= eight threads"),
    "threads that ended": (
        {},
        """
        def work():
            a = bytearray(200_000)
        for i in range(50):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """,
    ),
    "PYTHONMALLOC=malloc": ({"PYTHONMALLOC": "malloc"}, "= many dicts"),
    "PYTHONMALLOC=debug": ({"PYTHONMALLOC": "debug"}, "= many dicts"),
    "MALLOC_MMAP_THRESHOLD_": ({"MALLOC_MMAP_THRESHOLD_": "4096"}, "a = [bytearray(5000) for i in range(10_000)]"),
    "mapped file": (
        {},
        """
        import tempfile
        with tempfile.TemporaryFile() as file:
            file.write(os.urandom(20 << 20)); file.flush()
            a = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            b = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
        sum(a[::4096]); b[: 5 << 20] = bytes(5 << 20)
        """,
    ),
    "shared memory": (
        {},
        """
        from multiprocessing import shared_memory
        a = shared_memory.SharedMemory(create=True, size=20 << 20); a.buf[: 10 << 20] = bytes(10 << 20)
        a.unlink()
        b = mmap.mmap(-1, 10 << 20); b.write(bytes(5 << 20))
        """,
    ),
    "zero page": (
        {},
        """
        a = mmap.mmap(-1, 100 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); sum(a[::4096])
        a[: 1 << 20] = bytes(range(256)) * 4096
        """,
    ),
    "forked child": (
        {},
        """
        a = [str(i) for i in range(500_000)]
        pid = os.fork()
        if not pid:
            time.sleep(600)
            os._exit(0)
        import atexit
        atexit.register(os.kill, pid, 9)
        b = [str(i) for i in range(100_000)]
        """,
    ),
    "sqlite": (
        {},
        """
        import sqlite3
        a = sqlite3.connect(":memory:")
        a.execute("create table t (x integer, y text)")
        a.executemany("insert into t values (?, ?)", ((i, "y" * 100) for i in range(200_000)))
        """,
    ),
    "json, re, decimal, ssl": (
        {},
        """
        import asyncio, decimal, json, re, ssl, unittest, xml.etree.ElementTree as ET
        a = json.loads(json.dumps([{"a": i, "b": [i] * 5} for i in range(100_000)]))
        b = ET.fromstring("<a>" + "<b c='d'/>" * 100_000 + "</a>"); c = ssl.create_default_context()
        """,
    ),
    "numpy": ({}, "import numpy as n; a = n.ones((2000, 2000)); b = a @ a; c = [n.ones(1000) for i in range(5000)]"),
    "pandas": (
        {},
        """
        import pandas, numpy
        a = pandas.DataFrame({"x": numpy.arange(500_000), "y": [str(i) for i in range(500_000)]})
        b = a.groupby(a.x % 100).y.count()
        """,
    ),
    "pyarrow": (
        {},
        """
        import pyarrow, pyarrow.compute as c
        a = pyarrow.table({"x": list(range(1_000_000)), "y": [str(i) for i in range(1_000_000)]})
        b = a.sort_by("y"); d = c.sum(a["x"])
        """,
    ),
    "pyarrow, system pool": ({"ARROW_DEFAULT_MEMORY_POOL": "system"}, "= pyarrow"),
    "polars": (
        {},
        """
        import polars as p
        a = p.DataFrame({"x": range(1_000_000), "y": [str(i) for i in range(1_000_000)]})
        b = a.group_by("y").agg(p.col("x").sum())
        """,
    ),
    "lxml": (
        {},
        """
        from lxml import etree
        a = etree.fromstring("<a>" + "<b c='d'>text</b>" * 200_000 + "</a>"); b = a.xpath("//b")
        """,
    ),
    "scipy": (
        {},
        """
        import scipy.sparse, scipy.linalg, scipy.stats, numpy
        a = scipy.sparse.random(3000, 3000, 0.01); b = scipy.linalg.inv(numpy.random.rand(800, 800))
        """,
    ),
    "OpenCV": (
        {},
        """
        import cv2, numpy
        a = numpy.random.randint(0, 255, (2000, 2000, 3), dtype=numpy.uint8)
        b = [cv2.GaussianBlur(a, (9, 9), 0) for i in range(5)]; c = cv2.resize(a, (500, 500))
        """,
    ),
}


def source_of(name):
    _, source = PROGRAMS[name]
    return source_of(source[2:]) if source.startswith("= ") else PREFIX + textwrap.dedent(source) + SUFFIX


def wait_for_rest(pid):
    """Until allocators of libraries return no more memory: the kernel's count is the same for a second."""
    last, end = None, time.monotonic() + 30
    while time.monotonic() < end:
        with open(f"/proc/{pid}/statm") as statm:
            size = statm.read().split()[1]
        if size == last:
            return
        last = size
        time.sleep(1)


def measure(python, name):
    """The result and the seconds it took; None: the program lacks a package."""
    environment = {**os.environ, **PROGRAMS[name][0]}
    program = subprocess.Popen(
        [python, "-c", source_of(name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        if program.stdout.readline().strip() != READY:
            error = program.stderr.read()
            if "ModuleNotFoundError" in error:
                return None
            raise RuntimeError(f"{name}: {error}")
        wait_for_rest(program.pid)
        start = time.perf_counter()
        return ctracemalloc.resident_memory(program.pid), time.perf_counter() - start
    finally:
        program.stdin.close()
        program.wait(30)


def row_of(name, result, seconds):
    kinds = {}
    for row in result.rows:
        kinds[row.kind] = kinds.get(row.kind, 0) + row.size
    first = sorted(kinds, key=kinds.get, reverse=True)[:2]
    parts = ", ".join(f"{kind} {kinds[kind] / 1e6:.1f}" for kind in first)
    difference = 100 * (result.total - result.unexplained - result.status) / result.status
    unexplained = f"{result.unexplained / 1e6:.2f}"
    unknown = ", ".join(result.unknown) or "-"
    anonymous = f"{kinds.get('anonymous', 0) / 1e6:.2f}"
    return (
        f"| {name} | {result.status / 1e6:.1f} | {difference:+.2f} % | {unexplained} | {anonymous} | {unknown} | {parts} "
        f"| {seconds:.2f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append")
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    options = parser.parse_args()
    for python in options.python or [sys.executable]:
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"{version}\n")
        print("| program | RSS, MB | explained | unexplained, MB | by pointers, MB | not known | most of it, MB | seconds |")
        print("|---|---:|---:|---:|---:|---|---|---:|")
        for name in options.program or PROGRAMS:
            found = measure(python, name)
            print(f"| {name} | skipped: no package |" if found is None else row_of(name, *found), flush=True)
        print()


if __name__ == "__main__":
    main()
