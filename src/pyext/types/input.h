/* input.h: a file that is to be read, by whatever name it was given. */
#ifndef PYCTM_TYPES_INPUT_H
#define PYCTM_TYPES_INPUT_H

#include "types/types.h"

/* open(filename, "rb"), but it never waits for ever: a pipe that nobody writes to is an error after two seconds, and what is
 * neither a regular file nor a pipe (a device, a socket) is one at once. A directory is open()'s error. */
PyObject *pyctm_open_input(pyctm_state *state, PyObject *filename);
/* open(filename, mode) */
PyObject *pyctm_open_file(PyObject *filename, const char *mode);

#endif
