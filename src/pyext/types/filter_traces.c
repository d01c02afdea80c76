/* filter_traces.c: Snapshot.filter_traces.
 *
 * Model: three ways. Core-backed traces and plain filters: the core decides for each site. Core-backed traces and other
 * filters: each is called once per block, and the kept blocks of each site are counted; the result is core-backed
 * again, but has no numbers of freed blocks, for which no filter was called. Anything else: as in tracemalloc.py. */
#include "types/args.h"
#include "types/errors.h"
#include "types/filters.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/snapshot_object.h"

#include <stdlib.h>

/* The filters, split as in stdlib. */
typedef struct split {
    PyObject *all;     /* owned list, in order */
    PyObject *include; /* owned list */
    PyObject *exclude; /* owned list */
} split;

static void split_clear(split *filters)
{
    Py_CLEAR(filters->all);
    Py_CLEAR(filters->include);
    Py_CLEAR(filters->exclude);
}

static int split_add(pyctm_state *state, split *filters, PyObject *filter)
{
    PyObject *value = PyObject_GetAttr(filter, state->text.inclusive);
    int inclusive = value != NULL ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    if (inclusive < 0 || PyList_Append(filters->all, filter) < 0) {
        return -1;
    }
    return PyList_Append(inclusive ? filters->include : filters->exclude, filter);
}

static int split_filters(pyctm_state *state, PyObject *source, split *out)
{
    PyObject *filter, *iterator = PyObject_GetIter(source);
    *out = (split){PyList_New(0), PyList_New(0), PyList_New(0)};
    int result = iterator && out->all && out->include && out->exclude ? 0 : -1;
    while (result == 0 && (filter = PyIter_Next(iterator)) != NULL) {
        result = split_add(state, out, filter);
        Py_DECREF(filter);
    }
    Py_XDECREF(iterator);
    if (result == 0 && !PyErr_Occurred()) {
        return 0;
    }
    split_clear(out);
    return -1;
}

/* --- _filter_trace --- */

/* any(bool(filter._match(trace)) == wanted for filter in filters) */
static int any_match(pyctm_state *state, PyObject *filters, PyObject *trace, int wanted)
{
    PyObject *filter, *iterator = PyObject_GetIter(filters);
    int found = iterator != NULL ? 0 : -1;
    while (found == 0 && (filter = PyIter_Next(iterator)) != NULL) {
        PyObject *match = pyctm_call_method(filter, state->text.match, trace, NULL, NULL);
        int truth = match != NULL ? PyObject_IsTrue(match) : -1;
        found = truth < 0 ? -1 : truth == wanted;
        Py_XDECREF(match);
        Py_DECREF(filter);
    }
    Py_XDECREF(iterator);
    return found == 0 && PyErr_Occurred() ? -1 : found;
}

/* 1: the trace passes, 0: it does not, -1: error */
static int filter_trace(pyctm_state *state, PyObject *include, PyObject *exclude, PyObject *trace)
{
    int some = PyObject_IsTrue(include);
    int passes = some > 0 ? any_match(state, include, trace, 1) : 1;
    if (some < 0 || passes <= 0) {
        return some < 0 ? -1 : passes;
    }
    some = PyObject_IsTrue(exclude);
    if (some <= 0) {
        return some < 0 ? -1 : 1;
    }
    int fails = any_match(state, exclude, trace, 0);
    return fails < 0 ? -1 : !fails;
}

PyObject *pyctm_snapshot_filter_trace(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    static const pyctm_params params = {
        "Snapshot._filter_trace", {"include_filters", "exclude_filters", "trace"}, 3, 3, 1};
    PyObject *given[3];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    int passes = filter_trace(pyctm_state_of(self), given[0], given[1], given[2]);
    return passes < 0 ? NULL : PyBool_FromLong(passes);
}

/* self._filter_trace(include, exclude, trace), as truth; called directly if it is ours. */
static int ask_snapshot(pyctm_state *state, PyObject *self, bool ours, const split *filters,
                        PyObject *trace)
{
    if (ours) {
        return filter_trace(state, filters->include, filters->exclude, trace);
    }
    PyObject *result = pyctm_call_method(self, state->text.filter_trace, filters->include,
                                         filters->exclude, trace);
    int passes = result != NULL ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    return passes;
}

/* --- in the core --- */

/* Fills `out`, which has space for all filters. 1: all are plain, 0: some is not, -1: error */
static int filters_to_core(pyctm_state *state, PyObject *list, ctm_filter *out)
{
    int plain = 1;
    for (Py_ssize_t i = 0; plain > 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *filter = PyList_GET_ITEM(list, i);
        out[i] = (ctm_filter){0};
        plain = pyctm_filter_to_core(state, filter, &out[i]);
        if (plain == 0) {
            out[i] = (ctm_filter){0};
            plain = pyctm_domain_filter_to_core(state, filter, &out[i]);
        }
        if (plain == 0) {
            out[i] = (ctm_filter){0};
            plain = pyctm_label_filter_to_core(state, filter, &out[i]);
        }
    }
    return plain;
}

/* 1: *out is set, 0: the filters are not plain, -1: error. `list` keeps the patterns alive only while the filters are
 * not changed, so the GIL is held throughout. */
static int filter_in_core(pyctm_state *state, pyctm_snapshot_handle *handle, PyObject *list,
                          ctm_snapshot **out)
{
    size_t n = (size_t)PyList_GET_SIZE(list);
    ctm_filter *filters = calloc(n + 1, sizeof *filters);
    if (filters == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int plain = filters_to_core(state, list, filters);
    if (plain > 0) {
        ctm_status status = ctm_snapshot_filter(handle->snapshot, filters, n, out);
        if (status != CTM_OK) {
            pyctm_status_raise(state, status, NULL, NULL);
            plain = -1;
        }
    }
    free(filters);
    return plain;
}

/* Calls the filters for each block of the site; out: how many are kept. */
static int count_kept(pyctm_state *state, PyObject *self, pyctm_snapshot_handle *handle,
                      uint32_t site, bool ours, const split *filters, uint64_t *out)
{
    uint64_t live = pyctm_handle_live(handle, site);
    if (live == 0) {
        return 0;
    }
    PyObject *raw = pyctm_handle_raw(handle, site);
    int passes = raw != NULL ? 0 : -1;
    for (; passes >= 0 && live > 0; live--) {
        passes = ask_snapshot(state, self, ours, filters, raw);
        *out += passes > 0;
    }
    Py_XDECREF(raw);
    return passes < 0 ? -1 : 0;
}

/* Filters block by block; `ours`: self._filter_trace is not overridden. */
static int filter_by_block(pyctm_state *state, PyObject *self, pyctm_snapshot_handle *handle,
                           bool ours, const split *filters, ctm_snapshot **out)
{
    uint64_t *kept = calloc((size_t)handle->info.sites + 1, sizeof *kept);
    int result = kept != NULL ? 0 : -1;
    if (kept == NULL) {
        PyErr_NoMemory();
    }
    for (uint32_t site = 1; result == 0 && site <= handle->info.sites; site++) {
        result = count_kept(state, self, handle, site, ours, filters, &kept[site]);
    }
    if (result == 0) {
        ctm_status status = ctm_snapshot_select(handle->snapshot, kept, out);
        if (status != CTM_OK) {
            pyctm_status_raise(state, status, NULL, NULL);
            result = -1;
        }
    }
    free(kept);
    return result;
}

static PyObject *filter_handle(pyctm_state *state, PyObject *self, pyctm_snapshot_handle *handle,
                               PyObject *source)
{
    split filters;
    ctm_snapshot *filtered = NULL;
    int done = 0;
    int ours = pyctm_method_is(self, state->text.filter_trace,
                               PYCTM_FASTCALL(pyctm_snapshot_filter_trace));
    if (ours < 0 || split_filters(state, source, &filters) < 0) {
        return NULL;
    }
    if (ours && !handle->frameless) {
        done = filter_in_core(state, handle, filters.all, &filtered);
    }
    if (done == 0) {
        done = filter_by_block(state, self, handle, ours != 0, &filters, &filtered);
    }
    split_clear(&filters);
    return done < 0 ? NULL : (PyObject *)pyctm_handle_new(state, filtered);
}

/* --- as in tracemalloc.py --- */

/* [trace for trace in traces if self._filter_trace(include, exclude, trace)] */
static PyObject *filter_list(pyctm_state *state, PyObject *self, PyObject *traces,
                             const split *filters)
{
    PyObject *trace, *iterator = PyObject_GetIter(traces);
    PyObject *list = iterator != NULL ? PyList_New(0) : NULL;
    while (list != NULL && (trace = PyIter_Next(iterator)) != NULL) {
        int passes = ask_snapshot(state, self, false, filters, trace);
        if (passes < 0 || (passes > 0 && PyList_Append(list, trace) < 0)) {
            Py_CLEAR(list);
        }
        Py_DECREF(trace);
    }
    if (list != NULL && PyErr_Occurred()) {
        Py_CLEAR(list);
    }
    Py_XDECREF(iterator);
    return list;
}

static PyObject *filter_backing(pyctm_state *state, PyObject *self, PyObject *traces,
                                PyObject *source, int some)
{
    split filters;
    if (some && split_filters(state, source, &filters) < 0) {
        return NULL;
    }
    PyObject *list = NULL, *backing = PyObject_GetAttr(traces, state->text.private_traces);
    if (backing != NULL) {
        list = some ? filter_list(state, self, backing, &filters)
                    : pyctm_call_method(backing, state->text.copy, NULL, NULL, NULL);
    }
    Py_XDECREF(backing);
    if (some) {
        split_clear(&filters);
    }
    return list;
}

/* --- the method --- */

static int check_iterable(pyctm_state *state, PyObject *filters)
{
    int iterable = PyObject_IsInstance(filters, state->iterable);
    if (iterable != 0) {
        return iterable < 0 ? -1 : 0;
    }
    PyObject *name = pyctm_get_named((PyObject *)Py_TYPE(filters), "__name__");
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "filters must be a list of filters, not %S", name);
    }
    Py_XDECREF(name);
    return -1;
}

/* A new handle, so that its list of raw traces, made on demand, is a list of its own. */
static PyObject *copy_handle(pyctm_state *state, pyctm_snapshot_handle *handle)
{
    return (PyObject *)pyctm_handle_new(state, ctm_snapshot_ref(handle->snapshot));
}

/* The new snapshot's traces: a handle, or a list of raw traces. */
static PyObject *filtered_traces(pyctm_state *state, PyObject *self, PyObject *filters, int some)
{
    PyObject *traces, *result = NULL;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    if (handle != NULL) {
        result = some ? filter_handle(state, self, handle, filters) : copy_handle(state, handle);
    } else if (traces != NULL) {
        result = filter_backing(state, self, traces, filters, some);
    }
    Py_XDECREF((PyObject *)handle);
    Py_XDECREF(traces);
    return result;
}

PyObject *pyctm_snapshot_filter_traces(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    static const pyctm_params params = {"Snapshot.filter_traces", {"filters"}, 1, 1, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *filters, *limit, *result = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, &filters) < 0) {
        return NULL;
    }
    if (check_iterable(state, filters) < 0) {
        return NULL;
    }
    int some = PyObject_IsTrue(filters);
    PyObject *traces = some < 0 ? NULL : filtered_traces(state, self, filters, some);
    if (traces == NULL) {
        return NULL;
    }
    limit = PyObject_GetAttr(self, state->text.traceback_limit);
    if (limit != NULL && Py_IS_TYPE(traces, state->handle_type)) {
        result = pyctm_snapshot_of_handle(state, (pyctm_snapshot_handle *)Py_NewRef(traces), limit);
    } else if (limit != NULL) {
        result =
            PyObject_CallFunctionObjArgs((PyObject *)state->snapshot_type, traces, limit, NULL);
    }
    Py_XDECREF(limit);
    Py_DECREF(traces);
    return result;
}
