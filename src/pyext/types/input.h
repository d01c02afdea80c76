/* input.h: opens a file for reading, whatever kind of name is given. */
#ifndef PYCTM_TYPES_INPUT_H
#define PYCTM_TYPES_INPUT_H

#include "types/types.h"

/* open(filename, "rb"), but it never blocks for ever: a pipe without a writer is an error after two seconds, and a file
 * that is neither regular nor a pipe (a device, a socket) is an error at once. A directory is open()'s error. */
PyObject *pyctm_open_input(pyctm_state *state, PyObject *filename);
/* open(filename, mode) */
PyObject *pyctm_open_file(PyObject *filename, const char *mode);

#endif
