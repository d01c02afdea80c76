/* group_compare.c: compares two groups, as tracemalloc._compare_grouped_stats does, whatever objects they consist of.
 */
#include "types/group.h"
#include "types/idioms.h"

/* StatisticDiff(traceback, stat.size, stat.size - old.size, …); old may be None. */
static PyObject *diff_of(pyctm_state *state, PyObject *traceback, PyObject *stat, PyObject *old)
{
    PyObject *const names[2] = {state->text.size, state->text.count};
    PyObject *fields[5] = {traceback, NULL, NULL, NULL, NULL}, *result = NULL;
    int failed = 0;
    for (int i = 0; !failed && i < 2; i++) {
        PyObject *value = PyObject_GetAttr(stat, names[i]), *before = NULL;
        fields[1 + 2 * i] = value;
        if (old == Py_None) {
            fields[2 + 2 * i] = Py_XNewRef(value);
        } else if (value != NULL && (before = PyObject_GetAttr(old, names[i])) != NULL) {
            fields[2 + 2 * i] = PyNumber_Subtract(value, before);
        }
        Py_XDECREF(before);
        failed = fields[2 + 2 * i] == NULL;
    }
    if (!failed) {
        result = pyctm_statistic_diff_object_new(state, fields);
    }
    for (int i = 1; i < 5; i++) {
        Py_XDECREF(fields[i]);
    }
    return result;
}

/* StatisticDiff(traceback, 0, -stat.size, 0, -stat.count) */
static PyObject *diff_of_gone(pyctm_state *state, PyObject *traceback, PyObject *stat)
{
    PyObject *result = NULL, *zero = PyLong_FromLong(0), *count = NULL;
    PyObject *size = zero != NULL ? PyObject_GetAttr(stat, state->text.size) : NULL;
    if (size != NULL) {
        Py_SETREF(size, PyNumber_Negative(size));
    }
    if (size != NULL) {
        count = PyObject_GetAttr(stat, state->text.count);
    }
    if (count != NULL) {
        Py_SETREF(count, PyNumber_Negative(count));
    }
    if (count != NULL) {
        PyObject *const fields[5] = {traceback, zero, size, zero, count};
        result = pyctm_statistic_diff_object_new(state, fields);
    }
    Py_XDECREF(zero);
    Py_XDECREF(size);
    Py_XDECREF(count);
    return result;
}

static PyObject *diff_of_item(pyctm_state *state, PyObject *old_group, PyObject *traceback,
                              PyObject *stat)
{
    if (old_group == NULL) {
        return diff_of_gone(state, traceback, stat);
    }
    PyObject *old = pyctm_call_method(old_group, state->text.pop, traceback, Py_None, NULL);
    if (old == NULL) {
        return NULL;
    }
    PyObject *diff = diff_of(state, traceback, stat, old);
    Py_DECREF(old);
    return diff;
}

/* Appends a diff for each item of `group`. If there is an old_group, removes the item with the same key from it. */
static int append_diffs(pyctm_state *state, PyObject *list, PyObject *group, PyObject *old_group)
{
    PyObject *item, *iterator = NULL, *pair[2];
    PyObject *items = pyctm_call_method(group, state->text.items, NULL, NULL, NULL);
    if (items != NULL) {
        iterator = PyObject_GetIter(items);
    }
    int result = iterator != NULL ? 0 : -1;
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        PyObject *diff = NULL;
        if (pyctm_unpack(item, 2, pair) == 0) {
            diff = diff_of_item(state, old_group, pair[0], pair[1]);
            Py_DECREF(pair[0]);
            Py_DECREF(pair[1]);
        }
        result = diff != NULL ? PyList_Append(list, diff) : -1;
        Py_XDECREF(diff);
        Py_DECREF(item);
    }
    Py_XDECREF(items);
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

PyObject *pyctm_group_compare(pyctm_state *state, PyObject *old_group, PyObject *new_group)
{
    PyObject *list = PyList_New(0);
    if (list != NULL && (append_diffs(state, list, new_group, old_group) < 0 ||
                         append_diffs(state, list, old_group, NULL) < 0)) {
        Py_CLEAR(list);
    }
    return list;
}
