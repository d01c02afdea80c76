/* traces.h: what other types use of _Traces. */
#ifndef PYCTM_TYPES_TRACES_H
#define PYCTM_TYPES_TRACES_H

#include "types/core_object.h"

/* Core-backed traces. Steals `core`. */
PyObject *pyctm_traces_object_new(pyctm_state *state, pyctm_core_object *core);
/* The handle, if `traces` is exactly a _Traces and core-backed; borrowed; else NULL without an exception. */
pyctm_core_object *pyctm_traces_core(pyctm_state *state, PyObject *traces);

#endif
