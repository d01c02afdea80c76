/* trace.c: Trace, one live block.
 *
 * Model: `_trace` is stdlib's raw tuple (domain, size, frames, total_nframe), or what the user passed. `_names`, if
 * set, is the tuple of the frames' function names, parallel to the tuple's frames; `_labels`, if set, is the dict of
 * the block's labels. Setting `_trace` deletes both. */
#include "types/args.h"
#include "types/compare.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <stddef.h>

typedef struct pyctm_trace_object {
    PyObject_HEAD
    PyObject *raw;    /* owned; NULL until set */
    PyObject *names;  /* owned; NULL: not known; unpickling may put any object here */
    PyObject *labels; /* owned; NULL: none; the same */
} pyctm_trace_object;

PYCTM_SLOT_OBJECT(trace, 3)

static PyObject *make_trace_object_new(pyctm_state *state, PyObject *raw, PyObject *names)
{
    PyTypeObject *type = state->trace_type;
    pyctm_trace_object *trace = (pyctm_trace_object *)type->tp_alloc(type, 0);
    if (trace == NULL) {
        return NULL;
    }
    trace->raw = Py_NewRef(raw);
    if (names != NULL && names != Py_None) {
        trace->names = Py_NewRef(names);
    }
    return (PyObject *)trace;
}

PyObject *pyctm_trace_object_new(pyctm_state *state, PyObject *raw, PyObject *names)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_trace_object_new(state, raw, names);
    pyctm_state_self_scope_end(state, before);
    return result;
}

int pyctm_trace_set_labels(PyObject *trace, PyObject *labels)
{
    if (labels == NULL) {
        return -1;
    }
    Py_XSETREF(((pyctm_trace_object *)trace)->labels, labels);
    return 0;
}

static int trace_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"Trace.__init__", {"trace"}, 1, 1, 1};
    PyObject *raw;
    if (pyctm_bind_tuple(&params, args, kwargs, &raw) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, pyctm_state_of(self)->text.private_trace, raw);
}

static PyObject *raw_of(PyObject *self)
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.private_trace);
}

static PyObject *trace_get_raw(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *raw = ((pyctm_trace_object *)self)->raw;
    if (raw != NULL) {
        return Py_NewRef(raw);
    }
    return pyctm_slot_unset(self, "_trace");
}

static int trace_set_raw(PyObject *self, PyObject *value, void *closure)
{
    pyctm_trace_object *trace = (pyctm_trace_object *)self;
    if (value == NULL && trace->raw == NULL) {
        trace_get_raw(self, closure);
        return -1;
    }
    Py_CLEAR(trace->names);
    Py_CLEAR(trace->labels);
    Py_XSETREF(trace->raw, Py_XNewRef(value));
    return 0;
}

static PyObject *trace_part(PyObject *self, Py_ssize_t index)
{
    PyObject *raw = raw_of(self);
    if (raw == NULL) {
        return NULL;
    }
    PyObject *part = pyctm_item(raw, index);
    Py_DECREF(raw);
    return part;
}

static PyObject *trace_domain(PyObject *self, void *Py_UNUSED(closure))
{
    return trace_part(self, 0);
}

static PyObject *trace_size(PyObject *self, void *Py_UNUSED(closure))
{
    return trace_part(self, 1);
}

/* A copy of the dict, so that the trace's own cannot be changed through it. */
static PyObject *trace_labels(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *labels = ((pyctm_trace_object *)self)->labels;
    return labels != NULL && PyDict_CheckExact(labels) ? PyDict_Copy(labels) : PyDict_New();
}

/* Traceback(*raw[2:]) */
static PyObject *traceback_of_any(pyctm_state *state, PyObject *raw)
{
    PyObject *result = NULL, *rest = pyctm_slice_from(raw, 2);
    PyObject *args = rest != NULL ? PySequence_Tuple(rest) : NULL;
    if (args != NULL) {
        result = PyObject_Call((PyObject *)state->traceback_type, args, NULL);
    }
    Py_XDECREF(args);
    Py_XDECREF(rest);
    return result;
}

static PyObject *trace_traceback(PyObject *self, void *Py_UNUSED(closure))
{
    pyctm_state *state = pyctm_state_of(self);
    pyctm_trace_object *trace = (pyctm_trace_object *)self;
    PyObject *raw = raw_of(self), *result;
    if (raw == NULL) {
        return NULL;
    }
    bool plain = raw == trace->raw && PyTuple_CheckExact(raw) && PyTuple_GET_SIZE(raw) == 4;
    PyObject *frames = plain ? PyTuple_GET_ITEM(raw, 2) : NULL, *names = trace->names;
    if (names != NULL && !PyTuple_CheckExact(names)) {
        names = NULL;
    }
    if (plain && PyTuple_CheckExact(frames)) {
        result = pyctm_traceback_object_new(state, frames, names, PyTuple_GET_ITEM(raw, 3));
    } else {
        result = traceback_of_any(state, raw);
    }
    Py_DECREF(raw);
    return result;
}

static PyObject *trace_richcompare(PyObject *self, PyObject *other, int op)
{
    pyctm_state *state = pyctm_state_of(self);
    return pyctm_compare_equal(self, other, op, state->trace_type, &state->text.private_trace, 1);
}

static Py_hash_t trace_hash(PyObject *self)
{
    PyObject *raw = raw_of(self);
    if (raw == NULL) {
        return -1;
    }
    Py_hash_t hash = PyObject_Hash(raw);
    Py_DECREF(raw);
    return hash;
}

/* The size as text, "10 B". */
static PyObject *size_text(PyObject *self)
{
    PyObject *size = PyObject_GetAttr(self, pyctm_state_of(self)->text.size);
    if (size == NULL) {
        return NULL;
    }
    PyObject *text = pyctm_format_size(size, 0);
    Py_DECREF(size);
    return text;
}

static PyObject *trace_str(PyObject *self)
{
    PyObject *result = NULL, *size = NULL;
    PyObject *traceback = PyObject_GetAttr(self, pyctm_state_of(self)->text.traceback);
    if (traceback != NULL) {
        Py_SETREF(traceback, PyObject_Str(traceback));
    }
    if (traceback != NULL) {
        size = size_text(self);
    }
    if (size != NULL) {
        result = PyUnicode_FromFormat("%U: %U", traceback, size);
    }
    Py_XDECREF(traceback);
    Py_XDECREF(size);
    return result;
}

static PyObject *trace_repr(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *result = NULL, *size = NULL, *traceback = NULL;
    PyObject *domain = PyObject_GetAttr(self, state->text.domain);
    if (domain != NULL) {
        size = size_text(self);
    }
    if (size != NULL) {
        traceback = PyObject_GetAttr(self, state->text.traceback);
    }
    if (traceback != NULL) {
        result = PyUnicode_FromFormat("<Trace domain=%S size=%S, traceback=%R>", domain, size,
                                      traceback);
    }
    Py_XDECREF(domain);
    Py_XDECREF(size);
    Py_XDECREF(traceback);
    return result;
}

static PyMemberDef trace_members[] = {
    {"_names", Py_T_OBJECT_EX, offsetof(pyctm_trace_object, names), 0, NULL},
    {"_labels", Py_T_OBJECT_EX, offsetof(pyctm_trace_object, labels), 0, NULL},
    {0},
};

static PyGetSetDef trace_getset[] = {
    {"_trace", trace_get_raw, trace_set_raw, NULL, NULL},
    {"domain", trace_domain, pyctm_property_set, PyDoc_STR("Address space of the block."),
     "domain"},
    {"size", trace_size, pyctm_property_set, PyDoc_STR("Size of the block in bytes."), "size"},
    {"traceback", trace_traceback, pyctm_property_set,
     PyDoc_STR("Traceback of the allocation, a new Traceback instance."), "traceback"},
    {"labels", trace_labels, pyctm_property_set,
     PyDoc_STR("Labels of the block, such as the process it comes from, a new dict."), "labels"},
    {0},
};

static PyType_Slot trace_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Trace(trace)\n--\n\nTrace of a memory block.")},
    {Py_tp_init, trace_init},
    {Py_tp_traverse, trace_traverse},
    {Py_tp_clear, trace_clear},
    {Py_tp_dealloc, trace_dealloc},
    {Py_tp_members, trace_members},
    {Py_tp_getset, trace_getset},
    {Py_tp_richcompare, trace_richcompare},
    {Py_tp_hash, trace_hash},
    {Py_tp_str, trace_str},
    {Py_tp_repr, trace_repr},
    {0, NULL},
};

static PyType_Spec trace_spec = {
    .name = "ctracemalloc.Trace",
    .basicsize = sizeof(pyctm_trace_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = trace_slots,
};

int pyctm_trace_type_init(PyObject *module, pyctm_state *state)
{
    static const char *const names[] = {"_trace", "_names", "_labels", NULL};
    state->trace_type = pyctm_type_new(module, &trace_spec, NULL);
    if (state->trace_type == NULL) {
        return -1;
    }
    return pyctm_type_set_slots(state->trace_type, names);
}
