/* traces.h: _Traces, seen from the types that read it. */
#ifndef CTM_TYPES_TRACES_H
#define CTM_TYPES_TRACES_H

#include "core_object.h"

/* Core-backed traces. Steals `core`. */
PyObject *ctm_traces_object_new(ctm_state *state, ctm_core_object *core);
/* The handle, if `traces` is exactly a _Traces and core-backed; borrowed, else NULL without
 * an exception. */
ctm_core_object *ctm_traces_core(ctm_state *state, PyObject *traces);

#endif
