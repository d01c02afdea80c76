/* convert.h: converts list-backed traces to tables of the core. */
#ifndef PYCTM_TYPES_CONVERT_H
#define PYCTM_TYPES_CONVERT_H

#include "types/types.h"

/* Converts raw traces in a list or tuple to a snapshot, in the same order. `traces` is as stdlib's; a trace that cannot
 * be converted raises a TypeError that names it. `limit` may be any object. */
int pyctm_convert_traces(pyctm_state *state, PyObject *traces, PyObject *limit, ctm_snapshot **out);
/* The tables of a Snapshot, converted if they are list-backed. The caller owns *out. */
int pyctm_snapshot_tables(pyctm_state *state, PyObject *self, ctm_snapshot **out);

#endif
