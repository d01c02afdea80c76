/* stdlib_view.h: what the program does to stdlib's tracemalloc, and what it sees of it.
 *
 * Model: the functions of `_tracemalloc` are described by static, writable tables that every reference to them shares,
 * also those that `from _tracemalloc import *` made. Their C functions are exchanged there, once and for ever, for
 * functions that call them on. No code is patched. All with the GIL held.
 *
 * start() and stop(): stdlib's stop takes off all hooks above its own, and either takes or gives up what tells of objects from
 * free lists. Ours are put back afterwards. On 3.11 and 3.12, where stdlib carries us (stdlib_flag.c), it and its other functions also
 * answer as if it did not trace while it traces for us only.
 */
#ifndef PYCTM_CAPTURE_STDLIB_VIEW_H
#define PYCTM_CAPTURE_STDLIB_VIEW_H

#include <Python.h>
#include <stdbool.h>

/* False: the module is not stdlib's, nothing is changed. True as well if it was done before. */
bool pyctm_stdlib_view_install(PyObject *stdlib_tracemalloc);

#if PY_VERSION_HEX < 0x030D0000
/* stdlib's own functions, after a successful install. -1 with an exception. */
int pyctm_stdlib_start(PyObject *stdlib_tracemalloc, int nframe);
int pyctm_stdlib_stop(PyObject *stdlib_tracemalloc);
int pyctm_stdlib_clear(PyObject *stdlib_tracemalloc);
#endif

/* --- stdlib_flag.c (3.11, 3.12; elsewhere false, and nothing) --- */

/* Does stdlib trace for us only? */
bool pyctm_stdlib_flag_is_ours(void);
/* The program is about to start stdlib: it is to find it stopped. -1 with an exception. */
int pyctm_stdlib_flag_yield(PyObject *stdlib_tracemalloc);

#endif
