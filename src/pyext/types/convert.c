/* convert.c: converts raw traces to the tables of a snapshot.
 *
 * Model: only exact tuples, str and int are accepted, so that the traces read from the snapshot equal the input, and no
 * Python code runs meanwhile. Equal neighbours become one site row; the order of traces is preserved. Tracebacks that
 * were converted already are found by their tuple's address, because the sequence of traces keeps the tuples alive. */
#include "types/convert.h"
#include "types/errors.h"
#include "types/snapshot_object.h"

typedef struct conversion {
    pyctm_state *state;
    ctm_builder *builder;
    PyObject *known;  /* owned: {(address of the frames, total_nframe): traceback id} */
    Py_ssize_t index; /* of the present trace, for messages */
} conversion;

static int fault(conversion *work, const char *what)
{
    PyErr_Format(PyExc_TypeError, "cannot convert trace %zd: %s", work->index, what);
    return -1;
}

static int failed(conversion *work, ctm_status status)
{
    if (status == CTM_OK) {
        return 0;
    }
    if (status == CTM_ERR_INVALID) {
        return fault(work, ctm_status_text(status));
    }
    pyctm_status_raise(work->state, status, NULL, NULL);
    return -1;
}

/* Converts an exact int between low and high. */
static int integer(conversion *work, PyObject *value, long long low, long long high,
                   const char *what, long long *out)
{
    int overflow = 0;
    if (PyLong_CheckExact(value)) {
        *out = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (!overflow && *out >= low && *out <= high) {
            return 0;
        }
    }
    return fault(work, what);
}

static int intern_string(conversion *work, PyObject *text, uint32_t *out)
{
    Py_ssize_t length;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &length);
    if (utf8 != NULL) {
        return failed(work, ctm_builder_string(work->builder, utf8, (size_t)length, out));
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (bytes == NULL) {
        return -1;
    }
    int result = failed(work, ctm_builder_string(work->builder, PyBytes_AS_STRING(bytes),
                                                 (size_t)PyBytes_GET_SIZE(bytes), out));
    Py_DECREF(bytes);
    return result;
}

static int convert_frame(conversion *work, PyObject *frame, uint32_t *out)
{
    uint32_t filename, function;
    long long lineno;
    if (!PyTuple_CheckExact(frame) || PyTuple_GET_SIZE(frame) != 2) {
        return fault(work, "a frame is not a tuple (filename, lineno)");
    }
    if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(frame, 0))) {
        return fault(work, "a file name is not a str");
    }
    if (integer(work, PyTuple_GET_ITEM(frame, 1), INT32_MIN, INT32_MAX,
                "a line number is not an int of 32 bits", &lineno) < 0) {
        return -1;
    }
    if (intern_string(work, PyTuple_GET_ITEM(frame, 0), &filename) < 0) {
        return -1;
    }
    if (failed(work, ctm_builder_function(work->builder, filename, 0, 0, &function)) < 0) {
        return -1;
    }
    return failed(work, ctm_builder_frame(work->builder, function, (int32_t)lineno, out));
}

static int intern_traceback(conversion *work, PyObject *frames, long long total, uint32_t *out)
{
    Py_ssize_t n = PyTuple_GET_SIZE(frames);
    if (total - (n - 1) < INT32_MIN) {
        return fault(work, "total_nframe is too small");
    }
    *out = 0;
    for (Py_ssize_t i = n - 1; i >= 0; i--) {
        uint32_t frame;
        if (convert_frame(work, PyTuple_GET_ITEM(frames, i), &frame) < 0) {
            return -1;
        }
        ctm_status status =
            ctm_builder_traceback(work->builder, *out, frame, (int32_t)(total - i), out);
        if (failed(work, status) < 0) {
            return -1;
        }
    }
    return 0;
}

static int remember(conversion *work, PyObject *key, uint32_t id)
{
    PyObject *number = PyLong_FromUnsignedLong(id);
    int result = number != NULL ? PyDict_SetItem(work->known, key, number) : -1;
    Py_XDECREF(number);
    return result;
}

static int find_or_intern(conversion *work, PyObject *frames, long long total, uint32_t *out)
{
    PyObject *address = PyLong_FromVoidPtr(frames);
    PyObject *key = address != NULL ? Py_BuildValue("NL", address, total) : NULL;
    if (key == NULL) {
        return -1;
    }
    PyObject *known = PyDict_GetItemWithError(work->known, key);
    int result = -1;
    if (known != NULL) {
        *out = (uint32_t)PyLong_AsUnsignedLong(known);
        result = 0;
    } else if (!PyErr_Occurred() && intern_traceback(work, frames, total, out) == 0) {
        result = remember(work, key, *out);
    }
    Py_DECREF(key);
    return result;
}

static int convert_traceback(conversion *work, PyObject *frames, PyObject *total, uint32_t *out)
{
    long long value;
    if (!PyTuple_CheckExact(frames)) {
        return fault(work, "its traceback is not a tuple of frames");
    }
    if (PyTuple_GET_SIZE(frames) > (Py_ssize_t)CTM_MAX_NFRAME) {
        return fault(work, "its traceback has more than 65535 frames");
    }
    if (integer(work, total, INT32_MIN, INT32_MAX, "total_nframe is not an int of 32 bits",
                &value) < 0) {
        return -1;
    }
    if (PyTuple_GET_SIZE(frames) > 0) {
        return find_or_intern(work, frames, value, out);
    }
    *out = 0;
    return value == 0 ? 0 : fault(work, "it has no frames, but a total_nframe");
}

static int convert_trace(conversion *work, PyObject *trace)
{
    ctm_site site = {.allocated = 1};
    long long domain, size;
    if (!PyTuple_CheckExact(trace) || PyTuple_GET_SIZE(trace) != 4) {
        return fault(work, "it is not a tuple (domain, size, traceback, total_nframe)");
    }
    if (integer(work, PyTuple_GET_ITEM(trace, 0), 0, UINT32_MAX,
                "its domain is not an unsigned int of 32 bits", &domain) < 0) {
        return -1;
    }
    if (integer(work, PyTuple_GET_ITEM(trace, 1), 0, INT64_MAX,
                "its size is not an int from 0 to 2**63 - 1", &size) < 0) {
        return -1;
    }
    if (convert_traceback(work, PyTuple_GET_ITEM(trace, 2), PyTuple_GET_ITEM(trace, 3),
                          &site.traceback) < 0) {
        return -1;
    }
    site.domain = (uint32_t)domain;
    site.block_size = (uint64_t)size;
    return failed(work, ctm_builder_site(work->builder, &site, false));
}

static int convert_all(conversion *work, PyObject *traces)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(traces);
    for (work->index = 0; work->index < n; work->index++) {
        if (convert_trace(work, PySequence_Fast_GET_ITEM(traces, work->index)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The limit as the snapshot's nframe; 0 (not known) if it is no valid one. */
static uint32_t limit_as_nframe(PyObject *limit)
{
    int overflow = 0;
    if (!PyLong_CheckExact(limit)) {
        return 0;
    }
    long value = PyLong_AsLongAndOverflow(limit, &overflow);
    return !overflow && value >= 1 && value <= (long)CTM_MAX_NFRAME ? (uint32_t)value : 0;
}

int pyctm_convert_traces(pyctm_state *state, PyObject *traces, PyObject *limit, ctm_snapshot **out)
{
    conversion work = {state, NULL, NULL, 0};
    if (!PyList_CheckExact(traces) && !PyTuple_CheckExact(traces)) {
        PyErr_Format(PyExc_TypeError, "cannot convert traces: not a list or tuple but %.200s",
                     Py_TYPE(traces)->tp_name);
        return -1;
    }
    int result = -1;
    if ((work.known = PyDict_New()) == NULL) {
        return -1;
    }
    if (failed(&work, ctm_builder_new(&work.builder)) == 0 && convert_all(&work, traces) == 0) {
        ctm_builder_set_info(work.builder, limit_as_nframe(limit), 0, 0);
        result = failed(&work, ctm_builder_finish(work.builder, out));
    }
    ctm_builder_free(work.builder);
    Py_DECREF(work.known);
    return result;
}

static int convert_backing(pyctm_state *state, PyObject *self, PyObject *traces, ctm_snapshot **out)
{
    PyObject *limit = NULL, *backing = PyObject_GetAttr(traces, state->text.private_traces);
    if (backing != NULL) {
        limit = PyObject_GetAttr(self, state->text.traceback_limit);
    }
    int result = limit != NULL ? pyctm_convert_traces(state, backing, limit, out) : -1;
    Py_XDECREF(limit);
    Py_XDECREF(backing);
    return result;
}

int pyctm_snapshot_tables(pyctm_state *state, PyObject *self, ctm_snapshot **out)
{
    PyObject *traces;
    int result = -1;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(state, self, &traces);
    if (handle != NULL) {
        *out = ctm_snapshot_ref(handle->snapshot);
        result = 0;
    } else if (traces != NULL) {
        result = convert_backing(state, self, traces, out);
    }
    Py_XDECREF((PyObject *)handle);
    Py_XDECREF(traces);
    return result;
}
