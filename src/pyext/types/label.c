/* label.c: the labels of a snapshot's sites, as a key to group by and as dicts.
 *
 * Model: grouping by a label is grouping by file in a snapshot with the label's values in place of the files
 * (ctm/merge.h). So everything that works for files works for labels. */
#include "types/convert.h"
#include "types/errors.h"
#include "types/snapshot_object.h"

#include <string.h>

#define PREFIX "label:"

/* The label's name after "label:" in a key, NUL-terminated; *out is NULL if it is another key. */
static int label_of_key(PyObject *key_type, const char **out)
{
    Py_ssize_t length;
    *out = NULL;
    if (!PyUnicode_Check(key_type)) {
        return 0;
    }
    const char *text = PyUnicode_AsUTF8AndSize(key_type, &length);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    if (strlen(text) == (size_t)length && strncmp(text, PREFIX, strlen(PREFIX)) == 0) {
        *out = text + strlen(PREFIX);
    }
    return 0;
}

static PyObject *view_by_label(pyctm_state *state, PyObject *self, const char *label)
{
    ctm_snapshot *tables = NULL, *view = NULL;
    ctm_status status;
    if (pyctm_snapshot_tables(state, self, &tables) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_by_label(tables, label, &view);
    Py_END_ALLOW_THREADS
    ctm_snapshot_unref(tables);
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    return pyctm_snapshot_object_new(state, view, Py_None);
}

PyObject *pyctm_label_view(pyctm_state *state, PyObject *self, PyObject **key_type,
                           PyObject *cumulative)
{
    const char *label;
    if (label_of_key(*key_type, &label) < 0) {
        return NULL;
    }
    if (label == NULL) {
        return Py_NewRef(self);
    }
    int truth = PyObject_IsTrue(cumulative);
    if (truth > 0) {
        PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R",
                     *key_type);
    }
    if (truth != 0) {
        return NULL;
    }
    PyObject *view = view_by_label(state, self, label);
    *key_type = state->text.by_filename;
    return view;
}

/* For each label set: whether it, or a set that extends it, is used by a site. The caller frees the array. */
static bool *used_sets(const pyctm_snapshot_handle *handle)
{
    const ctm_label *rows = ctm_snapshot_labels(handle->snapshot);
    const ctm_site *sites = ctm_snapshot_sites(handle->snapshot);
    bool *used = PyMem_RawCalloc((size_t)handle->info.label_sets + 1, sizeof *used);
    if (used == NULL) {
        return NULL;
    }
    for (uint32_t id = 1; id <= handle->info.sites; id++) {
        used[sites[id].labels] = true;
    }
    for (uint32_t set = handle->info.label_sets; set > 0; set--) {
        if (used[set]) {
            used[rows[set].parent] = true;
        }
    }
    return used;
}

static PyObject *keys_of_core(pyctm_snapshot_handle *handle)
{
    const ctm_label *rows = ctm_snapshot_labels(handle->snapshot);
    bool *used = used_sets(handle);
    if (used == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *keys = PySet_New(NULL), *list = NULL;
    for (uint32_t set = 1; keys != NULL && set <= handle->info.label_sets; set++) {
        PyObject *key = used[set] ? pyctm_handle_string(handle, rows[set].key) : Py_NewRef(Py_None);
        if (key == NULL || (key != Py_None && PySet_Add(keys, key) < 0)) {
            Py_CLEAR(keys);
        }
        Py_XDECREF(key);
    }
    if (keys != NULL) {
        list = PySequence_List(keys);
    }
    if (list != NULL && PyList_Sort(list) < 0) {
        Py_CLEAR(list);
    }
    Py_XDECREF(keys);
    PyMem_RawFree(used);
    return list;
}

PyObject *pyctm_snapshot_label_keys(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *traces;
    pyctm_snapshot_handle *handle = pyctm_handle_of_snapshot(pyctm_state_of(self), self, &traces);
    Py_XDECREF(traces);
    if (handle == NULL) {
        return PyErr_Occurred() ? NULL : PyList_New(0);
    }
    PyObject *keys = keys_of_core(handle);
    Py_DECREF((PyObject *)handle);
    return keys;
}
