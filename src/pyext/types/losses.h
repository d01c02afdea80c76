/* losses.h: the annotations of a snapshot, a black box and a recording (ctm/losses.h), as Python objects. */
#ifndef PYCTM_TYPES_LOSSES_H
#define PYCTM_TYPES_LOSSES_H

#include "types/snapshot_object.h"

/* A tuple of ctracemalloc.Loss. */
PyObject *pyctm_losses_tuple(pyctm_state *state, const ctm_loss *losses, uint32_t n);
/* (how the program ended or None, exit status or None) */
PyObject *pyctm_end_tuple(const char *text, bool status_known, int32_t status);
/* snapshot.ended = how the program ended: `text`, or if it is empty `kind` (NULL: it has not ended, nothing is set).
 * Steals `snapshot`; NULL is a failure that is passed on. */
PyObject *pyctm_with_end(PyObject *snapshot, const char *text, const char *kind);
/* Getter of Snapshot.losses. */
PyObject *pyctm_snapshot_get_losses(PyObject *self, void *closure);

#endif
