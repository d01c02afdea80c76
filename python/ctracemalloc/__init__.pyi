import fnmatch as fnmatch
import linecache as linecache
import os as os
import pickle as pickle
from collections.abc import Iterable as Iterable
from collections.abc import Sequence as Sequence
from functools import total_ordering as total_ordering

from ._ctracemalloc import BaseFilter as BaseFilter
from ._ctracemalloc import CallTree as CallTree
from ._ctracemalloc import CallTreeGroups as CallTreeGroups
from ._ctracemalloc import DomainFilter as DomainFilter
from ._ctracemalloc import FileError as FileError
from ._ctracemalloc import Filter as Filter
from ._ctracemalloc import Frame as Frame
from ._ctracemalloc import LabelFilter as LabelFilter
from ._ctracemalloc import Snapshot as Snapshot
from ._ctracemalloc import Statistic as Statistic
from ._ctracemalloc import StatisticDiff as StatisticDiff
from ._ctracemalloc import Trace as Trace
from ._ctracemalloc import Traceback as Traceback
from ._ctracemalloc import Traces as Traces
from ._ctracemalloc import __version__ as __version__
from ._ctracemalloc import _compare_grouped_stats as _compare_grouped_stats
from ._ctracemalloc import _doctor as _doctor
from ._ctracemalloc import _format_size as _format_size
from ._ctracemalloc import _get_object_traceback as _get_object_traceback
from ._ctracemalloc import _get_traces as _get_traces
from ._ctracemalloc import _normalize_filename as _normalize_filename
from ._ctracemalloc import _Traces as _Traces
from ._ctracemalloc import clear_traces as clear_traces
from ._ctracemalloc import get_object_traceback as get_object_traceback
from ._ctracemalloc import get_sample_interval as get_sample_interval
from ._ctracemalloc import get_traceback_limit as get_traceback_limit
from ._ctracemalloc import get_traced_memory as get_traced_memory
from ._ctracemalloc import get_tracemalloc_memory as get_tracemalloc_memory
from ._ctracemalloc import is_tracing as is_tracing
from ._ctracemalloc import reset_peak as reset_peak
from ._ctracemalloc import start as start
from ._ctracemalloc import stop as stop
from ._ctracemalloc import take_snapshot as take_snapshot
from .labelling import current_labels as current_labels
from .labelling import labels as labels
from .labelling import mark as mark
from .blackbox.finding import attach as attach
from .blackbox.reading import BlackBox as BlackBox
from .blackbox.reading import open_black_box as open_black_box
from ._install import install as install
from ._install import uninstall as uninstall
from ._losses import Loss as Loss
from .recording.writing import Recorder as Recorder
from .recording.writing import open_recording as open_recording
from .recording.writing import record as record
from .recording.reading import Recording as Recording
from .resident.measure import resident_memory as resident_memory
from .resident.result import ResidentMemory as ResidentMemory
from .resident.result import ResidentRow as ResidentRow
from .resident.result import TracedMemory as TracedMemory
