/* snapshot_handle.c: rows of a snapshot as Python objects; see snapshot_handle.h. */
#include "types/snapshot_handle.h"
#include "types/errors.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include "capture/frames/assert.h"

#include <stdlib.h>

/* --- one object per row --- */

/* The array for `rows` ids, allocated at the first use. It is libc's memory, because it belongs to the tracer and not
 * to the program. */
static PyObject **row_array(PyObject ***array, uint32_t rows)
{
    if (*array == NULL) {
        *array = calloc((size_t)rows + 1, sizeof(PyObject *));
        if (*array == NULL) {
            PyErr_NoMemory();
        }
    }
    return *array;
}

/* Stores `made` (stolen, may be NULL) in the cell and returns a new reference. */
static PyObject *store_once(PyObject **cell, PyObject *made)
{
    if (made == NULL) {
        return NULL;
    }
    /* The collector may have run Python code meanwhile, which filled the cell. */
    if (*cell != NULL) {
        Py_DECREF(made);
    } else {
        *cell = made;
    }
    return Py_NewRef(*cell);
}

/* Untracks a tuple of strings and numbers: it is in no cycle, so the collector need not visit it. */
static PyObject *untracked(PyObject *tuple)
{
    if (tuple != NULL && PyObject_GC_IsTracked(tuple)) {
        PyObject_GC_UnTrack(tuple);
    }
    return tuple;
}

PyObject *pyctm_handle_string(pyctm_snapshot_handle *handle, uint32_t id)
{
    PYCTM_ASSERT(id <= handle->info.strings);
    PyObject **strings = row_array(&handle->strings, handle->info.strings);
    if (strings == NULL) {
        return NULL;
    }
    if (strings[id] != NULL) {
        return Py_NewRef(strings[id]);
    }
    size_t length;
    const char *text = ctm_snapshot_string(handle->snapshot, id, &length);
    return store_once(&strings[id],
                      PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogatepass"));
}

static PyObject *make_frame(pyctm_snapshot_handle *handle, uint32_t id)
{
    const ctm_frame *frame = &ctm_snapshot_frames(handle->snapshot)[id];
    uint32_t file = ctm_snapshot_functions(handle->snapshot)[frame->function].filename;
    PyObject *result = NULL, *lineno = NULL, *filename = pyctm_handle_string(handle, file);
    if (filename != NULL) {
        lineno = PyLong_FromLong(frame->lineno);
    }
    if (lineno != NULL) {
        result = PyTuple_Pack(2, filename, lineno);
    }
    Py_XDECREF(filename);
    Py_XDECREF(lineno);
    return untracked(result);
}

PyObject *pyctm_handle_frame(pyctm_snapshot_handle *handle, uint32_t id)
{
    PYCTM_ASSERT(id > 0 && id <= handle->info.frames);
    PyObject **frames = row_array(&handle->frames, handle->info.frames);
    if (frames == NULL) {
        return NULL;
    }
    if (frames[id] != NULL) {
        return Py_NewRef(frames[id]);
    }
    return store_once(&frames[id], make_frame(handle, id));
}

PyObject *pyctm_handle_function_name(pyctm_snapshot_handle *handle, uint32_t function)
{
    PYCTM_ASSERT(function > 0 && function <= handle->info.functions);
    uint32_t name = ctm_snapshot_functions(handle->snapshot)[function].name;
    return name != 0 ? pyctm_handle_string(handle, name) : Py_NewRef(Py_None);
}

static PyObject *frame_name(pyctm_snapshot_handle *handle, uint32_t frame)
{
    return pyctm_handle_function_name(handle,
                                      ctm_snapshot_frames(handle->snapshot)[frame].function);
}

/* tuple(make(frame) for the frames of the traceback, most recent first) */
static PyObject *map_frames(pyctm_snapshot_handle *handle, uint32_t traceback,
                            PyObject *(*make)(pyctm_snapshot_handle *, uint32_t))
{
    const ctm_traceback *rows = ctm_snapshot_tracebacks(handle->snapshot);
    uint32_t length = ctm_snapshot_traceback_length(handle->snapshot, traceback);
    PyObject *result = PyTuple_New(length);
    for (uint32_t i = 0; result != NULL && i < length; i++, traceback = rows[traceback].parent) {
        PyObject *item = make(handle, rows[traceback].frame);
        if (item == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, i, item);
        }
    }
    return untracked(result);
}

/* The first tuple equal to `frames`. Steals `frames`; NULL is a failure that is passed on. */
static PyObject *intern_frames(pyctm_snapshot_handle *handle, PyObject *frames)
{
    if (frames == NULL) {
        return NULL;
    }
    if (handle->interned == NULL) {
        handle->interned = PyDict_New();
    }
    PyObject *first =
        handle->interned != NULL ? PyDict_SetDefault(handle->interned, frames, frames) : NULL;
    Py_XINCREF(first);
    Py_DECREF(frames);
    return first;
}

PyObject *pyctm_handle_frames(pyctm_snapshot_handle *handle, uint32_t traceback)
{
    PYCTM_ASSERT(traceback <= handle->info.tracebacks);
    PyObject **tracebacks = row_array(&handle->tracebacks, handle->info.tracebacks);
    if (tracebacks == NULL) {
        return NULL;
    }
    if (tracebacks[traceback] != NULL) {
        return Py_NewRef(tracebacks[traceback]);
    }
    PyObject *frames = map_frames(handle, traceback, pyctm_handle_frame);
    return store_once(&tracebacks[traceback], intern_frames(handle, frames));
}

static PyObject *none_if_all_none(PyObject *names)
{
    if (names == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        if (PyTuple_GET_ITEM(names, i) != Py_None) {
            return names;
        }
    }
    Py_DECREF(names);
    return Py_NewRef(Py_None);
}

PyObject *pyctm_handle_names(pyctm_snapshot_handle *handle, uint32_t traceback)
{
    PYCTM_ASSERT(traceback <= handle->info.tracebacks);
    PyObject **names = row_array(&handle->names, handle->info.tracebacks);
    if (names == NULL) {
        return NULL;
    }
    if (names[traceback] != NULL) {
        return Py_NewRef(names[traceback]);
    }
    return store_once(&names[traceback],
                      none_if_all_none(map_frames(handle, traceback, frame_name)));
}

/* {key: value}, keys in order. */
PyObject *pyctm_handle_labels(pyctm_snapshot_handle *handle, uint32_t set)
{
    const ctm_label *rows = ctm_snapshot_labels(handle->snapshot);
    uint32_t chain[CTM_MAX_LABELS], n = 0;
    PyObject *dict = PyDict_New();
    for (; set != 0; set = rows[set].parent) {
        PYCTM_ASSERT(set <= handle->info.label_sets && n < CTM_MAX_LABELS);
        chain[n++] = set;
    }
    while (dict != NULL && n-- > 0) {
        PyObject *key = pyctm_handle_string(handle, rows[chain[n]].key);
        PyObject *value = key != NULL ? pyctm_handle_string(handle, rows[chain[n]].value) : NULL;
        if (value == NULL || PyDict_SetItem(dict, key, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

/* --- raw traces --- */

static PyObject *make_raw(pyctm_snapshot_handle *handle, uint32_t site)
{
    PYCTM_ASSERT(site > 0 && site <= handle->info.sites);
    const ctm_site *row = &ctm_snapshot_sites(handle->snapshot)[site];
    int32_t total = ctm_snapshot_tracebacks(handle->snapshot)[row->traceback].total_nframe;
    PyObject *raw = PyTuple_New(4);
    if (raw == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(raw, 0, PyLong_FromUnsignedLong(row->domain));
    PyTuple_SET_ITEM(raw, 1, PyLong_FromUnsignedLongLong(row->block_size));
    PyTuple_SET_ITEM(raw, 2, pyctm_handle_frames(handle, row->traceback));
    PyTuple_SET_ITEM(raw, 3, PyLong_FromLong(total));
    for (int i = 0; raw != NULL && i < 4; i++) {
        if (PyTuple_GET_ITEM(raw, i) == NULL) {
            Py_CLEAR(raw);
        }
    }
    return untracked(raw);
}

static PyObject *raw_in_self_scope(pyctm_snapshot_handle *handle, uint32_t site)
{
    uint32_t slot = site % PYCTM_HANDLE_RECENT;
    if (handle->recent[slot].raw != NULL && handle->recent[slot].site == site) {
        return Py_NewRef(handle->recent[slot].raw);
    }
    PyObject *raw = make_raw(handle, site);
    if (raw == NULL) {
        return NULL;
    }
    handle->recent[slot].site = site;
    Py_XSETREF(handle->recent[slot].raw, Py_NewRef(raw));
    return raw;
}

PyObject *pyctm_handle_raw(pyctm_snapshot_handle *handle, uint32_t site)
{
    pyctm_state *state = pyctm_state_of((PyObject *)handle);
    int before = pyctm_state_self_scope_begin(state);
    PyObject *raw = raw_in_self_scope(handle, site);
    pyctm_state_self_scope_end(state, before);
    return raw;
}

/* Sets list[at…] to the site's raw trace, once for each live block. */
static int fill_site(pyctm_snapshot_handle *handle, uint32_t site, PyObject *list, Py_ssize_t *at)
{
    uint64_t live = pyctm_handle_live(handle, site);
    if (live == 0) {
        return 0;
    }
    PyObject *raw = make_raw(handle, site);
    if (raw == NULL) {
        return -1;
    }
    PYCTM_ASSERT((Py_ssize_t)live <= PyList_GET_SIZE(list) - *at);
    for (; live > 0; live--) {
        PyList_SET_ITEM(list, (*at)++, Py_NewRef(raw));
    }
    Py_DECREF(raw);
    return 0;
}

static PyObject *make_list(pyctm_snapshot_handle *handle)
{
    if (handle->info.live_blocks > (uint64_t)PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New((Py_ssize_t)handle->info.live_blocks);
    Py_ssize_t at = 0;
    /* Its items are set one by one: no Python code may see it incomplete. */
    if (list != NULL) {
        PyObject_GC_UnTrack(list);
    }
    for (uint32_t site = 1; list != NULL && site <= handle->info.sites; site++) {
        if (fill_site(handle, site, list, &at) < 0) {
            Py_CLEAR(list);
        }
    }
    PYCTM_ASSERT(list == NULL || at == PyList_GET_SIZE(list));
    if (list != NULL) {
        PyObject_GC_Track(list);
    }
    return list;
}

PyObject *pyctm_handle_list(pyctm_snapshot_handle *handle)
{
    pyctm_state *state = pyctm_state_of((PyObject *)handle);
    if (handle->list != NULL) {
        return Py_NewRef(handle->list);
    }
    int before = pyctm_state_self_scope_begin(state);
    PyObject *list = store_once(&handle->list, make_list(handle));
    pyctm_state_self_scope_end(state, before);
    return list;
}

PyObject *pyctm_raw_traces(pyctm_state *state, ctm_snapshot *snapshot)
{
    pyctm_snapshot_handle *handle = pyctm_handle_new(state, snapshot);
    PyObject *list = handle != NULL ? pyctm_handle_list(handle) : NULL;
    Py_XDECREF((PyObject *)handle);
    return list;
}

/* --- the type --- */

static bool has_frameless(const ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    for (uint32_t i = 1; i <= info->sites; i++) {
        if (sites[i].traceback == 0 && sites[i].allocated != sites[i].freed) {
            return true;
        }
    }
    return false;
}

pyctm_snapshot_handle *pyctm_handle_new(pyctm_state *state, ctm_snapshot *snapshot)
{
    PyTypeObject *type = state->handle_type;
    pyctm_snapshot_handle *handle = (pyctm_snapshot_handle *)type->tp_alloc(type, 0);
    if (handle == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    handle->snapshot = snapshot;
    ctm_snapshot_info_get(snapshot, &handle->info);
    handle->frameless = has_frameless(snapshot, &handle->info);
    return handle;
}

static int handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    /* All other objects are tuples of strings and numbers; users may change the list. */
    Py_VISIT(((pyctm_snapshot_handle *)self)->list);
    return 0;
}

static int handle_clear(PyObject *self)
{
    Py_CLEAR(((pyctm_snapshot_handle *)self)->list);
    return 0;
}

static void free_rows(PyObject **array, uint32_t rows)
{
    for (size_t i = 0; array != NULL && i <= rows; i++) {
        Py_XDECREF(array[i]);
    }
    free(array);
}

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    pyctm_snapshot_handle *handle = (pyctm_snapshot_handle *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(handle->list);
    for (uint32_t i = 0; i < PYCTM_HANDLE_RECENT; i++) {
        Py_CLEAR(handle->recent[i].raw);
    }
    Py_CLEAR(handle->interned);
    free_rows(handle->names, handle->info.tracebacks);
    free_rows(handle->tracebacks, handle->info.tracebacks);
    free_rows(handle->frames, handle->info.frames);
    free_rows(handle->strings, handle->info.strings);
    ctm_snapshot_unref(handle->snapshot);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *handle_encode(pyctm_state *state, pyctm_snapshot_handle *handle)
{
    void *bytes = NULL;
    size_t length = 0;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_encode(handle->snapshot, NULL, 0, &bytes, &length);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    PyObject *result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
    free(bytes);
    return result;
}

static PyObject *handle_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *bytes = handle_encode(state, (pyctm_snapshot_handle *)self);
    if (bytes == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(N)", state->handle_decode, bytes);
}

PyObject *pyctm_handle_decode(PyObject *module, PyObject *data)
{
    pyctm_state *state = pyctm_state_of_module(module);
    ctm_snapshot *snapshot = NULL;
    ctm_file_error error = {0, NULL};
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    ctm_status status =
        ctm_snapshot_decode(buffer.buf, (size_t)buffer.len, &snapshot, NULL, NULL, &error);
    PyBuffer_Release(&buffer);
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, &error);
    }
    return (PyObject *)pyctm_handle_new(state, snapshot);
}

/* copy and deepcopy: the handle itself, because it never changes. */
static PyObject *handle_share(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyObject *handle_repr(PyObject *self)
{
    pyctm_snapshot_handle *handle = (pyctm_snapshot_handle *)self;
    return PyUnicode_FromFormat("<SnapshotHandle blocks=%llu sites=%u>",
                                (unsigned long long)handle->info.live_blocks,
                                (unsigned int)handle->info.sites);
}

static PyMethodDef handle_methods[] = {
    {"__reduce__", handle_reduce, METH_NOARGS, PyDoc_STR("__reduce__($self)\n--\n\n")},
    {"__copy__", handle_share, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\n")},
    {"__deepcopy__", handle_share, METH_O, PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n")},
    {0},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The tables that core-backed traces are read from.")},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "ctracemalloc._ctracemalloc.SnapshotHandle",
    .basicsize = sizeof(pyctm_snapshot_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handle_slots,
};

int pyctm_handle_type_init(PyObject *module, pyctm_state *state)
{
    state->handle_type = pyctm_type_new(module, &handle_spec, NULL);
    return state->handle_type != NULL ? 0 : -1;
}
