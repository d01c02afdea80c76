/* statistic.c: Statistic, the blocks of one group. All three attributes may be set. */
#include "types/statistic.h"
#include "types/args.h"
#include "types/compare.h"
#include "types/estimate.h"
#include "types/history.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <math.h>
#include <stddef.h>

typedef struct pyctm_statistic_object {
    PyObject_HEAD
    PyObject *traceback, *size, *count; /* owned; NULL: not set; any objects */
    PyObject *error;                    /* owned; NULL: not set */
    PyObject *history;                  /* owned; NULL: not set */
} pyctm_statistic_object;

PYCTM_SLOT_OBJECT(statistic, 5)

static PyObject *make_statistic_object_new(pyctm_state *state, PyObject *traceback, PyObject *size,
                                           PyObject *count)
{
    PyTypeObject *type = state->statistic_type;
    pyctm_statistic_object *self = (pyctm_statistic_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->traceback = Py_NewRef(traceback);
    self->size = Py_NewRef(size);
    self->count = Py_NewRef(count);
    return (PyObject *)self;
}

PyObject *pyctm_statistic_object_new(pyctm_state *state, PyObject *traceback, PyObject *size,
                                     PyObject *count)
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_statistic_object_new(state, traceback, size, count);
    pyctm_state_self_scope_end(state, before);
    return result;
}

static int set_error(PyObject *self, double error)
{
    Py_XSETREF(((pyctm_statistic_object *)self)->error, PyFloat_FromDouble(error));
    return ((pyctm_statistic_object *)self)->error != NULL ? 0 : -1;
}

int pyctm_statistic_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row)
{
    if (row->estimated && set_error(self, row->size_error) < 0) {
        return -1;
    }
    Py_XSETREF(((pyctm_statistic_object *)self)->history, pyctm_history_new(state, row, false));
    return PyErr_Occurred() ? -1 : 0;
}

static int join_errors(PyObject *self, PyObject *other)
{
    PyObject *mine = ((pyctm_statistic_object *)self)->error;
    PyObject *more = ((pyctm_statistic_object *)other)->error;
    if (mine == NULL || !PyFloat_Check(mine) || more == NULL || !PyFloat_Check(more)) {
        return 0;
    }
    return set_error(self, hypot(PyFloat_AS_DOUBLE(mine), PyFloat_AS_DOUBLE(more)));
}

int pyctm_statistic_join_more(PyObject *self, PyObject *other)
{
    pyctm_statistic_object *statistic = (pyctm_statistic_object *)self;
    pyctm_statistic_object *more = (pyctm_statistic_object *)other;
    if (pyctm_history_settle(self, &statistic->history) < 0) {
        return -1;
    }
    if (pyctm_history_settle(other, &more->history) < 0) {
        return -1;
    }
    PyObject *sum = pyctm_history_join(statistic->history, more->history);
    Py_XSETREF(statistic->history, sum);
    return PyErr_Occurred() ? -1 : join_errors(self, other);
}

static PyObject *statistic_estimated(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((pyctm_statistic_object *)self)->error != NULL);
}

static PyObject *statistic_confidence_interval(PyObject *self, void *Py_UNUSED(closure))
{
    pyctm_state *state = pyctm_state_of(self);
    return pyctm_confidence_interval(self, state->text.size,
                                     ((pyctm_statistic_object *)self)->error, 0);
}

static PyGetSetDef statistic_getset[] = {
    {"estimated", statistic_estimated, NULL, pyctm_estimated_doc, NULL},
    {"confidence_interval", statistic_confidence_interval, NULL,
     PyDoc_STR("Where size lies with a probability of about 95 %: (low, high) in bytes,\n"
               "both the size itself if it is not estimated."),
     NULL},
    PYCTM_HISTORY_SLOT(pyctm_statistic_object),
    PYCTM_HISTORY_GETSET,
    {0},
};

static int statistic_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {
        "Statistic.__init__", {"traceback", "size", "count"}, 3, 3, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[3];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.traceback, given[0]) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.size, given[1]) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, state->text.count, given[2]);
}

static PyObject *statistic_richcompare(PyObject *self, PyObject *other, int op)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = {state->text.traceback, state->text.size, state->text.count};
    return pyctm_compare_equal(self, other, op, state->statistic_type, names, 3);
}

static Py_hash_t statistic_hash(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = {state->text.traceback, state->text.size, state->text.count};
    return pyctm_hash_attributes(self, names, 3);
}

static PyObject *statistic_str(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = {state->text.traceback, state->text.size, state->text.count};
    PyObject *values = pyctm_get_attributes(self, names, 3);
    if (values == NULL) {
        return NULL;
    }
    PyObject *size = pyctm_format_size(PyTuple_GET_ITEM(values, 1), 0), *text = NULL;
    if (size != NULL) {
        text =
            pyctm_format("%s: size=%s, count=%i", PyTuple_Pack(3, PyTuple_GET_ITEM(values, 0), size,
                                                               PyTuple_GET_ITEM(values, 2)));
    }
    text = pyctm_append_average(text, PyTuple_GET_ITEM(values, 1), PyTuple_GET_ITEM(values, 2));
    Py_XDECREF(size);
    Py_DECREF(values);
    return text;
}

static PyObject *statistic_repr(PyObject *self)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = {state->text.traceback, state->text.size, state->text.count};
    return pyctm_format("<Statistic traceback=%r size=%i count=%i>",
                        pyctm_get_attributes(self, names, 3));
}

static PyObject *statistic_sort_key(PyObject *self, PyObject *Py_UNUSED(unused))
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = {state->text.size, state->text.count, state->text.traceback};
    return pyctm_get_attributes(self, names, 3);
}

static PyMethodDef statistic_methods[] = {
    {"_sort_key", statistic_sort_key, METH_NOARGS, PyDoc_STR("_sort_key($self)\n--\n\n")},
    {0},
};

static PyMemberDef statistic_members[] = {
    {"traceback", Py_T_OBJECT_EX, offsetof(pyctm_statistic_object, traceback), 0,
     PyDoc_STR("Traceback of the group.")},
    {"size", Py_T_OBJECT_EX, offsetof(pyctm_statistic_object, size), 0,
     PyDoc_STR("Total size of the blocks in bytes.")},
    {"count", Py_T_OBJECT_EX, offsetof(pyctm_statistic_object, count), 0,
     PyDoc_STR("Number of blocks.")},
    {"_error", Py_T_OBJECT_EX, offsetof(pyctm_statistic_object, error), 0, pyctm_error_doc},
    {0},
};

static PyType_Slot statistic_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Statistic(traceback, size, count)\n--\n\n"
                                  "Statistic on memory allocations of one group.")},
    {Py_tp_init, statistic_init},
    {Py_tp_traverse, statistic_traverse},
    {Py_tp_clear, statistic_clear},
    {Py_tp_dealloc, statistic_dealloc},
    {Py_tp_methods, statistic_methods},
    {Py_tp_members, statistic_members},
    {Py_tp_getset, statistic_getset},
    {Py_tp_richcompare, statistic_richcompare},
    {Py_tp_hash, statistic_hash},
    {Py_tp_str, statistic_str},
    {Py_tp_repr, statistic_repr},
    {0, NULL},
};

static PyType_Spec statistic_spec = {
    .name = "ctracemalloc.Statistic",
    .basicsize = sizeof(pyctm_statistic_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = statistic_slots,
};

int pyctm_statistic_type_init(PyObject *module, pyctm_state *state)
{
    static const char *const names[] = {"traceback", "size", "count", "_error", "_history", NULL};
    state->statistic_type = pyctm_type_new(module, &statistic_spec, NULL);
    if (state->statistic_type == NULL) {
        return -1;
    }
    return pyctm_type_set_slots(state->statistic_type, names);
}
