/* estimate.h: the standard error of a number of a sampled snapshot, and its confidence interval. */
#ifndef PYCTM_TYPES_ESTIMATE_H
#define PYCTM_TYPES_ESTIMATE_H

#include "types/types.h"

/* The slot `_error` holds the standard error in bytes, a float; it is not set if the numbers are exact. */
extern const char pyctm_estimated_doc[], pyctm_error_doc[];
/* (low, high) around the attribute `name` of `self`. is_signed: may be below 0. */
PyObject *pyctm_confidence_interval(PyObject *self, PyObject *name, PyObject *error, int is_signed);

#endif
