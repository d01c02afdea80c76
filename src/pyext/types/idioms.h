/* idioms.h: small idioms of Python in C. */
#ifndef PYCTM_TYPES_IDIOMS_H
#define PYCTM_TYPES_IDIOMS_H

#include "types/types.h"

PyObject *pyctm_item(PyObject *container, Py_ssize_t index);       /* container[index] */
PyObject *pyctm_slice_from(PyObject *container, Py_ssize_t start); /* container[start:] */
PyObject *pyctm_slice_until(PyObject *container, Py_ssize_t stop); /* container[:stop] */
PyObject *pyctm_reversed_tuple(PyObject *sequence);                /* tuple(reversed(x)) */
/* a, b, … = value; out receives `count` new references. */
int pyctm_unpack(PyObject *value, int count, PyObject **out);
/* format % arguments; steals `arguments`, a tuple; NULL is a failure that is passed on. */
PyObject *pyctm_format(const char *format, PyObject *arguments);
/* self.name, and self.name() or self.name(argument), with the name interned, because the interpreter's method cache
 * stores each new string that it is called with. */
PyObject *pyctm_get_named(PyObject *self, const char *name);
PyObject *pyctm_call_named(PyObject *self, const char *name, PyObject *argument_or_null);
PyObject *pyctm_call_method(PyObject *self, PyObject *name, PyObject *a, PyObject *b,
                            PyObject *c); /* arguments up to the first NULL */

#endif
