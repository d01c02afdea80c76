/* recording.c: RecordingHandle, through which the package's Recording (recording/reading.py) reads a file.
 *
 * Model: a handle on a ctm_recording. It is used with the GIL held, which serializes the calls; only opening, when no
 * other thread can have the handle, runs without. Times are integers, in nanoseconds, as in the file.
 */
#include "types/errors.h"
#include "types/instances.h"
#include "types/losses.h"

#include <stdlib.h>

typedef struct recording_object {
    PyObject_HEAD
    ctm_recording *recording; /* owned; GIL */
} recording_object;

static ctm_recording *recording_of(PyObject *self)
{
    return ((recording_object *)self)->recording;
}

/* --- the contents of the file --- */

static const char *end_name(ctm_recording_end end)
{
    switch (end) {
    case CTM_END_STOPPED: return "stopped";
    case CTM_END_EXIT: return "exit";
    default: return NULL;
    }
}

static PyObject *recording_info(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ctm_recording_info *info = ctm_recording_info_get(recording_of(self));
    PyObject *command =
        PyUnicode_DecodeUTF8(info->command, (Py_ssize_t)strlen(info->command), "replace");
    if (command == NULL) {
        return NULL;
    }
    return Py_BuildValue("(KKKNzKKKz)", (unsigned long long)info->started,
                         (unsigned long long)info->interval, (unsigned long long)info->pid, command,
                         end_name(info->end), (unsigned long long)info->good_bytes,
                         (unsigned long long)info->file_bytes,
                         (unsigned long long)info->fault.offset, info->fault.reason);
}

static PyObject *recording_losses(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ctm_loss *losses;
    const uint32_t n = ctm_recording_losses(recording_of(self), &losses);
    return pyctm_losses_tuple(pyctm_state_of(self), losses, n);
}

static PyObject *recording_end(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ctm_recording_info *info = ctm_recording_info_get(recording_of(self));
    return pyctm_end_tuple(info->end_text, info->exit_status_known, info->exit_status);
}

static PyObject *recording_lack(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ctm_recording_lack lack = ctm_recording_info_get(recording_of(self))->lack;
    if (lack == CTM_RECORDING_COMPLETE) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(ctm_recording_lack_text(lack));
}

static PyObject *moment_tuple(const ctm_moment *moment)
{
    return Py_BuildValue("(KKKKKI)", (unsigned long long)moment->time,
                         (unsigned long long)moment->bytes, (unsigned long long)moment->blocks,
                         (unsigned long long)moment->peak_bytes,
                         (unsigned long long)moment->resident_bytes, moment->span);
}

static PyObject *recording_moments(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const size_t n = ctm_recording_info_get(recording_of(self))->moments;
    const ctm_moment *moments = ctm_recording_moments(recording_of(self));
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = moment_tuple(&moments[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *recording_spans(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const size_t n = ctm_recording_info_get(recording_of(self))->spans;
    const ctm_recording_span *spans = ctm_recording_spans(recording_of(self));
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = Py_BuildValue("(KOIK)", (unsigned long long)spans[i].time,
                                       spans[i].tracing ? Py_True : Py_False, spans[i].nframe,
                                       (unsigned long long)spans[i].sample_interval);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *recording_snapshot(PyObject *self, PyObject *number)
{
    static const ctm_file_error changed = {0, "the file has changed since it was opened"};
    pyctm_state *state = pyctm_state_of(self);
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    const size_t index = PyLong_AsSize_t(number);
    if (index == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    const ctm_status status = ctm_recording_snapshot(recording_of(self), index, &snapshot);
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, &changed);
    }
    ctm_snapshot_info_get(snapshot, &info);
    PyObject *limit = PyLong_FromUnsignedLong(info.nframe);
    if (limit == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    PyObject *result = pyctm_snapshot_object_new(state, snapshot, limit);
    Py_DECREF(limit);
    const ctm_recording_info *about = ctm_recording_info_get(recording_of(self));
    return pyctm_with_end(result, about->end_text, end_name(about->end));
}

/* --- series --- */

static int text_of(PyObject *value, const char **out, size_t *out_length, PyObject **out_owner)
{
    *out_owner = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass");
    if (*out_owner == NULL) {
        return -1;
    }
    *out = PyBytes_AS_STRING(*out_owner);
    *out_length = (size_t)PyBytes_GET_SIZE(*out_owner);
    return 0;
}

/* Converts (filename, lineno, name or None) to a place; `owners` receives the owners of its texts, two per place. */
static int parse_place(PyObject *item, ctm_place *out, PyObject **owners)
{
    PyObject *filename, *name;
    int lineno;
    if (!PyArg_ParseTuple(item, "UiO", &filename, &lineno, &name)) {
        return -1;
    }
    out->lineno = lineno;
    if (text_of(filename, &out->filename, &out->filename_length, &owners[0]) < 0) {
        return -1;
    }
    if (name == Py_None) {
        return 0;
    }
    return text_of(name, &out->function, &out->function_length, &owners[1]);
}

static PyObject *number_list(const uint64_t *numbers, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = PyLong_FromUnsignedLongLong(numbers[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

struct series_arguments {
    Py_ssize_t first, count, n;
    int key;
    ctm_place *places;        /* owned */
    PyObject **owners;        /* owned, of owned objects or NULL */
    uint64_t *bytes, *blocks; /* owned */
};

/* [(sizes, counts)] */
static PyObject *series_list(const struct series_arguments *series)
{
    PyObject *list = PyList_New(series->n);
    for (Py_ssize_t i = 0; list != NULL && i < series->n; i++) {
        PyObject *sizes = number_list(series->bytes + i * series->count, (size_t)series->count);
        PyObject *counts = number_list(series->blocks + i * series->count, (size_t)series->count);
        PyObject *item = sizes != NULL && counts != NULL ? PyTuple_Pack(2, sizes, counts) : NULL;
        Py_XDECREF(sizes);
        Py_XDECREF(counts);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, item);
        }
    }
    return list;
}

static int allocate_series(struct series_arguments *series)
{
    const size_t n = (size_t)series->n, cells = n * (size_t)series->count;
    series->places = calloc(n + 1, sizeof(ctm_place));
    series->owners = calloc(2 * n + 1, sizeof(PyObject *));
    series->bytes = calloc(cells + 1, sizeof(uint64_t));
    series->blocks = calloc(cells + 1, sizeof(uint64_t));
    if (series->places != NULL && series->owners != NULL && series->bytes != NULL &&
        series->blocks != NULL) {
        return 0;
    }
    PyErr_NoMemory();
    return -1;
}

static PyObject *compute_series(PyObject *self, struct series_arguments *series, PyObject *places)
{
    for (Py_ssize_t i = 0; i < series->n; i++) {
        if (parse_place(PyList_GET_ITEM(places, i), &series->places[i], &series->owners[2 * i]) <
            0) {
            return NULL;
        }
    }
    const ctm_status status = ctm_recording_series(
        recording_of(self), (size_t)series->first, (size_t)series->count, (ctm_key)series->key,
        series->places, (size_t)series->n, series->bytes, series->blocks);
    if (status != CTM_OK) {
        return pyctm_status_raise(pyctm_state_of(self), status, NULL, NULL);
    }
    return series_list(series);
}

static PyObject *recording_series(PyObject *self, PyObject *args)
{
    struct series_arguments series = {0};
    PyObject *places, *result = NULL;
    if (!PyArg_ParseTuple(args, "nniO!:series", &series.first, &series.count, &series.key,
                          &PyList_Type, &places)) {
        return NULL;
    }
    const size_t moments = ctm_recording_info_get(recording_of(self))->moments;
    if (series.first < 0 || series.count < 0 || (size_t)series.count > moments) {
        PyErr_SetString(PyExc_ValueError, "no such moments");
        return NULL;
    }
    series.n = PyList_GET_SIZE(places);
    if (allocate_series(&series) == 0) {
        result = compute_series(self, &series, places);
    }
    for (Py_ssize_t i = 0; series.owners != NULL && i < 2 * series.n; i++) {
        Py_XDECREF(series.owners[i]);
    }
    free(series.places);
    free(series.owners);
    free(series.bytes);
    free(series.blocks);
    return result;
}

/* --- the type --- */

static void recording_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ctm_recording_free(recording_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef recording_methods[] = {
    {"info", recording_info, METH_NOARGS,
     PyDoc_STR("info($self)\n--\n\n(started, interval, pid, command, end, good bytes, file bytes, "
               "fault's offset, fault's reason)")},
    {"losses", recording_losses, METH_NOARGS, PyDoc_STR("losses($self)\n--\n\n(Loss, ...)")},
    {"end", recording_end, METH_NOARGS,
     PyDoc_STR("end($self)\n--\n\n(how the program ended or None, exit status or None)")},
    {"lack", recording_lack, METH_NOARGS,
     PyDoc_STR("lack($self)\n--\n\nWhy it ended before the program, or None.")},
    {"moments", recording_moments, METH_NOARGS,
     PyDoc_STR("moments($self)\n--\n\n[(time, bytes, blocks, peak, resident, span)]")},
    {"spans", recording_spans, METH_NOARGS,
     PyDoc_STR("spans($self)\n--\n\n[(time, tracing, nframe, sample interval)]")},
    {"snapshot", recording_snapshot, METH_O, PyDoc_STR("snapshot($self, moment, /)\n--\n\n")},
    {"series", recording_series, METH_VARARGS,
     PyDoc_STR("series($self, first, count, key, places, /)\n--\n\n[(sizes, counts)]")},
    {0},
};

static PyType_Slot recording_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An open recording.")},
    {Py_tp_dealloc, recording_dealloc},
    {Py_tp_methods, recording_methods},
    {0, NULL},
};

static PyType_Spec recording_spec = {
    .name = "ctracemalloc._ctracemalloc.RecordingHandle",
    .basicsize = sizeof(recording_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = recording_slots,
};

PyObject *pyctm_recording_object_open(PyObject *module, PyObject *path)
{
    pyctm_state *state = pyctm_state_of_module(module);
    ctm_recording *recording = NULL;
    ctm_file_error error = {0, NULL};
    ctm_status status;
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
        status = ctm_recording_open(PyBytes_AS_STRING(bytes), &recording, &error);
    Py_END_ALLOW_THREADS
    Py_DECREF(bytes);
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, path, &error);
    }
    PyTypeObject *type = state->recording_type;
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        ctm_recording_free(recording);
    } else {
        ((recording_object *)self)->recording = recording;
    }
    return self;
}

int pyctm_recording_type_init(PyObject *module, pyctm_state *state)
{
    state->recording_type = pyctm_type_new(module, &recording_spec, NULL);
    return state->recording_type != NULL ? 0 : -1;
}
