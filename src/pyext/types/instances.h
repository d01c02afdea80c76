/* instances.h: the two shapes of instances (types.h), and how their types are made. */
#ifndef PYCTM_TYPES_INSTANCES_H
#define PYCTM_TYPES_INSTANCES_H

#include "types/types.h"

/* --- slot objects: `count` object pointers after the head --- */

int pyctm_slots_traverse(PyObject *self, int count, visitproc visit, void *arg);
void pyctm_slots_clear(PyObject *self, int count);

/* Defines prefix_traverse, prefix_clear and prefix_dealloc for a slot object. With the trashcan, deeply nested values
 * do not exhaust the C stack. */
#define PYCTM_SLOT_OBJECT(prefix, count)                                          \
    static int prefix##_traverse(PyObject *self, visitproc visit, void *arg)      \
    {                                                                             \
        return pyctm_slots_traverse(self, count, visit, arg);                     \
    }                                                                             \
    static int prefix##_clear(PyObject *self)                                     \
    {                                                                             \
        pyctm_slots_clear(self, count);                                           \
        return 0;                                                                 \
    }                                                                             \
    static void prefix##_dealloc(PyObject *self)                                  \
    {                                                                             \
        PyTypeObject *type = Py_TYPE(self);                                       \
        PyObject_GC_UnTrack(self);                                                \
        Py_TRASHCAN_BEGIN(self, prefix##_dealloc) pyctm_slots_clear(self, count); \
        type->tp_free(self);                                                      \
        Py_DECREF(type);                                                          \
        Py_TRASHCAN_END                                                           \
    }

/* Raises the AttributeError of a slot that is not set; returns NULL. */
PyObject *pyctm_slot_unset(PyObject *self, const char *name);

/* Sets type.__slots__, which pickle and copy read. Names end with NULL. */
int pyctm_type_set_slots(PyTypeObject *type, const char *const *names);

/* --- dict objects --- */

typedef struct pyctm_dict_object {
    PyObject_HEAD
    PyObject *dict;     /* owned; NULL until first used */
    PyObject *weakrefs; /* borrowed: the list's weak references belong to their holders */
} pyctm_dict_object;

int pyctm_dict_object_traverse(PyObject *self, visitproc visit, void *arg);
int pyctm_dict_object_clear(PyObject *self);
void pyctm_dict_object_dealloc(PyObject *self);
extern PyMemberDef pyctm_dict_object_members[];
#define PYCTM_DICT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}

/* Whether self.name is the C function `function`, not overridden by a subclass or the instance. */
int pyctm_method_is(PyObject *self, PyObject *name, PyCFunction function);
/* The instance dict's value for `name`; borrowed, NULL without an exception if absent. */
PyObject *pyctm_dict_object_get(PyObject *self, PyObject *name);

/* --- types --- */

PyTypeObject *pyctm_type_new(PyObject *module, PyType_Spec *spec, PyTypeObject *base);
/* Setter of a read-only property, with the message of Python's `property`. The closure is
 * the property's name. */
int pyctm_property_set(PyObject *self, PyObject *value, void *name);

#endif
