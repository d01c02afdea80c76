/* snapshot_object.c: makes a Snapshot from a handle, and returns the handle of a Snapshot. */
#include "types/snapshot_object.h"
#include "types/support.h"
#include "types/traces.h"

int pyctm_snapshot_set_contents(pyctm_state *state, PyObject *self, PyObject *traces,
                                PyObject *limit)
{
    if (traces == NULL) {
        return -1;
    }
    int result = PyObject_SetAttr(self, state->text.traces, traces);
    if (result == 0) {
        result = PyObject_SetAttr(self, state->text.traceback_limit, limit);
    }
    Py_DECREF(traces);
    return result;
}

static PyObject *make_snapshot_of_core(pyctm_state *state, pyctm_core_object *core, PyObject *limit)
{
    PyTypeObject *type = state->snapshot_type;
    PyObject *traces = core != NULL ? pyctm_traces_object_new(state, core) : NULL;
    PyObject *self = traces != NULL ? type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        Py_XDECREF(traces);
        return NULL;
    }
    if (pyctm_snapshot_set_contents(state, self, traces, limit) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

PyObject *pyctm_snapshot_of_core(pyctm_state *state, pyctm_core_object *core, PyObject *limit)
{
    int before = pyctm_guard_begin(state);
    PyObject *result = make_snapshot_of_core(state, core, limit);
    pyctm_guard_end(state, before);
    return result;
}

static PyObject *make_snapshot_object_new(pyctm_state *state, ctm_snapshot *core, PyObject *limit)
{
    return pyctm_snapshot_of_core(state, pyctm_core_new(state, core), limit);
}

PyObject *pyctm_snapshot_object_new(pyctm_state *state, ctm_snapshot *core, PyObject *limit)
{
    int before = pyctm_guard_begin(state);
    PyObject *result = make_snapshot_object_new(state, core, limit);
    pyctm_guard_end(state, before);
    return result;
}

pyctm_core_object *pyctm_snapshot_core(pyctm_state *state, PyObject *self, PyObject **out_traces)
{
    *out_traces = NULL;
    PyObject *traces = PyObject_GetAttr(self, state->text.traces);
    if (traces == NULL) {
        return NULL;
    }
    pyctm_core_object *core = pyctm_traces_core(state, traces);
    if (core == NULL) {
        *out_traces = traces;
        return NULL;
    }
    Py_INCREF((PyObject *)core);
    Py_DECREF(traces);
    return core;
}
