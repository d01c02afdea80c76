"""A real program under the tracer: it parses and compiles the whole standard library.

    python -m ctracemalloc run --install examples/demo/compile_stdlib.py

The program does not name ctracemalloc: it imports tracemalloc, and takes two snapshots of itself: when it holds the
syntax trees of some modules, and when all is compiled. Without `run` it traces by itself, with
ctracemalloc if that is installed. It needs no network and takes less than a minute.

usage: compile_stdlib.py [--limit N] [--seconds N] [--trees N]
"""

import argparse
import ast
import sysconfig
import time
import warnings
from pathlib import Path


def find_sources(limit):
    """The modules of the standard library, without its tests."""
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "lib2to3"}
    paths = [path for path in sorted(library.rglob("*.py")) if not left_out & set(path.relative_to(library).parts)]
    return paths[:limit]


class Library:
    """The data about the modules read so far."""

    def __init__(self):
        self.trees = []  # of some modules, so that the snapshot has data to show
        self.code = {}
        self.names = {}  # function name -> the modules that define it

    def read(self, path, keep_tree):
        source = path.read_bytes()
        try:
            tree = ast.parse(source, str(path))
            code = compile(tree, str(path), "exec")
        except (SyntaxError, ValueError):
            return False
        self.note_names(tree, path.stem)
        self.code[path] = code
        if keep_tree:
            self.trees.append(tree)
        return True

    def note_names(self, tree, module):
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.names.setdefault(node.name, []).append(module)


def read_all(library, paths, trees, deadline, look):
    """Reads the modules and returns their number; calls look() when the last tree was added."""
    read = 0
    for number, path in enumerate(paths):
        if time.monotonic() > deadline:
            print(f"stopped after {read} modules: the time is over")
            break
        read += library.read(path, number < trees)
        if number + 1 == min(trees, len(paths)):
            look()
    return read


def megabytes(size):
    return f"{size / 2**20:.1f} MiB"


def show_difference(tracemalloc, trees_held, all_compiled):
    print("\nwhat grew and what went since the syntax trees were held:")
    for statistic in all_compiled.compare_to(trees_held, "lineno")[:8]:
        print("  ", statistic)
    own = all_compiled.filter_traces([tracemalloc.Filter(True, __file__)])
    print("what the program's own lines hold now:")
    for statistic in own.statistics("lineno")[:5]:
        print("  ", statistic)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=10_000, help="modules at most")
    parser.add_argument("--seconds", type=float, default=40, help="stop after this time")
    parser.add_argument("--trees", type=int, default=60, help="syntax trees kept for a while")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of old escapes in the sources
    import tracemalloc

    if not tracemalloc.is_tracing():
        try:
            import ctracemalloc as tracemalloc
        except ImportError:
            pass
        tracemalloc.start()
    print(f"traced by {tracemalloc.__name__}, {tracemalloc.get_traceback_limit()} frame(s) a block", flush=True)

    moments = []
    library = Library()
    paths = find_sources(options.limit)
    started = time.monotonic()

    def look():
        moments.append(tracemalloc.take_snapshot())
        print(f"{len(library.trees)} trees held: {megabytes(tracemalloc.get_traced_memory()[0])}", flush=True)

    count = read_all(library, paths, options.trees, started + options.seconds, look)
    library.trees.clear()
    look()
    print(f"{count} modules compiled in {time.monotonic() - started:.1f} s", end="")
    print(f", {sum(map(len, library.names.values()))} functions named {len(library.names)} ways")
    show_difference(tracemalloc, moments[0], moments[-1])
    current, peak = tracemalloc.get_traced_memory()
    print(f"now {megabytes(current)}, at the peak {megabytes(peak)};", end=" ")
    print(f"the tracer itself uses {megabytes(tracemalloc.get_tracemalloc_memory())}", flush=True)


if __name__ == "__main__":
    main()
