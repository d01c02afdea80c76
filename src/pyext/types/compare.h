/* compare.h: comparison and hash by attributes. */
#ifndef PYCTM_TYPES_COMPARE_H
#define PYCTM_TYPES_COMPARE_H

#include "types/types.h"

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

#endif
