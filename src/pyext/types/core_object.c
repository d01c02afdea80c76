/* core_object.c: rows of a snapshot as Python objects; see core_object.h. */
#include "types/core_object.h"
#include "types/support.h"

#include "capture/assert.h"

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
static PyObject *keep(PyObject **cell, PyObject *made)
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

PyObject *pyctm_core_string(pyctm_core_object *core, uint32_t id)
{
    PYCTM_ASSERT(id <= core->info.strings);
    PyObject **strings = row_array(&core->strings, core->info.strings);
    if (strings == NULL) {
        return NULL;
    }
    if (strings[id] != NULL) {
        return Py_NewRef(strings[id]);
    }
    size_t length;
    const char *text = ctm_snapshot_string(core->snapshot, id, &length);
    return keep(&strings[id], PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogatepass"));
}

static PyObject *make_frame(pyctm_core_object *core, uint32_t id)
{
    const ctm_frame *frame = &ctm_snapshot_frames(core->snapshot)[id];
    uint32_t file = ctm_snapshot_functions(core->snapshot)[frame->function].filename;
    PyObject *result = NULL, *lineno = NULL, *filename = pyctm_core_string(core, file);
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

PyObject *pyctm_core_frame(pyctm_core_object *core, uint32_t id)
{
    PYCTM_ASSERT(id > 0 && id <= core->info.frames);
    PyObject **frames = row_array(&core->frames, core->info.frames);
    if (frames == NULL) {
        return NULL;
    }
    if (frames[id] != NULL) {
        return Py_NewRef(frames[id]);
    }
    return keep(&frames[id], make_frame(core, id));
}

PyObject *pyctm_core_function_name(pyctm_core_object *core, uint32_t function)
{
    PYCTM_ASSERT(function > 0 && function <= core->info.functions);
    uint32_t name = ctm_snapshot_functions(core->snapshot)[function].name;
    return name != 0 ? pyctm_core_string(core, name) : Py_NewRef(Py_None);
}

static PyObject *frame_name(pyctm_core_object *core, uint32_t frame)
{
    return pyctm_core_function_name(core, ctm_snapshot_frames(core->snapshot)[frame].function);
}

/* tuple(make(frame) for the frames of the traceback, most recent first) */
static PyObject *map_frames(pyctm_core_object *core, uint32_t traceback,
                            PyObject *(*make)(pyctm_core_object *, uint32_t))
{
    const ctm_traceback *rows = ctm_snapshot_tracebacks(core->snapshot);
    uint32_t length = ctm_snapshot_traceback_length(core->snapshot, traceback);
    PyObject *result = PyTuple_New(length);
    for (uint32_t i = 0; result != NULL && i < length; i++, traceback = rows[traceback].parent) {
        PyObject *item = make(core, rows[traceback].frame);
        if (item == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, i, item);
        }
    }
    return untracked(result);
}

/* The first tuple equal to `frames`. Steals `frames`; NULL is a failure that is passed on. */
static PyObject *intern_frames(pyctm_core_object *core, PyObject *frames)
{
    if (frames == NULL) {
        return NULL;
    }
    if (core->interned == NULL) {
        core->interned = PyDict_New();
    }
    PyObject *first =
        core->interned != NULL ? PyDict_SetDefault(core->interned, frames, frames) : NULL;
    Py_XINCREF(first);
    Py_DECREF(frames);
    return first;
}

PyObject *pyctm_core_frames(pyctm_core_object *core, uint32_t traceback)
{
    PYCTM_ASSERT(traceback <= core->info.tracebacks);
    PyObject **tracebacks = row_array(&core->tracebacks, core->info.tracebacks);
    if (tracebacks == NULL) {
        return NULL;
    }
    if (tracebacks[traceback] != NULL) {
        return Py_NewRef(tracebacks[traceback]);
    }
    PyObject *frames = map_frames(core, traceback, pyctm_core_frame);
    return keep(&tracebacks[traceback], intern_frames(core, frames));
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

PyObject *pyctm_core_names(pyctm_core_object *core, uint32_t traceback)
{
    PYCTM_ASSERT(traceback <= core->info.tracebacks);
    PyObject **names = row_array(&core->names, core->info.tracebacks);
    if (names == NULL) {
        return NULL;
    }
    if (names[traceback] != NULL) {
        return Py_NewRef(names[traceback]);
    }
    return keep(&names[traceback], none_if_all_none(map_frames(core, traceback, frame_name)));
}

/* {key: value}, keys in order. */
PyObject *pyctm_core_labels(pyctm_core_object *core, uint32_t set)
{
    const ctm_label *rows = ctm_snapshot_labels(core->snapshot);
    uint32_t chain[CTM_MAX_LABELS], n = 0;
    PyObject *dict = PyDict_New();
    for (; set != 0; set = rows[set].parent) {
        PYCTM_ASSERT(set <= core->info.label_sets && n < CTM_MAX_LABELS);
        chain[n++] = set;
    }
    while (dict != NULL && n-- > 0) {
        PyObject *key = pyctm_core_string(core, rows[chain[n]].key);
        PyObject *value = key != NULL ? pyctm_core_string(core, rows[chain[n]].value) : NULL;
        if (value == NULL || PyDict_SetItem(dict, key, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

/* --- raw traces --- */

static PyObject *make_raw(pyctm_core_object *core, uint32_t site)
{
    PYCTM_ASSERT(site > 0 && site <= core->info.sites);
    const ctm_site *row = &ctm_snapshot_sites(core->snapshot)[site];
    int32_t total = ctm_snapshot_tracebacks(core->snapshot)[row->traceback].total_nframe;
    PyObject *raw = PyTuple_New(4);
    if (raw == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(raw, 0, PyLong_FromUnsignedLong(row->domain));
    PyTuple_SET_ITEM(raw, 1, PyLong_FromUnsignedLongLong(row->block_size));
    PyTuple_SET_ITEM(raw, 2, pyctm_core_frames(core, row->traceback));
    PyTuple_SET_ITEM(raw, 3, PyLong_FromLong(total));
    for (int i = 0; raw != NULL && i < 4; i++) {
        if (PyTuple_GET_ITEM(raw, i) == NULL) {
            Py_CLEAR(raw);
        }
    }
    return untracked(raw);
}

static PyObject *raw_guarded(pyctm_core_object *core, uint32_t site)
{
    uint32_t slot = site % PYCTM_CORE_RECENT;
    if (core->recent[slot].raw != NULL && core->recent[slot].site == site) {
        return Py_NewRef(core->recent[slot].raw);
    }
    PyObject *raw = make_raw(core, site);
    if (raw == NULL) {
        return NULL;
    }
    core->recent[slot].site = site;
    Py_XSETREF(core->recent[slot].raw, Py_NewRef(raw));
    return raw;
}

PyObject *pyctm_core_raw(pyctm_core_object *core, uint32_t site)
{
    pyctm_state *state = pyctm_state_of((PyObject *)core);
    int before = pyctm_guard_begin(state);
    PyObject *raw = raw_guarded(core, site);
    pyctm_guard_end(state, before);
    return raw;
}

/* Sets list[at…] to the site's raw trace, once for each live block. */
static int fill_site(pyctm_core_object *core, uint32_t site, PyObject *list, Py_ssize_t *at)
{
    uint64_t live = pyctm_core_live(core, site);
    if (live == 0) {
        return 0;
    }
    PyObject *raw = make_raw(core, site);
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

static PyObject *make_list(pyctm_core_object *core)
{
    if (core->info.live_blocks > (uint64_t)PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New((Py_ssize_t)core->info.live_blocks);
    Py_ssize_t at = 0;
    /* Its items are set one by one: no Python code may see it incomplete. */
    if (list != NULL) {
        PyObject_GC_UnTrack(list);
    }
    for (uint32_t site = 1; list != NULL && site <= core->info.sites; site++) {
        if (fill_site(core, site, list, &at) < 0) {
            Py_CLEAR(list);
        }
    }
    PYCTM_ASSERT(list == NULL || at == PyList_GET_SIZE(list));
    if (list != NULL) {
        PyObject_GC_Track(list);
    }
    return list;
}

PyObject *pyctm_core_list(pyctm_core_object *core)
{
    pyctm_state *state = pyctm_state_of((PyObject *)core);
    if (core->list != NULL) {
        return Py_NewRef(core->list);
    }
    int before = pyctm_guard_begin(state);
    PyObject *list = keep(&core->list, make_list(core));
    pyctm_guard_end(state, before);
    return list;
}

PyObject *pyctm_raw_traces(pyctm_state *state, ctm_snapshot *snapshot)
{
    pyctm_core_object *core = pyctm_core_new(state, snapshot);
    PyObject *list = core != NULL ? pyctm_core_list(core) : NULL;
    Py_XDECREF((PyObject *)core);
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

pyctm_core_object *pyctm_core_new(pyctm_state *state, ctm_snapshot *snapshot)
{
    PyTypeObject *type = state->core_type;
    pyctm_core_object *core = (pyctm_core_object *)type->tp_alloc(type, 0);
    if (core == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    core->snapshot = snapshot;
    ctm_snapshot_info_get(snapshot, &core->info);
    core->frameless = has_frameless(snapshot, &core->info);
    return core;
}

static int core_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    /* All other objects are tuples of strings and numbers; users may change the list. */
    Py_VISIT(((pyctm_core_object *)self)->list);
    return 0;
}

static int core_clear(PyObject *self)
{
    Py_CLEAR(((pyctm_core_object *)self)->list);
    return 0;
}

static void free_rows(PyObject **array, uint32_t rows)
{
    for (size_t i = 0; array != NULL && i <= rows; i++) {
        Py_XDECREF(array[i]);
    }
    free(array);
}

static void core_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    pyctm_core_object *core = (pyctm_core_object *)self;
    PyObject_GC_UnTrack(self);
    Py_CLEAR(core->list);
    for (uint32_t i = 0; i < PYCTM_CORE_RECENT; i++) {
        Py_CLEAR(core->recent[i].raw);
    }
    Py_CLEAR(core->interned);
    free_rows(core->names, core->info.tracebacks);
    free_rows(core->tracebacks, core->info.tracebacks);
    free_rows(core->frames, core->info.frames);
    free_rows(core->strings, core->info.strings);
    ctm_snapshot_unref(core->snapshot);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *core_encode(pyctm_state *state, pyctm_core_object *core)
{
    void *bytes = NULL;
    size_t length = 0;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_encode(core->snapshot, NULL, 0, &bytes, &length);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    PyObject *result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
    free(bytes);
    return result;
}

static PyObject *core_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *bytes = core_encode(state, (pyctm_core_object *)self);
    if (bytes == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(N)", state->core_decode, bytes);
}

PyObject *pyctm_core_decode(PyObject *module, PyObject *data)
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
    return (PyObject *)pyctm_core_new(state, snapshot);
}

/* copy and deepcopy: the handle itself, because it never changes. */
static PyObject *core_share(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyObject *core_repr(PyObject *self)
{
    pyctm_core_object *core = (pyctm_core_object *)self;
    return PyUnicode_FromFormat("<Core blocks=%llu sites=%u>",
                                (unsigned long long)core->info.live_blocks,
                                (unsigned int)core->info.sites);
}

static PyMethodDef core_methods[] = {
    {"__reduce__", core_reduce, METH_NOARGS, PyDoc_STR("__reduce__($self)\n--\n\n")},
    {"__copy__", core_share, METH_NOARGS, PyDoc_STR("__copy__($self)\n--\n\n")},
    {"__deepcopy__", core_share, METH_O, PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n")},
    {0},
};

static PyType_Slot core_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The tables that core-backed traces are read from.")},
    {Py_tp_traverse, core_traverse},
    {Py_tp_clear, core_clear},
    {Py_tp_dealloc, core_dealloc},
    {Py_tp_repr, core_repr},
    {Py_tp_methods, core_methods},
    {0, NULL},
};

static PyType_Spec core_spec = {
    .name = "ctracemalloc._ctracemalloc.Core",
    .basicsize = sizeof(pyctm_core_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = core_slots,
};

int pyctm_core_type_init(PyObject *module, pyctm_state *state)
{
    state->core_type = pyctm_type_new(module, &core_spec, NULL);
    return state->core_type != NULL ? 0 : -1;
}
