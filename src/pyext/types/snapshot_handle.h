/* snapshot_handle.h: SnapshotHandle, the immutable handle that core-backed traces have as their `_core`.
 * (That name, like `_core_decode`, is in pickles.)
 *
 * Model: it owns a ctm_snapshot and makes Python objects of its rows on demand, each once: the arrays below store them
 * by id, in libc memory, so there is at most one object per row. Pickling writes the snapshot's bytes; copies and deep
 * copies are the same handle. Lock of all fields: GIL.
 *
 * Functions return new references; NULL with an exception on failure.
 */
#ifndef PYCTM_TYPES_SNAPSHOT_HANDLE_H
#define PYCTM_TYPES_SNAPSHOT_HANDLE_H

#include "types/types.h"

#define PYCTM_HANDLE_RECENT 64u /* power of two */

typedef struct pyctm_snapshot_handle {
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
        PyObject *raw;             /* owned or NULL: (domain, size, frames, total_nframe) */
    } recent[PYCTM_HANDLE_RECENT]; /* raw traces used last, by site id modulo the size */
    PyObject *list;                /* owned or NULL: all raw traces, made at the first use */
} pyctm_snapshot_handle;

/* Steals `snapshot`, also on failure. */
pyctm_snapshot_handle *pyctm_handle_new(pyctm_state *state, ctm_snapshot *snapshot);

PyObject *pyctm_handle_string(pyctm_snapshot_handle *handle, uint32_t id);
PyObject *pyctm_handle_frame(pyctm_snapshot_handle *handle, uint32_t id); /* (filename, lineno) */
PyObject *pyctm_handle_frames(pyctm_snapshot_handle *handle, uint32_t traceback);
PyObject *pyctm_handle_names(pyctm_snapshot_handle *handle, uint32_t traceback); /* tuple or None */
PyObject *pyctm_handle_function_name(pyctm_snapshot_handle *handle,
                                     uint32_t function); /* str or None */
PyObject *pyctm_handle_labels(pyctm_snapshot_handle *handle,
                              uint32_t set); /* {key: value}, a new dict */
PyObject *pyctm_handle_raw(pyctm_snapshot_handle *handle, uint32_t site);
/* The list of all raw traces, made once: every call returns the same object. */
PyObject *pyctm_handle_list(pyctm_snapshot_handle *handle);

static inline uint64_t pyctm_handle_live(const pyctm_snapshot_handle *handle, uint32_t site)
{
    const ctm_site *row = &ctm_snapshot_sites(handle->snapshot)[site];
    return row->allocated - row->freed;
}

/* Method of the module, which the unpickler calls. */
PyObject *pyctm_handle_decode(PyObject *module, PyObject *data);

#endif
