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

#endif
