/* errors.c: converts statuses of the core to Python exceptions, in one place. */
#include "types/errors.h"

#include <errno.h>

static int set_detail(pyctm_state *state, PyObject *exception, const ctm_file_error *error)
{
    PyObject *offset = PyLong_FromUnsignedLongLong(error->offset), *reason = NULL;
    int result = -1;
    if (offset != NULL) {
        reason = PyUnicode_FromString(error->reason);
    }
    if (reason != NULL && PyObject_SetAttr(exception, state->text.offset, offset) == 0) {
        result = PyObject_SetAttr(exception, state->text.reason, reason);
    }
    Py_XDECREF(offset);
    Py_XDECREF(reason);
    return result;
}

static PyObject *file_error_message(PyObject *filename, const ctm_file_error *error)
{
    unsigned long long offset = error->offset;
    if (filename == NULL) {
        return PyUnicode_FromFormat("not a valid snapshot: %s (at byte %llu)", error->reason,
                                    offset);
    }
    return PyUnicode_FromFormat("%R is not a valid snapshot file: %s (at byte %llu)", filename,
                                error->reason, offset);
}

static void raise_file_error(pyctm_state *state, PyObject *filename, const ctm_file_error *error)
{
    static const ctm_file_error unknown = {0, "unknown fault"};
    if (error == NULL || error->reason == NULL) {
        error = &unknown;
    }
    PyObject *exception = NULL, *message = file_error_message(filename, error);
    if (message != NULL) {
        exception = PyObject_CallOneArg(state->file_error, message);
    }
    if (exception != NULL && set_detail(state, exception, error) == 0) {
        PyErr_SetObject(state->file_error, exception);
    }
    Py_XDECREF(exception);
    Py_XDECREF(message);
}

PyObject *pyctm_status_raise(pyctm_state *state, ctm_status status, PyObject *filename,
                             const ctm_file_error *error)
{
    switch (status) {
    case CTM_ERR_NOMEM: return PyErr_NoMemory();
    case CTM_ERR_IO:
        if (errno == 0) {
            errno = EIO;
        }
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, filename);
    case CTM_ERR_FORMAT: raise_file_error(state, filename, error); return NULL;
    case CTM_ERR_LIMIT: PyErr_SetString(PyExc_OverflowError, ctm_status_text(status)); return NULL;
    case CTM_ERR_NOT_TRACING:
        PyErr_SetString(PyExc_RuntimeError, ctm_status_text(status));
        return NULL;
    case CTM_ERR_NOT_FOUND:
        PyErr_SetString(PyExc_LookupError, ctm_status_text(status));
        return NULL;
    case CTM_ERR_INVALID: PyErr_SetString(PyExc_ValueError, ctm_status_text(status)); return NULL;
    case CTM_OK: break;
    }
    PyErr_Format(PyExc_SystemError, "unexpected status %d", (int)status);
    return NULL;
}

int pyctm_file_error_init(PyObject *module, pyctm_state *state)
{
    PyObject *defaults = Py_BuildValue("{sOsO}", "offset", Py_None, "reason", Py_None);
    if (defaults == NULL) {
        return -1;
    }
    state->file_error = PyErr_NewExceptionWithDoc(
        "ctracemalloc.FileError",
        "A file is not a valid snapshot file: `reason` tells why, `offset` where (in bytes).",
        PyExc_ValueError, defaults);
    Py_DECREF(defaults);
    if (state->file_error == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "FileError", state->file_error);
}
