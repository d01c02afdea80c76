/* filters.h: what filter_traces uses of the filter types. */
#ifndef PYCTM_TYPES_FILTERS_H
#define PYCTM_TYPES_FILTERS_H

#include "types/types.h"

/* The C functions of the methods, to find out whether a subclass or instance overrides them. */
PyObject *pyctm_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames);
PyObject *pyctm_domain_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                    PyObject *kwnames);

/* Converts `filter` to the core's form if it is exactly a Filter, DomainFilter or LabelFilter with its own methods and
 * plain values. 1: *out is set, and its pattern is borrowed from the instance dict; 0: it is something else. */
int pyctm_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
int pyctm_domain_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
int pyctm_label_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
/* Shared by these: a plain truth value (bool or int), or an int that fits, of the instance dict. 1: *out is set; 0: it
 * is something else. */
int pyctm_plain_bool(PyObject *filter, PyObject *name, bool *out);
int pyctm_plain_integer(PyObject *filter, PyObject *name, bool *out_has, int64_t *out);

#endif
