/* types.h: tracemalloc's classes as C heap types, and what module.c needs of them.
 *
 * Model: one file per type. The behaviour is that of the standard library's tracemalloc.py. Each method follows it step
 * by step, private names included, so that subclasses, pickles and unusual values behave the same. Instances have one
 * of two shapes:
 *   slot objects  (Frame, Traceback, Trace, Statistic, StatisticDiff): a row of object pointers and nothing else, named
 *                 in `__slots__`, so that the default pickling and copying of objects includes all of them;
 *   dict objects  (_Traces, BaseFilter, Filter, DomainFilter, Snapshot): an instance `__dict__` and a weak reference
 *                 list, nothing else, for the same reason.
 *
 * The traces of a snapshot are of two kinds. List-backed: `_traces` in the instance dict is the object that the user
 * passed. Core-backed: `_core` in the instance dict is a `SnapshotHandle` (snapshot_handle.h), an immutable handle on a
 * ctm_snapshot; `_traces` is then made on demand.
 *
 * All functions need the GIL. They return new references unless stated otherwise; NULL or -1 with an exception set on
 * failure.
 */
#ifndef PYCTM_TYPES_TYPES_H
#define PYCTM_TYPES_TYPES_H

#ifdef Py_PYTHON_H
#error "before Python.h: up to 3.12, PY_SSIZE_T_CLEAN says what the arguments of # in formats are"
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "capture/frames/versions.h"
#include "ctm/ctm.h"

#if !PYCTM_HAS_MEMBER_NAMES
#include <structmember.h>
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

/* The strings that the types look up, interned once: X(field, text). */
/* clang-format off */
#define PYCTM_TEXTS(X)                                                                            \
    X(frame, "_frame") X(frames, "_frames") X(total_nframe, "total_nframe")                     \
    X(private_total, "_total_nframe") X(filename, "filename") X(lineno, "lineno")               \
    X(private_trace, "_trace") X(private_traces, "_traces") X(handle, "_core")                    \
    X(traces, "traces") X(traceback_limit, "traceback_limit") X(traceback, "traceback")         \
    X(domain, "domain") X(private_domain, "_domain") X(size, "size") X(count, "count")          \
    X(history, "_history") X(size_diff, "size_diff") X(count_diff, "count_diff") X(inclusive, "inclusive")             \
    X(all_frames, "all_frames") X(pattern, "_filename_pattern") X(match, "_match")              \
    X(match_frame, "_match_frame") X(match_frame_impl, "_match_frame_impl")                     \
    X(match_traceback, "_match_traceback") X(filter_trace, "_filter_trace")                     \
    X(group_by, "_group_by") X(sort_key, "_sort_key") X(getitem, "__getitem__")                 \
    X(items, "items") X(pop, "pop") X(values, "values") X(copy, "copy") X(sort, "sort")         \
    X(key, "key") X(reverse, "reverse") X(strip, "strip") X(endswith, "endswith")               \
    X(getline, "getline") X(fnmatch, "fnmatch") X(normcase, "normcase")                         \
    X(by_traceback, "traceback") X(by_filename, "filename") X(by_lineno, "lineno")              \
    X(private_label, "_label") X(private_pattern, "_value_pattern")                               \
    X(by_function, "function") X(pyc, ".pyc") X(offset, "offset") X(reason, "reason")
/* clang-format on */

/* The types, in the order in which they are made: a base is before its subclasses. X(name): the state has a field
 * `name_type`, and a file of its own has `pyctm_name_type_init`, which makes the type and stores it there. The public
 * ones are added to the module. This list and the next one are all that is visited and cleared. */
/* clang-format off */
#define PYCTM_PUBLIC_TYPES(X)                                                                   \
    X(frame) X(traceback) X(trace) X(traces) X(statistic) X(statistic_diff) X(base_filter)      \
    X(filter) X(domain_filter) X(label_filter) X(snapshot) X(call_tree) X(call_tree_groups)
#define PYCTM_TYPES(X)                                                                          \
    X(handle) X(history) X(recording) X(box) X(tree_column) X(tree_strings) \
    X(pprof_pieces) PYCTM_PUBLIC_TYPES(X)

/* The other objects of the state: X(field). */
#define PYCTM_OBJECTS(X)                                                                        \
    X(file_error)     /* exception class FileError */                                           \
    X(handle_decode)  /* the module's function _core_decode */                                  \
    X(iterable)       /* collections.abc.Iterable */                                            \
    X(linecache)      /* modules whose functions are looked up at each call, as */              \
    X(fnmatch_module) /* tracemalloc.py does, because tests replace them */                     \
    X(os_path)                                                                                  \
    X(provide)        /* of the package: see pyctm_package_function; NULL: not registered yet */
/* clang-format on */

/* Part of the module's state: PyModule_GetState(module) must point to it, so it is the first member. Owned references,
 * except where stated. Written with the GIL held, nearly all once, when the module is made. */
typedef struct pyctm_state {
#define PYCTM_TYPE_FIELD(name) PyTypeObject *name##_type;
    PYCTM_TYPES(PYCTM_TYPE_FIELD)
#undef PYCTM_TYPE_FIELD
#define PYCTM_OBJECT_FIELD(field) PyObject *field;
    PYCTM_OBJECTS(PYCTM_OBJECT_FIELD)
#undef PYCTM_OBJECT_FIELD
    /* Switches the attribution of the calling thread's allocations to this package on (1), or back to the value that
     * this function returned. Set by module.c, NULL until then. */
    int (*self_scope_set)(struct pyctm_state *state, int on);
    struct {
#define PYCTM_TEXT_FIELD(field, text) PyObject *field;
        PYCTM_TEXTS(PYCTM_TEXT_FIELD)
#undef PYCTM_TEXT_FIELD
    } text;
} pyctm_state;

/* Defined in state.c; module.c adds the module's functions. */
extern PyModuleDef pyctm_module_def;

/* --- for module.c --- */

/* Makes all types and functions and adds them to the module. `state` is zeroed memory. */
int pyctm_types_init(PyObject *module, pyctm_state *state);
int pyctm_types_traverse(pyctm_state *state, visitproc visit, void *arg);
void pyctm_types_clear(pyctm_state *state);

/* A Snapshot whose traces are core-backed. Steals `snapshot`, also on failure. */
PyObject *pyctm_snapshot_object_new(pyctm_state *state, ctm_snapshot *snapshot,
                                    PyObject *traceback_limit);
/* `frames`: stdlib's raw frames, most recent first (any sequence). `names`: the frames' function names in the same
 * order, a tuple of str or None; NULL: not known. `total`: an int or None; NULL means None. */
PyObject *pyctm_traceback_object_new(pyctm_state *state, PyObject *frames, PyObject *names,
                                     PyObject *total);
/* stdlib's list of raw traces of `snapshot`. Equal tracebacks are the same tuple. Steals it, also on failure. */
PyObject *pyctm_raw_traces(pyctm_state *state, ctm_snapshot *snapshot);

/* Opens the recording at `path`; a function of the module. */
PyObject *pyctm_recording_object_open(PyObject *module, PyObject *path);

/* Opens the black box at `path`; a function of the module. */
PyObject *pyctm_box_object_open(PyObject *module, PyObject *path);
/* Its present state, as a Snapshot; errors name `filename`. */
PyObject *pyctm_box_load(pyctm_state *state, const char *path, PyObject *filename);

/* --- among the types --- */

/* The state of the module that defined (a base of) the type of `self`; borrowed. */
pyctm_state *pyctm_state_of(PyObject *self);
pyctm_state *pyctm_state_of_module(PyObject *module);

PyObject *pyctm_frame_object_new(pyctm_state *state, PyObject *raw, PyObject *name_or_null);
PyObject *pyctm_trace_object_new(pyctm_state *state, PyObject *raw, PyObject *names_or_null);
/* Steals `labels`, a dict; NULL is a failure that is passed on. */
int pyctm_trace_set_labels(PyObject *trace, PyObject *labels);
PyObject *pyctm_statistic_object_new(pyctm_state *state, PyObject *traceback, PyObject *size,
                                     PyObject *count);
PyObject *pyctm_statistic_diff_object_new(pyctm_state *state, PyObject *const fields[5]);

/* The package's function or class `name`, as its _provide.py returns it. */
PyObject *pyctm_package_function(pyctm_state *state, const char *name);
/* Sets the function that returns them; a function of the module. */
PyObject *pyctm_register(PyObject *module, PyObject *provide);

/* tracemalloc._format_size, ._normalize_filename */
PyObject *pyctm_format_size(PyObject *size, int sign);
PyObject *pyctm_normalize_filename(pyctm_state *state, PyObject *filename);

/* For each type: makes it and stores it in the state. `module` is its module. */
#define PYCTM_TYPE_INIT(name) int pyctm_##name##_type_init(PyObject *module, pyctm_state *state);
PYCTM_TYPES(PYCTM_TYPE_INIT)
#undef PYCTM_TYPE_INIT
int pyctm_file_error_init(PyObject *module, pyctm_state *state);
int pyctm_functions_init(PyObject *module, pyctm_state *state);

#endif
