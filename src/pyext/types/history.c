/* history.c: see history.h. */
#include "types/history.h"
#include "types/idioms.h"
#include "types/instances.h"
#include "types/self_scope.h"

#include <stddef.h>
#include <string.h>

#define STATISTIC 4 /* how many numbers a Statistic has */
#define DIFF 8      /* how many a StatisticDiff has */

const pyctm_history_field pyctm_history_fields[12] = {
    {0, NULL}, {1, NULL}, {2, NULL}, {3, NULL}, {0, "count"},      {1, "size"},
    {4, NULL}, {5, NULL}, {6, NULL}, {7, NULL}, {4, "count_diff"}, {5, "size_diff"},
};

const char pyctm_history_doc[] =
    PyDoc_STR("Numbers of blocks ever allocated and at the peak; only if known.");

/* A pending slot: numbers of a Statistic or of a StatisticDiff. */
typedef struct pending_history {
    PyVarObject ob_base;
    bool churn, peak; /* whether the numbers of these are known */
    int64_t numbers[];
} pending_history;

static PyObject *number(bool known, int64_t value)
{
    return known ? PyLong_FromLongLong(value) : Py_NewRef(Py_None);
}

PyObject *pyctm_history_new(pyctm_state *state, const ctm_statistic *row, bool is_diff)
{
    /* No number is greater than INT64_MAX (ctm/statistics.h). */
    const int64_t numbers[DIFF] = {
        (int64_t)row->allocated_count, (int64_t)row->allocated_size, (int64_t)row->peak_count,
        (int64_t)row->peak_size,       row->allocated_count_diff,    row->allocated_size_diff,
        row->peak_count_diff,          row->peak_size_diff,
    };
    if (!row->churn_known && !row->peak_known) {
        return NULL;
    }
    PyTypeObject *type = state->history_type;
    pending_history *history = (pending_history *)type->tp_alloc(type, is_diff ? DIFF : STATISTIC);
    if (history == NULL) {
        return NULL;
    }
    history->churn = row->churn_known;
    history->peak = row->peak_known;
    memcpy(history->numbers, numbers, sizeof(int64_t) * (is_diff ? DIFF : STATISTIC));
    return (PyObject *)history;
}

static PyObject *make_tuple(const pending_history *history)
{
    const Py_ssize_t n = Py_SIZE(history);
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = number(i % 4 < 2 ? history->churn : history->peak, history->numbers[i]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

int pyctm_history_settle(PyObject *self, PyObject **slot)
{
    pyctm_state *state = pyctm_state_of(self);
    PyObject *pending = *slot;
    if (pending == NULL || !Py_IS_TYPE(pending, state->history_type)) {
        return 0;
    }
    Py_INCREF(pending);
    int before = pyctm_state_self_scope_begin(state);
    PyObject *tuple = make_tuple((const pending_history *)pending);
    pyctm_state_self_scope_end(state, before);
    /* The collector may have run Python code meanwhile, which read or set the slot. */
    if (tuple != NULL && *slot == pending) {
        Py_SETREF(*slot, tuple);
    } else {
        Py_XDECREF(tuple);
    }
    Py_DECREF(pending);
    return tuple != NULL ? 0 : -1;
}

static PyObject **slot_at(PyObject *self, void *offset)
{
    return (PyObject **)(void *)((char *)self + (size_t)offset);
}

PyObject *pyctm_history_get_slot(PyObject *self, void *offset)
{
    PyObject **slot = slot_at(self, offset);
    if (pyctm_history_settle(self, slot) < 0) {
        return NULL;
    }
    return *slot != NULL ? Py_NewRef(*slot) : pyctm_slot_unset(self, "_history");
}

int pyctm_history_set_slot(PyObject *self, PyObject *value, void *offset)
{
    PyObject **slot = slot_at(self, offset);
    if (value == NULL && *slot == NULL) {
        pyctm_slot_unset(self, "_history");
        return -1;
    }
    Py_XSETREF(*slot, Py_XNewRef(value));
    return 0;
}

static bool is_history(PyObject *history)
{
    return history != NULL && PyTuple_CheckExact(history) && PyTuple_GET_SIZE(history) == STATISTIC;
}

static PyObject *add_known(PyObject *a, PyObject *b)
{
    return a == Py_None || b == Py_None ? Py_NewRef(Py_None) : PyNumber_Add(a, b);
}

PyObject *pyctm_history_join(PyObject *history, PyObject *other)
{
    if (!is_history(history) || !is_history(other)) {
        return NULL;
    }
    PyObject *sum = PyTuple_New(STATISTIC);
    for (int i = 0; sum != NULL && i < STATISTIC; i++) {
        PyObject *item = add_known(PyTuple_GET_ITEM(history, i), PyTuple_GET_ITEM(other, i));
        if (item == NULL) {
            Py_CLEAR(sum);
        } else {
            PyTuple_SET_ITEM(sum, i, item);
        }
    }
    return sum;
}

/* Item `index` of self._history; None if there is none. */
static PyObject *history_item(PyObject *self, int index)
{
    PyObject *history = PyObject_GetAttr(self, pyctm_state_of(self)->text.history);
    if (history == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    bool is_there = PyTuple_Check(history) && index < PyTuple_GET_SIZE(history);
    PyObject *item = Py_NewRef(is_there ? PyTuple_GET_ITEM(history, index) : Py_None);
    Py_DECREF(history);
    return item;
}

PyObject *pyctm_history_get(PyObject *self, void *closure)
{
    const pyctm_history_field *field = closure;
    PyObject *item = history_item(self, field->index);
    if (item == NULL || item == Py_None || field->minus == NULL) {
        return item;
    }
    PyObject *live = pyctm_get_named(self, field->minus);
    PyObject *rest = live != NULL ? PyNumber_Subtract(item, live) : NULL;
    Py_DECREF(item);
    Py_XDECREF(live);
    return rest;
}

static void history_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot history_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Numbers that nobody has looked at.")},
    {Py_tp_dealloc, history_dealloc},
    {0, NULL},
};

static PyType_Spec history_spec = {
    .name = "ctracemalloc._ctracemalloc.PendingHistory",
    .basicsize = offsetof(pending_history, numbers),
    .itemsize = sizeof(int64_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = history_slots,
};

int pyctm_history_type_init(PyObject *module, pyctm_state *state)
{
    state->history_type = pyctm_type_new(module, &history_spec, NULL);
    return state->history_type != NULL ? 0 : -1;
}
