/* instances.c: see instances.h. */
#include "types/instances.h"
#include "types/idioms.h"

#include <stddef.h>

/* --- types --- */

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
