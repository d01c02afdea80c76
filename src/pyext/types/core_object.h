/* core_object.h: Core, the immutable handle that core-backed traces have as their `_core`.
 *
 * Model: it owns a ctm_snapshot and makes Python objects of its rows on demand, each once: the arrays below store them
 * by id, in libc memory, so there is at most one object per row. Pickling writes the snapshot's bytes; copies and deep
 * copies are the same handle. Lock of all fields: GIL.
 *
 * Functions return new references; NULL with an exception on failure.
 */
#ifndef PYCTM_TYPES_CORE_OBJECT_H
#define PYCTM_TYPES_CORE_OBJECT_H

#include "types/types.h"

#define PYCTM_CORE_RECENT 64u /* power of two */

typedef struct pyctm_core_object {
    PyObject_HEAD
    ctm_snapshot *snapshot; /* owned */
    ctm_snapshot_info info; /* of the snapshot */
    bool frameless;         /* some live block has a traceback without frames */
    PyObject **strings;     /* owned array of owned objects or NULL, by string id: str */
    PyObject **frames;      /* the same, by frame id: (filename, lineno) */
    PyObject **tracebacks;  /* the same, by traceback id: tuple, most recent frame first */
    PyObject **names;       /* the same: tuple of names, or None if none is known */
    PyObject *interned;     /* owned or NULL: {tuple: tuple} of `tracebacks`; rows that differ
                              * only in a function or the total share their tuple */
    struct {
        uint32_t site;
        PyObject *raw;           /* owned or NULL: (domain, size, frames, total_nframe) */
    } recent[PYCTM_CORE_RECENT]; /* raw traces used last, by site id modulo the size */
    PyObject *list;              /* owned or NULL: all raw traces, made at the first use */
} pyctm_core_object;

/* Steals `snapshot`, also on failure. */
pyctm_core_object *pyctm_core_new(pyctm_state *state, ctm_snapshot *snapshot);

PyObject *pyctm_core_string(pyctm_core_object *core, uint32_t id);
PyObject *pyctm_core_frame(pyctm_core_object *core, uint32_t id); /* (filename, lineno) */
PyObject *pyctm_core_frames(pyctm_core_object *core, uint32_t traceback);
PyObject *pyctm_core_names(pyctm_core_object *core, uint32_t traceback);        /* tuple or None */
PyObject *pyctm_core_function_name(pyctm_core_object *core, uint32_t function); /* str or None */
PyObject *pyctm_core_labels(pyctm_core_object *core, uint32_t set); /* {key: value}, a new dict */
PyObject *pyctm_core_raw(pyctm_core_object *core, uint32_t site);
/* The list of all raw traces, made once: every call returns the same object. */
PyObject *pyctm_core_list(pyctm_core_object *core);

static inline uint64_t pyctm_core_live(const pyctm_core_object *core, uint32_t site)
{
    const ctm_site *row = &ctm_snapshot_sites(core->snapshot)[site];
    return row->allocated - row->freed;
}

/* Method of the module, which the unpickler calls. */
PyObject *pyctm_core_decode(PyObject *module, PyObject *data);

#endif
