"""Which memory does a program hold while it runs, and which did it hold when it was killed?

Run it:  python examples/python/black_box.py

This program starts another one with its tables in a file, reads the file while that runs, kills it (as the
OOM killer does), and reads the file again. The other program needs no code for that.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import ctracemalloc

WORKER = """
import sys, time

def load(n):
    return [bytes(1000) for _ in range(n)]

held = load(10_000)
print("ready", flush=True)
time.sleep(60)
"""


def describe(box):
    """Prints the line with the most memory, and whether the program is running."""
    largest = box.snapshot().statistics("lineno")[0]
    frame = largest.traceback[0]
    state = "runs" if box.running else "ended" if box.ended else "was killed"
    where = f"line {frame.lineno}, {frame.name}"
    return f"it {state}: {largest.size:,} bytes in {largest.count:,} blocks at {where}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        script, path = Path(folder, "worker.py"), Path(folder, "worker.box")
        script.write_text(WORKER)
        command = [sys.executable, "-m", "ctracemalloc", "run", "--black-box", path, script]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            worker.stdout.readline()
            with ctracemalloc.attach(path) as box:
                print(describe(box))
            worker.kill()
            worker.wait()
        with ctracemalloc.open_black_box(path) as box:
            print(describe(box))
            print(f"at the peak: {box.peak().statistics('lineno')[0].size:,} bytes there")


if __name__ == "__main__":
    main()
