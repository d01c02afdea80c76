/* sequence.h: the methods of collections.abc.Sequence, over self[i] and len(self). */
#ifndef PYCTM_TYPES_SEQUENCE_H
#define PYCTM_TYPES_SEQUENCE_H

#include "types/types.h"

#include "types/args.h"

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

#endif
