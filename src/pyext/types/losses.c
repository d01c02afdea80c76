/* losses.c: converts losses to a tuple of ctracemalloc.Loss, a named tuple of the package. */
#include "types/losses.h"

#include <string.h>

static PyObject *text_of(const char *utf8)
{
    return PyUnicode_DecodeUTF8(utf8, (Py_ssize_t)strlen(utf8), "surrogatepass");
}

static PyObject *make_loss(PyObject *type, const ctm_loss *loss)
{
    PyObject *kind = text_of(loss->kind), *detail = text_of(loss->detail), *result = NULL;
    PyObject *count = PyLong_FromUnsignedLongLong(loss->count);
    if (kind != NULL && detail != NULL && count != NULL) {
        result = PyObject_CallFunctionObjArgs(type, kind, detail, count, NULL);
    }
    Py_XDECREF(kind);
    Py_XDECREF(detail);
    Py_XDECREF(count);
    return result;
}

PyObject *pyctm_losses_tuple(pyctm_state *state, const ctm_loss *losses, uint32_t n)
{
    if (n == 0) {
        return PyTuple_New(0);
    }
    PyObject *type = pyctm_package_function(state, "Loss");
    PyObject *tuple = type != NULL ? PyTuple_New((Py_ssize_t)n) : NULL;
    for (uint32_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *loss = make_loss(type, &losses[i]);
        if (loss == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, loss);
        }
    }
    Py_XDECREF(type);
    return tuple;
}

PyObject *pyctm_end_tuple(const char *text, bool status_known, int32_t status)
{
    PyObject *words = text[0] != '\0' ? text_of(text) : Py_NewRef(Py_None);
    PyObject *number = status_known ? PyLong_FromLong(status) : Py_NewRef(Py_None);
    PyObject *pair = words != NULL && number != NULL ? PyTuple_Pack(2, words, number) : NULL;
    Py_XDECREF(words);
    Py_XDECREF(number);
    return pair;
}

PyObject *pyctm_with_end(PyObject *snapshot, const char *text, const char *kind)
{
    if (snapshot == NULL || kind == NULL) {
        return snapshot;
    }
    PyObject *ended = text_of(text[0] != '\0' ? text : kind);
    if (ended == NULL || PyObject_SetAttrString(snapshot, "ended", ended) < 0) {
        Py_CLEAR(snapshot);
    }
    Py_XDECREF(ended);
    return snapshot;
}

PyObject *pyctm_snapshot_get_losses(PyObject *self, void *Py_UNUSED(closure))
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *traces;
    const ctm_loss *losses = NULL;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    Py_XDECREF(traces);
    if (handle == NULL && PyErr_Occurred()) {
        return NULL;
    }
    const uint32_t n = handle != NULL ? ctm_snapshot_losses(handle->snapshot, &losses) : 0;
    PyObject *tuple = pyctm_losses_tuple(state, losses, n);
    Py_XDECREF((PyObject *)handle);
    return tuple;
}
