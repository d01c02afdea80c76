/* statistic_diff.c: StatisticDiff, one group in an old and a new snapshot. All five
 * attributes may be set. */
#include "types/args.h"
#include "types/compare.h"
#include "types/estimate.h"
#include "types/history.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"
#include "types/statistic.h"

#include <stddef.h>

typedef struct pyctm_statistic_diff_object {
    PyObject_HEAD
    PyObject *fields[5]; /* owned; NULL: not set; traceback, size, size_diff, count, count_diff */
    PyObject *error;     /* owned; NULL: not set */
    PyObject *history;   /* owned; NULL: not set */
} pyctm_statistic_diff_object;

PYCTM_SLOT_OBJECT(statistic_diff, 7)

#define FIELD_NAMES(state)                                                                      \
    {(state)->text.traceback, (state)->text.size, (state)->text.size_diff, (state)->text.count, \
     (state)->text.count_diff}

static PyObject *make_statistic_diff_object_new(pyctm_state *state, PyObject *const fields[5])
{
    PyTypeObject *type = state->statistic_diff_type;
    pyctm_statistic_diff_object *self = (pyctm_statistic_diff_object *)type->tp_alloc(type, 0);
    for (int i = 0; self != NULL && i < 5; i++) {
        self->fields[i] = Py_NewRef(fields[i]);
    }
    return (PyObject *)self;
}

PyObject *pyctm_statistic_diff_object_new(pyctm_state *state, PyObject *const fields[5])
{
    int before = pyctm_state_self_scope_begin(state);
    PyObject *result = make_statistic_diff_object_new(state, fields);
    pyctm_state_self_scope_end(state, before);
    return result;
}

int pyctm_statistic_diff_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row)
{
    pyctm_statistic_diff_object *diff = (pyctm_statistic_diff_object *)self;
    if (row->estimated) {
        Py_XSETREF(diff->error, PyFloat_FromDouble(row->size_error));
    }
    if (row->estimated && diff->error == NULL) {
        return -1;
    }
    Py_XSETREF(diff->history, pyctm_history_new(state, row, true));
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *statistic_diff_estimated(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((pyctm_statistic_diff_object *)self)->error != NULL);
}

static PyObject *statistic_diff_confidence_interval(PyObject *self, void *Py_UNUSED(closure))
{
    pyctm_state *state = pyctm_state_of(self);
    return pyctm_confidence_interval(self, state->text.size_diff,
                                     ((pyctm_statistic_diff_object *)self)->error, 1);
}

static PyGetSetDef statistic_diff_getset[] = {
    {"estimated", statistic_diff_estimated, NULL, pyctm_estimated_doc, NULL},
    {"confidence_interval", statistic_diff_confidence_interval, NULL,
     PyDoc_STR("Where size_diff lies with a probability of at least about 95 %: (low, high)\n"
               "in bytes, both size_diff itself if it is not estimated."),
     NULL},
    PYCTM_HISTORY_SLOT(pyctm_statistic_diff_object),
    PYCTM_HISTORY_GETSET,
    PYCTM_HISTORY_DIFF_GETSET,
    {0},
};

static int statistic_diff_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"StatisticDiff.__init__",
                                        {"traceback", "size", "size_diff", "count", "count_diff"},
                                        5,
                                        5,
                                        1};
    PyObject *const names[] = FIELD_NAMES(pyctm_state_of(self));
    PyObject *given[5];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    for (int i = 0; i < 5; i++) {
        if (PyObject_SetAttr(self, names[i], given[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *statistic_diff_richcompare(PyObject *self, PyObject *other, int op)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *const names[] = FIELD_NAMES(state);
    return pyctm_compare_equal(self, other, op, state->statistic_diff_type, names, 5);
}

static Py_hash_t statistic_diff_hash(PyObject *self)
{
    PyObject *const names[] = FIELD_NAMES(pyctm_state_of(self));
    return pyctm_hash_attributes(self, names, 5);
}

static PyObject *statistic_diff_str(PyObject *self)
{
    PyObject *const names[] = FIELD_NAMES(pyctm_state_of(self));
    PyObject *values = pyctm_get_attributes(self, names, 5), *text = NULL, *diff = NULL;
    if (values == NULL) {
        return NULL;
    }
    PyObject *size = pyctm_format_size(PyTuple_GET_ITEM(values, 1), 0);
    if (size != NULL) {
        diff = pyctm_format_size(PyTuple_GET_ITEM(values, 2), 1);
    }
    if (diff != NULL) {
        text = pyctm_format("%s: size=%s (%s), count=%i (%+i)",
                            PyTuple_Pack(5, PyTuple_GET_ITEM(values, 0), size, diff,
                                         PyTuple_GET_ITEM(values, 3), PyTuple_GET_ITEM(values, 4)));
    }
    text = pyctm_append_average(text, PyTuple_GET_ITEM(values, 1), PyTuple_GET_ITEM(values, 3));
    Py_XDECREF(size);
    Py_XDECREF(diff);
    Py_DECREF(values);
    return text;
}

static PyObject *statistic_diff_repr(PyObject *self)
{
    PyObject *const names[] = FIELD_NAMES(pyctm_state_of(self));
    return pyctm_format("<StatisticDiff traceback=%r size=%i (%+i) count=%i (%+i)>",
                        pyctm_get_attributes(self, names, 5));
}

/* (abs(size_diff), size, abs(count_diff), count, traceback) */
static PyObject *statistic_diff_sort_key(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *const names[] = FIELD_NAMES(pyctm_state_of(self));
    PyObject *values = pyctm_get_attributes(self, names, 5), *key = NULL, *count = NULL;
    if (values == NULL) {
        return NULL;
    }
    PyObject *size = PyNumber_Absolute(PyTuple_GET_ITEM(values, 2));
    if (size != NULL) {
        count = PyNumber_Absolute(PyTuple_GET_ITEM(values, 4));
    }
    if (count != NULL) {
        key = PyTuple_Pack(5, size, PyTuple_GET_ITEM(values, 1), count, PyTuple_GET_ITEM(values, 3),
                           PyTuple_GET_ITEM(values, 0));
    }
    Py_XDECREF(size);
    Py_XDECREF(count);
    Py_DECREF(values);
    return key;
}

static PyMethodDef statistic_diff_methods[] = {
    {"_sort_key", statistic_diff_sort_key, METH_NOARGS, PyDoc_STR("_sort_key($self)\n--\n\n")},
    {0},
};

#define FIELD(name, index, doc)                                                       \
    {name, Py_T_OBJECT_EX,                                                            \
     offsetof(pyctm_statistic_diff_object, fields) + (index) * sizeof(PyObject *), 0, \
     PyDoc_STR(doc)}

static PyMemberDef statistic_diff_members[] = {
    FIELD("traceback", 0, "Traceback of the group."),
    FIELD("size", 1, "Total size of the new snapshot's blocks in bytes."),
    FIELD("size_diff", 2, "Difference of the total size, new minus old."),
    FIELD("count", 3, "Number of blocks in the new snapshot."),
    FIELD("count_diff", 4, "Difference of the number of blocks, new minus old."),
    {"_error", Py_T_OBJECT_EX, offsetof(pyctm_statistic_diff_object, error), 0, pyctm_error_doc},
    {0},
};

static PyType_Slot statistic_diff_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("StatisticDiff(traceback, size, size_diff, count, count_diff)\n--\n\n"
                       "Statistic difference on memory allocations between an old and a new\n"
                       "Snapshot instance.")},
    {Py_tp_init, statistic_diff_init},
    {Py_tp_traverse, statistic_diff_traverse},
    {Py_tp_clear, statistic_diff_clear},
    {Py_tp_dealloc, statistic_diff_dealloc},
    {Py_tp_methods, statistic_diff_methods},
    {Py_tp_members, statistic_diff_members},
    {Py_tp_getset, statistic_diff_getset},
    {Py_tp_richcompare, statistic_diff_richcompare},
    {Py_tp_hash, statistic_diff_hash},
    {Py_tp_str, statistic_diff_str},
    {Py_tp_repr, statistic_diff_repr},
    {0, NULL},
};

static PyType_Spec statistic_diff_spec = {
    .name = "ctracemalloc.StatisticDiff",
    .basicsize = sizeof(pyctm_statistic_diff_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = statistic_diff_slots,
};

int pyctm_statistic_diff_type_init(PyObject *module, pyctm_state *state)
{
    static const char *const names[] = {"traceback",  "size",   "size_diff", "count",
                                        "count_diff", "_error", "_history",  NULL};
    state->statistic_diff_type = pyctm_type_new(module, &statistic_diff_spec, NULL);
    if (state->statistic_diff_type == NULL) {
        return -1;
    }
    return pyctm_type_set_slots(state->statistic_diff_type, names);
}
