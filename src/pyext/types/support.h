/* support.h: shared by several types: binding of arguments as Python functions do it, the two instance shapes,
 * comparison, sequence methods, small idioms of Python. */
#ifndef PYCTM_TYPES_SUPPORT_H
#define PYCTM_TYPES_SUPPORT_H

#include "types/types.h"

#define PYCTM_FASTCALL(function) ((PyCFunction)(void (*)(void))(function))
#define PYCTM_MAX_PARAMS 6

/* --- arguments: same rules and error messages as a function written in Python --- */

typedef struct pyctm_params {
    const char *qualname; /* "Frame.__init__" */
    const char
        *names[PYCTM_MAX_PARAMS]; /* without self; one that starts with '*' is keyword-only */
    int count, required;
    int method; /* 1: the messages count self as an argument */
} pyctm_params;

/* out[i] becomes a borrowed reference, or NULL if parameter i was not given. */
int pyctm_bind(const pyctm_params *params, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **out);
int pyctm_bind_tuple(const pyctm_params *params, PyObject *args, PyObject *kwargs, PyObject **out);

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

/* --- the numbers of a Statistic of the core besides its attributes --- */

/* The slot `_error` holds the standard error in bytes, a float; it is not set if the numbers are exact. */
extern const char pyctm_estimated_doc[], pyctm_error_doc[];
/* (low, high) around the attribute `name` of `self`. is_signed: may be below 0. */
PyObject *pyctm_confidence_interval(PyObject *self, PyObject *name, PyObject *error, int is_signed);
/* Sets the slots `_error` and `_history` (history.h) from the row. */
int pyctm_statistic_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row);
int pyctm_statistic_diff_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row);
/* Adds these numbers of `other` to those of `self`, both Statistics. */
int pyctm_statistic_join_more(PyObject *self, PyObject *other);

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

/* --- types --- */

PyTypeObject *pyctm_type_new(PyObject *module, PyType_Spec *spec, PyTypeObject *base);
/* Setter of a read-only property, with the message of Python's `property`. The closure is
 * the property's name. */
int pyctm_property_set(PyObject *self, PyObject *value, void *name);

/* --- comparison --- */

/* As object.__ne__: the inverse of the type's own ==. */
PyObject *pyctm_compare_not_equal(PyObject *self, PyObject *other);
/* == and < of `attribute` among instances of `base`, the rest as functools.total_ordering
 * derives it; `own` is the caller's tp_richcompare. */
PyObject *pyctm_compare_ordered(PyObject *self, PyObject *other, int op, PyTypeObject *base,
                                PyObject *attribute, richcmpfunc own);
/* == of all `attributes` among instances of `base`; no order. */
PyObject *pyctm_compare_equal(PyObject *self, PyObject *other, int op, PyTypeObject *base,
                              PyObject *const *attributes, int count);
/* The attributes as a tuple. */
PyObject *pyctm_get_attributes(PyObject *self, PyObject *const *attributes, int count);
Py_hash_t pyctm_hash_attributes(PyObject *self, PyObject *const *attributes, int count);

/* --- collections.abc.Sequence's methods over self[i] and len(self) --- */

PyObject *pyctm_sequence_reversed(PyObject *self, PyObject *unused);
PyObject *pyctm_sequence_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames);
PyObject *pyctm_sequence_count(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames);
#define PYCTM_SEQUENCE_METHODS                                                                \
    {"__reversed__", pyctm_sequence_reversed, METH_NOARGS,                                    \
     PyDoc_STR("__reversed__($self)\n--\n\nIterate from the last item to the first.")},       \
        {"index", PYCTM_FASTCALL(pyctm_sequence_index), METH_FASTCALL | METH_KEYWORDS,        \
         PyDoc_STR("index($self, value, start=0, stop=None)\n--\n\n"                          \
                   "Return the first index of value; ValueError if it is not present.")},     \
        {"count", PYCTM_FASTCALL(pyctm_sequence_count), METH_FASTCALL | METH_KEYWORDS,        \
         PyDoc_STR("count($self, value)\n--\n\nReturn the number of occurrences of value.")}, \
    {                                                                                         \
        "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, PyDoc_STR("See PEP 585.")  \
    }

/* --- idioms --- */

PyObject *pyctm_item(PyObject *container, Py_ssize_t index);       /* container[index] */
PyObject *pyctm_slice_from(PyObject *container, Py_ssize_t start); /* container[start:] */
PyObject *pyctm_slice_until(PyObject *container, Py_ssize_t stop); /* container[:stop] */
PyObject *pyctm_reversed_tuple(PyObject *sequence);                /* tuple(reversed(x)) */
/* a, b, … = value; out receives `count` new references. */
int pyctm_unpack(PyObject *value, int count, PyObject **out);
/* format % arguments; steals `arguments`, a tuple; NULL is a failure that is passed on. */
PyObject *pyctm_format(const char *format, PyObject *arguments);
/* Between begin and end, this thread's allocations are attributed to this package (see types.h, self_scope_set): for what a
 * method allocates inside, as in tracemalloc.py. Not around calls of the user's code. */
static inline int pyctm_state_self_scope_begin(pyctm_state *state)
{
    return state->self_scope_set != NULL ? state->self_scope_set(state, 1) : 0;
}

static inline void pyctm_state_self_scope_end(pyctm_state *state, int before)
{
    if (state->self_scope_set != NULL) {
        state->self_scope_set(state, before);
    }
}

/* self.name, and self.name() or self.name(argument), with the name interned, because the interpreter's method cache
 * stores each new string that it is called with. */
PyObject *pyctm_get_named(PyObject *self, const char *name);
PyObject *pyctm_call_named(PyObject *self, const char *name, PyObject *argument_or_null);
PyObject *pyctm_call_method(PyObject *self, PyObject *name, PyObject *a, PyObject *b,
                            PyObject *c); /* arguments up to the first NULL */
/* text + ", average=…" unless count is zero; steals `text`; NULL is a failure that is passed on. */
PyObject *pyctm_append_average(PyObject *text, PyObject *size, PyObject *count);
/* Whether self.name is the C function `function`, not overridden by a subclass or the instance. */
int pyctm_method_is(PyObject *self, PyObject *name, PyCFunction function);
/* The instance dict's value for `name`; borrowed, NULL without an exception if absent. */
PyObject *pyctm_dict_object_get(PyObject *self, PyObject *name);

#endif
