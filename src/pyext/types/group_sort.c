/* group_sort.c: the order of statistics that are Python objects.
 *
 * Model: sorts as tracemalloc.py does; if another number is the main key, sorts once more by that, which keeps the
 * order of equal ones. The core sorts its own rows in the same order.
 */
#include "types/group.h"

static const char *const sorts[] = {"size", "count", "peak", "allocated"};

int pyctm_sort_parse(PyObject *sort, ctm_sort *out)
{
    *out = CTM_SORT_SIZE;
    if (sort == NULL) {
        return 0;
    }
    for (int i = CTM_SORT_SIZE; PyUnicode_Check(sort) && i <= CTM_SORT_ALLOCATED; i++) {
        *out = (ctm_sort)i;
        if (PyUnicode_CompareWithASCIIString(sort, sorts[i]) == 0) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "unknown sort: %R (it may be 'size', 'count', 'peak' or 'allocated')", sort);
    return -1;
}

PyObject *pyctm_sort_unknown(ctm_sort sort)
{
    const char *what = sort == CTM_SORT_PEAK ? "what was live at the peak" : "what has been freed";
    PyErr_Format(PyExc_ValueError, "cannot sort by %s: this snapshot does not know %s", sorts[sort],
                 what);
    return NULL;
}

/* The attribute that is the main key, by ctm_sort; of a difference, its magnitude. */
static const char *const statistic_names[][5] = {
    {NULL},
    {"count", NULL},
    {"peak_size", "peak_count", NULL},
    {"allocated_size", "allocated_count", NULL},
};
static const char *const diff_names[][5] = {
    {NULL},
    {"count_diff", "count", NULL},
    {"peak_size_diff", "peak_size", "peak_count_diff", "peak_count", NULL},
    {"allocated_size_diff", "allocated_size", "allocated_count_diff", "allocated_count", NULL},
};

/* abs(statistic.name) */
static PyObject *magnitude(PyObject *statistic, PyObject *name, ctm_sort sort)
{
    PyObject *value = PyObject_GetAttr(statistic, name), *result = NULL;
    if (value == Py_None) {
        pyctm_sort_unknown(sort);
    } else if (value != NULL) {
        result = PyNumber_Absolute(value);
    }
    Py_XDECREF(value);
    return result;
}

/* The key function, of one argument; self is (sort, name, ...). */
static PyObject *sort_key(PyObject *self, PyObject *statistic)
{
    const ctm_sort sort = (ctm_sort)PyLong_AsLong(PyTuple_GET_ITEM(self, 0));
    const Py_ssize_t n = PyTuple_GET_SIZE(self) - 1;
    PyObject *key = PyTuple_New(n);
    for (Py_ssize_t i = 0; key != NULL && i < n; i++) {
        PyObject *value = magnitude(statistic, PyTuple_GET_ITEM(self, i + 1), sort);
        if (value == NULL) {
            Py_CLEAR(key);
        } else {
            PyTuple_SET_ITEM(key, i, value);
        }
    }
    return key;
}

static PyMethodDef sort_key_method = {"sort_key", sort_key, METH_O, NULL};

static PyObject *new_sort_key(ctm_sort sort, const char *const *names)
{
    Py_ssize_t n = 0;
    while (names[n] != NULL) {
        n++;
    }
    PyObject *self = PyTuple_New(n + 1), *function = NULL;
    if (self == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(self, 0, PyLong_FromLong(sort));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(self, i + 1, PyUnicode_InternFromString(names[i]));
    }
    if (!PyErr_Occurred()) {
        function = PyCFunction_New(&sort_key_method, self);
    }
    Py_DECREF(self);
    return function;
}

/* list.sort(key=key, reverse=True); steals `key`; NULL is a failure that is passed on. */
static int sort_by(pyctm_state *state, PyObject *list, PyObject *key)
{
    if (key == NULL) {
        return -1;
    }
    PyObject *result = NULL, *names = PyTuple_Pack(2, state->text.key, state->text.reverse);
    if (names != NULL) {
        PyObject *stack[3] = {list, key, Py_True};
        result = PyObject_VectorcallMethod(state->text.sort, stack, 1, names);
    }
    Py_DECREF(key);
    Py_XDECREF(names);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

PyObject *pyctm_sort_statistics(pyctm_state *state, PyObject *list, PyTypeObject *type,
                                ctm_sort sort)
{
    if (list == NULL) {
        return NULL;
    }
    const char *const *names =
        type == state->statistic_diff_type ? diff_names[sort] : statistic_names[sort];
    int result = sort_by(state, list, PyObject_GetAttr((PyObject *)type, state->text.sort_key));
    if (result == 0 && sort != CTM_SORT_SIZE) {
        result = sort_by(state, list, new_sort_key(sort, names));
    }
    if (result < 0) {
        Py_CLEAR(list);
    }
    return list;
}
