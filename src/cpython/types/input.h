/* input.h: a file that is to be read, by whatever name it was given. */
#ifndef CTM_TYPES_INPUT_H
#define CTM_TYPES_INPUT_H

#include "types.h"

/* open(filename, "rb"), but it never waits for ever: a pipe that nobody writes to is an error after two seconds, and what is
 * neither a regular file nor a pipe (a device, a socket) is one at once. A directory is open()'s error. */
PyObject *ctm_open_input(ctm_state *state, PyObject *filename);
/* open(filename, mode) */
PyObject *ctm_open_file(PyObject *filename, const char *mode);

#endif
