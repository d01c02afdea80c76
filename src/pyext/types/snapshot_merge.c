/* snapshot_merge.c: Snapshot.merge.
 *
 * Model: the inputs are read one after the other, passed to the core's merger, both without the GIL, and freed: memory
 * depends on the size of the result. This file decides on an input's labels: those of its file name and process first,
 * then the caller's, which replace them. */
#include "types/args.h"
#include "types/convert.h"
#include "types/errors.h"
#include "types/snapshot_object.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge {
    PyObject *module;   /* borrowed */
    pyctm_state *state; /* the module's */
    ctm_merger *merger;
    PyObject *labels;     /* borrowed: None, a mapping, or a callable */
    Py_ssize_t index;     /* of the present input */
    Py_ssize_t processes; /* number of processes merged so far, with those of merged inputs */
    bool any;             /* whether `interval` is set */
    uint64_t interval;
} merge;

/* --- labels --- */

/* dict[name] = value. Steals `value`; NULL is a failure that is passed on. */
static int put_label(PyObject *dict, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

static PyObject *source_name(merge *work, PyObject *input)
{
    PyObject *path = NULL;
    if (PyObject_TypeCheck(input, work->state->snapshot_type)) {
        return PyUnicode_FromFormat("snapshot %zd", work->index);
    }
    if (!PyUnicode_FSDecoder(input, &path)) {
        return NULL;
    }
    return path;
}

/* The labels from the input itself: its name, pid and command line. */
static PyObject *default_labels(merge *work, PyObject *input, const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    size_t length;
    PyObject *dict = PyDict_New();
    ctm_snapshot_info_get(snapshot, &info);
    int result = dict != NULL ? put_label(dict, "source", source_name(work, input)) : -1;
    if (result == 0 && info.pid != 0) {
        result = put_label(dict, "pid", PyUnicode_FromFormat("%u", (unsigned int)info.pid));
    }
    if (result == 0 && info.command != 0) {
        const char *text = ctm_snapshot_string(snapshot, info.command, &length);
        result = put_label(dict, "command",
                           PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogatepass"));
    }
    if (result < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static int check_labels(PyObject *labels)
{
    if (labels == Py_None || PyMapping_Check(labels)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "labels must be a mapping, None or a function that returns one, not %.200s",
                 Py_TYPE(labels)->tp_name);
    return -1;
}

/* The caller's labels for the input: a new reference to a mapping or None. */
static PyObject *given_labels(merge *work, PyObject *input)
{
    if (!PyCallable_Check(work->labels)) {
        return Py_NewRef(work->labels);
    }
    PyObject *labels = PyObject_CallOneArg(work->labels, input);
    if (labels != NULL && check_labels(labels) < 0) {
        Py_CLEAR(labels);
    }
    return labels;
}

static PyObject *all_labels(merge *work, PyObject *input, const ctm_snapshot *snapshot)
{
    PyObject *dict = default_labels(work, input, snapshot);
    PyObject *given = dict != NULL ? given_labels(work, input) : NULL;
    if (given == NULL || (given != Py_None && PyDict_Update(dict, given) < 0)) {
        Py_CLEAR(dict);
    }
    Py_XDECREF(given);
    return dict;
}

/* The text as NUL-terminated bytes, which the list `owners` keeps alive. */
static const char *label_text(PyObject *text, PyObject *owners)
{
    char *bytes = NULL;
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "labels must be str, not %.200s", Py_TYPE(text)->tp_name);
        return NULL;
    }
    PyObject *encoded = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (encoded == NULL) {
        return NULL;
    }
    /* Without a pointer for the length, this function refuses bytes with a NUL inside. */
    if (PyBytes_AsStringAndSize(encoded, &bytes, NULL) < 0 || PyList_Append(owners, encoded) < 0) {
        bytes = NULL;
    }
    Py_DECREF(encoded);
    return bytes;
}

/* Fills out[0 .. *out_n - 1], which has space for the whole dict. A label that is None is left out. */
static int label_texts(PyObject *dict, PyObject *owners, ctm_label_text *out, size_t *out_n)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    *out_n = 0;
    while (PyDict_Next(dict, &position, &key, &value)) {
        if (value == Py_None) {
            continue;
        }
        ctm_label_text *text = &out[*out_n];
        if ((text->key = label_text(key, owners)) == NULL) {
            return -1;
        }
        if ((text->value = label_text(value, owners)) == NULL) {
            return -1;
        }
        if (text->key[0] == '\0') {
            PyErr_SetString(PyExc_ValueError, "the key of a label must not be empty");
            return -1;
        }
        ++*out_n;
    }
    return 0;
}

/* --- one input --- */

static int add_labelled(merge *work, const ctm_snapshot *snapshot, PyObject *dict)
{
    size_t n;
    ctm_status status;
    PyObject *owners = PyList_New(0);
    ctm_label_text *texts = calloc((size_t)PyDict_GET_SIZE(dict) + 1, sizeof *texts);
    int result = -1;
    if (texts == NULL) {
        PyErr_NoMemory();
    } else if (owners != NULL && label_texts(dict, owners, texts, &n) == 0) {
        Py_BEGIN_ALLOW_THREADS
            status = ctm_merger_add(work->merger, snapshot, texts, n);
        Py_END_ALLOW_THREADS
        if (status == CTM_OK) {
            result = 0;
        } else if (status == CTM_ERR_INVALID) {
            PyErr_Format(PyExc_ValueError, "a block would have more than %d labels",
                         (int)CTM_MAX_LABELS);
        } else {
            pyctm_status_raise(work->state, status, NULL, NULL);
        }
    }
    free(texts);
    Py_XDECREF(owners);
    return result;
}

static PyObject *interval_text(uint64_t interval)
{
    if (interval == 0) {
        return PyUnicode_FromString("has every block");
    }
    return PyUnicode_FromFormat("is a sample, one block in %llu bytes",
                                (unsigned long long)interval);
}

static int check_interval(merge *work, PyObject *input, uint64_t interval)
{
    if (!work->any || work->interval == interval) {
        work->any = true;
        work->interval = interval;
        return 0;
    }
    PyObject *own = interval_text(interval), *first = interval_text(work->interval);
    if (own != NULL && first != NULL) {
        PyErr_Format(PyExc_ValueError,
                     "cannot merge %R: it %U, but the first snapshot %U; samples merge only with "
                     "samples of the same interval",
                     input, own, first);
    }
    Py_XDECREF(own);
    Py_XDECREF(first);
    return -1;
}

static int add_tables(merge *work, PyObject *input, const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    if (check_interval(work, input, info.sample_interval) < 0) {
        return -1;
    }
    PyObject *dict = all_labels(work, input, snapshot);
    int result = dict != NULL ? add_labelled(work, snapshot, dict) : -1;
    Py_XDECREF(dict);
    return result;
}

/* From how many processes an input was merged: its attribute `merged`, if it has a valid one; else 1. */
static Py_ssize_t processes_of(PyObject *snapshot)
{
    PyObject *merged = PyObject_GetAttrString(snapshot, "merged");
    Py_ssize_t number = merged != NULL && PyLong_CheckExact(merged) ? PyLong_AsSsize_t(merged) : 1;
    Py_XDECREF(merged);
    PyErr_Clear();
    return number > 1 && number <= INT32_MAX ? number : 1;
}

static int add_input(merge *work, PyObject *input)
{
    ctm_snapshot *snapshot = NULL;
    PyObject *loaded = PyObject_TypeCheck(input, work->state->snapshot_type)
                           ? Py_NewRef(input)
                           : pyctm_snapshot_load(work->module, &input, 1, NULL);
    int result = loaded != NULL ? pyctm_snapshot_tables(work->state, loaded, &snapshot) : -1;
    if (result == 0) {
        work->processes += processes_of(loaded);
    }
    Py_XDECREF(loaded);
    if (result == 0) {
        result = add_tables(work, input, snapshot);
    }
    ctm_snapshot_unref(snapshot);
    work->index++;
    return result;
}

/* --- all --- */

static int add_inputs(merge *work, PyObject *inputs)
{
    PyObject *input, *iterator = PyObject_GetIter(inputs);
    int result = iterator != NULL ? 0 : -1;
    while (result == 0 && (input = PyIter_Next(iterator)) != NULL) {
        result = add_input(work, input);
        Py_DECREF(input);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* Sets the attribute `merged`, which dump() writes too. */
static int set_merged(PyObject *self, Py_ssize_t processes)
{
    PyObject *number = PyLong_FromSsize_t(processes);
    int result = number != NULL ? PyObject_SetAttrString(self, "merged", number) : -1;
    Py_XDECREF(number);
    return result;
}

static PyObject *finish(merge *work)
{
    ctm_snapshot *snapshot = NULL;
    ctm_snapshot_info info;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_merger_finish(work->merger, &snapshot);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(work->state, status, NULL, NULL);
    }
    ctm_snapshot_info_get(snapshot, &info);
    PyObject *limit = info.nframe != 0 ? PyLong_FromUnsignedLong(info.nframe) : Py_NewRef(Py_None);
    if (limit == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    PyObject *self = pyctm_snapshot_object_new(work->state, snapshot, limit);
    Py_DECREF(limit);
    if (self != NULL && work->processes > 1 && set_merged(self, work->processes) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* A path is iterable too, letter by letter, which cannot be meant: it is refused. */
static int check_arguments(Py_ssize_t nargs, PyObject *inputs, PyObject *labels)
{
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError,
                     "Snapshot.merge() takes 1 positional argument but %zd were given", nargs);
        return -1;
    }
    if (PyUnicode_Check(inputs) || PyBytes_Check(inputs)) {
        PyErr_SetString(PyExc_TypeError, "snapshots must be an iterable of paths or snapshots");
        return -1;
    }
    return PyCallable_Check(labels) ? 0 : check_labels(labels);
}

PyObject *pyctm_snapshot_merge_files(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    static const pyctm_params params = {"Snapshot.merge", {"snapshots", "labels"}, 2, 1, 0};
    merge work = {.module = module, .state = pyctm_state_of_module(module)};
    PyObject *given[2], *result = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    work.labels = given[1] != NULL ? given[1] : Py_None;
    if (check_arguments(nargs, given[0], work.labels) < 0) {
        return NULL;
    }
    ctm_status status = ctm_merger_new(&work.merger);
    if (status != CTM_OK) {
        return pyctm_status_raise(work.state, status, NULL, NULL);
    }
    if (add_inputs(&work, given[0]) == 0) {
        result = finish(&work);
    }
    ctm_merger_free(work.merger);
    return result;
}
