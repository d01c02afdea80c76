"""One measurement of scale.py, run in a process of its own: scale_part.py PART ARGUMENT… prints a line of JSON.

Model: each site is a function. One code object is compiled; each site gets a copy of it with another file name,
first line and name. Its one line allocates all blocks of the site into a row of an existing table. So a heap of N
sites has N pairs (traceback, block size) and almost nothing else.
"""

import array
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from operator import methodcaller
from types import FunctionType

SITES_IN_A_FILE = 100
TEMPLATE = """
def allocate(places, row):
    for place in places: row[place] = new(size)
"""
CHAIN = """
def call(chain, function, places, row):
    chain[0](chain[1:], function, places, row) if chain else function(places, row)
"""
WALK = """
def call(path, functions, held):
    functions[path[0]](path[1:], functions, held) if path else held.append(new(size))
"""
FUNCTIONS = 2000  # of the program with many tracebacks


def compile_function(source):
    names = {}
    exec(source, names)
    return next(value for key, value in names.items() if key != "__builtins__")


def place_in(template, number, line, **names):
    code = template.__code__.replace(co_filename=f"/program/package_{number // 10}/module_{number}.py",
                                     co_firstlineno=line, co_name=f"function_{line}",
                                     co_qualname=f"Class_{number}.function_{line}")  # fmt: skip
    return FunctionType(code, {"new": bytes, **names})


def make_heap(sites, blocks, nframe):
    """The table of blocks. The stack of a block has nframe frames; stacks in one file differ in the innermost frame."""
    table = [[None] * (blocks // sites) for _ in range(sites)]
    return table, lambda: fill_heap(table, nframe)


def fill_heap(table, nframe, every=1):
    template, link = compile_function(TEMPLATE), compile_function(CHAIN)
    indexes = list(range(len(table[0])))
    for first in range(0, len(table), SITES_IN_A_FILE):
        number = first // SITES_IN_A_FILE
        chain = [place_in(link, number, 5000 + level) for level in range(nframe - 3)]
        for site in range(first, min(first + SITES_IN_A_FILE, len(table)), every):
            line = 1 + 10 * (site - first)
            function = place_in(template, number, line, size=1 + site % 15)
            if chain:
                chain[0](chain[1:], function, iter(indexes), table[site])
            else:
                function(iter(indexes), table[site])


def best(function, rounds, prepare=lambda: ()):
    """Seconds of the fastest call. Its result is freed after the clock has stopped."""
    seconds = float("inf")
    for _ in range(rounds):
        arguments = prepare()
        begin = time.perf_counter()
        result = function(*arguments)
        seconds = min(seconds, time.perf_counter() - begin)
        del result
    return seconds


def measure_reading(sites, blocks, nframe, rounds):
    """Measures each call on a new snapshot."""
    import ctracemalloc as module
    from ctracemalloc import DomainFilter, Filter, Snapshot

    table, fill = make_heap(sites, blocks, nframe)
    gc.collect()
    gc.freeze()
    module.start(nframe)
    fill()
    older = module.take_snapshot()
    for row in table[::10]:
        row[: len(row) // 2] = [None] * (len(row) // 2)
    filters = [Filter(False, "<frozen *>"), Filter(True, "*module_*[0-4].py", all_frames=True),
               Filter(False, "*/package_7/*"), DomainFilter(False, 1)]  # fmt: skip
    path = os.path.join(tempfile.mkdtemp(), "snapshot.ctm")

    def fresh():
        return (module.take_snapshot(),)

    def both():
        return module.take_snapshot(), older.filter_traces([])

    seconds = {"take_snapshot()": best(module.take_snapshot, rounds)}
    for key in ("traceback", "filename", "lineno"):
        seconds[f"statistics({key!r})"] = best(methodcaller("statistics", key), rounds, fresh)
    for key in ("filename", "lineno"):
        seconds[f"statistics({key!r}, True)"] = best(methodcaller("statistics", key, True), rounds, fresh)
    for key in ("traceback", "filename", "lineno"):
        seconds[f"compare_to(older, {key!r})"] = best(lambda s, t, key=key: s.compare_to(t, key), rounds, both)
    seconds["filter_traces(four filters)"] = best(lambda s: s.filter_traces(filters), rounds, fresh)
    seconds["dump(path)"] = best(lambda s: s.dump(path), rounds, fresh)
    seconds["Snapshot.load(path)"] = best(lambda: Snapshot.load(path), rounds)
    snapshot, file_bytes = module.take_snapshot(), os.path.getsize(path)
    os.unlink(path)
    os.rmdir(os.path.dirname(path))
    counts = {"blocks": len(snapshot.traces), "groups": len(snapshot.statistics("traceback")), "file_bytes": file_bytes}
    return {"seconds": seconds, **counts}


def fill_tracebacks(paths):
    """A block for each of the random paths of calls, of 2 to 11 functions; 40 paths in a row begin alike."""
    chance, template, held = random.Random(1), compile_function(WALK), []
    functions = [place_in(template, i // 4, 1 + i % 4 * 10, size=20 + i % 100) for i in range(FUNCTIONS)]

    def pick(least, most):
        return tuple(chance.randrange(FUNCTIONS) for _ in range(chance.randint(least, most)))

    for number in range(paths):
        if number % 40 == 0:
            stem = pick(1, 8)
        path = stem + pick(1, 3)
        functions[path[0]](path[1:], functions, held)
    return held


def measure_tree(paths, rounds):
    """Measures the calling-context tree of a file, from the file on."""
    import ctracemalloc as module

    path = os.path.join(tempfile.mkdtemp(), "snapshot.ctm")
    module.start(30)
    held = fill_tracebacks(paths)
    snapshot = module.take_snapshot()
    module.stop()
    snapshot.dump(path)
    del held[:]
    tree = snapshot.call_tree()
    files = array.array("I", [tree.function_filename[function] for function in tree.frame_function])
    wanted = bytes(file % 2 for file in files)
    seconds = {
        "Snapshot.load(path).call_tree()": best(lambda: module.Snapshot.load(path).call_tree(), rounds),
        "Snapshot.load(path)": best(lambda: module.Snapshot.load(path), rounds),
        "call_tree()": best(snapshot.call_tree, rounds),
        "call_tree(older)": best(lambda: snapshot.call_tree(snapshot), rounds),
        "tree.group(by file)": best(lambda: tree.group(files, len(tree.strings)), rounds),
        "tree.select(half of the frames)": best(lambda: tree.select(wanted, any_frame=True), rounds),
    }
    file_bytes = os.path.getsize(path)
    os.unlink(path)
    os.rmdir(os.path.dirname(path))
    return {"seconds": seconds, "tracebacks": len(tree) - 1, "file_bytes": file_bytes}


def measure_command(paths, rounds):
    """Measures commands over an empty interpreter: a report of a small file, views of a large one."""
    import ctracemalloc as module

    folder = tempfile.mkdtemp()
    small, large = (os.path.join(folder, name) for name in ("small.ctm", "large.ctm"))
    module.Snapshot([(0, 10, (("a.py", 1),), 1)], 1).dump(small)
    module.start(30)
    held = fill_tracebacks(paths)
    snapshot = module.take_snapshot()
    module.stop()
    snapshot.dump(large)
    del held[:]

    def command(*arguments):
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    def seconds_of(*arguments):
        return best(lambda: command("-m", "ctracemalloc", *arguments), rounds) - empty

    empty = best(lambda: command("-c", "pass"), 5 * rounds)
    seconds = {"report (small file)": seconds_of("report", small)}
    for words in ("report", "report -k traceback", "report -k module --cumulative", "tree"):
        seconds[words] = seconds_of(*words.split(), large)
    shutil.rmtree(folder)
    return {"seconds": seconds, "tracebacks": len(snapshot.call_tree()) - 1}


def measure_calls(blocks, rounds):
    """Measures get_traced_memory, start and stop, with nothing traced and with many blocks."""
    import timeit

    import ctracemalloc as module

    starts, stops, full_stops, calls = [], [], [], []
    module.start()
    for _ in range(3 * rounds):
        calls.append(min(timeit.repeat(module.get_traced_memory, number=100_000, repeat=3)) / 100_000)
    module.stop()
    clock = time.perf_counter
    for _ in range(20 * rounds):
        times = clock(), module.start(), clock(), module.stop(), clock()
        starts.append(times[2] - times[0])
        stops.append(times[4] - times[2])
    for _ in range(rounds):
        table, fill = make_heap(10_000, blocks, 1)
        module.start()
        fill()
        begin = clock()
        module.stop()
        full_stops.append(clock() - begin)
        del table, fill
    lists = {"get_traced_memory()": calls, "start()": starts, "stop()": stops, "stop(), all blocks live": full_stops}
    return {name: min(values) for name, values in lists.items()}


def resident():
    """The exact resident bytes of this process: the counters in statm are updated late."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Rss:"))


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def make_objects(kind, count):
    """A heap of `count` small objects, each allocated separately, of one kind or mixed as in programs."""
    if kind == "large":
        return [bytearray(50_000_000) for _ in range(count)]
    makers = {"object": lambda n: object(), "int": lambda n: n + 10**6, "str": lambda n: "%d" % n, "tuple": lambda n: (n,),
              "float": lambda n: n * 1.5, "list": lambda n: [], "bytes 100": lambda n: bytes(67),
              "bytes 500": lambda n: bytes(460)}  # fmt: skip
    if kind != "mixed":
        make = makers[kind]
        return [make(n % 256) if kind == "tuple" else make(n) for n in range(count)]
    held = []
    for n in range(count // 6):  # the instance and its float; dict and its int; list and its buffer
        held += (Point(1, n * 1.5), {"key": 10**6 + n}, [str(n), (n % 256, None)])
    return held


def measure_memory(tracer, kind, count):
    """Resident bytes before start, with the objects, after stop, and after malloc_trim."""
    import ctypes

    trim = ctypes.CDLL(None).malloc_trim
    module = __import__(tracer) if tracer != "none" else None
    make_objects(kind, min(count, 1000))
    gc.collect()
    trim(0)
    before = resident()
    if module:
        module.start()
    held = make_objects(kind, count)
    heap = resident()
    result = {"heap": heap - before}
    if module:
        snapshot = module.take_snapshot() if tracer == "ctracemalloc" else None
        result["blocks"] = len(snapshot.traces) if snapshot else 0
        del snapshot
        result["told"] = module.get_tracemalloc_memory()
        heap = resident()
        module.stop()
        time.sleep(0.1)  # ctracemalloc unmaps most of it in a thread
        result["returned"] = heap - resident()
    result["stopped"] = resident() - before
    trim(0)
    result["trimmed"] = resident() - before
    del held
    return result


def main():
    parts = {
        "reading": measure_reading,
        "tree": measure_tree,
        "command": measure_command,
        "calls": measure_calls,
        "memory": measure_memory,
    }
    arguments = [int(word) if word.isdecimal() else word for word in sys.argv[2:]]
    print(json.dumps(parts[sys.argv[1]](*arguments)))


if __name__ == "__main__":
    main()
