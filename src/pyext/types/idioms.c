/* idioms.c: see idioms.h. */
#include "types/idioms.h"

PyObject *pyctm_item(PyObject *container, Py_ssize_t index)
{
    PyObject *number = PyLong_FromSsize_t(index);
    if (number == NULL) {
        return NULL;
    }
    PyObject *item = PyObject_GetItem(container, number);
    Py_DECREF(number);
    return item;
}

static PyObject *slice_item(PyObject *container, Py_ssize_t bound, bool is_start)
{
    PyObject *result = NULL, *slice = NULL, *number = PyLong_FromSsize_t(bound);
    if (number != NULL) {
        slice = PySlice_New(is_start ? number : NULL, is_start ? NULL : number, NULL);
    }
    if (slice != NULL) {
        result = PyObject_GetItem(container, slice);
    }
    Py_XDECREF(slice);
    Py_XDECREF(number);
    return result;
}

PyObject *pyctm_slice_from(PyObject *container, Py_ssize_t start)
{
    return slice_item(container, start, true);
}

PyObject *pyctm_slice_until(PyObject *container, Py_ssize_t stop)
{
    return slice_item(container, stop, false);
}

static PyObject *reversed_exact_tuple(PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyTuple_SET_ITEM(result, i, Py_NewRef(PyTuple_GET_ITEM(tuple, n - 1 - i)));
    }
    return result;
}

PyObject *pyctm_reversed_tuple(PyObject *sequence)
{
    if (PyTuple_CheckExact(sequence)) {
        if (PyTuple_GET_SIZE(sequence) <= 1) {
            return Py_NewRef(sequence);
        }
        return reversed_exact_tuple(sequence);
    }
    PyObject *iterator = PyObject_CallOneArg((PyObject *)&PyReversed_Type, sequence);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *result = PySequence_Tuple(iterator);
    Py_DECREF(iterator);
    return result;
}

static int raise_unpack_count(PyObject *value, int expected, int got)
{
    if (got < expected) {
        PyErr_Format(PyExc_ValueError, "not enough values to unpack (expected %d, got %d)",
                     expected, got);
        return -1;
    }
#if PYCTM_TELLS_UNPACK_SIZE
    /* 3.14 and later include the size if it is known. */
    if (PyList_CheckExact(value) || PyTuple_CheckExact(value) || PyDict_CheckExact(value)) {
        PyErr_Format(PyExc_ValueError, "too many values to unpack (expected %d, got %zd)", expected,
                     PyObject_Size(value));
        return -1;
    }
#else
    (void)value;
#endif
    PyErr_Format(PyExc_ValueError, "too many values to unpack (expected %d)", expected);
    return -1;
}

static int unpack_iterator(PyObject *iterator, PyObject *value, int count, PyObject **out)
{
    int got = 0;
    while (got < count && (out[got] = PyIter_Next(iterator)) != NULL) {
        got++;
    }
    PyObject *extra = got == count ? PyIter_Next(iterator) : NULL;
    if (got == count && extra == NULL && !PyErr_Occurred()) {
        return 0;
    }
    if (!PyErr_Occurred()) {
        raise_unpack_count(value, count, got + (extra != NULL));
    }
    Py_XDECREF(extra);
    for (int i = 0; i < got; i++) {
        Py_CLEAR(out[i]);
    }
    return -1;
}

int pyctm_unpack(PyObject *value, int count, PyObject **out)
{
    if (PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == count) {
        for (int i = 0; i < count; i++) {
            out[i] = Py_NewRef(PyTuple_GET_ITEM(value, i));
        }
        return 0;
    }
    PyObject *iterator = PyObject_GetIter(value);
    if (iterator == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) && Py_TYPE(value)->tp_iter == NULL &&
            !PySequence_Check(value)) {
            PyErr_Format(PyExc_TypeError, "cannot unpack non-iterable %.200s object",
                         Py_TYPE(value)->tp_name);
        }
        return -1;
    }
    int result = unpack_iterator(iterator, value, count, out);
    Py_DECREF(iterator);
    return result;
}

PyObject *pyctm_format(const char *format, PyObject *arguments)
{
    if (arguments == NULL) {
        return NULL;
    }
    PyObject *result = NULL, *text = PyUnicode_FromString(format);
    if (text != NULL) {
        result = PyUnicode_Format(text, arguments);
    }
    Py_XDECREF(text);
    Py_DECREF(arguments);
    return result;
}

PyObject *pyctm_get_named(PyObject *self, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *value = interned != NULL ? PyObject_GetAttr(self, interned) : NULL;
    Py_XDECREF(interned);
    return value;
}

PyObject *pyctm_call_named(PyObject *self, const char *name, PyObject *argument_or_null)
{
    PyObject *method = pyctm_get_named(self, name);
    PyObject *result = NULL;
    if (method != NULL && argument_or_null != NULL) {
        result = PyObject_CallOneArg(method, argument_or_null);
    } else if (method != NULL) {
        result = PyObject_CallNoArgs(method);
    }
    Py_XDECREF(method);
    return result;
}

PyObject *pyctm_call_method(PyObject *self, PyObject *name, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *stack[4] = {self, a, b, c};
    size_t count = 1;
    while (count < 4 && stack[count] != NULL) {
        count++;
    }
    return PyObject_VectorcallMethod(name, stack, count, NULL);
}
