/* core_object.h: Core, the immutable handle that core-backed traces keep in their `_core`.
 *
 * Model: it owns a ctm_snapshot and makes Python objects of its rows when asked, each once:
 * the arrays below hold them by id, in libc memory, so at most one object a row is ever
 * kept. Pickling writes the snapshot's bytes; copying and deep-copying share the handle.
 *
 * The objects are new references, NULL with an exception on failure.
 */
#ifndef CTM_TYPES_CORE_OBJECT_H
#define CTM_TYPES_CORE_OBJECT_H

#include "types.h"

#define CTM_CORE_RECENT 64u /* power of two */

typedef struct ctm_core_object {
    PyObject_HEAD
    ctm_snapshot *snapshot; /* owned */
    ctm_snapshot_info info; /* the snapshot's */
    bool frameless;         /* some live block has a traceback without frames */
    PyObject **strings;     /* owned array of owned objects or NULL, by string id: str */
    PyObject **frames;      /* the same, by frame id: (filename, lineno) */
    PyObject **tracebacks;  /* the same, by traceback id: tuple, most recent frame first */
    PyObject **names;       /* the same: tuple of names, or None if none is known */
    PyObject *interned;     /* owned or NULL: {tuple: tuple} of `tracebacks`; rows that differ
                              * in a function or the total alone share their tuple */
    struct {
        uint32_t site;
        PyObject *raw;         /* owned or NULL: (domain, size, frames, total_nframe) */
    } recent[CTM_CORE_RECENT]; /* raw traces last asked for, by site id modulo the size */
    PyObject *list;            /* owned or NULL: all raw traces, once somebody asked */
} ctm_core_object;

/* Steals `snapshot`, also on failure. */
ctm_core_object *ctm_core_new(ctm_state *state, ctm_snapshot *snapshot);

PyObject *ctm_core_string(ctm_core_object *core, uint32_t id);
PyObject *ctm_core_frame(ctm_core_object *core, uint32_t id); /* (filename, lineno) */
PyObject *ctm_core_frames(ctm_core_object *core, uint32_t traceback);
PyObject *ctm_core_names(ctm_core_object *core, uint32_t traceback);        /* tuple or None */
PyObject *ctm_core_function_name(ctm_core_object *core, uint32_t function); /* str or None */
PyObject *ctm_core_labels(ctm_core_object *core, uint32_t set); /* {key: value}, a new dict */
PyObject *ctm_core_raw(ctm_core_object *core, uint32_t site);
/* A Trace of the block. */
PyObject *ctm_core_trace(ctm_core_object *core, uint32_t site);
/* The list of all raw traces, made once: the same object every time. */
PyObject *ctm_core_list(ctm_core_object *core);

static inline uint64_t ctm_core_live(const ctm_core_object *core, uint32_t site)
{
    const ctm_site *row = &ctm_snapshot_sites(core->snapshot)[site];
    return row->allocated - row->freed;
}

/* Method of the module: the unpickler's way back. */
PyObject *ctm_core_decode(PyObject *module, PyObject *data);

#endif
