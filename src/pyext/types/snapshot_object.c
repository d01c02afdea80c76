/* snapshot_object.c: makes a Snapshot from a handle, and returns the handle of a Snapshot. */
#include "types/snapshot_object.h"
#include "types/self_scope.h"
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

static PyObject *make_snapshot_of_handle(pyctm_state *state, pyctm_snapshot_handle *handle,
                                         PyObject *limit)
{
    PyTypeObject *type = state->snapshot_type;
    PyObject *traces = handle != NULL ? pyctm_traces_object_new(state, handle) : NULL;
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

PyObject *pyctm_snapshot_of_handle(pyctm_state *state, pyctm_snapshot_handle *handle,
                                   PyObject *limit)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_snapshot_of_handle(state, handle, limit);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static PyObject *make_snapshot_object_new(pyctm_state *state, ctm_snapshot *snapshot,
                                          PyObject *limit)
{
    return pyctm_snapshot_of_handle(state, pyctm_handle_new(state, snapshot), limit);
}

PyObject *pyctm_snapshot_object_new(pyctm_state *state, ctm_snapshot *snapshot, PyObject *limit)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_snapshot_object_new(state, snapshot, limit);
    pyctm_state_self_scope_end(state, before);
    return result;
}

pyctm_snapshot_handle *pyctm_handle_of_snapshot(pyctm_state *state, PyObject *self,
                                                PyObject **out_traces)
{
    *out_traces = NULL;
    PyObject *traces = PyObject_GetAttr(self, state->text.traces);
    if (traces == NULL) {
        return NULL;
    }
    pyctm_snapshot_handle *handle = pyctm_handle_of_traces(state, traces);
    if (handle == NULL) {
        *out_traces = traces;
        return NULL;
    }
    Py_INCREF((PyObject *)handle);
    Py_DECREF(traces);
    return handle;
}
