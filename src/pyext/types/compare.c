/* compare.c: see compare.h. */
#include "types/compare.h"
#include "types/idioms.h"

static PyObject *compare_attribute(PyObject *self, PyObject *other, int op, PyObject *name)
{
    PyObject *result = NULL, *b = NULL, *a = PyObject_GetAttr(self, name);
    if (a != NULL) {
        b = PyObject_GetAttr(other, name);
    }
    if (b != NULL) {
        result = PyObject_RichCompare(a, b, op);
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

PyObject *pyctm_compare_not_equal(PyObject *self, PyObject *other)
{
    PyObject *equal = Py_TYPE(self)->tp_richcompare(self, other, Py_EQ);
    if (equal == NULL || equal == Py_NotImplemented) {
        return equal;
    }
    int truth = PyObject_IsTrue(equal);
    Py_DECREF(equal);
    return truth < 0 ? NULL : PyBool_FromLong(!truth);
}

static PyObject *type_less_than(PyObject *self, PyObject *other, richcmpfunc own)
{
    if (Py_TYPE(self)->tp_richcompare == own) {
        return own(self, other, Py_LT);
    }
    PyObject *method = pyctm_get_named((PyObject *)Py_TYPE(self), "__lt__");
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_CallFunctionObjArgs(method, self, other, NULL);
    Py_DECREF(method);
    return result;
}

/* >, <=, >= from < and ==, as functools.total_ordering does. */
static PyObject *derive_order(PyObject *self, PyObject *other, int op, richcmpfunc own)
{
    PyObject *less = type_less_than(self, other, own);
    if (less == NULL || less == Py_NotImplemented) {
        return less;
    }
    int truth = PyObject_IsTrue(less);
    if (truth < 0) {
        Py_DECREF(less);
        return NULL;
    }
    if (op == Py_LE && truth) {
        return less;
    }
    Py_DECREF(less);
    if (op == Py_LE) {
        return PyObject_RichCompare(self, other, Py_EQ);
    }
    if (op == Py_GE) {
        return PyBool_FromLong(!truth);
    }
    if (truth) {
        Py_RETURN_FALSE;
    }
    return PyObject_RichCompare(self, other, Py_NE);
}

PyObject *pyctm_compare_ordered(PyObject *self, PyObject *other, int op, PyTypeObject *base,
                                PyObject *attribute, richcmpfunc own)
{
    if (op == Py_NE) {
        return pyctm_compare_not_equal(self, other);
    }
    if (op != Py_EQ && op != Py_LT) {
        return derive_order(self, other, op, own);
    }
    int related = PyObject_IsInstance(other, (PyObject *)base);
    if (related < 0) {
        return NULL;
    }
    if (!related) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return compare_attribute(self, other, op, attribute);
}

PyObject *pyctm_compare_equal(PyObject *self, PyObject *other, int op, PyTypeObject *base,
                              PyObject *const *attributes, int count)
{
    if (op == Py_NE) {
        return pyctm_compare_not_equal(self, other);
    }
    if (op != Py_EQ) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int related = PyObject_IsInstance(other, (PyObject *)base);
    if (related < 0) {
        return NULL;
    }
    if (!related) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *result = NULL;
    for (int i = 0; i < count; i++) {
        Py_XDECREF(result);
        result = compare_attribute(self, other, Py_EQ, attributes[i]);
        int truth = result != NULL ? PyObject_IsTrue(result) : -1;
        if (truth < 0) {
            Py_CLEAR(result);
        }
        if (truth <= 0) {
            break;
        }
    }
    return result;
}

PyObject *pyctm_get_attributes(PyObject *self, PyObject *const *attributes, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *value = PyObject_GetAttr(self, attributes[i]);
        if (value == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, value);
        }
    }
    return tuple;
}

Py_hash_t pyctm_hash_attributes(PyObject *self, PyObject *const *attributes, int count)
{
    PyObject *tuple = pyctm_get_attributes(self, attributes, count);
    if (tuple == NULL) {
        return -1;
    }
    Py_hash_t hash = PyObject_Hash(tuple);
    Py_DECREF(tuple);
    return hash;
}
