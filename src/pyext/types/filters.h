/* filters.h: the filter types, seen from filter_traces. */
#ifndef PYCTM_TYPES_FILTERS_H
#define PYCTM_TYPES_FILTERS_H

#include "types/types.h"

/* The C functions behind the methods, to tell whether somebody overrode them. */
PyObject *pyctm_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames);
PyObject *pyctm_domain_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                    PyObject *kwnames);

/* Is `filter` exactly a Filter, DomainFilter or LabelFilter with methods as they were and plain values? 1: yes,
 * and *out is its like in the core, the pattern borrowed from the instance dict; 0: no. */
int pyctm_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
int pyctm_domain_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
int pyctm_label_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out);
/* Shared by the two: a plain truth value (bool or int) or an int that fits, from the
 * instance dict. 1: *out is set; 0: something else. */
int pyctm_plain_bool(PyObject *filter, PyObject *name, bool *out);
int pyctm_plain_integer(PyObject *filter, PyObject *name, bool *out_has, int64_t *out);

#endif
