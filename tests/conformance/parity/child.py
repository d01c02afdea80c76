"""Runs one program under one module up to one moment, and writes what the tracer has then.

usage: child.py MODULE NFRAME PROGRAM MOMENT OUTPUT

Both modules are imported in every run, the free lists are emptied once tracing has started, and the collector is off, so that
the only difference between two runs is the module that traces. A run has one moment only and ends there: the cost of reading
the tracer cannot change what a later moment has.
"""

import contextvars
import gc
import importlib
import importlib.util
import json
import os
import sys
import warnings
from collections import Counter


def write_answer(path, totals, traces):
    """Runs after the tracer has been stopped."""
    rows = Counter((domain, size, frames, total) for domain, size, frames, total in traces)
    answer = {
        "current": totals[0],
        "peak": totals[1],
        "rows": [[*key, count] for key, count in rows.items()],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def load(path):
    spec = importlib.util.spec_from_file_location("program", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["program"] = module
    spec.loader.exec_module(module)
    return module


def drain_free_lists():
    """Make objects that use up what the free lists have: a block from before start is not traced when it is reused."""
    kept = [[] for _ in range(100)] + [{} for _ in range(100)] + [n * 0.5 for n in range(120)]
    kept += [complex(n, 1) for n in range(120)] + [n + 5000 for n in range(120)]
    kept += [tuple(range(n % 21)) for n in range(800)] + [slice(n) for n in range(5)]
    kept += [contextvars.copy_context() for _ in range(300)]
    kept += [iter([n]) for n in range(50)] + [iter((n, n)) for n in range(50)] + [range(n) for n in range(50)]
    kept += [kept.append for _ in range(200)] + [{"a": n} for n in range(100)]
    return kept


def forget_looked_up_names():
    """The interpreter's cache of method lookups holds references to names; how many depends on their addresses."""
    sys._clear_type_cache()


def main():
    name, nframe, program_path, wanted, output = sys.argv[1:]
    import tracemalloc  # noqa: F401  both, in every run: see the model above

    if importlib.util.find_spec("ctracemalloc"):
        import ctracemalloc  # noqa: F401
    tracer = importlib.import_module(name)
    try:
        program = load(program_path)
    except ImportError as error:
        print(f"needs {error.name}: {error}")
        os._exit(77)
    private = tracer if hasattr(tracer, "_get_traces") else importlib.import_module("_" + name)

    def moment(tag):
        if tag != wanted:
            return
        forget_looked_up_names()
        # The standard module makes the list of traces while it still traces: it must not reuse a block of the program's.
        drained = [[] for _ in range(100)]
        totals = tracer.get_traced_memory()
        traces = private._get_traces()
        tracer.stop()
        drained.clear()
        write_answer(output, totals, traces)
        os._exit(0)

    warnings.simplefilter("ignore", DeprecationWarning)  # from the call in forget_looked_up_names
    gc.disable()
    tracer.start(int(nframe))
    gc.collect()  # a full collection empties the free lists, also of objects that start() freed
    kept = drain_free_lists()
    program.main(moment)
    del kept
    sys.exit(f"{program_path} did not come to its moment {wanted!r}")


if __name__ == "__main__":
    main()
