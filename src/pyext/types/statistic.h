/* statistic.h: the numbers of a Statistic besides its attributes: its standard error and its history. */
#ifndef PYCTM_TYPES_STATISTIC_H
#define PYCTM_TYPES_STATISTIC_H

#include "types/types.h"

/* Sets the slots `_error` and `_history` (history.h) from the row. */
int pyctm_statistic_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row);
int pyctm_statistic_diff_set_more(pyctm_state *state, PyObject *self, const ctm_statistic *row);
/* Adds these numbers of `other` to those of `self`, both Statistics. */
int pyctm_statistic_join_more(PyObject *self, PyObject *other);
/* text + ", average=…" unless count is zero; steals `text`; NULL is a failure that is passed on. */
PyObject *pyctm_append_average(PyObject *text, PyObject *size, PyObject *count);

#endif
