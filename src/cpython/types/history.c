/* history.c: see history.h. */
#include "history.h"
#include "support.h"

#define STATISTIC 4 /* numbers of a Statistic */
#define DIFF 8      /* of a StatisticDiff */

const ctm_history_field ctm_history_fields[12] = {
    {0, NULL}, {1, NULL}, {2, NULL}, {3, NULL}, {0, "count"},      {1, "size"},
    {4, NULL}, {5, NULL}, {6, NULL}, {7, NULL}, {4, "count_diff"}, {5, "size_diff"},
};

const char ctm_history_doc[] =
    PyDoc_STR("Numbers of blocks ever allocated and at the peak; only if known.");

static PyObject *number(bool known, int64_t value)
{
    return known ? PyLong_FromLongLong(value) : Py_NewRef(Py_None);
}

PyObject *ctm_history_new(const ctm_statistic *row, bool is_diff)
{
    const bool churn = row->churn_known, peak = row->peak_known;
    /* None is over INT64_MAX (ctm/statistics.h). */
    const int64_t numbers[DIFF] = {
        (int64_t)row->allocated_count, (int64_t)row->allocated_size, (int64_t)row->peak_count,
        (int64_t)row->peak_size,       row->allocated_count_diff,    row->allocated_size_diff,
        row->peak_count_diff,          row->peak_size_diff,
    };
    if (!churn && !peak) return NULL;
    const int n = is_diff ? DIFF : STATISTIC;
    PyObject *history = PyTuple_New(n);
    for (int i = 0; history != NULL && i < n; i++) {
        PyObject *item = number(i % 4 < 2 ? churn : peak, numbers[i]);
        if (item == NULL)
            Py_CLEAR(history);
        else
            PyTuple_SET_ITEM(history, i, item);
    }
    return history;
}

static bool is_history(PyObject *history)
{
    return history != NULL && PyTuple_CheckExact(history) && PyTuple_GET_SIZE(history) == STATISTIC;
}

static PyObject *add_known(PyObject *a, PyObject *b)
{
    return a == Py_None || b == Py_None ? Py_NewRef(Py_None) : PyNumber_Add(a, b);
}

PyObject *ctm_history_join(PyObject *history, PyObject *other)
{
    if (!is_history(history) || !is_history(other)) return NULL;
    PyObject *sum = PyTuple_New(STATISTIC);
    for (int i = 0; sum != NULL && i < STATISTIC; i++) {
        PyObject *item = add_known(PyTuple_GET_ITEM(history, i), PyTuple_GET_ITEM(other, i));
        if (item == NULL)
            Py_CLEAR(sum);
        else
            PyTuple_SET_ITEM(sum, i, item);
    }
    return sum;
}

/* Item `index` of self._history; None if it is not there. */
static PyObject *history_item(PyObject *self, int index)
{
    PyObject *history = PyObject_GetAttr(self, ctm_state_of(self)->text.history);
    if (history == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    bool is_there = PyTuple_Check(history) && index < PyTuple_GET_SIZE(history);
    PyObject *item = Py_NewRef(is_there ? PyTuple_GET_ITEM(history, index) : Py_None);
    Py_DECREF(history);
    return item;
}

PyObject *ctm_history_get(PyObject *self, void *closure)
{
    const ctm_history_field *field = closure;
    PyObject *item = history_item(self, field->index);
    if (item == NULL || item == Py_None || field->minus == NULL) return item;
    PyObject *live = ctm_get_named(self, field->minus);
    PyObject *rest = live != NULL ? PyNumber_Subtract(item, live) : NULL;
    Py_DECREF(item);
    Py_XDECREF(live);
    return rest;
}
