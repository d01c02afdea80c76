/* traces.h: what other types use of _Traces. */
#ifndef PYCTM_TYPES_TRACES_H
#define PYCTM_TYPES_TRACES_H

#include "types/snapshot_handle.h"

/* Core-backed traces. Steals `handle`. */
PyObject *pyctm_traces_object_new(pyctm_state *state, pyctm_snapshot_handle *handle);
/* The handle, if `traces` is exactly a _Traces and core-backed; borrowed; else NULL without an exception. */
pyctm_snapshot_handle *pyctm_handle_of_traces(pyctm_state *state, PyObject *traces);

#endif
