/* tracing.c: start, stop and the present numbers. */
#include "api/module.h"

#include "capture/labels.h"

#include <limits.h>

#if !defined(Py_GIL_DISABLED)

const char pyctm_start_doc[] =
    "start($module, nframe=1, /, *, sample_interval=None, black_box=None,\n"
    "      black_box_children=False, labels=())\n--\n\n"
    "Start tracing Python memory allocations.\n\n"
    "Also set the maximum number of frames stored in the traceback of a\n"
    "trace to nframe, from 1 to 65535. Does nothing if tracing already.\n\n"
    "sample_interval: None to trace every block. A number of bytes to trace a\n"
    "sample: a block of n bytes with probability 1 - exp(-n / sample_interval),\n"
    "so about one in that many bytes. Sizes and counts of statistics, and\n"
    "get_traced_memory(), are then unbiased estimates.\n\n"
    "black_box: a path: the tables are in this file as well, whatever ends the\n"
    "process (see open_black_box); True: in the default place for attach(). If\n"
    "tracing already, they move there with what they hold.\n\n"
    "black_box_children: a fork of this process, and its forks, get black boxes\n"
    "of their own, in PATH.PID; else they have none.\n\n"
    "labels: any of \"thread\" and \"task\": blocks have a label of this name, with\n"
    "the name of the thread, or of the asyncio task, that allocates them. If\n"
    "tracing already, from now on.";

/* Converts like the standard module's argument, which is a C int. */
static int parse_nframe(PyObject *value, uint32_t *out)
{
    int overflow = 0;
    const long nframe = PyLong_AsLongAndOverflow(value, &overflow);
    if (nframe == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow != 0 || nframe < INT_MIN || nframe > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    if (nframe < 1 || nframe > (long)CTM_MAX_NFRAME) {
        PyErr_Format(PyExc_ValueError, "the number of frames must be in range [1; %u]",
                     CTM_MAX_NFRAME);
        return -1;
    }
    *out = (uint32_t)nframe;
    return 0;
}

static int parse_interval(PyObject *value, uint64_t *out)
{
    if (value == Py_None) {
        *out = 0;
        return 0;
    }
    PyObject *index = PyNumber_Index(value);
    if (index == NULL) {
        return -1;
    }
    const long long interval = PyLong_AsLongLong(index);
    Py_DECREF(index);
    if (interval == -1 && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError)) {
        return -1;
    }
    PyErr_Clear();
    if (interval < 1 || interval > (long long)CTM_MAX_SAMPLE_INTERVAL) {
        PyErr_Format(PyExc_ValueError, "sample_interval must be in range [1; %lld] bytes, or None",
                     (long long)CTM_MAX_SAMPLE_INTERVAL);
        return -1;
    }
    *out = (uint64_t)interval;
    return 0;
}

typedef struct start_request {
    PyObject *where; /* borrowed: path of the black box; NULL: none */
    bool children;
    PyObject *labels; /* borrowed; NULL: none */
} start_request;

static int parse_keywords(PyObject *const *values, PyObject *names, uint64_t *out,
                          start_request *out_request)
{
    const Py_ssize_t n = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_CompareWithASCIIString(name, "black_box") == 0) {
            out_request->where = values[i] != Py_None && values[i] != Py_False ? values[i] : NULL;
            continue;
        }
        if (PyUnicode_CompareWithASCIIString(name, "black_box_children") == 0) {
            const int truth = PyObject_IsTrue(values[i]);
            if (truth < 0) {
                return -1;
            }
            out_request->children = truth;
            continue;
        }
        if (PyUnicode_CompareWithASCIIString(name, "labels") == 0) {
            out_request->labels = values[i];
            continue;
        }
        if (PyUnicode_CompareWithASCIIString(name, "sample_interval") != 0) {
            PyErr_Format(PyExc_TypeError, "start() got an unexpected keyword argument %R", name);
            return -1;
        }
        if (parse_interval(values[i], out) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The path as bytes, a new reference; NULL: an exception. Sets the tracer's command line, which the black box has. */
static PyObject *prepare_black_box(pyctm_state *types, pyctm_capture *capture,
                                   const start_request *request)
{
    ctm_black_box_lack lack;
    if (ctm_black_box_state(capture->tracer, &lack)) {
        PyErr_SetString(PyExc_RuntimeError, "there is a black box already: stop() first");
        return NULL;
    }
    PyObject *prepare = pyctm_package_function(types, "prepare_black_box");
    PyObject *pair =
        prepare != NULL ? PyObject_CallFunctionObjArgs(prepare, request->where,
                                                       request->children ? Py_True : Py_False, NULL)
                        : NULL;
    PyObject *path = NULL;
    const char *command;
    Py_ssize_t length;
    if (pair != NULL && PyArg_ParseTuple(pair, "Ss#", &path, &command, &length)) {
        const ctm_status status = ctm_tracer_set_command(capture->tracer, command, (size_t)length);
        path = status == CTM_OK ? Py_NewRef(path) : PyErr_NoMemory();
    }
    Py_XDECREF(pair);
    Py_XDECREF(prepare);
    return path;
}

PyObject *pyctm_module_start(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    uint32_t nframe = 1;
    uint64_t interval = 0;
    PyObject *black_box = NULL;
    start_request request = {0};
    if (n > 1) {
        return PyErr_Format(PyExc_TypeError, "start expected at most 1 argument, got %zd", n);
    }
    if ((n == 1 && parse_nframe(args[0], &nframe) < 0) ||
        parse_keywords(args + n, names, &interval, &request) < 0) {
        return NULL;
    }
    if (request.where != NULL &&
        (black_box = prepare_black_box(&pyctm_module_state_of(module)->types, capture, &request)) ==
            NULL) {
        return NULL;
    }
    const uint32_t before =
        ctm_tracer_is_tracing(capture->tracer) ? atomic_load(&capture->labels.automatic) : 0;
    int result = pyctm_automatic_labels_start(module, before, request.labels);
    if (result == 0) {
        result = pyctm_capture_start(capture, pyctm_module_state_of(module)->stdlib, nframe,
                                     interval, black_box);
    }
    Py_XDECREF(black_box);
    if (result < 0) {
        if (atomic_load(&capture->labels.automatic) != before) {
            pyctm_labels_set_automatic(capture, before);
        }
        return NULL;
    }
    capture->starts++;
    Py_RETURN_NONE;
}

const char pyctm_starts_doc[] =
    "_starts($module, /)\n--\n\n"
    "How often start() was called, also while tracing was on. A larger number than\n"
    "before says that somebody else wants it, too.";

PyObject *pyctm_module_starts(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(pyctm_capture_of(module)->starts);
}

const char pyctm_stop_doc[] = "stop($module, /)\n--\n\n"
                              "Stop tracing Python memory allocations.\n\n"
                              "Also clear traces of memory blocks allocated by Python.";

PyObject *pyctm_module_stop(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_capture_stop(capture, pyctm_module_state_of(module)->stdlib);
    pyctm_labels_set_automatic(capture, 0);
    Py_RETURN_NONE;
}

const char pyctm_is_tracing_doc[] =
    "is_tracing($module, /)\n--\n\n"
    "Return True if memory allocations are being traced, False otherwise.";

PyObject *pyctm_module_is_tracing(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(ctm_tracer_is_tracing(pyctm_capture_of(module)->tracer));
}

const char pyctm_clear_traces_doc[] = "clear_traces($module, /)\n--\n\n"
                                      "Clear traces of memory blocks allocated by Python.";

PyObject *pyctm_module_clear_traces(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture_clear(pyctm_capture_of(module));
    Py_RETURN_NONE;
}

const char pyctm_get_traceback_limit_doc[] =
    "get_traceback_limit($module, /)\n--\n\n"
    "Get the maximum number of frames stored in the traceback of a trace.\n\n"
    "It stays what the last start() set it to, 1 before that.";

PyObject *pyctm_module_get_traceback_limit(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(ctm_tracer_nframe(pyctm_capture_of(module)->tracer));
}

const char pyctm_get_sample_interval_doc[] =
    "get_sample_interval($module, /)\n--\n\n"
    "Get the bytes for each of which about one block is traced, or None if every\n"
    "block is.\n\n"
    "It stays what the last start() set it to, None before that.";

PyObject *pyctm_module_get_sample_interval(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const uint64_t interval = ctm_tracer_sample_interval(pyctm_capture_of(module)->tracer);
    return interval != 0 ? PyLong_FromUnsignedLongLong(interval) : Py_NewRef(Py_None);
}

const char pyctm_get_traced_memory_doc[] =
    "get_traced_memory($module, /)\n--\n\n"
    "Get the current size and peak size of traced memory blocks, in bytes.\n\n"
    "Returns a tuple: (current: int, peak: int).";

/* METH_FASTCALL: the interpreter calls such a function directly, one with METH_NOARGS through three others. */
PyObject *pyctm_module_get_traced_memory(PyObject *module, PyObject *const *Py_UNUSED(args),
                                         Py_ssize_t n)
{
    if (n != 0) {
        return PyErr_Format(PyExc_TypeError,
                            "%s.get_traced_memory() takes no arguments (%zd given)",
                            PyModule_GetName(module), n);
    }
    uint64_t peak_bytes;
    const uint64_t bytes = ctm_tracer_bytes(pyctm_capture_of(module)->tracer, &peak_bytes);
    /* Made like the standard module's: the ints are traced, and other functions would allocate other sizes. */
    PyObject *current = PyLong_FromLong((long)bytes);
    PyObject *peak = current != NULL ? PyLong_FromLong((long)peak_bytes) : NULL;
    PyObject *pair = peak != NULL ? PyTuple_New(2) : NULL;
    if (pair == NULL) {
        Py_XDECREF(current);
        Py_XDECREF(peak);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, current);
    PyTuple_SET_ITEM(pair, 1, peak);
    return pair;
}

const char pyctm_reset_peak_doc[] =
    "reset_peak($module, /)\n--\n\n"
    "Set the peak size of traced memory blocks to the current size.\n\n"
    "Does nothing if memory allocations are not being traced.";

PyObject *pyctm_module_reset_peak(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    ctm_tracer_reset_peak(pyctm_capture_of(module)->tracer);
    Py_RETURN_NONE;
}

const char pyctm_tables_generation_doc[] =
    "_tables_generation($module, /)\n--\n\n"
    "A number that changes whenever the tables are emptied: by start(), stop() and\n"
    "clear_traces(). What was counted under another number is not in what is counted now.";

PyObject *pyctm_module_tables_generation(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(ctm_tracer_generation(pyctm_capture_of(module)->tracer));
}

static size_t tracer_memory(pyctm_capture *capture)
{
    return ctm_tracer_memory(capture->tracer) + pyctm_attribution_memory(capture);
}

const char pyctm_get_tracemalloc_memory_doc[] =
    "get_tracemalloc_memory($module, /)\n--\n\n"
    "Get the memory usage in bytes of the tracer itself.";

PyObject *pyctm_module_get_tracemalloc_memory(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(tracer_memory(pyctm_capture_of(module)));
}
const char pyctm_stand_in_doc[] = "_stand_in($module, on, /)\n--\n\n"
                                  "Shall tracebacks that C code asks the interpreter for be ours?";

PyObject *pyctm_module_stand_in(PyObject *module, PyObject *on)
{
    const int truth = PyObject_IsTrue(on);
    if (truth < 0) {
        return NULL;
    }
    pyctm_capture_of(module)->stands_in = truth;
    Py_RETURN_NONE;
}
#endif
