/* stdlib_view.h: what the program sees of stdlib's tracemalloc while that carries us (CPython 3.11 and 3.12; ride.c).
 *
 * Model: the functions of `_tracemalloc` are described by static, writable tables that every reference to them shares,
 * also those that `from _tracemalloc import *` made. Their C functions are exchanged there, once and for ever, for
 * functions that call them on, except while stdlib traces for us only: then they answer as if it did not
 * trace. No code is patched. All with the GIL held.
 */
#ifndef CTM_STDLIB_VIEW_H
#define CTM_STDLIB_VIEW_H

#include <Python.h>
#include <stdbool.h>

/* False: the module is not stdlib's, nothing is changed. True as well if it was done before. */
bool ctm_stdlib_view_install(PyObject *stdlib_tracemalloc);

/* stdlib's own functions, after a successful install. -1 with an exception. */
int ctm_stdlib_start(PyObject *stdlib_tracemalloc, int nframe);
int ctm_stdlib_stop(PyObject *stdlib_tracemalloc);
int ctm_stdlib_clear(PyObject *stdlib_tracemalloc);

/* --- ride.c --- */

/* Does stdlib trace for us only? */
bool ctm_ride_is_pretence(void);
/* The program is about to start stdlib: it is to find it stopped. -1 with an exception. */
int ctm_ride_step_aside(PyObject *stdlib_tracemalloc);

#endif
