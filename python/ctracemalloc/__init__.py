"""Trace memory allocations: the standard library's tracemalloc, written anew in C.

Everything of `tracemalloc` is here, under the same name and with the same meaning. This includes the underscore names
that its tests and other code use. Added: `install` and `uninstall` (replace the standard module), `Frame.name`, the key
type "function", `FileError`, recordings, and black boxes.

There is no `__all__`, as in the standard module.

PYTEST_DONT_REWRITE: pytest would rewrite the asserts, because the distribution has a plugin, and warn if the program that it
runs in (`ctracemalloc run`) has imported the package already.
"""

import fnmatch
import linecache
import os
import sys
from collections.abc import Iterable, Sequence
from functools import total_ordering

if not (3, 11) <= sys.version_info < (3, 16):
    raise ImportError(
        "ctracemalloc knows CPython 3.11 to 3.15, not "
        f"{sys.version_info[0]}.{sys.version_info[1]}: the layout of this version's frames "
        "and its allocator rules have not been checked; see docs/reference/limits.md"
    )

from . import _later, _provide
from ._ctracemalloc import (
    BaseFilter,
    CallTree,
    CallTreeGroups,
    DomainFilter,
    FileError,
    Filter,
    Frame,
    LabelFilter,
    Snapshot,
    Statistic,
    StatisticDiff,
    Trace,
    Traceback,
    Traces,
    __version__,
    _compare_grouped_stats,
    _doctor,
    _format_size,
    _get_object_traceback,
    _get_traces,
    _normalize_filename,
    _Traces,
    clear_traces,
    get_object_traceback,
    get_sample_interval,
    get_traceback_limit,
    get_traced_memory,
    get_tracemalloc_memory,
    is_tracing,
    reset_peak,
    start,
    stop,
    take_snapshot,
)
from ._install import install, uninstall
from ._losses import Loss
from .blackbox.finding import attach
from .blackbox.reading import BlackBox, open_black_box
from .recording.writing import Recorder, open_recording, record

_provide.register()


def __getattr__(name: str) -> object:
    if name == "pickle":  # a program may import it in a way of its own
        import pickle

        return pickle
    if name in _later.MODULES:
        return _later.imported(__name__, name, globals())
    found = globals()[name] = _imported_late(name)  # so that it is asked for once
    return found


def _imported_late(name: str) -> object:
    if name == "Recording":  # a program that only traces needs neither this module nor those below
        from .recording.reading import Recording

        return Recording
    if name == "resident_memory":
        from .resident.measure import resident_memory

        return resident_memory
    if name in ("ResidentMemory", "ResidentRow", "TracedMemory"):
        from .resident import result

        return vars(result)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
