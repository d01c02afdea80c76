/* sequence.c: the methods of collections.abc.Sequence, in the same steps: all of them use self[i] and len(self), so
 * that subclasses may override these. */
#include "types/sequence.h"
#include "types/args.h"

/* map(self.__getitem__, range(len(self) - 1, -1, -1)): lazy, for any length. */
PyObject *pyctm_sequence_reversed(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *range = NULL, *getitem = NULL, *result = NULL;
    Py_ssize_t length = PyObject_Size(self);
    if (length < 0) {
        return NULL;
    }
    range = PyObject_CallFunction((PyObject *)&PyRange_Type, "nii", length - 1, -1, -1);
    if (range != NULL) {
        getitem = PyObject_GetAttr(self, pyctm_state_of(self)->text.getitem);
    }
    if (getitem != NULL) {
        result = PyObject_CallFunctionObjArgs((PyObject *)&PyMap_Type, getitem, range, NULL);
    }
    Py_XDECREF(range);
    Py_XDECREF(getitem);
    return result;
}

/* a < b, as truth; -1: error */
static int less(PyObject *a, PyObject *b)
{
    return PyObject_RichCompareBool(a, b, Py_LT);
}

/* bound + len(self) if bound is negative, at least 0 if `clamp`; None stays. New reference. */
static PyObject *resolve_bound(PyObject *self, PyObject *bound, bool clamp)
{
    if (bound == Py_None) {
        return Py_NewRef(bound);
    }
    PyObject *zero = PyLong_FromLong(0), *result = NULL;
    int negative = zero != NULL ? less(bound, zero) : -1;
    if (negative == 0) {
        result = Py_NewRef(bound);
    }
    if (negative > 0) {
        Py_ssize_t length = PyObject_Size(self);
        PyObject *number = length >= 0 ? PyLong_FromSsize_t(length) : NULL;
        if (number != NULL) {
            result = PyNumber_Add(number, bound);
        }
        Py_XDECREF(number);
    }
    if (negative > 0 && clamp && result != NULL) {
        int below = less(result, zero);
        if (below != 0) {
            Py_CLEAR(result);
        }
        if (below > 0) {
            result = Py_NewRef(zero);
        }
    }
    Py_XDECREF(zero);
    return result;
}

/* 1: done, *found is whether the value was found (else the position is past the end); 0: continue; -1: error. */
static int index_step(PyObject *self, PyObject *position, PyObject *stop, PyObject *value,
                      bool *found)
{
    *found = false;
    if (stop != Py_None) {
        int inside = less(position, stop);
        if (inside <= 0) {
            return inside < 0 ? -1 : 1;
        }
    }
    PyObject *item = PyObject_GetItem(self, position);
    if (item == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_IndexError)) {
            return -1;
        }
        PyErr_Clear();
        return 1;
    }
    int same = PyObject_RichCompareBool(item, value, Py_EQ);
    Py_DECREF(item);
    *found = same > 0;
    return same;
}

static PyObject *index_search(PyObject *self, PyObject *value, PyObject *start, PyObject *stop)
{
    PyObject *position = Py_NewRef(start), *one = PyLong_FromLong(1);
    bool found = false;
    int done = one != NULL ? 0 : -1;
    while (done == 0) {
        done = index_step(self, position, stop, value, &found);
        if (done != 0) {
            break;
        }
        PyObject *next = PyNumber_Add(position, one);
        Py_SETREF(position, next);
        if (next == NULL) {
            done = -1;
        }
    }
    Py_XDECREF(one);
    if (done > 0 && found) {
        return position;
    }
    if (done > 0) {
        PyErr_SetNone(PyExc_ValueError);
    }
    Py_XDECREF(position);
    return NULL;
}

PyObject *pyctm_sequence_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames)
{
    static const pyctm_params params = {"Sequence.index", {"value", "start", "stop"}, 3, 1, 1};
    PyObject *given[3], *result = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    PyObject *stop = NULL;
    PyObject *start = given[1] != NULL ? resolve_bound(self, given[1], true) : PyLong_FromLong(0);
    if (start != NULL) {
        stop = resolve_bound(self, given[2] != NULL ? given[2] : Py_None, false);
    }
    if (stop != NULL) {
        result = index_search(self, given[0], start, stop);
    }
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return result;
}

PyObject *pyctm_sequence_count(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames)
{
    static const pyctm_params params = {"Sequence.count", {"value"}, 1, 1, 1};
    PyObject *value, *item, *iterator;
    if (pyctm_bind(&params, args, nargs, kwnames, &value) < 0) {
        return NULL;
    }
    if ((iterator = PyObject_GetIter(self)) == NULL) {
        return NULL;
    }
    Py_ssize_t count = 0;
    int same = 0;
    while (same >= 0 && (item = PyIter_Next(iterator)) != NULL) {
        same = PyObject_RichCompareBool(item, value, Py_EQ);
        count += same > 0;
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(count);
}
