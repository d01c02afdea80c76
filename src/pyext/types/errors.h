/* errors.h: statuses of the core as Python exceptions. */
#ifndef PYCTM_TYPES_ERRORS_H
#define PYCTM_TYPES_ERRORS_H

#include "types/types.h"

/* Raises the exception for `status` and returns NULL. `filename` (an object, or NULL) and `error` (or NULL) add details
 * to CTM_ERR_IO (with errno) and CTM_ERR_FORMAT. */
PyObject *pyctm_status_raise(pyctm_state *state, ctm_status status, PyObject *filename,
                             const ctm_file_error *error);

#endif
