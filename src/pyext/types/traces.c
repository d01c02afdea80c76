/* traces.c: _Traces, the sequence of a snapshot's traces.
 *
 * Model: list-backed or core-backed (types.h). `_traces` is looked up like any attribute; if the lookup fails and there
 * is a `_core`, the list is made of it. An instance whose own `_traces` was set is list-backed from then on, whatever
 * other attributes it has. */
#include "types/traces.h"
#include "types/args.h"
#include "types/compare.h"
#include "types/errors.h"
#include "types/instances.h"
#include "types/self_scope.h"
#include "types/sequence.h"

static pyctm_snapshot_handle *handle_of(pyctm_state *state, PyObject *self)
{
    if (pyctm_dict_object_get(self, state->text.private_traces) != NULL) {
        return NULL;
    }
    PyObject *handle = pyctm_dict_object_get(self, state->text.handle);
    if (handle == NULL || !Py_IS_TYPE(handle, state->handle_type)) {
        return NULL;
    }
    return (pyctm_snapshot_handle *)handle;
}

pyctm_snapshot_handle *pyctm_handle_of_traces(pyctm_state *state, PyObject *traces)
{
    return Py_IS_TYPE(traces, state->traces_type) ? handle_of(state, traces) : NULL;
}

PyObject *pyctm_traces_object_new(pyctm_state *state, pyctm_snapshot_handle *handle)
{
    PyTypeObject *type = state->traces_type;
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL && PyObject_SetAttr(self, state->text.handle, (PyObject *)handle) < 0) {
        Py_CLEAR(self);
    }
    Py_DECREF(handle);
    return self;
}

static int traces_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"_Traces.__init__", {"traces"}, 1, 1, 1};
    PyObject *traces;
    if (pyctm_bind_tuple(&params, args, kwargs, &traces) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, pyctm_state_of(self)->text.private_traces, traces);
}

static PyObject *traces_getattro(PyObject *self, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    pyctm_state *state = pyctm_state_of(self);
    if (name != state->text.private_traces &&
        !(PyUnicode_Check(name) && PyUnicode_Compare(name, state->text.private_traces) == 0)) {
        return NULL;
    }
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    pyctm_snapshot_handle *handle = handle_of(state, self);
    if (handle == NULL) {
        PyErr_Restore(type, exception, traceback);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(exception);
    Py_XDECREF(traceback);
    Py_INCREF((PyObject *)handle); /* a collection may run code that drops the last reference */
    PyObject *list = pyctm_handle_list(handle);
    Py_DECREF((PyObject *)handle);
    return list;
}

/* self._traces, new reference */
static PyObject *backing_of(pyctm_state *state, PyObject *self)
{
    return PyObject_GetAttr(self, state->text.private_traces);
}

/* --- sequence --- */

static Py_ssize_t handle_length(pyctm_snapshot_handle *handle)
{
    if (handle->info.live_blocks <= (uint64_t)PY_SSIZE_T_MAX) {
        return (Py_ssize_t)handle->info.live_blocks;
    }
    PyErr_SetString(PyExc_OverflowError, "cannot fit 'int' into an index-sized integer");
    return -1;
}

static Py_ssize_t traces_length(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    pyctm_snapshot_handle *handle = pyctm_handle_of_traces(state, self);
    if (handle != NULL) {
        return handle_length(handle);
    }
    PyObject *backing = backing_of(state, self);
    if (backing == NULL) {
        return -1;
    }
    Py_ssize_t length = PyObject_Size(backing);
    Py_DECREF(backing);
    return length;
}

/* A Trace of the block. */
static PyObject *handle_trace(pyctm_snapshot_handle *handle, uint32_t site)
{
    pyctm_state *state = pyctm_state_of((PyObject *)handle);
    uint32_t traceback = ctm_snapshot_sites(handle->snapshot)[site].traceback;
    uint32_t labels = ctm_snapshot_sites(handle->snapshot)[site].labels;
    int before = pyctm_state_self_scope_begin(state);
    PyObject *names = NULL, *raw = pyctm_handle_raw(handle, site), *trace = NULL;
    if (raw != NULL) {
        names = pyctm_handle_names(handle, traceback);
    }
    pyctm_state_self_scope_end(state, before);
    if (names != NULL) {
        trace = pyctm_trace_object_new(state, raw, names);
    }
    if (trace != NULL && labels != 0 &&
        pyctm_trace_set_labels(trace, pyctm_handle_labels(handle, labels)) < 0) {
        Py_CLEAR(trace);
    }
    Py_XDECREF(raw);
    Py_XDECREF(names);
    return trace;
}

static PyObject *handle_item(pyctm_snapshot_handle *handle, Py_ssize_t index)
{
    if (index < 0 || (uint64_t)index >= handle->info.live_blocks) {
        PyErr_SetString(PyExc_IndexError, "list index out of range");
        return NULL;
    }
    return handle_trace(handle, ctm_snapshot_trace_site(handle->snapshot, (uint64_t)index));
}

static PyObject *handle_slice(pyctm_snapshot_handle *handle, PyObject *slice)
{
    Py_ssize_t start, stop, step, length = handle_length(handle);
    if (length < 0 || PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(length, &start, &stop, step);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *trace = handle_item(handle, start + i * step);
        if (trace == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, i, trace);
        }
    }
    return result;
}

static PyObject *handle_subscript(pyctm_snapshot_handle *handle, PyObject *index)
{
    if (PySlice_Check(index)) {
        return handle_slice(handle, index);
    }
    if (!PyIndex_Check(index)) {
        PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
                     Py_TYPE(index)->tp_name);
        return NULL;
    }
    Py_ssize_t length = handle_length(handle), i = PyNumber_AsSsize_t(index, PyExc_IndexError);
    if (length < 0 || (i == -1 && PyErr_Occurred())) {
        return NULL;
    }
    return handle_item(handle, i < 0 ? i + length : i);
}

/* tuple(Trace(raw) for raw in raws) */
static PyObject *trace_tuple(pyctm_state *state, PyObject *raws)
{
    PyObject *traces = PySequence_Tuple(raws), *result = NULL;
    Py_ssize_t n = traces != NULL ? PyTuple_GET_SIZE(traces) : 0;
    if (traces != NULL) {
        result = PyTuple_New(n);
    }
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *trace = pyctm_trace_object_new(state, PyTuple_GET_ITEM(traces, i), NULL);
        if (trace == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, i, trace);
        }
    }
    Py_XDECREF(traces);
    return result;
}

static PyObject *backing_subscript(pyctm_state *state, PyObject *self, PyObject *index)
{
    PyObject *result = NULL, *item = NULL, *backing = backing_of(state, self);
    if (backing != NULL) {
        item = PyObject_GetItem(backing, index);
    }
    if (item != NULL) {
        result = PySlice_Check(index) ? trace_tuple(state, item)
                                      : pyctm_trace_object_new(state, item, NULL);
    }
    Py_XDECREF(item);
    Py_XDECREF(backing);
    return result;
}

static PyObject *traces_subscript(PyObject *self, PyObject *index)
{
    pyctm_state *state = pyctm_state_of(self);
    pyctm_snapshot_handle *handle = pyctm_handle_of_traces(state, self);
    if (handle == NULL) {
        return backing_subscript(state, self, index);
    }
    Py_INCREF(handle); /* `index` may run code that drops the last reference */
    PyObject *result = handle_subscript(handle, index);
    Py_DECREF(handle);
    return result;
}

/* The interpreter has added the length to a negative index already. */
static PyObject *traces_item(PyObject *self, Py_ssize_t index)
{
    pyctm_snapshot_handle *handle = pyctm_handle_of_traces(pyctm_state_of(self), self);
    if (handle != NULL) {
        Py_INCREF((PyObject *)handle); /* a collection may run code that drops the last reference */
        PyObject *trace = handle_item(handle, index);
        Py_DECREF((PyObject *)handle);
        return trace;
    }
    PyObject *number = PyLong_FromSsize_t(index);
    if (number == NULL) {
        return NULL;
    }
    PyObject *result = traces_subscript(self, number);
    Py_DECREF(number);
    return result;
}

/* --- in --- */

/* False if no block of `row` can equal the raw trace; then its tuple need not be made. */
static bool may_equal(const ctm_site *row, PyObject *raw)
{
    if (!PyTuple_CheckExact(raw) || PyTuple_GET_SIZE(raw) != 4) {
        return true;
    }
    PyObject *size = PyTuple_GET_ITEM(raw, 1);
    if (!PyLong_CheckExact(size)) {
        return true;
    }
    unsigned long long value = PyLong_AsUnsignedLongLong(size);
    if (value == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return value == row->block_size;
}

static int handle_contains(pyctm_snapshot_handle *handle, PyObject *raw)
{
    const ctm_site *sites = ctm_snapshot_sites(handle->snapshot);
    for (uint32_t site = 1; site <= handle->info.sites; site++) {
        if (pyctm_handle_live(handle, site) == 0 || !may_equal(&sites[site], raw)) {
            continue;
        }
        PyObject *own = pyctm_handle_raw(handle, site);
        int same = own != NULL ? PyObject_RichCompareBool(own, raw, Py_EQ) : -1;
        Py_XDECREF(own);
        if (same != 0) {
            return same;
        }
    }
    return 0;
}

static int traces_contains(PyObject *self, PyObject *trace)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *backing = NULL, *raw = PyObject_GetAttr(trace, state->text.private_trace);
    int result = -1;
    if (raw == NULL) {
        return -1;
    }
    pyctm_snapshot_handle *handle =
        (pyctm_snapshot_handle *)Py_XNewRef((PyObject *)pyctm_handle_of_traces(state, self));
    if (handle != NULL) {
        result = handle_contains(handle, raw);
    } else if ((backing = backing_of(state, self)) != NULL) {
        result = PySequence_Contains(backing, raw);
    }
    Py_XDECREF((PyObject *)handle);
    Py_XDECREF(backing);
    Py_DECREF(raw);
    return result;
}

/* --- equality --- */

/* Returns the next site with live blocks; 0 at the end. */
static uint32_t next_live(pyctm_snapshot_handle *handle, uint32_t site)
{
    while (++site <= handle->info.sites) {
        if (pyctm_handle_live(handle, site) != 0) {
            return site;
        }
    }
    return 0;
}

static int handle_same_handle(pyctm_state *state, pyctm_snapshot_handle *a,
                              pyctm_snapshot_handle *b)
{
    bool equal = false;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_equal(a->snapshot, b->snapshot, &equal);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        pyctm_status_raise(state, status, NULL, NULL);
        return -1;
    }
    return equal;
}

/* Item `i` of a list or tuple that may have changed meanwhile; new reference or NULL. */
static PyObject *item_if_there(PyObject *sequence, Py_ssize_t i)
{
    if (i >= Py_SIZE(sequence)) {
        return NULL;
    }
    return Py_NewRef(PyList_Check(sequence) ? PyList_GET_ITEM(sequence, i)
                                            : PyTuple_GET_ITEM(sequence, i));
}

static int site_same_items(pyctm_snapshot_handle *handle, uint32_t site, PyObject *sequence,
                           Py_ssize_t *at)
{
    PyObject *raw = pyctm_handle_raw(handle, site);
    int same = raw != NULL ? 1 : -1;
    for (uint64_t live = pyctm_handle_live(handle, site); same > 0 && live > 0; live--) {
        PyObject *item = item_if_there(sequence, (*at)++);
        same = item != NULL ? PyObject_RichCompareBool(raw, item, Py_EQ) : 0;
        Py_XDECREF(item);
    }
    Py_XDECREF(raw);
    return same;
}

static int handle_same_items(pyctm_snapshot_handle *handle, PyObject *sequence)
{
    Py_ssize_t at = 0;
    int same = 1;
    if ((uint64_t)Py_SIZE(sequence) != handle->info.live_blocks) {
        return 0;
    }
    for (uint32_t site = next_live(handle, 0); same > 0 && site != 0;
         site = next_live(handle, site)) {
        same = site_same_items(handle, site, sequence, &at);
    }
    return same;
}

static PyObject *bool_or_error(int truth)
{
    return truth < 0 ? NULL : PyBool_FromLong(truth);
}

/* self._traces == other._traces. A tuple with the same traces as core-backed ones counts as equal,
 * because a snapshot of a tuple becomes core-backed by dump and load. */
static PyObject *compare_backings(pyctm_state *state, PyObject *self, PyObject *other)
{
    pyctm_snapshot_handle *a = pyctm_handle_of_traces(state, self),
                          *b = pyctm_handle_of_traces(state, other);
    if (a != NULL && b != NULL) {
        return bool_or_error(handle_same_handle(state, a, b));
    }
    PyObject *result = NULL, *mine = a != NULL ? NULL : backing_of(state, self);
    if (a == NULL && mine == NULL) {
        return NULL;
    }
    PyObject *theirs = b != NULL ? NULL : backing_of(state, other);
    if (b == NULL && theirs == NULL) {
        Py_XDECREF(mine);
        return NULL;
    }
    PyObject *plain = a != NULL ? theirs : b != NULL ? mine : NULL;
    if (plain != NULL && (PyList_CheckExact(plain) || PyTuple_CheckExact(plain))) {
        result = bool_or_error(handle_same_items(a != NULL ? a : b, plain));
    } else {
        if (mine == NULL) {
            mine = pyctm_handle_list(a);
        }
        if (theirs == NULL) {
            theirs = pyctm_handle_list(b);
        }
        if (mine != NULL && theirs != NULL) {
            result = PyObject_RichCompare(mine, theirs, Py_EQ);
        }
    }
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

static PyObject *traces_equal(PyObject *self, PyObject *other)
{
    pyctm_state *state = pyctm_state_of(self);
    int related = PyObject_IsInstance(other, (PyObject *)state->traces_type);
    if (related < 0) {
        return NULL;
    }
    if (!related) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    /* These references keep the handles alive, whatever code the comparison runs. */
    PyObject *a = Py_XNewRef((PyObject *)pyctm_handle_of_traces(state, self));
    PyObject *b = Py_XNewRef((PyObject *)pyctm_handle_of_traces(state, other));
    PyObject *result = compare_backings(state, self, other);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

static PyObject *traces_richcompare(PyObject *self, PyObject *other, int op)
{
    if (op == Py_EQ) {
        return traces_equal(self, other);
    }
    if (op == Py_NE) {
        return pyctm_compare_not_equal(self, other);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *traces_repr(PyObject *self)
{
    Py_ssize_t length = PyObject_Size(self);
    return length < 0 ? NULL : PyUnicode_FromFormat("<Traces len=%zd>", length);
}

/* --- the type --- */

static PyMethodDef traces_methods[] = {
    PYCTM_SEQUENCE_METHODS,
    {0},
};

static PyGetSetDef traces_getset[] = {
    PYCTM_DICT_GETSET,
    {0},
};

static PyType_Slot traces_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("_Traces(traces)\n--\n\nSequence of Trace instances.")},
    {Py_tp_init, traces_init},
    {Py_tp_getattro, traces_getattro},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, traces_methods},
    {Py_tp_members, pyctm_dict_object_members},
    {Py_tp_getset, traces_getset},
    {Py_tp_richcompare, traces_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_repr, traces_repr},
    {Py_tp_iter, PySeqIter_New},
    {Py_mp_length, traces_length},
    {Py_mp_subscript, traces_subscript},
    {Py_sq_length, traces_length},
    {Py_sq_item, traces_item},
    {Py_sq_contains, traces_contains},
    {0, NULL},
};

static PyType_Spec traces_spec = {
    .name = "ctracemalloc._Traces",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_SEQUENCE,
    .slots = traces_slots,
};

int pyctm_traces_type_init(PyObject *module, pyctm_state *state)
{
    state->traces_type = pyctm_type_new(module, &traces_spec, NULL);
    return state->traces_type != NULL ? 0 : -1;
}
