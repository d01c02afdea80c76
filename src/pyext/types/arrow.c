/* arrow.c: Snapshot.__arrow_c_stream__, Arrow's PyCapsule interface.
 *
 * Model: the core makes the stream (ctm/arrow.h); this file puts it into a capsule. The consumer either moves it out,
 * leaving a released struct behind, or drops the capsule, whose destructor releases it. The stream's callbacks use no
 * Python object, so they need no GIL. */
#include "types/args.h"
#include "types/convert.h"
#include "types/errors.h"
#include "types/snapshot_object.h"

#include <stdlib.h>

#define STREAM_NAME "arrow_array_stream"

static void capsule_destroy(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, STREAM_NAME);
    if (stream == NULL) {
        PyErr_WriteUnraisable(capsule);
        return;
    }
    if (stream->release != NULL) {
        stream->release(stream);
    }
    free(stream);
}

static PyObject *capsule_of(pyctm_state *state, ctm_snapshot *snapshot)
{
    struct ArrowArrayStream *stream = malloc(sizeof *stream);
    if (stream == NULL) {
        return PyErr_NoMemory();
    }
    ctm_status status = ctm_snapshot_arrow(snapshot, stream);
    if (status != CTM_OK) {
        free(stream);
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    PyObject *capsule = PyCapsule_New(stream, STREAM_NAME, capsule_destroy);
    if (capsule == NULL) {
        stream->release(stream);
        free(stream);
    }
    return capsule;
}

PyObject *pyctm_snapshot_arrow_c_stream(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                        PyObject *kwnames)
{
    static const pyctm_params params = {
        "Snapshot.__arrow_c_stream__", {"requested_schema"}, 1, 0, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *requested; /* ignored: the schema is always the same */
    ctm_snapshot *snapshot = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, &requested) < 0) {
        return NULL;
    }
    if (pyctm_snapshot_tables(state, self, &snapshot) < 0) {
        return NULL;
    }
    PyObject *capsule = capsule_of(state, snapshot);
    ctm_snapshot_unref(snapshot);
    return capsule;
}
