"""Starts the tracer of BENCH_MODE before the program. It is on the PYTHONPATH of every measured run.

Modes: none, floor, ctracemalloc:NFRAME[:INTERVAL], tracemalloc:NFRAME, memray, memray-python
"""

import os


def start(mode, *numbers):
    if mode == "floor":
        import bench_floor

        bench_floor.install()
    elif mode == "ctracemalloc":
        import ctracemalloc

        nframe, *interval = map(int, numbers)
        ctracemalloc.start(nframe, **({"sample_interval": interval[0]} if interval else {}))
    elif mode == "tracemalloc":
        import tracemalloc

        tracemalloc.start(int(numbers[0]))
    elif mode.startswith("memray"):
        import atexit

        import memray

        # The output is discarded, to measure the tracing and not the disk.
        destination = memray.FileDestination("/dev/null", overwrite=True)
        tracker = memray.Tracker(destination=destination, trace_python_allocators=mode == "memray-python")
        tracker.__enter__()
        atexit.register(tracker.__exit__, None, None, None)
    elif mode != "none":
        raise SystemExit(f"BENCH_MODE {mode!r} is not known")


start(*os.environ.get("BENCH_MODE", "none").split(":"))
