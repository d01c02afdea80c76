/* support.c: the two instance shapes, comparison, and small idioms of Python. */
#include "types/support.h"

#include <stddef.h>

/* --- state and types --- */

/* type.__name__ = type.__name__: then messages of the interpreter name it without the module, as for a class written in
 * Python. */
static int shorten_name(PyObject *type)
{
    PyObject *name = pyctm_get_named(type, "__name__");
    int result = name != NULL ? PyObject_SetAttrString(type, "__name__", name) : -1;
    Py_XDECREF(name);
    return result;
}

PyTypeObject *pyctm_type_new(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type != NULL && !(spec->flags & Py_TPFLAGS_IMMUTABLETYPE) && shorten_name(type) < 0) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)type;
}

int pyctm_type_set_slots(PyTypeObject *type, const char *const *names)
{
    Py_ssize_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    PyObject *slots = PyTuple_New(count);
    for (Py_ssize_t i = 0; slots != NULL && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        if (name == NULL) {
            Py_CLEAR(slots);
        } else {
            PyTuple_SET_ITEM(slots, i, name);
        }
    }
    if (slots == NULL) {
        return -1;
    }
    int result = PyObject_SetAttrString((PyObject *)type, "__slots__", slots);
    Py_DECREF(slots);
    return result;
}

int pyctm_property_set(PyObject *self, PyObject *value, void *name)
{
    PyObject *qualname = pyctm_get_named((PyObject *)Py_TYPE(self), "__qualname__");
    if (qualname != NULL) {
        PyErr_Format(PyExc_AttributeError, "property '%s' of %R object has no %s",
                     (const char *)name, qualname, value != NULL ? "setter" : "deleter");
    }
    Py_XDECREF(qualname);
    return -1;
}

/* --- slot objects --- */

static PyObject **slots_of(PyObject *self)
{
    return (PyObject **)(void *)((char *)self + sizeof(PyObject));
}

int pyctm_slots_traverse(PyObject *self, int count, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (int i = 0; i < count; i++) {
        Py_VISIT(slots_of(self)[i]);
    }
    return 0;
}

void pyctm_slots_clear(PyObject *self, int count)
{
    for (int i = 0; i < count; i++) {
        Py_CLEAR(slots_of(self)[i]);
    }
}

PyObject *pyctm_slot_unset(PyObject *self, const char *name)
{
    /* 3.13 and later name the module as well. */
#if PYCTM_NAMES_MODULES
    PyErr_Format(PyExc_AttributeError, "'%T' object has no attribute '%s'", self, name);
#else
    PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%s'",
                 Py_TYPE(self)->tp_name, name);
#endif
    return NULL;
}

/* --- dict objects --- */

PyMemberDef pyctm_dict_object_members[] = {
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(pyctm_dict_object, dict), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(pyctm_dict_object, weakrefs), Py_READONLY, NULL},
    {0},
};

int pyctm_dict_object_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((pyctm_dict_object *)self)->dict);
    return 0;
}

int pyctm_dict_object_clear(PyObject *self)
{
    Py_CLEAR(((pyctm_dict_object *)self)->dict);
    return 0;
}

void pyctm_dict_object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, pyctm_dict_object_dealloc) if (((pyctm_dict_object *)self)->weakrefs !=
                                                           NULL) PyObject_ClearWeakRefs(self);
    pyctm_dict_object_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

PyObject *pyctm_dict_object_get(PyObject *self, PyObject *name)
{
    PyObject *dict = ((pyctm_dict_object *)self)->dict;
    return dict != NULL ? PyDict_GetItemWithError(dict, name) : NULL;
}

int pyctm_method_is(PyObject *self, PyObject *name, PyCFunction function)
{
    PyObject *method = PyObject_GetAttr(self, name);
    if (method == NULL) {
        return -1;
    }
    int result = PyCFunction_Check(method) && PyCFunction_GET_FUNCTION(method) == function &&
                 PyCFunction_GET_SELF(method) == self;
    Py_DECREF(method);
    return result;
}

/* --- comparison --- */

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

/* --- idioms --- */

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
